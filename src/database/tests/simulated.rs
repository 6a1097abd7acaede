//! A database in simulated time: who may record what, by the rules of its statements.
//!
//! The statements themselves are tested against a real server.

use crate::clock::{Clock, Instant, Timestamp};
use crate::database::NewChunk;
use crate::database::chunk_tasks::{self, ChunkTasks};
use crate::database::leases::{ChunkClaim, Fate, Flush, LeasedChunk};
use crate::database::tests::planned;
use crate::database::work::ChunkKey;
use crate::event::StopReason;
use crate::journal::{Fact, Place, records};
use crate::policy::Allowed;
use crate::task::Outcome;
use std::collections::BTreeMap;
use std::time::Duration;

/// A rule that the database neglects, to show that this is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Neglect {
    Nothing,
    /// A flush counts whoever has the chunk.
    Epochs,
    /// A flush counts as often as it comes.
    Sequence,
    /// The tasks in doubt of a chunk that was given back are not told of.
    Doubts,
}

/// Called with each fact that becomes durable: the worker, the ordinal of the task, and the fact.
type OnFact = Box<dyn FnMut(u32, u32, &Fact<'_>) + Send>;

pub(crate) struct SimulatedDatabase {
    pub(crate) clock: Clock,
    pub(crate) lease: Duration,
    pub(crate) neglect: Neglect,
    pub(crate) stopping: Option<StopReason>,
    pub(crate) tolerated: u64,
    origin: Timestamp,
    chunks: Vec<Chunk>,
    workers: BTreeMap<u32, Seen>,
    /// The tasks in doubt at each claim, by chunk and epoch.
    told: BTreeMap<ChunkKey, u64>,
    on_fact: OnFact,
}

struct Chunk {
    first: u32,
    tasks: u32,
    body: Vec<u8>,
    epoch: u32,
    next_seq: u32,
    settled: u64,
    /// Whose it is, and until when without a sign of life.
    leased: Option<(u32, Instant)>,
    segments: Vec<(u32, Vec<u8>)>,
}

struct Seen {
    at: Instant,
    allowance: u64,
    failed: u64,
}

/// What the records of a task come to.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) ordinal: u32,
    pub(crate) settled: Option<Outcome>,
    pub(crate) attempts: u32,
}

impl SimulatedDatabase {
    /// Plans a run of so many tasks, in chunks of that size.
    pub(crate) fn new(clock: Clock, tasks: u32, size: u32, lease: Duration) -> Self {
        let starts = (0..tasks).step_by(size as usize);
        Self {
            clock,
            lease,
            neglect: Neglect::Nothing,
            stopping: None,
            tolerated: u64::MAX,
            origin: clock.now(),
            chunks: starts.map(|first| Chunk::new(first, size.min(tasks - first))).collect(),
            workers: BTreeMap::new(),
            told: BTreeMap::new(),
            on_fact: Box::new(|_, _, _| ()),
        }
    }

    pub(crate) fn observed_by(
        self,
        on_fact: impl FnMut(u32, u32, &Fact<'_>) + Send + 'static,
    ) -> Self {
        Self { on_fact: Box::new(on_fact), ..self }
    }

    pub(crate) fn join(&mut self) -> u32 {
        let no = self.workers.keys().next_back().copied().unwrap_or(0) + 1;
        self.workers.insert(no, Seen { at: self.clock.instant(), allowance: 0, failed: 0 });
        no
    }

    pub(crate) fn origin(&self) -> Timestamp {
        self.origin
    }

    pub(crate) fn is_done(&self) -> bool {
        self.chunks.iter().all(Chunk::is_done)
    }

    pub(crate) fn settled(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.settled).sum()
    }

    /// Returns which worker has a task.
    pub(crate) fn owner(&self, ordinal: u32) -> Option<u32> {
        let chunk = self.chunks.iter().rfind(|chunk| chunk.first <= ordinal)?;
        chunk.leased.map(|(worker, _)| worker)
    }

    pub(super) fn claim(&mut self, worker: u32, own: &[u32]) -> ChunkClaim {
        let (now, lease) = (self.clock.instant(), self.lease);
        let is_free = |chunk: &Chunk| chunk.leased.is_none_or(|(_, until)| until < now);
        let mut places = (0_u32..).zip(&self.chunks);
        let found =
            places.find(|(no, chunk)| !chunk.is_done() && is_free(chunk) && !own.contains(no));
        let Some(place) = found.map(|(no, _)| no as usize) else {
            return if self.is_done() { ChunkClaim::Done } else { ChunkClaim::NotYet };
        };
        let chunk = &mut self.chunks[place];
        chunk.epoch += 1;
        let before = chunk.leased.replace((worker, now + lease));
        ChunkClaim::Chunk(LeasedChunk {
            no: u32::try_from(place).unwrap(),
            epoch: chunk.epoch,
            next_seq: chunk.next_seq,
            tasks: chunk.tasks,
            body: chunk.body.clone(),
            before: before.map(|(before, _)| i32::try_from(before).unwrap()),
            was_leased: before.is_some(),
        })
    }

    /// Takes note of the tasks of a chunk that were in doubt when it was claimed.
    pub(super) fn note_doubts(&mut self, chunk: &LeasedChunk, in_doubt: u32) {
        let is_told = chunk.is_takeover(in_doubt);
        if is_told && (chunk.was_leased || self.neglect != Neglect::Doubts) {
            self.told.insert((chunk.no, chunk.epoch), u64::from(in_doubt));
        }
    }

    /// Returns how many tasks were told of as in doubt, in all claims together.
    pub(crate) fn in_doubt(&self) -> u64 {
        self.told.values().sum()
    }

    /// Returns what is left of a chunk.
    pub(super) fn tasks_of(&self, chunk: &LeasedChunk) -> Result<ChunkTasks, String> {
        let segments = self.chunks[chunk.no as usize].placed(chunk.no);
        chunk_tasks::fold(chunk, &segments, self.origin).map_err(|damage| damage.to_string())
    }

    pub(super) fn flush(&mut self, worker: u32, flushes: &[Flush]) -> Vec<Fate> {
        flushes.iter().map(|flush| self.flush_one(worker, flush)).collect()
    }

    fn flush_one(&mut self, worker: u32, flush: &Flush) -> Fate {
        let until = self.clock.instant() + self.lease;
        let chunk = &mut self.chunks[flush.no as usize];
        let is_own = chunk.epoch == flush.epoch && chunk.leased.is_some();
        let is_next = chunk.next_seq == flush.seq;
        let counts = match self.neglect {
            Neglect::Nothing | Neglect::Doubts => is_own && is_next,
            Neglect::Epochs => chunk.leased.is_some(),
            Neglect::Sequence => is_own,
        };
        if !counts {
            let signed = |number: u32| i32::try_from(number).unwrap();
            return flush.fate(signed(chunk.epoch), signed(chunk.next_seq));
        }
        chunk.next_seq += 1;
        chunk.settled += flush.settled.selected();
        let failed = flush.settled[Outcome::Failed];
        let seen = self.workers.get_mut(&worker).unwrap();
        seen.failed += failed;
        seen.allowance = seen.allowance.saturating_sub(failed);
        chunk.segments.push((flush.epoch, flush.body.clone()));
        if let Some(leased) = &mut chunk.leased {
            leased.1 = until;
        }
        if chunk.is_done() {
            chunk.leased = None;
        }
        let (first, on_fact) = (chunk.first, &mut self.on_fact);
        let read = records(&flush.body, |record| {
            on_fact(worker, first + record.offset, &record.fact);
            Ok(())
        });
        read.unwrap();
        Fate::Kept
    }

    /// Renews leases, and returns those that are still the worker's.
    pub(crate) fn beat(&mut self, worker: u32, held: &[ChunkKey]) -> Vec<ChunkKey> {
        let now = self.clock.instant();
        self.workers.get_mut(&worker).unwrap().at = now;
        let mut kept = Vec::new();
        for &(no, epoch) in held {
            let chunk = &mut self.chunks[no as usize];
            if let Some(leased) = chunk.leased.as_mut().filter(|_| chunk.epoch == epoch) {
                leased.1 = now + self.lease;
                kept.push((no, epoch));
            }
        }
        kept
    }

    /// Returns whether more failures are allowed to all workers together than are left.
    pub(crate) fn is_short(&self) -> bool {
        let now = self.clock.instant();
        let lives = |seen: &&Seen| seen.at + 2 * self.lease > now;
        let held: u64 = self.workers.values().filter(lives).map(|seen| seen.allowance).sum();
        self.failed().saturating_add(held) > self.tolerated
    }

    /// Returns whether more have failed than is tolerated, and the run does not stop.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.failed() > self.tolerated && self.stopping.is_none()
    }

    fn failed(&self) -> u64 {
        self.workers.values().map(|seen| seen.failed).sum()
    }

    /// Allows a worker half of its part of the failures that are left.
    pub(crate) fn allow(&mut self, worker: u32) -> Allowed {
        let now = self.clock.instant();
        let is_other = |no: u32, seen: &Seen| no != worker && seen.at + 2 * self.lease > now;
        let others: Vec<u64> = (self.workers.iter())
            .filter(|&(&no, seen)| is_other(no, seen))
            .map(|(_, seen)| seen.allowance)
            .collect();
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (failed, held) = (self.failed(), others.iter().sum::<u64>());
        let left_over = signed(self.tolerated).saturating_sub(signed(failed + held));
        let part = left_over / (2 * (signed(others.len() as u64) + 1));
        let allowance = u64::try_from(left_over.min(part.max(1))).unwrap_or(0);
        if failed > self.tolerated {
            self.stopping.get_or_insert(StopReason::TooManyFailures);
        }
        self.workers.get_mut(&worker).unwrap().allowance = allowance;
        Allowed { allowance, left_over }
    }

    pub(crate) fn give_back(&mut self, chunks: &[ChunkKey]) {
        for &(no, epoch) in chunks {
            let chunk = &mut self.chunks[no as usize];
            if chunk.epoch == epoch {
                chunk.leased = None;
            }
        }
    }

    pub(crate) fn leave(&mut self, worker: u32) {
        self.workers.get_mut(&worker).unwrap().allowance = 0;
    }

    /// Returns what the records of all tasks come to.
    pub(crate) fn recorded(&self) -> Result<Vec<Recorded>, String> {
        let mut tasks = Vec::new();
        for chunk in &self.chunks {
            let mut fold = crate::journal::ChunkFold::new(&chunk.body).unwrap();
            for (_, body) in &chunk.segments {
                fold.apply(body).map_err(|malformed| format!("{malformed:?}"))?;
            }
            fold.finish(u64::MAX);
            tasks.extend(fold.tasks.iter().map(|(task, record)| Recorded {
                ordinal: task.ordinal,
                settled: record.settled.map(|(outcome, _)| outcome),
                attempts: record.attempts,
            }));
        }
        Ok(tasks)
    }
}

impl Chunk {
    fn new(first: u32, tasks: u32) -> Self {
        let NewChunk { tasks, body, .. } = planned(first..first + tasks);
        let (epoch, next_seq, settled, leased, segments) = (0, 0, 0, None, Vec::new());
        Self { first, tasks, body, epoch, next_seq, settled, leased, segments }
    }

    fn is_done(&self) -> bool {
        self.settled >= u64::from(self.tasks)
    }

    fn placed(&self, no: u32) -> Vec<(Place, u64, Vec<u8>)> {
        let segment = |(seq, (epoch, body)): (u64, &(u32, Vec<u8>))| {
            (Place::Segment { chunk: Some(no), epoch: *epoch, seq }, seq, body.clone())
        };
        (0..).zip(&self.segments).map(segment).collect()
    }
}
