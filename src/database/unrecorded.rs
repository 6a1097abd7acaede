//! What a worker knows at its end, and nobody else will: outcomes that the database did not take.

use crate::event::{Event, EventKind};
use crate::task::{Outcome, TaskId};

/// The outcomes that a worker could not record before its end. Another worker finds their tasks in
/// doubt. An outcome whose commit landed, and only its answer was lost, is among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnrecordedOutcomes {
    /// How many there are.
    pub count: u64,
    /// The first one.
    pub first: Option<(TaskId, Outcome)>,
}

impl UnrecordedOutcomes {
    /// Adds the outcomes among some events.
    pub(super) fn add<'a>(&mut self, events: impl IntoIterator<Item = &'a Event>) {
        for event in events {
            if let EventKind::TaskSettled { task, outcome, .. } = &event.kind {
                self.count += 1;
                self.first.get_or_insert_with(|| (task.id.clone(), *outcome));
            }
        }
    }
}
