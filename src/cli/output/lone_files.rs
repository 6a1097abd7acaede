//! Warns of files of runs that came without those beside them: a copy or a backup of the `.db` alone.

use crate::cli::output::stream::Stderr;
use batchctl::reading::RunReader;
use batchctl::run;
use batchctl::store::RunId;
use batchctl::text::printable;
use std::path::Path;

const LONGEST_LINE: usize = 600;

/// Warns of each file of a run without a recorded end that came alone; `then` says what follows when the
/// others are there. A damaged run is told of by what reads it next.
pub(crate) fn warn(reader: &RunReader, stderr: &Stderr, then: &str) {
    let stderr = stderr.of_failures();
    for file in reader.lone_files().unwrap_or_default() {
        let file = file.display().to_string();
        let words = "came alone, and its run has no recorded end: its last records may be missing";
        stderr.say("warning", &printable(&format!("`{file}` {words}"), LONGEST_LINE));
        stderr.say("hint", &format!("bring the files whose names begin like its own, {then}"));
    }
}

/// Does so before another run or session takes up what is left.
pub(crate) fn warn_before(state: &Path, id: &RunId, stderr: &Stderr, then: &str) {
    if let Ok(reader) = RunReader::open(&run::runs_in(state), id) {
        warn(&reader, stderr, then);
    }
}
