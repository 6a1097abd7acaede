//! The handle of a worker on its thread, which claims, flushes and beats.
//!
//! The dispatcher never waits for the database: it asks, and goes on with what it has.

use crate::clock::since_boot;
use crate::database::beat::{JOB_FOR, Wishes};
use crate::database::error::DatabaseError;
use crate::database::leases::Worker;
use crate::database::link::Link;
use crate::database::slot_source::MostUncertain;
use crate::database::unrecorded::UnrecordedOutcomes;
use crate::database::work::{
    Board, ChunkKey, ClaimedTasks, Flushed, Job, Shared, Work, WorkTerms, lock,
};
use crate::event::{Event, WaitCause, WaitSign};
use crate::policy::{FailureAllowance, LeaseClock, LeaseState};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;
use std::{io, thread};
use tokio::sync::{mpsc, oneshot, watch};

/// The writer of a worker. Dropped without [`DatabaseWriter::close`], it leaves its chunks to the end
/// of their leases, as a killed process does.
#[derive(Debug)]
pub struct DatabaseWriter {
    jobs: Option<mpsc::UnboundedSender<Job>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Mutex<Shared>>,
    wishes: watch::Receiver<Option<Wishes>>,
    worker: Worker,
    lost: Option<oneshot::Receiver<DatabaseError>>,
    sign: WaitSign,
}

impl DatabaseWriter {
    /// Starts the thread of a worker that has joined a run.
    ///
    /// # Errors
    ///
    /// The system cannot start a thread.
    pub(super) fn start(link: Link, worker: Worker, terms: WorkTerms) -> io::Result<Self> {
        let (jobs, queue) = mpsc::unbounded_channel();
        let (wished, wishes) = watch::channel(None);
        let leases = LeaseClock::new(worker.lease);
        let (failures, unrecorded) = (FailureAllowance::default(), UnrecordedOutcomes::default());
        let shared = Shared { leases, failures, job_kept: None, unrecorded };
        let shared = Arc::new(Mutex::new(shared));
        let (on_lost, lost) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shown = link.shown().to_owned();
        let sign = WaitSign::new(WaitCause::DatabaseAway, shown, terms.patience);
        let own = sign.clone();
        let board = Board { shared: Arc::clone(&shared), wishes: wished, on_lost, sign: own };
        let work = Work::new(link, worker, terms, board);
        let thread = thread::Builder::new().name("store".into());
        let thread = thread.spawn(move || runtime.block_on(work.run(queue)))?;
        let (jobs, thread, lost) = (Some(jobs), Some(thread), Some(lost));
        Ok(Self { jobs, thread, shared, wishes, worker, lost, sign })
    }

    /// Returns the sign that is up while the database cannot be used.
    pub(crate) fn sign(&self) -> WaitSign {
        self.sign.clone()
    }

    /// Returns which worker this is.
    pub fn worker(&self) -> Worker {
        self.worker
    }

    /// Makes events durable; those of lost chunks are dropped.
    pub fn commit(
        &self,
        events: Vec<Event>,
    ) -> impl Future<Output = Result<Flushed, DatabaseError>> + Send + 'static {
        let (done, answer) = oneshot::channel();
        self.ask(Job::Commit { events, done }, answer)
    }

    /// Claims the tasks of the next chunk.
    pub fn claim(
        &self,
    ) -> impl Future<Output = Result<ClaimedTasks, DatabaseError>> + Send + 'static {
        let (done, answer) = oneshot::channel();
        self.ask(Job::Claim { done }, answer)
    }

    /// Claims the tasks of the next chunk, unless this worker is too far away to send any: it would keep
    /// them from the others.
    pub(crate) fn claim_if_near(
        &self,
        uncertainty: &MostUncertain,
    ) -> impl Future<Output = Result<ClaimedTasks, DatabaseError>> + Send + 'static {
        let is_far = uncertainty.is_far();
        // Weak, because the thread ends with the last sender.
        let jobs = self.jobs.as_ref().map(mpsc::UnboundedSender::downgrade);
        async move {
            let (done, answer) = oneshot::channel();
            let job = if is_far.await { Job::Look { done } } else { Job::Claim { done } };
            if let Some(jobs) = jobs.and_then(|jobs| jobs.upgrade()) {
                // If the thread is gone the job is dropped, and the sender of its answer with it.
                let _ = jobs.send(job);
            }
            answer.await.unwrap_or(Err(DatabaseError::WriterGone))
        }
    }

    /// Lets all workers send, if the canary is this one's.
    pub fn open(&self) {
        self.send(Job::Open);
    }

    /// Gives back what is held, so that others can claim it at once.
    pub fn release(&self) -> impl Future<Output = Result<(), DatabaseError>> + Send + 'static {
        let (done, answer) = oneshot::channel();
        self.ask(Job::Release { done }, answer)
    }

    /// Gives back what is held, and leaves the run.
    pub fn close(&self) -> impl Future<Output = Result<(), DatabaseError>> + Send + 'static {
        let (done, answer) = oneshot::channel();
        self.ask(Job::Close { done }, answer)
    }

    /// Returns what the lease of a chunk allows.
    pub fn lease(&self, chunk: ChunkKey, now: Instant) -> LeaseState {
        let (shared, now) = (lock(&self.shared), since_boot(now));
        match shared.leases.state(chunk, now) {
            // Another run may have the job by now: the next sign of life tells.
            LeaseState::Firm(_) if shared.job_kept.is_some_and(|kept| now > kept + JOB_FOR) => {
                LeaseState::Ending
            }
            state => state,
        }
    }

    /// Returns whether another failed task would be tolerated, as far as this worker knows.
    pub fn may_fail(&self) -> bool {
        lock(&self.shared).failures.may_begin()
    }

    /// Counts a failed task, before it is recorded.
    pub fn note_failure(&self) {
        lock(&self.shared).failures.fail();
    }

    /// Gives a chunk back whose lease has ended for this worker.
    pub fn give_up(&self, chunk: ChunkKey) {
        self.send(Job::GiveUp { chunk });
    }

    /// Returns what beats bring, as it changes.
    pub fn wishes(&self) -> watch::Receiver<Option<Wishes>> {
        self.wishes.clone()
    }

    /// Returns what ends with the reason once the database has been away for too long, whatever the
    /// run waits for. It is there once.
    pub(crate) fn lost(&mut self) -> impl Future<Output = DatabaseError> + Send + 'static {
        let lost = self.lost.take();
        async move {
            match lost {
                Some(lost) => match lost.await {
                    Ok(error) => error,
                    // The thread has ended before.
                    Err(_) => std::future::pending().await,
                },
                None => std::future::pending().await,
            }
        }
    }

    /// Notes events that are never committed, because the run cannot go on.
    pub(crate) fn note_unrecorded(&self, events: &[Event]) {
        lock(&self.shared).unrecorded.add(events);
    }

    /// Ends as a killed process does, and returns what is known and was not recorded.
    pub(crate) fn abandon(mut self) -> UnrecordedOutcomes {
        self.end_thread();
        std::mem::take(&mut lock(&self.shared).unrecorded)
    }

    fn end_thread(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has reached every waiting future as `WriterGone`.
            let _ = thread.join();
        }
    }

    /// Returns what records events besides those of the engine.
    pub(crate) fn recorder(&self) -> Recorder {
        Recorder { jobs: self.jobs.as_ref().map(mpsc::UnboundedSender::downgrade) }
    }

    fn send(&self, job: Job) {
        // If the thread is gone the job is dropped, and the sender of its answer with it.
        let _ = self.jobs.as_ref().expect("taken out only when dropped").send(job);
    }

    fn ask<T: Send + 'static>(
        &self,
        job: Job,
        answer: oneshot::Receiver<Result<T, DatabaseError>>,
    ) -> impl Future<Output = Result<T, DatabaseError>> + Send + 'static {
        self.send(job);
        async move { answer.await.unwrap_or(Err(DatabaseError::WriterGone)) }
    }
}

/// Records events about the run besides those of the engine, as long as the writer is there.
pub(crate) struct Recorder {
    /// Weak, because the thread ends with the last sender.
    jobs: Option<mpsc::WeakUnboundedSender<Job>>,
}

impl Recorder {
    /// Records an event about the run; returns it if it is durable.
    pub(crate) async fn record(&self, event: Event) -> Option<Event> {
        let (done, answer) = oneshot::channel();
        self.jobs.as_ref()?.upgrade()?.send(Job::Record { event, done }).ok()?;
        answer.await.ok()?.ok()
    }
}

impl Drop for DatabaseWriter {
    fn drop(&mut self) {
        self.end_thread();
    }
}
