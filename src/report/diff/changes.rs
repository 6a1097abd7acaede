//! Classifies the change of each task from one run to another.
//!
//! Streams both runs in the order of their ids; memory does not grow with the number of tasks.

use crate::reading::{RunReader, TaskPair, for_each_pair};
use crate::report::model::failure_of;
use crate::store::{RunId, StoreError};
use crate::task::{Failure, Outcome};
use std::collections::BTreeMap;

/// The most examples of each change.
const MAX_EXAMPLES: usize = 10;

/// The change of a task from one run to another.
///
/// A task is failing if it is not where its command leads: partial, failed, ambiguous or not
/// attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskChange {
    /// Failing in the second run only.
    NewlyFailing,
    /// Failing in the first run only.
    Fixed,
    /// Failing in both.
    StillFailing,
    /// Failing in neither.
    StillGood,
    /// In the second run only.
    New,
    /// In the first run only.
    Gone,
}

impl TaskChange {
    /// Every change, in the order of the documents.
    pub const ALL: [Self; 6] = [
        Self::NewlyFailing,
        Self::Fixed,
        Self::StillFailing,
        Self::StillGood,
        Self::New,
        Self::Gone,
    ];

    /// Returns the word used in files, such as `newly_failing`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewlyFailing => "newly_failing",
            Self::Fixed => "fixed",
            Self::StillFailing => "still_failing",
            Self::StillGood => "still_good",
            Self::New => "new",
            Self::Gone => "gone",
        }
    }

    /// Classifies the change of a task from its outcomes in both runs, if it is in them.
    pub fn classify(before: Option<Outcome>, after: Option<Outcome>) -> Self {
        // By good and failing alone: a task that fails in another way is still failing.
        match (before.map(Outcome::is_good), after.map(Outcome::is_good)) {
            (Some(true), Some(false)) => Self::NewlyFailing,
            (Some(false), Some(true)) => Self::Fixed,
            (Some(false), Some(false)) => Self::StillFailing,
            (Some(true), Some(true)) => Self::StillGood,
            (None, _) => Self::New,
            (Some(_), None) => Self::Gone,
        }
    }
}

/// The differences between two runs; displayed as a text for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Diff {
    /// The first run.
    pub before: RunId,
    /// The second run.
    pub after: RunId,
    /// The number of tasks with each change; a change without tasks has no entry.
    pub counts: BTreeMap<TaskChange, u64>,
    /// The first tasks of each change, by id, except tasks that are still good.
    pub examples: BTreeMap<TaskChange, Vec<ChangedTask>>,
}

/// A task that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangedTask {
    /// The task in both runs.
    pub task: TaskPair,
    /// Why it is, or was, failing; `None` if it never failed or the reason is not known.
    pub failure: Option<Failure>,
}

/// Returns why a task failed in the second run, or in the first if it did not fail there.
pub(crate) fn failure_of_pair(
    task: &TaskPair,
    before: &RunReader,
    after: &RunReader,
) -> Result<Option<Failure>, StoreError> {
    let row = task.failed_row(before, after)?;
    // In the same words as every other document.
    Ok(row.and_then(|row| failure_of(&row).cloned()))
}

impl Diff {
    /// Compares a run with an earlier one.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn read(before: &RunReader, after: &RunReader) -> Result<Self, StoreError> {
        let mut diff = Self {
            before: before.record()?.run.id,
            after: after.record()?.run.id,
            counts: BTreeMap::new(),
            examples: BTreeMap::new(),
        };
        for_each_pair::<StoreError>(before, after, |task| {
            let change = TaskChange::classify(task.before, task.after);
            *diff.counts.entry(change).or_default() += 1;
            if change == TaskChange::StillGood {
                return Ok(());
            }
            let examples = diff.examples.entry(change).or_default();
            // A failure costs a query, so only those of examples are read.
            if examples.len() < MAX_EXAMPLES {
                let failure = failure_of_pair(&task, before, after)?;
                examples.push(ChangedTask { task, failure });
            }
            Ok(())
        })?;
        Ok(diff)
    }

    /// Returns the number of tasks with this change.
    pub fn count(&self, change: TaskChange) -> u64 {
        self.counts.get(&change).copied().unwrap_or_default()
    }
}
