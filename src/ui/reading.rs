//! The thread on which runs are read, one reading after the other.
//!
//! It gives way to every other program: a run must not become slower because somebody watches it.
//! A thread of its own, because what is started from here, such as a retry, must not inherit that.

use crate::system::process::setpriority_process;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// The priority of this thread: that of nothing else is lower.
const LOWEST: i32 = 19;

type Job = Box<dyn FnOnce() + Send>;

/// The thread on which runs are read.
pub(crate) struct Reading {
    /// Until this is dropped.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Reading {
    pub(crate) fn start() -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let work = move || {
            // Where it is not allowed, reading only takes its turn with the rest.
            let _ = setpriority_process(None, LOWEST);
            for job in waiting {
                // A damaged file ends the page that is about it, and no other.
                let _ = catch_unwind(AssertUnwindSafe(job));
            }
        };
        let thread = thread::Builder::new().name("reading".into()).spawn(work)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Reads when it is its turn; nothing if that has ended in a panic.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (done, result) = oneshot::channel();
        let job = move || drop(done.send(read()));
        self.jobs.as_ref()?.send(Box::new(job)).ok()?;
        result.await.ok()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.jobs = None;
        // What it reads may be a copy that is to be removed.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::getpriority_process;

    #[tokio::test]
    async fn a_reading_that_panics_ends_no_other() {
        let reading = Reading::start().unwrap();
        assert_eq!(reading.read(|| -> u8 { panic!("a damaged file") }).await, None);
        assert_eq!(reading.read(|| 7).await, Some(7));
    }

    #[tokio::test]
    async fn reading_gives_way_and_its_caller_does_not() {
        let own = || getpriority_process(None).unwrap();
        let before = own();
        let reading = Reading::start().unwrap();
        assert_eq!(reading.read(own).await, Some(LOWEST));
        assert_eq!(own(), before);
    }
}
