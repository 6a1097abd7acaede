//! The one writer of a run: a thread that commits batches of events and hands out tasks.
//!
//! What is asked of it is carried out in the order in which it was asked, and begins at once; a
//! future only tells when it is done.

use crate::clock::Timestamp;
use crate::event::{AttemptSeq, Event};
use crate::store::error::{StoreError, file};
use crate::store::files::{CommitWriter, DepartureWriter, RunDirectory, RunLock};
use crate::store::writing::resume_point::ResumePoint;
use crate::store::writing::task_queue::UnsettledTask;
use crate::store::writing::thread::{Job, Part, WriterThread};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use tokio::sync::oneshot;

/// The writer of a run, as its users hold it; dropping it ends the thread.
#[derive(Debug)]
pub struct RunWriter {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
    hurried: Arc<AtomicBool>,
    departures: Option<DepartureWriter>,
    standing: ResumePoint,
}

impl RunWriter {
    /// Opens a run and begins a session of this process in it.
    ///
    /// `recall` is how many of the last sending times are wanted. The lock stays held for as long
    /// as the writer lives, whatever becomes of `lock`.
    ///
    /// # Errors
    ///
    /// A file that is no run of a version that is known; one that is damaged, for which it is
    /// searched where the last process did not come to its end. Nothing was changed in it then.
    pub fn open(
        runs: &RunDirectory,
        lock: &RunLock,
        now: Timestamp,
        recall: u32,
    ) -> Result<Self, StoreError> {
        let path = runs.file(lock.run());
        if !path.exists() {
            return Err(StoreError::NoSuchRun { wanted: lock.run().to_string() });
        }
        let (writing, standing) = WriterThread::open(&path, Part::Own(now), recall)?;
        Self::start(writing, standing, lock)
    }

    /// Opens a run to add to the part of its last process, where there was one: what is learnt
    /// of its tasks afterwards begins no session.
    pub fn reopen(runs: &RunDirectory, lock: &RunLock, now: Timestamp) -> Result<Self, StoreError> {
        let path = runs.file(lock.run());
        let (writing, standing) = WriterThread::open(&path, Part::OfLast(now), 0)?;
        Self::start(writing, standing, lock)
    }

    pub(crate) fn start(
        writing: WriterThread,
        standing: ResumePoint,
        lock: &RunLock,
    ) -> Result<Self, StoreError> {
        let failed = file(&writing.path);
        let (jobs, queue) = mpsc::channel();
        let lock = lock.hold();
        let departures = writing.mark.as_ref().map(CommitWriter::departures);
        let departures = departures.transpose().map_err(&failed)?;
        let hurried = Arc::clone(&writing.hurried);
        let thread = thread::Builder::new().name("store".into());
        let thread = thread.spawn(move || writing.work(&queue, lock)).map_err(failed)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), hurried, departures, standing })
    }

    /// Returns where the run stood when it was opened.
    pub fn resume_point(&self) -> &ResumePoint {
        &self.standing
    }

    /// Makes events durable and gives them back; the work begins at once.
    ///
    /// Dropping the future changes nothing: they are committed all the same.
    ///
    /// # Errors
    ///
    /// None of them is durable then, and no later ones will be: the run is over.
    pub fn commit(
        &self,
        events: Vec<Event>,
    ) -> impl Future<Output = Result<Vec<Event>, StoreError>> + Send + 'static {
        let (done, answer) = oneshot::channel();
        self.ask(Job::Commit { events, done }, answer)
    }

    /// Hands out the next tasks without an outcome, each once and in the order of the plan; none
    /// if there are no more.
    ///
    /// What was handed out to a future that is dropped stays unsettled until the run is opened
    /// again.
    pub fn claim(
        &self,
        most: usize,
    ) -> impl Future<Output = Result<Vec<UnsettledTask>, StoreError>> + Send + 'static {
        let (done, answer) = oneshot::channel();
        self.ask(Job::Claim { most, done }, answer)
    }

    /// Notes, before it happens, that attempts up to this one may leave; none after it has left.
    ///
    /// Returns whether they may: if it cannot be noted, they may not. The note outlasts this
    /// process but not a loss of power, after which all that was begun may have left.
    pub fn may_leave(&self, last: AttemptSeq) -> bool {
        self.departures.as_ref().is_none_or(|departures| departures.may_leave(last))
    }

    /// Waits no longer for room on a full disk, now and later.
    pub fn hurry(&self) {
        self.hurried.store(true, Ordering::Relaxed);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Has the thread do something else; after an error nothing is written any more.
    pub(crate) fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut WriterThread) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static {
        let (done, answer) = oneshot::channel();
        let job = move |writing: &mut WriterThread| {
            let worked = work(writing);
            let goes_on = worked.is_ok();
            let _ = done.send(worked);
            goes_on
        };
        self.ask(Job::Work(Box::new(job)), answer)
    }

    fn ask<T: Send + 'static>(
        &self,
        job: Job,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static {
        // Where the thread is gone the job is dropped, and its answer with it.
        let _ = self.jobs.as_ref().expect("taken out only when dropped").send(job);
        async move { answer.await.unwrap_or(Err(StoreError::WriterGone)) }
    }
}

impl Drop for RunWriter {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been told as `WriterGone` to whoever waited.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_writer_that_panics_fails_the_run_and_what_follows() {
        let (jobs, queue) = mpsc::channel();
        let thread = thread::spawn(move || {
            let _job = queue.recv();
            panic!("a defect in the store");
        });
        let writer = RunWriter {
            jobs: Some(jobs),
            thread: Some(thread),
            hurried: Arc::default(),
            departures: None,
            standing: ResumePoint::default(),
        };
        for _ in 0..2 {
            let committed = block_on(writer.commit(Vec::new()));
            assert!(matches!(committed, Err(StoreError::WriterGone)));
        }
        assert!(matches!(block_on(writer.claim(1)), Err(StoreError::WriterGone)));
    }
}
