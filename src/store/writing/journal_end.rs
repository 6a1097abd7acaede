//! The end of a run's journal, which the next commit goes on from: totals, the last segment of each
//! chunk, and which tasks are settled.

use crate::journal::OrdinalSet;
use crate::store::home::{ChunkIndex, Totals};
use crate::task::Ordinal;
use std::collections::BTreeMap;

/// The end of a journal.
#[derive(Debug, Default)]
pub(crate) struct JournalEnd {
    /// The totals as they are kept.
    pub(crate) totals: Totals,
    /// The chunks of the plan.
    pub(crate) index: ChunkIndex,
    /// The tasks with an outcome.
    pub(crate) settled: OrdinalSet,
    last_of_chunk: Vec<u64>,
    last_of_run: u64,
}

/// What a commit changes at the end of a journal.
#[derive(Debug, Default)]
pub(crate) struct EndChanges {
    /// The new totals.
    pub(crate) totals: Totals,
    /// The last segments of chunks, and of the run.
    pub(crate) lasts: BTreeMap<Option<u32>, u64>,
    /// The tasks that were settled.
    pub(crate) settled: Vec<Ordinal>,
}

impl JournalEnd {
    /// Returns the end of a journal without segments.
    pub(crate) fn new(index: ChunkIndex, totals: Totals) -> Self {
        let chunks = usize::try_from(index.len()).expect("a u32 fits a usize");
        Self { totals, index, last_of_chunk: vec![0; chunks], ..Self::default() }
    }

    /// Returns the last segment of a chunk, or of the run; 0 if there is none.
    pub(crate) fn last(&self, chunk: Option<u32>) -> u64 {
        match chunk {
            None => self.last_of_run,
            Some(chunk) => {
                let place = usize::try_from(chunk).expect("a u32 fits a usize");
                self.last_of_chunk.get(place).copied().unwrap_or(0)
            }
        }
    }

    /// Notes a segment; returns whether there is such a chunk.
    pub(crate) fn note(&mut self, chunk: Option<u32>, seq: u64) -> bool {
        let place = chunk.map(|chunk| usize::try_from(chunk).expect("a u32 fits a usize"));
        let last = match place {
            None => Some(&mut self.last_of_run),
            Some(place) => self.last_of_chunk.get_mut(place),
        };
        let is_known = last.is_some();
        last.into_iter().for_each(|last| *last = seq);
        is_known
    }

    /// Goes on to the end that a commit made.
    pub(crate) fn apply(&mut self, changes: EndChanges) {
        self.totals = changes.totals;
        for (chunk, seq) in changes.lasts {
            self.note(chunk, seq);
        }
        changes.settled.into_iter().for_each(|ordinal| self.settled.insert(ordinal));
    }
}
