//! The tasks in doubt, and the rows they are in.

use crate::repair::task_doubts::TaskDoubt;
use std::collections::BTreeMap;

/// The tasks of a chunk by their places, each with its input and line.
pub(super) type ChunkDoubts = BTreeMap<u32, (TaskDoubt, u32, u64)>;

/// The tasks that are in doubt because of one lost segment.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// Their number.
    pub(super) tasks: u64,
    /// The first and the last line by input.
    pub(super) rows: BTreeMap<u32, (u64, u64)>,
}

impl Doubts {
    /// Adds a task.
    pub(super) fn add(&mut self, source: u32, line: u64) {
        self.tasks += 1;
        let rows = self.rows.entry(source).or_insert((line, line));
        *rows = (rows.0.min(line), rows.1.max(line));
    }

    /// Adds those of another segment.
    pub(super) fn join(&mut self, other: Self) {
        self.tasks += other.tasks;
        for (source, (from, to)) in other.rows {
            let rows = self.rows.entry(source).or_insert((from, to));
            *rows = (rows.0.min(from), rows.1.max(to));
        }
    }
}

/// Notes a lost segment for every task of its chunk.
pub(super) fn lose(tasks: &mut ChunkDoubts, seq: u64, may_have_states: bool) {
    tasks.values_mut().for_each(|(task, ..)| task.lose(seq, may_have_states));
}
