//! The thread of a worker: it claims, flushes and beats, one statement after the other.
//!
//! While the database is away, outcomes wait here and nothing new leaves, because leases are not
//! renewed.

use crate::clock::{Clock, Timestamp, since_boot};
use crate::event::{Event, EventKind};
use crate::policy::{FailureAllowance, LeaseClock};
use crate::store::database::beat::Wishes;
use crate::store::database::chunk_tasks;
use crate::store::database::error::DatabaseError;
use crate::store::database::leases::{ChunkClaim, Fate, Flush, Worker};
use crate::store::database::link::Link;
use crate::store::database::parting::Parting;
use crate::store::database::records::{Held, Records, task_of};
use crate::store::writing::UnsettledTask;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

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

/// What the thread is asked for.
pub(crate) enum Job {
    Commit { events: Vec<Event>, done: oneshot::Sender<Result<Flushed, DatabaseError>> },
    Record { event: Event, done: oneshot::Sender<Result<Event, DatabaseError>> },
    Claim { done: oneshot::Sender<Result<ClaimedTasks, DatabaseError>> },
    GiveUp { chunk: ChunkKey },
    Open,
    Release { done: oneshot::Sender<Result<(), DatabaseError>> },
    Close { done: oneshot::Sender<Result<(), DatabaseError>> },
}

/// How a worker does its part.
#[derive(Debug, Clone, Copy)]
pub struct WorkTerms {
    /// The time from which those of the run count.
    pub origin: Timestamp,
    /// The clock.
    pub clock: Clock,
    /// How long the database may be away.
    pub patience: Duration,
}

/// What the dispatcher asks without waiting.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) leases: LeaseClock<ChunkKey>,
    pub(crate) failures: FailureAllowance,
    /// When the last sign of life was asked for that kept the job of the run, if it has one.
    pub(crate) job_kept: Option<Duration>,
}

pub(crate) fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // Every change is whole, also before a panic.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the thread owns.
pub(crate) struct Work {
    link: Link,
    worker: Worker,
    terms: WorkTerms,
    clock: Clock,
    /// How long the database may be away.
    patience: Duration,
    shared: Arc<Mutex<Shared>>,
    board: watch::Sender<Option<Wishes>>,
    /// The chunks by their first ordinals.
    held: BTreeMap<u32, Held>,
    /// Those that a beat found lost, for the next commit to tell.
    lost: Vec<ChunkKey>,
    parting: Parting,
    records: Records,
}

impl Work {
    pub(crate) fn new(
        link: Link,
        worker: Worker,
        terms: WorkTerms,
        shared: Arc<Mutex<Shared>>,
        board: watch::Sender<Option<Wishes>>,
    ) -> Self {
        let WorkTerms { clock, patience, origin } = terms;
        let (held, lost, records) = (BTreeMap::new(), Vec::new(), Records::new(origin));
        let parting = Parting::default();
        Self { link, worker, terms, clock, patience, shared, board, held, lost, parting, records }
    }

    pub(crate) async fn run(mut self, mut jobs: mpsc::UnboundedReceiver<Job>) {
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
            Job::Record { event, done } => drop(done.send(self.record(event).await)),
            Job::Claim { done } => drop(done.send(self.claim().await)),
            Job::GiveUp { chunk } => self.give_up(chunk).await,
            Job::Open => drop(self.open().await),
            Job::Release { done } => drop(done.send(self.release().await)),
            Job::Close { done } => drop(done.send(self.close().await)),
        }
    }

    async fn beat(&mut self) -> Result<(), DatabaseError> {
        let held: Vec<ChunkKey> = self.held.values().map(|held| (held.no, held.epoch)).collect();
        let asked = since_boot(self.clock.instant().into());
        let sign = self.records.sign_of_life();
        let wishes = self.worker.beat(&mut self.link, sign, &held).await?;
        for &(no, epoch) in &held {
            if wishes.kept.contains(&no) {
                lock(&self.shared).leases.renew((no, epoch), asked);
            } else {
                self.lose((no, epoch));
                self.parting.lose(no);
                self.lost.push((no, epoch));
            }
        }
        if wishes.keeps_job {
            lock(&self.shared).job_kept = Some(asked);
        }
        if wishes.is_short {
            lock(&self.shared).failures.recall();
        }
        self.board.send_replace(Some(wishes));
        self.ask_for_failures().await
    }

    /// Counts the failures since the last time, and asks for some of those that are left.
    async fn ask_for_failures(&mut self) -> Result<(), DatabaseError> {
        let asked = lock(&self.shared).failures.ask();
        let Some(failed) = asked else { return Ok(()) };
        let allowed = self.worker.allow(&mut self.link, failed).await?;
        lock(&self.shared).failures.granted(failed, allowed);
        Ok(())
    }

    fn lose(&mut self, chunk: ChunkKey) {
        self.held.retain(|_, held| (held.no, held.epoch) != chunk);
        lock(&self.shared).leases.forget(chunk);
    }

    async fn give_up(&mut self, chunk: ChunkKey) {
        // If the database is away, another worker has the chunk when its lease is over there.
        let _ = self.worker.give_back(&mut self.link, &[chunk]).await;
        self.lose(chunk);
        self.parting.give_up(chunk.0);
    }

    async fn claim(&mut self) -> Result<ClaimedTasks, DatabaseError> {
        let asked = since_boot(self.clock.instant().into());
        let own: Vec<u32> =
            self.held.values().map(|held| held.no).chain(self.parting.chunks()).collect();
        let chunk = match patiently!(self, self.worker.claim(&mut self.link, &own)) {
            ChunkClaim::Chunk(chunk) => chunk,
            ChunkClaim::NotYet => {
                self.parting.found_nothing();
                return Ok(ClaimedTasks::NotYet);
            }
            ChunkClaim::Done => return Ok(ClaimedTasks::Done),
        };
        let key = (chunk.no, chunk.epoch);
        lock(&self.shared).leases.renew(key, asked);
        let (run, origin) = (self.worker.run, self.terms.origin);
        let tasks = patiently!(self, chunk_tasks::read(&mut self.link, run, &chunk, origin));
        if chunk.taken_from.is_some() {
            let doubts = tasks.in_doubt;
            patiently!(self, self.worker.note_doubts(&mut self.link, &chunk, doubts));
        }
        let unsettled = u64::try_from(tasks.unsettled.len()).unwrap_or(u64::MAX);
        let (no, epoch, next_seq, last) = (chunk.no, chunk.epoch, chunk.next_seq, tasks.last);
        let held = Held { no, epoch, last, next_seq, unsettled };
        self.held.insert(tasks.first, held);
        Ok(ClaimedTasks::Tasks(key, tasks.unsettled))
    }

    async fn commit(&mut self, mut events: Vec<Event>) -> Result<Flushed, DatabaseError> {
        let mut lost = std::mem::take(&mut self.lost);
        let held = &self.held;
        events.retain(|event| self.records.write(event, |ordinal| first_of(held, ordinal)));
        self.append().await?;
        let mut waiting = self.records.of_chunks();
        while !waiting.is_empty() {
            let flushes: Vec<(u32, Flush)> = waiting
                .iter()
                .filter_map(|(first, segment)| Some((*first, segment.flush(self.held.get(first)?))))
                .collect();
            let firsts: Vec<u32> = flushes.iter().map(|(first, _)| *first).collect();
            let flushes: Vec<Flush> = flushes.into_iter().map(|(_, flush)| flush).collect();
            let asked = since_boot(self.clock.instant().into());
            let fates = patiently!(self, self.worker.flush(&mut self.link, &flushes));
            waiting.retain(|first, _| firsts.contains(first));
            for ((first, flush), fate) in firsts.into_iter().zip(&flushes).zip(fates) {
                match fate {
                    Fate::SendAgain => continue,
                    Fate::Kept => self.kept(first, flush, asked),
                    Fate::Lost => {
                        let chunk = (flush.no, flush.epoch);
                        let held = &self.held;
                        let is_of_chunk = |event: &Event| {
                            task_of(event).and_then(|task| first_of(held, task.0)) == Some(first)
                        };
                        // Watchers see only what is recorded.
                        events.retain(|event| !is_of_chunk(event));
                        self.lose(chunk);
                        self.parting.lose(chunk.0);
                        lost.push(chunk);
                    }
                }
                waiting.remove(&first);
            }
        }
        self.stop_all(&events).await?;
        // Not with the next beat: whoever has used up its failures sends nothing until then.
        if !lock(&self.shared).failures.may_begin() {
            patiently!(self, self.ask_for_failures());
        }
        self.parting.committed();
        Ok(Flushed { events, lost })
    }

    /// Records an event about the run that is not the dispatcher's. Nothing of chunks goes with it, and
    /// what is lost is left for the next commit to tell: only the dispatcher can drop it.
    async fn record(&mut self, event: Event) -> Result<Event, DatabaseError> {
        self.records.write(&event, |_| None);
        self.append().await?;
        Ok(event)
    }

    /// Appends the segment about the run, if there is a record for it.
    async fn append(&mut self) -> Result<(), DatabaseError> {
        if let Some((seq, body)) = self.records.of_the_run() {
            patiently!(self, self.worker.append(&mut self.link, seq, &body));
        }
        Ok(())
    }

    /// Stops all workers, if this one stops for a reason of the run.
    async fn stop_all(&mut self, events: &[Event]) -> Result<(), DatabaseError> {
        for event in events {
            if let EventKind::RunStopping { reason, .. } = &event.kind
                && reason.is_of_all_workers()
            {
                patiently!(self, self.worker.stop_all(&mut self.link, reason.as_str()));
            }
        }
        Ok(())
    }

    fn kept(&mut self, first: u32, flush: &Flush, asked: Duration) {
        lock(&self.shared).leases.renew((flush.no, flush.epoch), asked);
        let Some(held) = self.held.get_mut(&first) else { return };
        held.next_seq += 1;
        held.unsettled = held.unsettled.saturating_sub(flush.settled.selected());
        // A settled chunk needs no lease, and must not count as lost.
        if held.unsettled == 0 {
            self.held.remove(&first);
        }
    }

    /// Lets all workers send. The others look again, so one that cannot say so is gone for them.
    async fn open(&mut self) -> Result<(), DatabaseError> {
        patiently!(self, self.worker.open(&mut self.link));
        Ok(())
    }

    /// Gives everything back that is held.
    async fn release(&mut self) -> Result<(), DatabaseError> {
        let held: Vec<ChunkKey> = self.held.values().map(|held| (held.no, held.epoch)).collect();
        // Failures that were not counted yet are those of the run all the same.
        patiently!(self, self.ask_for_failures());
        patiently!(self, self.worker.give_back(&mut self.link, &held));
        held.into_iter().for_each(|chunk| self.lose(chunk));
        Ok(())
    }

    async fn close(&mut self) -> Result<(), DatabaseError> {
        self.release().await?;
        let sign = self.records.sign_of_life();
        patiently!(self, self.worker.beat(&mut self.link, sign, &[]));
        patiently!(self, self.worker.leave(&mut self.link));
        Ok(())
    }
}

/// Returns the first ordinal of the chunk that has a task, if it is held.
pub(crate) fn first_of(held: &BTreeMap<u32, Held>, ordinal: u32) -> Option<u32> {
    // Chunks do not overlap, so the last one that begins before has the task.
    let (&first, held) = held.range(..=ordinal).next_back()?;
    (ordinal <= held.last).then_some(first)
}
