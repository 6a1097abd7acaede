//! The documents that are written while a run goes on: its events.
//!
//! Unlike other documents they are appended to their target line by line, so that other programs
//! can follow the run. A new run truncates them; a resumed run appends. The result of the run
//! closes them, once the report is read. A write error is reported at the end, because a document
//! must not stop a run.

use crate::cli::output::documents::Document;
use crate::cli::output::error::CommandError;
use crate::cli::output::in_place;
use crate::cli::output::in_place::OpenInPlace;
use crate::cli::output::replacement::not_written;
use crate::cli::output::stream::NotPrinted;
use crate::cli::output::terminal_guard::{Content, TerminalGuard};
use crate::cli::process::environment;
use batchctl::clock::Clock;
use batchctl::event::Watch;
use batchctl::progress::{EventService, Events};
use batchctl::report::{Report, write_closing_events};
use batchctl::store::RunId;
use std::fs::File;
use std::io;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much is read at a time in search of the last whole line.
const CHUNK_BYTES: u64 = 64 << 10;

/// What becomes of the lines that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// They are of another run.
    Anew,
    /// They are of this one.
    GoesOn,
}

/// The events documents of a run, open.
pub(crate) struct Live {
    run: String,
    sinks: Vec<Sink>,
    clock: Clock,
    service: Option<EventService>,
}

impl Live {
    /// Opens those among the documents that are live.
    pub(crate) fn open(
        documents: &[Document],
        beginning: Beginning,
        run: &RunId,
        clock: Clock,
    ) -> Result<Self, CommandError> {
        let live = documents.iter().filter(|document| document.is_live());
        let sinks = live.map(|document| Sink::open(document.path(), beginning));
        let sinks = sinks.collect::<Result<_, _>>()?;
        Ok(Self { run: run.to_string(), sinks, clock, service: None })
    }

    /// Names the service in the documents, where it is not VIAS.
    pub(crate) fn of_service(self, service: Option<EventService>) -> Self {
        Self { service, ..self }
    }

    /// Adds the watchers that write them.
    pub(crate) fn watch(&self, watchers: &mut Vec<Box<dyn Watch>>) {
        for sink in &self.sinks {
            let events = Events::new(Box::new(sink.clone()), self.run.clone());
            watchers.push(Box::new(events.of_service(self.service.clone())));
        }
    }

    /// Closes them with the result of the run.
    pub(crate) fn close(&self, report: &Report) {
        for sink in &self.sinks {
            // The sink keeps its own trouble.
            let _ = write_closing_events(report, self.clock.now(), sink.clone());
        }
    }

    /// Returns the first thing that went wrong with a document, if anything did.
    pub(crate) fn failure(self) -> Option<CommandError> {
        self.sinks.into_iter().find_map(Sink::failure)
    }
}

/// Where the lines of a document go; the first error is kept, and nothing is written after it.
///
/// Only the watcher's thread writes to it during the run; the report closes it afterwards.
#[derive(Clone)]
struct Sink {
    path: Option<PathBuf>,
    state: Arc<Mutex<StreamState>>,
}

struct StreamState {
    out: Box<dyn Write + Send>,
    error: Option<io::Error>,
    is_over: bool,
}

impl Sink {
    fn open(path: Option<&Path>, beginning: Beginning) -> Result<Self, CommandError> {
        let out: Box<dyn Write + Send> = match path {
            None if environment::stdout_is_terminal() => {
                Box::new(TerminalGuard::new(io::stdout(), Content::Json))
            }
            None => Box::new(io::stdout()),
            Some(path) => {
                Box::new(open(path, beginning).map_err(|source| not_written(path, source))?)
            }
        };
        let state = StreamState { out, error: None, is_over: false };
        Ok(Self { path: path.map(PathBuf::from), state: Arc::new(Mutex::new(state)) })
    }

    /// Takes the state even after a panic elsewhere: it is whole at every step.
    fn state(&self) -> MutexGuard<'_, StreamState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what went wrong, if anything did.
    fn failure(self) -> Option<CommandError> {
        let error = self.state().error.take()?;
        Some(match &self.path {
            Some(path) => not_written(path, error),
            None => NotPrinted { source: error }.into(),
        })
    }
}

impl Write for Sink {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.state().write(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl StreamState {
    fn write(&mut self, lines: &[u8]) {
        if self.is_over {
            return;
        }
        if let Err(error) = self.out.write_all(lines).and_then(|()| self.out.flush()) {
            self.is_over = true;
            // A reader that has gone (`| head`) has what it wanted.
            self.error = Some(error).filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
        }
    }
}

fn open(path: &Path, beginning: Beginning) -> io::Result<File> {
    let OpenInPlace { mut file, is_regular } = in_place::open(path)?;
    match beginning {
        _ if !is_regular => {}
        Beginning::Anew => file.set_len(0)?,
        // A killed process may have left a torn line, which would spoil the next one.
        Beginning::GoesOn => {
            let length = whole_lines(&mut file)?;
            file.set_len(length)?;
        }
    }
    Ok(file)
}

/// Returns how long a file is up to its last whole line: a process that was killed may have left
/// a part of one.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut chunk = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(CHUNK_BYTES);
        file.seek(SeekFrom::Start(start))?;
        chunk.clear();
        Read::by_ref(file).take(end - start).read_to_end(&mut chunk)?;
        // Read from the end, because such a file may have gigabytes.
        if let Some(at) = chunk.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn check(before: &str, beginning: Beginning, expected: &str) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.ndjson");
        fs::write(&path, before).unwrap();
        open(&path, beginning).unwrap().write_all(b"3\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), expected, "{before:.20}");
    }

    #[test]
    fn a_run_that_goes_on_adds_to_whole_lines() {
        check("1\n2\n", Beginning::GoesOn, "1\n2\n3\n");
        check("1\n{\"torn", Beginning::GoesOn, "1\n3\n");
        check("torn", Beginning::GoesOn, "3\n");
        check("", Beginning::GoesOn, "3\n");
        let long = "x".repeat(200_000);
        check(&format!("1\n{long}"), Beginning::GoesOn, "1\n3\n");
        check(&format!("{long}\n"), Beginning::GoesOn, &format!("{long}\n3\n"));
    }

    #[test]
    fn a_new_run_begins_anew() {
        check("1\n2\n", Beginning::Anew, "3\n");
    }
}
