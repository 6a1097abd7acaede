//! A stream of ids whose end is awaited: nothing is sent before it.
//!
//! Whoever writes it may never end it, and a program that waits for that in silence looks as if it hung.
//! So it is said once, when the first of it has been awaited for a while.

use crate::cli::output::stream::Stderr;
use batchctl::text::printable;
use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::io::Read;
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;

/// How long nothing is said.
const PATIENCE: Duration = Duration::from_secs(3);

/// A stream that says once that it is awaited.
pub(crate) struct AwaitedStream {
    /// What it is called in a sentence.
    name: String,
    origin: Origin,
    /// Where it is said, if it is.
    stderr: Option<Stderr>,
    awaited: Awaited,
}

/// How far the wait for the end of a stream is.
enum Awaited {
    NotYet,
    /// The channel tells the thread that speaks, by its end, that nothing is awaited any more.
    Now {
        _until_dropped: mpsc::Sender<Infallible>,
    },
    NoMore,
}

/// Where the stream comes from.
enum Origin {
    Open(Box<dyn Read + Send>),
    /// A pipe that is opened when it is read: until somebody writes to it, even that waits.
    Pipe(PathBuf),
}

impl AwaitedStream {
    /// Returns standard input.
    pub(crate) fn stdin(stderr: Option<Stderr>) -> Self {
        let origin = Origin::Open(Box::new(io::stdin()));
        Self { name: "standard input".into(), origin, stderr, awaited: Awaited::NotYet }
    }

    /// Returns a pipe with a name.
    pub(crate) fn pipe(path: PathBuf, stderr: Option<Stderr>) -> Self {
        let name = format!("`{}`", printable(&path.to_string_lossy(), 200));
        Self { name, origin: Origin::Pipe(path), stderr, awaited: Awaited::NotYet }
    }

    /// Begins to wait, unless it has begun.
    fn begin(&mut self) {
        let (Awaited::NotYet, Some(stderr)) = (&self.awaited, self.stderr) else { return };
        let (until_dropped, over) = mpsc::channel();
        self.awaited = Awaited::Now { _until_dropped: until_dropped };
        let name = self.name.clone();
        let speak = move || {
            if over.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                stderr.line(&format!("waiting for the end of {name}: nothing is sent before it"));
            }
        };
        // Without a thread it is only not said.
        let _ = thread::Builder::new().name("input".into()).spawn(speak);
    }
}

impl Read for AwaitedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.begin();
        if let Origin::Pipe(path) = &self.origin {
            self.origin = Origin::Open(Box::new(File::open(path)?));
        }
        let Origin::Open(reader) = &mut self.origin else { unreachable!("it was opened above") };
        let read = reader.read(buffer)?;
        if read == 0 {
            self.awaited = Awaited::NoMore;
        }
        Ok(read)
    }
}
