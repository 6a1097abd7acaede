//! The access log: one line per request, in the order in which the requests were read.
//!
//! The module above documents the format. A thread writes the gathered lines every few
//! milliseconds, so that a slow disk delays no answer; each write consists of whole lines. Only the
//! end of the process can lose lines, at most those of one interval. If the log can no longer be
//! written, the sandbox ends, because an incomplete witness is worthless.

use crate::sandbox::error::SandboxError;
use std::fs::{File, OpenOptions};
use std::io;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// The time for which lines gather before they are written.
const INTERVAL: Duration = Duration::from_millis(20);

/// An open log.
pub(crate) struct AccessLog {
    path: PathBuf,
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<io::Result<()>>>>,
}

/// Completes when the writer has ended, which it does by itself only after an error.
pub(crate) type WriterEnded = oneshot::Receiver<()>;

/// The state shared by the requests and the writer.
#[derive(Default)]
struct Shared {
    pending: Mutex<Pending>,
    changed: Condvar,
}

/// The lines still to be written.
#[derive(Default)]
struct Pending {
    lines: Vec<u8>,
    closing: bool,
}

/// The content of one line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccessRecord<'a> {
    /// The time from the sandbox's start until the request had been read.
    pub(crate) at: Duration,
    /// The method.
    pub(crate) method: &'a str,
    /// The batch task, if the path has a valid one.
    pub(crate) id: Option<&'a str>,
    /// The operation, if it is one.
    pub(crate) command: Option<&'a str>,
    /// The status of the answer.
    pub(crate) status: Status,
}

/// The end of a request, as written to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// With an answer.
    Code(u16),
    /// With a reset connection.
    Dropped,
    /// Without an answer.
    Silent,
}

impl AccessLog {
    /// Opens the file, to append to it if it exists, and starts the writer.
    pub(crate) fn open(path: &Path) -> Result<(Self, WriterEnded), SandboxError> {
        let (ended, when_ended) = oneshot::channel();
        let shared = Arc::new(Shared::default());
        let at_writer = Arc::clone(&shared);
        let error = |source| SandboxError::AccessLog { path: path.into(), source };
        let mut file = open_at_line_start(path).map_err(error)?;
        let writer = move || {
            let result = write_all(&mut file, &at_writer);
            // The server may be gone already.
            let _ = ended.send(());
            result
        };
        let writer =
            std::thread::Builder::new().name("access-log".into()).spawn(writer).map_err(error)?;
        let log = Self { path: path.into(), shared, writer: Mutex::new(Some(writer)) };
        Ok((log, when_ended))
    }

    /// Adds a line; it is in the file within an interval.
    pub(crate) fn write(&self, line: &AccessRecord<'_>) {
        let mut pending = self.shared.pending();
        let was_empty = pending.lines.is_empty();
        line.write_to(&mut pending.lines);
        drop(pending);
        // The writer sleeps only while there are no lines, so later ones need no signal.
        if was_empty {
            self.shared.changed.notify_one();
        }
    }

    /// Writes the remaining lines and ends the writer. Its error is returned by the first call.
    pub(crate) fn close(&self) -> Result<(), SandboxError> {
        // Set under the lock, because the writer checks it there before it sleeps.
        self.shared.pending().closing = true;
        self.shared.changed.notify_one();
        let writer = self.writer.lock().expect("no holder panics").take();
        let Some(writer) = writer else {
            return Ok(());
        };
        let result = writer.join().expect("the writer does not panic");
        result.map_err(|source| SandboxError::AccessLog { path: self.path.clone(), source })
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        // A destructor cannot return an error; the server closes the log before.
        let _ = self.close();
    }
}

impl Shared {
    /// Locks the lines still to be written.
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().expect("no holder of the lock panics")
    }

    /// Waits for lines, lets more of them gather, and takes them. Returns false at the end.
    fn take(&self, taken: &mut Vec<u8>) -> bool {
        let none = |pending: &mut Pending| pending.lines.is_empty() && !pending.closing;
        let open = |pending: &mut Pending| !pending.closing;
        let first = self.changed.wait_while(self.pending(), none);
        let first = first.expect("no holder of the lock panics");
        let gathered = self.changed.wait_timeout_while(first, INTERVAL, open);
        let (mut gathered, _) = gathered.expect("no holder of the lock panics");
        // Swapping keeps both buffers' capacity, so that writing allocates nothing in the long run.
        taken.clear();
        std::mem::swap(taken, &mut gathered.lines);
        !taken.is_empty()
    }
}

/// Writes lines as they come, until the log is closed.
fn write_all(file: &mut File, shared: &Shared) -> io::Result<()> {
    let mut lines = Vec::new();
    while shared.take(&mut lines) {
        file.write_all(&lines)?;
    }
    Ok(())
}

/// Opens a log to append to, and ends a line that a killed process may have left incomplete.
fn open_at_line_start(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(file);
    }
    let mut last = [0];
    // The position matters to reading alone, because appending always writes at the end.
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

impl AccessRecord<'_> {
    /// Writes the line with its end.
    fn write_to(&self, lines: &mut Vec<u8>) {
        let micros = self.at.as_micros();
        let id = self.id.unwrap_or("-");
        let command = self.command.unwrap_or("-");
        let method = self.method;
        let written = match self.status {
            Status::Code(code) => writeln!(lines, "{micros}\t{method}\t{id}\t{command}\t{code}"),
            Status::Dropped => writeln!(lines, "{micros}\t{method}\t{id}\t{command}\tdrop"),
            Status::Silent => writeln!(lines, "{micros}\t{method}\t{id}\t{command}\tsilent"),
        };
        written.expect("memory takes any line");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(micros: u64, id: Option<&str>, status: Status) -> AccessRecord<'_> {
        AccessRecord {
            at: Duration::from_micros(micros),
            method: "PUT",
            id,
            command: id.and(Some("start")),
            status,
        }
    }

    fn check(line: &AccessRecord<'_>, expected: &str) {
        let mut text = Vec::new();
        line.write_to(&mut text);
        assert_eq!(str::from_utf8(&text), Ok(expected));
    }

    #[test]
    fn a_line_has_five_fields() {
        let id = Some("gate-1");
        check(&line(17, id, Status::Code(200)), "17\tPUT\tgate-1\tstart\t200\n");
        check(&line(17, id, Status::Dropped), "17\tPUT\tgate-1\tstart\tdrop\n");
        check(&line(17, id, Status::Silent), "17\tPUT\tgate-1\tstart\tsilent\n");
        check(&line(17, None, Status::Code(404)), "17\tPUT\t-\t-\t404\n");
    }

    #[test]
    fn a_closed_log_has_all_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let (log, _ended) = AccessLog::open(&path).unwrap();
        for micros in 0..10_000 {
            log.write(&line(micros, Some("gate-1"), Status::Code(200)));
        }
        log.close().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 10_000);
        assert!(text.ends_with("9999\tPUT\tgate-1\tstart\t200\n"));
    }

    #[test]
    fn an_existing_log_is_kept_and_its_last_line_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        std::fs::write(&path, "1\tPUT\tga").unwrap();
        let (log, _ended) = AccessLog::open(&path).unwrap();
        log.write(&line(2, None, Status::Code(404)));
        log.close().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "1\tPUT\tga\n2\tPUT\t-\t-\t404\n");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_log_that_cannot_be_written_reports_the_error() {
        let (log, ended) = AccessLog::open(Path::new("/dev/full")).unwrap();
        log.write(&line(1, None, Status::Code(404)));
        ended.await.unwrap();
        let error = log.close().unwrap_err();
        assert!(matches!(error, SandboxError::AccessLog { .. }), "{error}");
    }
}
