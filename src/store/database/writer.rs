//! The worker's side of a run in a database: a thread that claims, flushes and beats.
//!
//! The dispatcher never waits for the database: it asks, and goes on with what it has. While the
//! database is away, outcomes wait here and nothing new leaves, because leases are not renewed.

use crate::clock::{Clock, Timestamp};
use crate::event::{Event, EventKind};
use crate::journal::{Fact, Record, SegmentWriter};
use crate::policy::{LeaseClock, LeaseState};
use crate::store::database::beat::{SignOfLife, Wishes};
use crate::store::database::chunk_tasks;
use crate::store::database::error::DatabaseError;
use crate::store::database::leases::{ChunkClaim, Fate, Flush, Worker};
use crate::store::database::link::Link;
use crate::store::writing::UnsettledTask;
use crate::store::writing::event_writer::{ended, micros_of_time};
use crate::task::{Ordinal, Outcome};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, thread};
use tokio::sync::{mpsc, oneshot};

/// How often a worker gives a sign of life, and at which share of its lease at most.
const BEAT: Duration = Duration::from_millis(250);
const BEATS_A_LEASE: u32 = 3;
/// When a statement is tried again that the database did not answer.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Tries a statement again until the database answers, or has been away for too long.
macro_rules! patiently {
    ($work:expr, $statement:expr) => {{
        let began = $work.clock.instant();
        loop {
            match $statement.await {
                Err(error)
                    if error.may_pass() && $work.clock.instant() - began < $work.patience =>
                {
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
                answered => break answered?,
            }
        }
    }};
}

/// A chunk and its epoch.
pub type ChunkKey = (u32, u32);

/// The answer to a claim: tasks with their chunk, or why there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimedTasks {
    /// These tasks of this chunk.
    Tasks(ChunkKey, Vec<UnsettledTask>),
    /// Others have all that is left.
    NotYet,
    /// Everything is settled.
    Done,
}

/// What became of a commit.
#[derive(Debug)]
pub struct Flushed {
    /// The events that are durable.
    pub events: Vec<Event>,
    /// The chunks that are another worker's now.
    pub lost: Vec<ChunkKey>,
}

enum Job {
    Commit { events: Vec<Event>, done: oneshot::Sender<Result<Flushed, DatabaseError>> },
    Claim { done: oneshot::Sender<Result<ClaimedTasks, DatabaseError>> },
    Close { done: oneshot::Sender<Result<(), DatabaseError>> },
}

/// The writer of a worker. Dropped without [`DatabaseWriter::close`], it leaves its chunks to the end
/// of their leases, as a killed process does.
#[derive(Debug)]
pub struct DatabaseWriter {
    jobs: Option<mpsc::UnboundedSender<Job>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Mutex<Shared>>,
    worker: Worker,
}

/// What the dispatcher asks without waiting.
#[derive(Debug)]
struct Shared {
    leases: LeaseClock<ChunkKey>,
    wishes: Option<Wishes>,
}

impl DatabaseWriter {
    /// Starts the thread of a worker that has joined a run.
    ///
    /// # Errors
    ///
    /// The system cannot start a thread.
    pub(crate) fn start(
        link: Link,
        worker: Worker,
        origin: Timestamp,
        clock: Clock,
        patience: Duration,
    ) -> io::Result<Self> {
        let (jobs, queue) = mpsc::unbounded_channel();
        let leases = LeaseClock::new(worker.lease);
        let shared = Arc::new(Mutex::new(Shared { leases, wishes: None }));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = Work {
            link,
            worker,
            origin,
            clock,
            patience,
            shared: Arc::clone(&shared),
            held: BTreeMap::new(),
            lost: Vec::new(),
        };
        let thread = thread::Builder::new().name("store".into());
        let thread = thread.spawn(move || runtime.block_on(work.run(queue)))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), shared, worker })
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

    /// Gives back what is held, so that others can claim it at once.
    pub fn close(&self) -> impl Future<Output = Result<(), DatabaseError>> + Send + 'static {
        let (done, answer) = oneshot::channel();
        self.ask(Job::Close { done }, answer)
    }

    /// Returns what the lease of a chunk allows.
    pub fn lease(&self, chunk: ChunkKey, now: Instant) -> LeaseState {
        lock(&self.shared).leases.state(chunk, now)
    }

    /// Returns what the last beat brought.
    pub fn wishes(&self) -> Option<Wishes> {
        lock(&self.shared).wishes.clone()
    }

    fn ask<T: Send + 'static>(
        &self,
        job: Job,
        answer: oneshot::Receiver<Result<T, DatabaseError>>,
    ) -> impl Future<Output = Result<T, DatabaseError>> + Send + 'static {
        // If the thread is gone the job is dropped, and the sender of its answer with it.
        let _ = self.jobs.as_ref().expect("taken out only when dropped").send(job);
        async move { answer.await.unwrap_or(Err(DatabaseError::WriterGone)) }
    }
}

impl Drop for DatabaseWriter {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has reached every waiting future as `WriterGone`.
            let _ = thread.join();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // Every change is whole, also before a panic.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A chunk that is held.
#[derive(Debug)]
struct Held {
    no: u32,
    epoch: u32,
    /// The ordinal of its last task.
    last: u32,
    next_seq: u32,
    unsettled: u32,
}

/// What the thread owns.
struct Work {
    link: Link,
    worker: Worker,
    origin: Timestamp,
    clock: Clock,
    /// How long the database may be away.
    patience: Duration,
    shared: Arc<Mutex<Shared>>,
    /// The chunks by their first ordinals.
    held: BTreeMap<u32, Held>,
    /// Those that a beat found lost, for the next commit to tell.
    lost: Vec<ChunkKey>,
}

impl Work {
    async fn run(mut self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        let period = BEAT.min(self.worker.lease / BEATS_A_LEASE);
        let mut beats = tokio::time::interval(period);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = beats.tick() => {
                    // A beat that fails renews nothing, and the lease clock stops what would leave.
                    let _ = self.beat().await;
                }
                job = jobs.recv() => match job {
                    Some(job) => self.carry_out(job).await,
                    None => return,
                }
            }
        }
    }

    async fn carry_out(&mut self, job: Job) {
        // Whoever asked may be gone by now; what is done stays done.
        match job {
            Job::Commit { events, done } => drop(done.send(self.commit(events).await)),
            Job::Claim { done } => drop(done.send(self.claim().await)),
            Job::Close { done } => drop(done.send(self.close().await)),
        }
    }

    async fn beat(&mut self) -> Result<(), DatabaseError> {
        let held: Vec<ChunkKey> = self.held.values().map(|held| (held.no, held.epoch)).collect();
        let asked = self.clock.instant().into();
        let wishes = self.worker.beat(&mut self.link, SignOfLife::default(), &held).await?;
        for &(no, epoch) in &held {
            if wishes.kept.contains(&no) {
                lock(&self.shared).leases.renew((no, epoch), asked);
            } else {
                self.lose((no, epoch));
                self.lost.push((no, epoch));
            }
        }
        lock(&self.shared).wishes = Some(wishes);
        Ok(())
    }

    fn lose(&mut self, chunk: ChunkKey) {
        self.held.retain(|_, held| (held.no, held.epoch) != chunk);
        lock(&self.shared).leases.forget(chunk);
    }

    async fn claim(&mut self) -> Result<ClaimedTasks, DatabaseError> {
        let asked = self.clock.instant().into();
        let chunk = match patiently!(self, self.worker.claim(&mut self.link)) {
            ChunkClaim::Chunk(chunk) => chunk,
            ChunkClaim::NotYet => return Ok(ClaimedTasks::NotYet),
            ChunkClaim::Done => return Ok(ClaimedTasks::Done),
        };
        let key = (chunk.no, chunk.epoch);
        lock(&self.shared).leases.renew(key, asked);
        let run = self.worker.run;
        let tasks = patiently!(self, chunk_tasks::read(&mut self.link, run, &chunk, self.origin));
        if chunk.taken_from.is_some() {
            let doubts = tasks.in_doubt;
            patiently!(self, self.worker.note_doubts(&mut self.link, &chunk, doubts));
        }
        let unsettled = u32::try_from(tasks.unsettled.len()).unwrap_or(u32::MAX);
        let (no, epoch, next_seq, last) = (chunk.no, chunk.epoch, chunk.next_seq, tasks.last);
        let held = Held { no, epoch, last, next_seq, unsettled };
        self.held.insert(tasks.first, held);
        Ok(ClaimedTasks::Tasks(key, tasks.unsettled))
    }

    async fn commit(&mut self, mut events: Vec<Event>) -> Result<Flushed, DatabaseError> {
        let mut lost = std::mem::take(&mut self.lost);
        let mut segments: BTreeMap<u32, Segment> = BTreeMap::new();
        events.retain(|event| self.write(event, &mut segments));
        let mut waiting = segments;
        while !waiting.is_empty() {
            let flushes: Vec<(u32, Flush)> = waiting
                .iter()
                .filter_map(|(first, segment)| Some((*first, segment.flush(self.held.get(first)?))))
                .collect();
            let firsts: Vec<u32> = flushes.iter().map(|(first, _)| *first).collect();
            let flushes: Vec<Flush> = flushes.into_iter().map(|(_, flush)| flush).collect();
            let asked = self.clock.instant().into();
            let fates = patiently!(self, self.worker.flush(&mut self.link, &flushes));
            waiting.retain(|first, _| firsts.contains(first));
            for ((first, flush), fate) in firsts.into_iter().zip(&flushes).zip(fates) {
                match fate {
                    Fate::SendAgain => continue,
                    Fate::Kept => self.kept(first, flush, asked),
                    Fate::Lost => {
                        let chunk = (flush.no, flush.epoch);
                        // Watchers see only what is recorded.
                        events.retain(|event| self.first_of(event) != Some(first));
                        self.lose(chunk);
                        lost.push(chunk);
                    }
                }
                waiting.remove(&first);
            }
        }
        Ok(Flushed { events, lost })
    }

    fn kept(&mut self, first: u32, flush: &Flush, asked: Instant) {
        lock(&self.shared).leases.renew((flush.no, flush.epoch), asked);
        let Some(held) = self.held.get_mut(&first) else { return };
        held.next_seq += 1;
        held.unsettled = held.unsettled.saturating_sub(flush.settled);
        // A settled chunk needs no lease, and must not count as lost.
        if held.unsettled == 0 {
            self.held.remove(&first);
        }
    }

    /// Returns the first ordinal of the chunk that an event is about, if it is held.
    fn first_of(&self, event: &Event) -> Option<u32> {
        // Chunks do not overlap, so the last one that begins before has the task.
        let (&first, held) = self.held.range(..=task_of(event)?.0).next_back()?;
        (task_of(event)?.0 <= held.last).then_some(first)
    }

    /// Writes an event into the segment of its chunk; returns whether it will be recorded.
    fn write(&self, event: &Event, segments: &mut BTreeMap<u32, Segment>) -> bool {
        let Some(ordinal) = task_of(event) else { return true };
        let Some(first) = self.first_of(event) else { return false };
        let segment = segments.entry(first).or_default();
        let micros = |at: Timestamp| micros_of_time(at, self.origin);
        let fact = match &event.kind {
            EventKind::AttemptStarted { seq, number, leaves, .. } => {
                Fact::Started { seq: seq.0, number: *number, leaves_us: micros(*leaves) }
            }
            EventKind::AttemptWithdrawn { .. } => Fact::Withdrawn,
            EventKind::AttemptEnded { result, .. } => {
                Fact::Ended(ended(result, micros(result.sent)))
            }
            EventKind::TaskSettled { outcome, .. } => {
                segment.settled += 1;
                segment.failed += u32::from(*outcome == Outcome::Failed);
                Fact::Settled { outcome: *outcome, at_us: micros(event.at) }
            }
            _ => return true,
        };
        segment.writer.push(&Record { offset: ordinal.0 - first, fact });
        true
    }

    async fn close(&mut self) -> Result<(), DatabaseError> {
        let held: Vec<ChunkKey> = self.held.values().map(|held| (held.no, held.epoch)).collect();
        patiently!(self, self.worker.leave(&mut self.link, &held));
        held.into_iter().for_each(|chunk| self.lose(chunk));
        Ok(())
    }
}

/// The records of one chunk in one commit.
#[derive(Debug, Default)]
struct Segment {
    writer: SegmentWriter,
    settled: u32,
    failed: u32,
}

impl Segment {
    fn flush(&self, held: &Held) -> Flush {
        let mut body = Vec::new();
        self.writer.write(u64::from(held.next_seq.min(1)), &mut body);
        let (no, epoch, seq) = (held.no, held.epoch, held.next_seq);
        Flush { no, epoch, seq, body, settled: self.settled, failed: self.failed }
    }
}

/// Returns the task of an event that a chunk's segment records.
fn task_of(event: &Event) -> Option<Ordinal> {
    match &event.kind {
        EventKind::AttemptStarted { task, .. }
        | EventKind::AttemptWithdrawn { task, .. }
        | EventKind::AttemptEnded { task, .. }
        | EventKind::TaskSettled { task, .. } => Some(task.ordinal),
        _ => None,
    }
}
