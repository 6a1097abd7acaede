//! Makes events durable: each chunk's records under its lease, and those about the run.

use crate::clock::since_boot;
use crate::database::error::DatabaseError;
use crate::database::leases::{Fate, Flush};
use crate::database::records::{Held, is_failure, task_of};
use crate::database::work::{ChunkKey, Flushed, Work, lock, patiently};
use crate::event::{Event, EventKind};
use crate::task::Outcome;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How far a commit got.
#[derive(Default)]
struct Done {
    /// The first ordinals of the chunks whose segments are recorded.
    kept: BTreeSet<u32>,
    /// The chunks that are another worker's now.
    lost: Vec<ChunkKey>,
}

impl Work {
    pub(super) async fn commit(
        &mut self,
        mut events: Vec<Event>,
    ) -> Result<Flushed, DatabaseError> {
        let mut done = Done { lost: std::mem::take(&mut self.lost), ..Done::default() };
        if let Err(error) = self.make_durable(&mut events, &mut done).await {
            let (held, kept) = (&self.held, &done.kept);
            let is_recorded = |event: &&Event| {
                let first = task_of(event).and_then(|task| first_of(held, task.0));
                // A chunk that is not held any more was settled, or is another worker's.
                first.is_none_or(|first| kept.contains(&first))
            };
            let left = events.iter().filter(|event| !is_recorded(event));
            lock(&self.shared).unrecorded.add(left);
            return Err(error);
        }
        self.parting.committed();
        Ok(Flushed { events, lost: done.lost })
    }

    /// Records events, and drops those of lost chunks.
    async fn make_durable(
        &mut self,
        events: &mut Vec<Event>,
        done: &mut Done,
    ) -> Result<(), DatabaseError> {
        let failures = events.iter().filter(|event| is_failure(event)).count();
        let mut recorded = 0;
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
                    Fate::Kept => {
                        recorded += flush.settled[Outcome::Failed];
                        done.kept.insert(first);
                        self.kept(first, flush, asked);
                    }
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
                        done.lost.push(chunk);
                    }
                }
                waiting.remove(&first);
            }
        }
        let failures = u64::try_from(failures).unwrap_or(u64::MAX);
        lock(&self.shared).failures.committed(failures, recorded);
        self.stop_all(events).await?;
        // Not with the next beat: whoever has used up its failures sends nothing until then.
        if !lock(&self.shared).failures.may_begin() {
            patiently!(self, self.ask_for_failures());
        }
        Ok(())
    }

    /// Records an event about the run that is not the dispatcher's. Nothing of chunks goes with it, and
    /// what is lost is left for the next commit to tell: only the dispatcher can drop it.
    pub(super) async fn record(&mut self, event: Event) -> Result<Event, DatabaseError> {
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
            self.records.forget(first);
        }
    }
}

/// Returns the first ordinal of the chunk that has a task, if it is held.
pub(super) fn first_of(held: &BTreeMap<u32, Held>, ordinal: u32) -> Option<u32> {
    // Chunks do not overlap, so the last one that begins before has the task.
    let (&first, held) = held.range(..=ordinal).next_back()?;
    (ordinal <= held.last).then_some(first)
}
