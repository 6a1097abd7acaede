//! The trace of a task: the fold of its facts, and every attempt on the way.

use crate::journal::fold::{Attempt, TaskRecord};
use crate::journal::record::Fact;

/// What is known of a task, with all its attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TaskTrace<'a> {
    /// The fold of its facts.
    pub(crate) record: TaskRecord<'a>,
    /// The attempts that may have left, in order.
    pub(crate) attempts: Vec<Attempt<'a>>,
}

impl<'a> TaskTrace<'a> {
    /// Applies a fact.
    pub(crate) fn apply(&mut self, fact: Fact<'a>) -> Result<(), &'static str> {
        let before = self.record.attempts;
        self.record.apply(fact)?;
        self.note(before);
        Ok(())
    }

    /// Ends the trace: an attempt that was begun counts if it may have left.
    pub(crate) fn finish(&mut self, last_that_may_have_left: u64) {
        let before = self.record.attempts;
        self.record.finish(last_that_may_have_left);
        self.note(before);
    }

    /// Keeps the attempt that the record has just counted. No fact ends more than one.
    fn note(&mut self, before: u32) {
        if self.record.attempts > before {
            self.attempts.extend(self.record.last.clone());
        }
    }
}
