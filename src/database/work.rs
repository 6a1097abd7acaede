//! The thread of a worker: it claims, flushes and beats, one statement after the other.
//!
//! While the database is away, outcomes wait here and nothing new leaves, because leases are not
//! renewed.

use crate::clock::{Clock, Instant, Timestamp, since_boot};
use crate::database::beat::Wishes;
use crate::database::chunk_tasks;
use crate::database::error::DatabaseError;
use crate::database::leases::{ChunkClaim, Worker};
use crate::database::link::Link;
use crate::database::parting::Parting;
use crate::database::records::{Held, Records};
use crate::database::unrecorded::UnrecordedOutcomes;
use crate::event::{Event, WaitSign};
use crate::policy::{FailureAllowance, LeaseClock};
use crate::store::UnsettledTask;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// How often a worker gives a sign of life, and at which share of its lease at most.
const BEAT: Duration = Duration::from_millis(250);
const BEATS_A_LEASE: u32 = 3;
/// When a statement is tried again that the database did not answer.
pub(super) const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Tries a statement again until the database answers, or has been away for too long.
macro_rules! patiently {
    ($work:expr, $statement:expr) => {{
        let began = $work.clock.instant();
        loop {
            match $statement.await {
                Ok(answer) => {
                    $work.note_answer();
                    break answer;
                }
                Err(error)
                    if error.may_pass() && $work.clock.instant() - began < $work.patience =>
                {
                    $work.sign.raise();
                    tokio::time::sleep($crate::database::work::AGAIN_AFTER).await;
                }
                Err(error) => return Err(error),
            }
        }
    }};
}
pub(super) use patiently;

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
pub(super) enum Job {
    Commit {
        events: Vec<Event>,
        done: oneshot::Sender<Result<Flushed, DatabaseError>>,
    },
    Record {
        event: Event,
        done: oneshot::Sender<Result<Event, DatabaseError>>,
    },
    Claim {
        done: oneshot::Sender<Result<ClaimedTasks, DatabaseError>>,
    },
    /// Looks whether tasks are left, and claims none.
    Look {
        done: oneshot::Sender<Result<ClaimedTasks, DatabaseError>>,
    },
    GiveUp {
        chunk: ChunkKey,
    },
    Open,
    Release {
        done: oneshot::Sender<Result<(), DatabaseError>>,
    },
    Close {
        done: oneshot::Sender<Result<(), DatabaseError>>,
    },
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
pub(super) struct Shared {
    pub(super) leases: LeaseClock<ChunkKey>,
    pub(super) failures: FailureAllowance,
    /// When the last sign of life was asked for that kept the job of the run, if it has one.
    pub(super) job_kept: Option<Duration>,
    /// What is known and was not recorded, once the worker cannot go on.
    pub(super) unrecorded: UnrecordedOutcomes,
}

pub(super) fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // Every change is whole, also before a panic.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the thread owns.
pub(super) struct Work {
    pub(super) link: Link,
    pub(super) worker: Worker,
    terms: WorkTerms,
    pub(super) clock: Clock,
    /// How long the database may be away.
    pub(super) patience: Duration,
    /// When the first of the beats began that nothing has answered since.
    away_since: Option<Instant>,
    /// Up while the database cannot be used.
    pub(super) sign: WaitSign,
    /// Told once the database has been away for too long.
    on_lost: Option<oneshot::Sender<DatabaseError>>,
    pub(super) shared: Arc<Mutex<Shared>>,
    board: watch::Sender<Option<Wishes>>,
    /// The chunks by their first ordinals.
    pub(super) held: BTreeMap<u32, Held>,
    /// Those that a beat found lost, for the next commit to tell.
    pub(super) lost: Vec<ChunkKey>,
    pub(super) parting: Parting,
    pub(super) records: Records,
}

/// What the thread tells its worker by.
pub(super) struct Board {
    pub(super) shared: Arc<Mutex<Shared>>,
    /// What is wanted of the run.
    pub(super) wishes: watch::Sender<Option<Wishes>>,
    /// Told once the database has been away for too long.
    pub(super) on_lost: oneshot::Sender<DatabaseError>,
    /// Up while the database cannot be used.
    pub(super) sign: WaitSign,
}

impl Work {
    pub(super) fn new(link: Link, worker: Worker, terms: WorkTerms, board: Board) -> Self {
        let WorkTerms { clock, patience, origin } = terms;
        let Board { shared, wishes: board, on_lost, sign } = board;
        Self {
            link,
            worker,
            terms,
            clock,
            patience,
            away_since: None,
            sign,
            on_lost: Some(on_lost),
            shared,
            board,
            held: BTreeMap::new(),
            lost: Vec::new(),
            parting: Parting::default(),
            records: Records::new(origin),
        }
    }

    pub(super) async fn run(mut self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        let period = BEAT.min(self.worker.lease / BEATS_A_LEASE);
        let mut beats = tokio::time::interval(period);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = beats.tick() => self.beat_or_give_up().await,
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
            Job::Look { done } => drop(done.send(self.look().await)),
            Job::GiveUp { chunk } => self.give_up(chunk).await,
            Job::Open => drop(self.open().await),
            Job::Release { done } => drop(done.send(self.release().await)),
            Job::Close { done } => drop(done.send(self.close().await)),
        }
    }

    /// Beats. A beat that fails renews nothing, and the lease clock stops what would leave. Nothing
    /// else may need the database, such as in a pause: so beats alone find that it is lost.
    async fn beat_or_give_up(&mut self) {
        let began = self.clock.instant();
        let Err(error) = self.beat().await else { return self.note_answer() };
        let since = *self.away_since.get_or_insert(began);
        // A removed run does not come back, and a right or a function that is missing is not given soon.
        if error.may_pass() && self.clock.instant() - since < self.patience {
            self.sign.raise();
            return;
        }
        if let Some(lost) = self.on_lost.take() {
            // What is still to be recorded is tried once.
            self.patience = Duration::ZERO;
            // Whoever listened is about to end.
            let _ = lost.send(error);
        }
    }

    /// Notes that the database is there.
    pub(super) fn note_answer(&mut self) {
        self.away_since = None;
        self.sign.lower();
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
        if wishes.is_exceeded {
            lock(&self.shared).failures.exceed();
        }
        self.board.send_replace(Some(wishes));
        self.ask_for_failures().await
    }

    /// Asks how many more tasks may fail, if there is a reason to.
    pub(super) async fn ask_for_failures(&mut self) -> Result<(), DatabaseError> {
        if lock(&self.shared).failures.is_to_ask() {
            let allowed = self.worker.allow(&mut self.link).await?;
            lock(&self.shared).failures.granted(allowed);
        }
        Ok(())
    }

    pub(super) fn lose(&mut self, chunk: ChunkKey) {
        let records = &mut self.records;
        self.held.retain(|first, held| {
            let is_kept = (held.no, held.epoch) != chunk;
            if !is_kept {
                records.forget(*first);
            }
            is_kept
        });
        lock(&self.shared).leases.forget(chunk);
    }

    async fn give_up(&mut self, chunk: ChunkKey) {
        // If the database is away, another worker has the chunk when its lease is over there.
        let _ = self.worker.give_back(&mut self.link, &[chunk]).await;
        self.lose(chunk);
        self.parting.give_up(chunk.0);
    }

    async fn look(&mut self) -> Result<ClaimedTasks, DatabaseError> {
        let is_open = patiently!(self, self.worker.is_open(&mut self.link));
        Ok(if is_open { ClaimedTasks::NotYet } else { ClaimedTasks::Done })
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
        let doubts = tasks.in_doubt;
        if chunk.is_takeover(doubts) {
            patiently!(self, self.worker.note_doubts(&mut self.link, &chunk, doubts));
        }
        let unsettled = u64::try_from(tasks.unsettled.len()).unwrap_or(u64::MAX);
        let (no, epoch, next_seq, last) = (chunk.no, chunk.epoch, chunk.next_seq, tasks.last);
        let held = Held { no, epoch, last, next_seq, unsettled };
        self.held.insert(tasks.first, held);
        Ok(ClaimedTasks::Tasks(key, tasks.unsettled))
    }

    /// Lets all workers send. The others look again, so one that cannot say so is gone for them.
    async fn open(&mut self) -> Result<(), DatabaseError> {
        patiently!(self, self.worker.open(&mut self.link));
        Ok(())
    }

    /// Gives everything back that is held.
    async fn release(&mut self) -> Result<(), DatabaseError> {
        let held: Vec<ChunkKey> = self.held.values().map(|held| (held.no, held.epoch)).collect();
        // Others can use what is left, and too many failures stop the run.
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
