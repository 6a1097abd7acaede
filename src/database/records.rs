//! Sorts the events of a commit into segments: one for each chunk, and one for the run itself.

use crate::clock::Timestamp;
use crate::database::beat::SignOfLife;
use crate::database::leases::Flush;
use crate::event::{AttemptResult, Event, EventKind};
use crate::journal::{Fact, Record, RunSegmentWriter, SegmentWriter};
use crate::store::{fact_of, session_started, with_run_record};
use crate::task::{FailureKind, Ordinal, Outcome, OutcomeCounts};
use std::collections::BTreeMap;

/// A chunk that is held.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) no: u32,
    pub(super) epoch: u32,
    /// The ordinal of its last task.
    pub(super) last: u32,
    pub(super) next_seq: u32,
    pub(super) unsettled: u64,
}

/// The records that wait for a commit, and what they count up to.
#[derive(Debug)]
pub(super) struct Records {
    origin: Timestamp,
    chunks: BTreeMap<u32, ChunkSegment>,
    run: RunSegmentWriter,
    /// The sequence number of the worker's next segment about the run.
    next_seq: u32,
    has_begun: bool,
    sign: SignOfLife,
    /// The attempts that have begun and not ended, of each chunk that is held.
    in_flight: BTreeMap<u32, u32>,
}

/// The records of one chunk in one commit.
#[derive(Debug, Default)]
pub(super) struct ChunkSegment {
    writer: SegmentWriter,
    settled: OutcomeCounts,
}

impl Records {
    pub(super) fn new(origin: Timestamp) -> Self {
        Self {
            origin,
            chunks: BTreeMap::new(),
            run: RunSegmentWriter::default(),
            next_seq: 0,
            has_begun: false,
            sign: SignOfLife::default(),
            in_flight: BTreeMap::new(),
        }
    }

    /// Writes an event into the segment that it belongs to; returns whether it will be recorded.
    ///
    /// `first_of` finds the chunk of a task among those that are held.
    pub(super) fn write(
        &mut self,
        event: &Event,
        first_of: impl FnOnce(u32) -> Option<u32>,
    ) -> bool {
        let Some((ordinal, fact)) = fact_of(event, self.origin) else {
            self.write_run(event);
            return true;
        };
        self.count(event);
        let Some(first) = first_of(ordinal.0) else { return false };
        let in_flight = self.in_flight.entry(first).or_default();
        let segment = self.chunks.entry(first).or_default();
        match &fact {
            Fact::Started { .. } => *in_flight += 1,
            Fact::Withdrawn | Fact::Ended(_) => *in_flight = in_flight.saturating_sub(1),
            Fact::Settled { outcome, .. } => segment.settled[*outcome] += 1,
            Fact::Before(_) | Fact::After { .. } | Fact::Lost => {}
        }
        segment.writer.push(&Record { offset: ordinal.0 - first, fact });
        true
    }

    fn write_run(&mut self, event: &Event) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.run.push(&session_started(event.at.micros_since(self.origin)));
        }
        // A change is recorded once, by whoever ordered it.
        if !matches!(event.kind, EventKind::RunChanged { .. }) {
            with_run_record(event, self.origin, |record| self.run.push(record));
        }
    }

    fn count(&mut self, event: &Event) {
        if let EventKind::AttemptEnded { result, .. } = &event.kind {
            self.sign.calls += 1;
            self.sign.throttled += u64::from(is_throttled(result));
        }
    }

    /// Forgets the attempts of a chunk that is not held any more: nothing tells of their end.
    pub(super) fn forget(&mut self, first: u32) {
        self.in_flight.remove(&first);
    }

    /// Returns what the worker tells of itself.
    pub(super) fn sign_of_life(&self) -> SignOfLife {
        SignOfLife { in_flight: self.in_flight.values().sum(), ..self.sign }
    }

    /// Takes the segment about the run, if there is a record for it.
    pub(super) fn of_the_run(&mut self) -> Option<(u32, Vec<u8>)> {
        if self.run.is_empty() {
            return None;
        }
        let (seq, mut body) = (self.next_seq, Vec::new());
        std::mem::take(&mut self.run).write(u64::from(seq.min(1)), &mut body);
        self.next_seq += 1;
        Some((seq, body))
    }

    /// Takes the segments of chunks, by the first ordinals of these.
    pub(super) fn of_chunks(&mut self) -> BTreeMap<u32, ChunkSegment> {
        let mut chunks = std::mem::take(&mut self.chunks);
        chunks.retain(|_, segment| !segment.writer.is_empty());
        chunks
    }
}

impl ChunkSegment {
    /// Returns the flush that appends it to its chunk.
    pub(super) fn flush(&self, held: &Held) -> Flush {
        let mut body = Vec::new();
        self.writer.write(u64::from(held.next_seq.min(1)), &mut body);
        let (no, epoch, seq) = (held.no, held.epoch, held.next_seq);
        Flush { no, epoch, seq, body, settled: self.settled }
    }
}

fn is_throttled(result: &AttemptResult) -> bool {
    result.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::Throttled)
}

/// Returns whether an event is the outcome of a failed task.
pub(super) fn is_failure(event: &Event) -> bool {
    matches!(event.kind, EventKind::TaskSettled { outcome: Outcome::Failed, .. })
}

/// Returns the task of an event that a chunk's segment records.
pub(super) fn task_of(event: &Event) -> Option<Ordinal> {
    match &event.kind {
        EventKind::AttemptStarted { task, .. }
        | EventKind::AttemptWithdrawn { task, .. }
        | EventKind::AttemptEnded { task, .. }
        | EventKind::TaskSettled { task, .. } => Some(task.ordinal),
        _ => None,
    }
}
