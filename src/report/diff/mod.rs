//! Tells what became of tasks from one run to another.
//!
//! A task is the same in both if its id and its command are. Streams both runs in the order of
//! their ids; memory does not grow with the number of tasks.

mod documents;
mod text;

pub use crate::report::diff::documents::write_diff_csv;
pub use crate::report::diff::documents::write_diff_json;

use crate::store::RunId;
use crate::store::RunReader;
use crate::store::StoreError;
use crate::store::TaskPair;
use crate::store::for_each_pair;
use crate::task::Failure;
use crate::task::Outcome;
use std::collections::BTreeMap;

/// How many examples of each change are kept.
const EXAMPLES: usize = 10;

/// What became of a task from one run to another.
///
/// It is failing if it is not where it was sent: partial, failed, ambiguous or not attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Change {
    /// Failing now, and not before.
    NewlyFailing,
    /// Failing before, and not now.
    Fixed,
    /// Failing in both.
    StillFailing,
    /// Failing in neither.
    StillGood,
    /// Only in the run that is compared.
    New,
    /// Only in the run that is compared with.
    Gone,
}

impl Change {
    /// Every change, in the order in which they are told.
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

    /// Returns what became of a task.
    pub fn of(before: Option<Outcome>, after: Option<Outcome>) -> Self {
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

/// How two runs differ; shown as the text that people read.
#[derive(Debug, Clone, PartialEq)]
pub struct Diff {
    /// The run that is compared with.
    pub before: RunId,
    /// The run that is compared.
    pub after: RunId,
    /// How many tasks changed in which way; nothing for a change that none made.
    pub counts: BTreeMap<Change, u64>,
    /// The first tasks of each change but those that are still good, by id.
    pub examples: BTreeMap<Change, Vec<Changed>>,
}

/// A task that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// The task in both runs.
    pub task: TaskPair,
    /// Why it is, or was, failing; nothing if it never was or that is not known.
    pub failure: Option<Failure>,
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
            let change = Change::of(task.before, task.after);
            *diff.counts.entry(change).or_default() += 1;
            if change == Change::StillGood {
                return Ok(());
            }
            let examples = diff.examples.entry(change).or_default();
            if examples.len() < EXAMPLES {
                let failure = task.failure(before, after)?;
                examples.push(Changed { task, failure });
            }
            Ok(())
        })?;
        Ok(diff)
    }

    /// Returns how many tasks changed in this way.
    pub fn count(&self, change: Change) -> u64 {
        self.counts.get(&change).copied().unwrap_or_default()
    }
}
