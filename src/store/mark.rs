//! Remembers beside a run how many of its commits there were, so that a lost log is noticed.
//!
//! SQLite takes the end of a log that was cut off, or in which a bit flipped, for the end of what
//! was committed: the run would be older than it is, and what was settled would be sent again. The
//! mark is written after each commit and never waited for: after a loss of power it may be too low,
//! which claims less, and it is never too high. A run without one is believed.

use super::directory::beside;
use super::error::StoreError;
use super::error::file;
use super::error::sqlite;
use rusqlite::Connection;
use std::fs;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

/// The ending of the file, behind the name of the run's.
const ENDING: &str = "-mark";

/// How many commits a run is known to have had.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
    commits: u64,
}

impl Mark {
    /// Opens the mark of a run that this process writes to.
    pub(super) fn open(run: &Path, connection: &Connection) -> Result<Self, StoreError> {
        let path = path_of(run);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(file(&path))?;
        let commits = commits(connection).map_err(sqlite(run))?;
        let mark = Self { file, commits };
        mark.write();
        Ok(mark)
    }

    /// Takes note of one more commit.
    pub(super) fn advance(&mut self) {
        self.commits += 1;
        self.write();
    }

    fn write(&self) {
        // A mark that is too low claims less than is true; the run does not depend on it.
        let _ = self.file.write_all_at(format!("{:020}\n", self.commits).as_bytes(), 0);
    }
}

/// What a mark says, to be compared with a run that is opened after it was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Remembered(u64);

impl Remembered {
    /// Reads the mark of a run; nothing, if there is none that can be read.
    pub(super) fn of(run: &Path) -> Self {
        let text = fs::read_to_string(path_of(run)).unwrap_or_default();
        Self(text.trim_end().parse().unwrap_or(0))
    }

    /// Makes sure that the run has all the commits that are remembered.
    pub(super) fn check(self, run: &Path, connection: &Connection) -> Result<(), StoreError> {
        let found = commits(connection).map_err(sqlite(run))?;
        if found >= self.0 {
            return Ok(());
        }
        let detail = format!("of {} commits {} are missing", self.0, self.0 - found);
        Err(StoreError::Damaged { path: run.into(), detail })
    }
}

/// Returns the file of a run's mark.
pub(super) fn path_of(run: &Path) -> PathBuf {
    beside(run, ENDING)
}

fn commits(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT ifnull(sum(commits), 0) FROM session", [], |row| row.get(0))
}

/// Removes the mark of a run.
pub(super) fn remove(run: &Path) -> io::Result<()> {
    match fs::remove_file(path_of(run)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_of(commits: u64) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE session (commits INTEGER)").unwrap();
        connection.execute("INSERT INTO session VALUES (?)", [commits]).unwrap();
        connection
    }

    fn check(text: Option<&str>, commits: u64, expected: bool) {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run.db");
        text.into_iter().for_each(|text| fs::write(path_of(&run), text).unwrap());
        let checked = Remembered::of(&run).check(&run, &run_of(commits));
        assert_eq!(checked.is_ok(), expected, "{text:?} of {commits}");
    }

    #[test]
    fn a_run_with_fewer_commits_than_are_remembered_is_damaged() {
        check(Some("00000000000000000007\n"), 6, false);
        check(Some("00000000000000000007\n"), 7, true);
        check(Some("00000000000000000007\n"), 8, true);
    }

    #[test]
    fn without_a_mark_a_run_is_believed() {
        check(None, 0, true);
        check(Some(""), 3, true);
        check(Some("nonsense"), 3, true);
    }

    #[test]
    fn a_mark_goes_on_from_what_the_run_has() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run.db");
        let mut mark = Mark::open(&run, &run_of(9)).unwrap();
        assert_eq!(Remembered::of(&run), Remembered(9));
        mark.advance();
        assert_eq!(Remembered::of(&run), Remembered(10));
    }
}
