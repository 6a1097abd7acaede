//! The one writer of a run, as its users hold it: commits events, hands out tasks, keeps states.
//!
//! Every request is one job of the writer's thread. Jobs are carried out in the order of the
//! requests and begin at once; a future only waits for the end of its job.

use crate::clock::Timestamp;
use crate::event::{ArrivalCounts, AttemptSeq, Event, WaitSign};
use crate::policy::{CalledTask, EarlierCalls, FirstLook, Goal, LastLook, Observation};
use crate::settings::LeftOut;
use crate::store::error::{StoreError, file, sqlite};
use crate::store::files::{CommitWriter, DepartureWriter, MayHaveLeft, RunDirectory, RunLock};
use crate::store::home::Home;
use crate::store::writing::journal_scan::JournalScan;
use crate::store::writing::observed_states;
use crate::store::writing::observed_states::TaskSelection;
use crate::store::writing::resume_point::ResumePoint;
use crate::store::writing::survey::{Survey, Surveyed};
use crate::store::writing::task_queue::UnsettledTask;
use crate::store::writing::thread::{Job, SessionStart, WriterThread};
use crate::store::writing::verify::Verification;
use crate::task::{ExcludedTask, ObservedState, OutcomeCounts, TaskId};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use tokio::sync::oneshot;

/// The writer of a run; dropping it ends its thread.
#[derive(Debug)]
pub struct RunWriter {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
    hurried: Arc<AtomicBool>,
    departure_writer: Option<DepartureWriter>,
    resume_point: ResumePoint,
    sign: WaitSign,
}

impl RunWriter {
    /// Opens a run and begins a session of this process in it.
    ///
    /// `recall` is the number of last sending times that are needed. The lock stays held as long
    /// as the writer lives, whatever becomes of `lock`.
    ///
    /// # Errors
    ///
    /// A file that is not a run of a known version, or is damaged. It is searched for damage if
    /// the last process did not end in order. Nothing was changed in it then.
    pub fn open(
        runs: &RunDirectory,
        lock: &RunLock,
        now: Timestamp,
        recall: u32,
    ) -> Result<Self, StoreError> {
        Self::open_target(runs, lock, 0, now, recall)
    }

    /// Opens one target of a run, counted from 0, and begins a session of this process in it.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub fn open_target(
        runs: &RunDirectory,
        lock: &RunLock,
        index: usize,
        now: Timestamp,
        recall: u32,
    ) -> Result<Self, StoreError> {
        let path = runs.part_file(lock.run(), index);
        if !path.exists() {
            return Err(StoreError::NoSuchRun { wanted: lock.run().to_string() });
        }
        let (writer, resume_point) = WriterThread::open(&path, SessionStart::New(now), recall)?;
        Self::start(writer, resume_point, lock)
    }

    /// Opens a run to add to its last session, if it has one: looking at its tasks afterwards
    /// begins no session.
    ///
    /// `index` is that of the target in a run of several, otherwise 0.
    pub fn reopen(
        runs: &RunDirectory,
        lock: &RunLock,
        index: usize,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let path = runs.part_file(lock.run(), index);
        let (writer, resume_point) = WriterThread::open(&path, SessionStart::Last(now), 0)?;
        Self::start(writer, resume_point, lock)
    }

    pub(crate) fn start(
        writer: WriterThread,
        resume_point: ResumePoint,
        lock: &RunLock,
    ) -> Result<Self, StoreError> {
        let failed = file(&writer.path);
        let (jobs, queue) = mpsc::channel();
        let lock = lock.hold();
        let departure_writer = writer.watermark.as_ref().map(CommitWriter::departure_writer);
        let departure_writer = departure_writer.transpose().map_err(&failed)?;
        let (hurried, sign) = (Arc::clone(&writer.hurried), writer.sign.clone());
        let thread = thread::Builder::new().name("store".into());
        let thread = thread.spawn(move || writer.work(&queue, lock)).map_err(failed)?;
        let (jobs, thread) = (Some(jobs), Some(thread));
        Ok(Self { jobs, thread, hurried, departure_writer, resume_point, sign })
    }

    /// Returns where the run stood when it was opened.
    pub fn resume_point(&self) -> &ResumePoint {
        &self.resume_point
    }

    /// Makes events durable and returns them; the work begins at once.
    ///
    /// Dropping the future changes nothing: the events are committed all the same.
    ///
    /// # Errors
    ///
    /// None of the events is durable then, and no later ones will be: the run is over.
    pub fn commit(
        &self,
        events: Vec<Event>,
    ) -> impl Future<Output = Result<Vec<Event>, StoreError>> + Send + 'static {
        self.with(move |writer| {
            let origin = writer.origin;
            writer.commit_patiently(|batch, _| {
                events.iter().try_for_each(|event| batch.push_event(event, origin))
            })?;
            Ok(events)
        })
    }

    /// Hands out the next tasks without an outcome, each once and in the order of the plan; none
    /// if there are no more.
    ///
    /// Tasks that were handed out to a dropped future stay unsettled until the run is opened again.
    pub fn claim(
        &self,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<UnsettledTask>, StoreError>> + Send + 'static {
        self.with(move |writer| writer.claim(limit))
    }

    /// Records, before it happens, that attempts up to this one may leave. No later attempt has
    /// left yet.
    ///
    /// Returns whether they may: not if it cannot be recorded. The record outlasts this process
    /// but not a loss of power, after which all attempts that were begun may have left.
    pub fn may_leave(&self, last: AttemptSeq) -> bool {
        // On the caller's thread and not as a job: a call must not wait for a commit.
        self.departure_writer
            .as_ref()
            .is_none_or(|departure_writer| departure_writer.may_leave(last))
    }

    /// Returns the sign that is up while the writer waits for room on a full disk.
    pub fn sign(&self) -> WaitSign {
        self.sign.clone()
    }

    /// Ends all waiting for room on a full disk, now and later.
    pub fn hurry(&self) {
        self.hurried.store(true, Ordering::Relaxed);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Forgets all observed states and returns the ids of the selected tasks, unless there are
    /// more than `limit`.
    pub fn look_for(
        &self,
        selection: TaskSelection,
        limit: usize,
    ) -> impl Future<Output = Result<Option<HashSet<TaskId>>, StoreError>> + Send + 'static {
        self.with(move |writer| {
            let connection = &writer.connection;
            let ids = observed_states::selected_ids(connection, selection, limit);
            observed_states::forget(connection).and(ids).map_err(sqlite(&writer.path))
        })
    }

    /// Keeps observed states, for this process alone.
    pub fn see(
        &self,
        states: Vec<ObservedState>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        self.with(move |writer| {
            // One transaction for a page: each one of its own would cost more than the rows.
            let transaction = writer.connection.transaction().map_err(sqlite(&writer.path))?;
            let seen = observed_states::see(&transaction, &states);
            seen.and_then(|()| transaction.commit()).map_err(sqlite(&writer.path))
        })
    }

    /// Settles tasks by their observed states as `decide` says, before any task is handed out.
    pub fn survey(
        &self,
        decide: impl Fn(Option<Observation>, EarlierCalls, Goal) -> FirstLook + Send + 'static,
        now: Timestamp,
    ) -> impl Future<Output = Result<Surveyed, StoreError>> + Send + 'static {
        self.with(move |writer| {
            let now_us = now.micros_since(writer.origin);
            let surveyed = writer.commit_patiently(|batch, connection| {
                Survey { connection, now_us }.carry_out(batch, &decide)
            })?;
            // The queue was filled before the survey settled some of its tasks.
            writer.queue.refill(&writer.end);
            Ok(surveyed)
        })
    }

    /// Settles the tasks without an outcome that `find` says are excluded, as one commit. Nothing
    /// may have been handed out.
    pub fn leave_out(
        &self,
        find: impl Fn(&TaskId) -> Option<ExcludedTask> + Send + 'static,
        now: Timestamp,
    ) -> impl Future<Output = Result<LeftOut, StoreError>> + Send + 'static {
        self.with(move |writer| {
            let now_us = now.micros_since(writer.origin);
            let left_out = writer.commit_patiently(|batch, connection| {
                Survey { connection, now_us }.leave_out(batch, &find)
            })?;
            writer.queue.refill(&writer.end);
            Ok(left_out)
        })
    }

    /// Records for the tasks that were sent what `decide` makes of their observed states.
    pub fn verify(
        &self,
        decide: impl Fn(CalledTask, Option<Observation>) -> LastLook + Send + 'static,
        now: Timestamp,
    ) -> impl Future<Output = Result<ArrivalCounts, StoreError>> + Send + 'static {
        self.with(move |writer| {
            let now_us = now.micros_since(writer.origin);
            writer.commit_patiently(|batch, connection| {
                Verification { connection, now_us }.carry_out(batch, &decide)
            })
        })
    }

    /// Returns the last sending times so far, the oldest first, each as late as it may be.
    pub fn last_sent(
        &self,
        limit: u32,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Timestamp>, StoreError>> + Send + 'static {
        self.with(move |writer| {
            // Attempts that never left were withdrawn when the run was opened.
            let home = Home::new(&writer.connection);
            let now_us = now.micros_since(writer.origin);
            let scan = JournalScan::read(home, limit, MayHaveLeft::Any, now_us);
            let sent = scan.map_err(sqlite(&writer.path))?.last_sent_us().into_iter();
            Ok(sent.map(|micros| writer.origin.plus_micros(micros)).collect())
        })
    }

    /// Counts the outcomes so far.
    pub fn outcomes(
        &self,
    ) -> impl Future<Output = Result<OutcomeCounts, StoreError>> + Send + 'static {
        self.with(|writer| Ok(writer.end.totals.settled))
    }

    /// Lets the thread do some work; after an error nothing is written any more.
    fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut WriterThread) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static {
        let (done, answer) = oneshot::channel();
        let job: Job = Box::new(move |writer| {
            let worked = work(writer);
            let goes_on = worked.is_ok();
            // The requester may be gone by the time of the answer; a commit stays a commit.
            let _ = done.send(worked);
            goes_on
        });
        // If the thread is gone the job is dropped, and the sender of its answer with it.
        let _ = self.jobs.as_ref().expect("taken out only when dropped").send(job);
        async move { answer.await.unwrap_or(Err(StoreError::WriterGone)) }
    }
}

impl Drop for RunWriter {
    fn drop(&mut self) {
        // The thread ends when no job can come any more; all jobs before are carried out.
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has reached every waiting future as `WriterGone`.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::WaitCause;
    use std::time::Duration;

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_writer_that_panics_fails_the_run_and_all_later_requests() {
        let (jobs, queue) = mpsc::channel();
        let thread = thread::spawn(move || {
            let _job = queue.recv();
            panic!("a defect in the store");
        });
        let writer = RunWriter {
            jobs: Some(jobs),
            thread: Some(thread),
            hurried: Arc::default(),
            departure_writer: None,
            resume_point: ResumePoint::default(),
            sign: WaitSign::new(WaitCause::NoRoom, String::new(), Duration::ZERO),
        };
        for _ in 0..2 {
            let committed = block_on(writer.commit(Vec::new()));
            assert!(matches!(committed, Err(StoreError::WriterGone)));
        }
        assert!(matches!(block_on(writer.claim(1)), Err(StoreError::WriterGone)));
    }
}
