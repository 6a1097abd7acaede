//! The thread of a worker in simulated time, before a network that is slow, away, or loses answers.
//!
//! It does what `work` does, with the same records, lease clock and allowance.

use super::simulated::SimulatedDatabase;
use crate::clock::{Clock, Instant};
use crate::database::committing::first_of;
use crate::database::error::DatabaseError;
use crate::database::leases::{ChunkClaim, Fate, Flush};
use crate::database::parting::Parting;
use crate::database::records::{Held, Records, is_failure, task_of};
use crate::database::work::{ChunkKey, ClaimedTasks, Flushed};
use crate::event::{Event, EventKind, StopReason};
use crate::policy::{FailureAllowance, LeaseClock, LeaseState};
use crate::task::Outcome;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::sleep;

const BEAT: Duration = Duration::from_millis(250);
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The way from a worker to the database.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network {
    /// How long a statement takes on its way, and its answer, at most.
    pub(crate) slow_millis: u64,
    /// One of so many answers is lost.
    pub(crate) loses_one_in: Option<u32>,
    /// When nothing comes through: from then on, for so long.
    pub(crate) away: Option<(Duration, Duration)>,
    /// How long the worker waits for the database.
    pub(crate) patience: Duration,
    /// Whether leases are counted from the answer, as they must not be.
    pub(crate) counts_from_answer: bool,
}

#[derive(Clone)]
pub(crate) struct SimulatedWorker {
    no: u32,
    database: Arc<Mutex<SimulatedDatabase>>,
    clock: Clock,
    began: Instant,
    network: Network,
    lease: Duration,
    rng: Arc<Mutex<fastrand::Rng>>,
    part: Arc<Mutex<Part>>,
    /// One thing after the other.
    turn: Arc<tokio::sync::Mutex<()>>,
    is_dead: Arc<AtomicBool>,
}

struct Part {
    held: BTreeMap<u32, Held>,
    lost: Vec<ChunkKey>,
    parting: Parting,
    records: Records,
    leases: LeaseClock<ChunkKey>,
    failures: FailureAllowance,
}

impl SimulatedWorker {
    pub(crate) fn join(
        database: &Arc<Mutex<SimulatedDatabase>>,
        network: Network,
        seed: u64,
    ) -> Self {
        let mut locked = database.lock().unwrap();
        let (no, lease, clock) = (locked.join(), locked.lease, locked.clock);
        let part = Part {
            held: BTreeMap::new(),
            lost: Vec::new(),
            parting: Parting::default(),
            records: Records::new(locked.origin()),
            leases: LeaseClock::new(lease),
            failures: FailureAllowance::default(),
        };
        Self {
            no,
            database: Arc::clone(database),
            clock,
            began: clock.instant(),
            network,
            lease,
            rng: Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))),
            part: Arc::new(Mutex::new(part)),
            turn: Arc::default(),
            is_dead: Arc::default(),
        }
    }

    pub(crate) fn no(&self) -> u32 {
        self.no
    }

    /// From now on nothing of it reaches anybody, but for what is on its way.
    pub(crate) fn die(&self) {
        self.is_dead.store(true, Ordering::Relaxed);
    }

    fn part(&self) -> MutexGuard<'_, Part> {
        self.part.lock().unwrap()
    }

    fn since_began(&self) -> Duration {
        self.clock.instant() - self.began
    }

    pub(crate) fn lease(&self, chunk: ChunkKey) -> LeaseState {
        self.part().leases.state(chunk, self.since_began())
    }

    pub(crate) fn may_fail(&self) -> bool {
        self.part().failures.may_begin()
    }

    pub(crate) fn note_failure(&self) {
        self.part().failures.fail();
    }

    fn renew(&self, chunk: ChunkKey, asked: Duration) {
        let asked = if self.network.counts_from_answer { self.since_began() } else { asked };
        self.part().leases.renew(chunk, asked);
    }

    fn lose(&self, chunk: ChunkKey) {
        let mut part = self.part();
        part.held.retain(|_, held| (held.no, held.epoch) != chunk);
        part.leases.forget(chunk);
    }

    fn held(&self) -> Vec<ChunkKey> {
        self.part().held.values().map(|held| (held.no, held.epoch)).collect()
    }

    /// Beats until it is dropped, and tells why the run stops if it does.
    pub(crate) async fn beats(self, stop: impl Fn(StopReason) + Send) {
        let mut is_told = false;
        loop {
            let stopping = self.beat().await.filter(|_| !is_told);
            if let Some(reason) = stopping {
                is_told = true;
                stop(reason);
            }
            sleep(BEAT.min(self.lease / 3)).await;
        }
    }

    async fn beat(&self) -> Option<StopReason> {
        let _turn = self.turn.lock().await;
        let (no, held, asked) = (self.no, self.held(), self.since_began());
        let beat = |database: &mut SimulatedDatabase| {
            let (is_short, is_exceeded) = (database.is_short(), database.is_exceeded());
            (database.beat(no, &held), is_short, is_exceeded, database.stopping)
        };
        let (kept, is_short, is_exceeded, stopping) = self.once(&beat).await?;
        if is_short {
            self.part().failures.recall();
        }
        if is_exceeded {
            self.part().failures.exceed();
        }
        for &chunk in &held {
            if kept.contains(&chunk) {
                self.renew(chunk, asked);
            } else {
                self.lose(chunk);
                let mut part = self.part();
                part.lost.push(chunk);
                part.parting.lose(chunk.0);
            }
        }
        if self.part().failures.is_to_ask() {
            let allowed = self.once(&|database| database.allow(no)).await?;
            self.part().failures.granted(allowed);
        }
        stopping
    }

    pub(crate) async fn claim(self) -> Result<ClaimedTasks, DatabaseError> {
        let _turn = self.turn.lock().await;
        let (no, asked) = (self.no, self.since_began());
        let own: Vec<u32> = {
            let part = self.part();
            part.held.values().map(|held| held.no).chain(part.parting.chunks()).collect()
        };
        let chunk = match self.patiently(&|database| database.claim(no, &own)).await? {
            ChunkClaim::Chunk(chunk) => chunk,
            ChunkClaim::NotYet => {
                self.part().parting.found_nothing();
                return Ok(ClaimedTasks::NotYet);
            }
            ChunkClaim::Done => return Ok(ClaimedTasks::Done),
        };
        let key = (chunk.no, chunk.epoch);
        self.renew(key, asked);
        let tasks = self.patiently(&|database| database.tasks_of(&chunk)).await?;
        let damaged = |detail| DatabaseError::Damaged { shown: "simulated".into(), detail };
        let tasks = tasks.map_err(damaged)?;
        self.patiently(&|database| database.note_doubts(&chunk, tasks.in_doubt)).await?;
        let (epoch, next_seq, last) = (chunk.epoch, chunk.next_seq, tasks.last);
        let unsettled = tasks.unsettled.len() as u64;
        let held = Held { no: chunk.no, epoch, last, next_seq, unsettled };
        self.part().held.insert(tasks.first, held);
        Ok(ClaimedTasks::Tasks(key, tasks.unsettled))
    }

    pub(crate) async fn commit(self, mut events: Vec<Event>) -> Result<Flushed, DatabaseError> {
        let _turn = self.turn.lock().await;
        let failures = events.iter().filter(|event| is_failure(event)).count() as u64;
        let mut recorded = 0;
        let (mut lost, mut waiting) = {
            let Part { held, lost, records, .. } = &mut *self.part();
            events.retain(|event| records.write(event, |ordinal| first_of(held, ordinal)));
            let _ = records.of_the_run();
            (std::mem::take(lost), records.of_chunks())
        };
        while !waiting.is_empty() {
            let flushes: Vec<(u32, Flush)> = {
                let held = &self.part().held;
                let flush = |(first, segment): (&u32, &_)| to_flush(*first, segment, held);
                waiting.iter().filter_map(flush).collect()
            };
            waiting.retain(|first, _| flushes.iter().any(|(kept, _)| kept == first));
            let bodies: Vec<Flush> = flushes.iter().map(|(_, flush)| flush.clone()).collect();
            let (no, asked) = (self.no, self.since_began());
            let fates = self.patiently(&|database| database.flush(no, &bodies)).await?;
            for ((first, flush), fate) in flushes.iter().zip(fates) {
                match fate {
                    Fate::SendAgain => continue,
                    Fate::Kept => {
                        recorded += flush.settled[Outcome::Failed];
                        self.kept(*first, flush, asked);
                    }
                    Fate::Lost => {
                        let held = &self.part().held;
                        let of_chunk = |event: &Event| {
                            task_of(event).and_then(|task| first_of(held, task.0)) == Some(*first)
                        };
                        events.retain(|event| !of_chunk(event));
                        lost.push((flush.no, flush.epoch));
                    }
                }
                waiting.remove(first);
            }
            for &chunk in &lost {
                self.lose(chunk);
                self.part().parting.lose(chunk.0);
            }
        }
        self.part().failures.committed(failures, recorded);
        for event in &events {
            if let EventKind::RunStopping { reason, .. } = event.kind
                && reason.is_of_all_workers()
            {
                let stop = move |database: &mut SimulatedDatabase| {
                    database.stopping.get_or_insert(reason);
                };
                self.patiently(&stop).await?;
            }
        }
        if !self.may_fail() {
            self.ask_for_failures().await?;
        }
        self.part().parting.committed();
        Ok(Flushed { events, lost })
    }

    async fn ask_for_failures(&self) -> Result<(), DatabaseError> {
        if self.part().failures.is_to_ask() {
            let no = self.no;
            let allowed = self.patiently(&|database| database.allow(no)).await?;
            self.part().failures.granted(allowed);
        }
        Ok(())
    }

    fn kept(&self, first: u32, flush: &Flush, asked: Duration) {
        self.renew((flush.no, flush.epoch), asked);
        let mut part = self.part();
        let Some(held) = part.held.get_mut(&first) else { return };
        held.next_seq += 1;
        held.unsettled = held.unsettled.saturating_sub(flush.settled.selected());
        if held.unsettled == 0 {
            part.held.remove(&first);
        }
    }

    pub(crate) async fn give_up(self, chunk: ChunkKey) {
        let _turn = self.turn.lock().await;
        let _ = self.once(&|database| database.give_back(&[chunk])).await;
        self.lose(chunk);
        self.part().parting.give_up(chunk.0);
    }

    pub(crate) async fn release(self) -> Result<(), DatabaseError> {
        let _turn = self.turn.lock().await;
        self.ask_for_failures().await?;
        let held = self.held();
        self.patiently(&|database| database.give_back(&held)).await?;
        held.into_iter().for_each(|chunk| self.lose(chunk));
        Ok(())
    }

    pub(crate) async fn close(self) -> Result<(), DatabaseError> {
        self.clone().release().await?;
        let _turn = self.turn.lock().await;
        let no = self.no;
        self.patiently(&|database| database.leave(no)).await
    }

    /// Tries a statement again until an answer comes.
    async fn patiently<T>(
        &self,
        statement: &(impl Fn(&mut SimulatedDatabase) -> T + Sync),
    ) -> Result<T, DatabaseError> {
        let began = self.clock.instant();
        loop {
            if let Some(answer) = self.once(statement).await {
                return Ok(answer);
            }
            if self.clock.instant() - began >= self.network.patience {
                let source = "it is away".into();
                return Err(DatabaseError::Unreachable { shown: "simulated".into(), source });
            }
            sleep(AGAIN_AFTER).await;
        }
    }

    /// Sends a statement once; nothing if no answer comes, whether it was carried out or not.
    async fn once<T>(
        &self,
        statement: &(impl Fn(&mut SimulatedDatabase) -> T + Sync),
    ) -> Option<T> {
        self.alive().await;
        let (way, back, is_lost) = {
            let (mut rng, slow) = (self.rng.lock().unwrap(), self.network.slow_millis);
            let is_lost = self.network.loses_one_in.is_some_and(|many| rng.u32(..many) == 0);
            (rng.u64(..=slow), rng.u64(..=slow), is_lost)
        };
        sleep(Duration::from_millis(way)).await;
        let (from, lasts) = self.network.away.unwrap_or_default();
        let into = self.since_began().checked_sub(from);
        let answer = if into.is_some_and(|into| into < lasts) {
            None
        } else {
            Some(statement(&mut self.database.lock().unwrap())).filter(|_| !is_lost)
        };
        sleep(Duration::from_millis(back)).await;
        self.alive().await;
        answer
    }

    async fn alive(&self) {
        if self.is_dead.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

fn to_flush(
    first: u32,
    segment: &crate::database::records::ChunkSegment,
    held: &BTreeMap<u32, Held>,
) -> Option<(u32, Flush)> {
    Some((first, segment.flush(held.get(&first)?)))
}
