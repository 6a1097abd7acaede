//! Which tasks of the inputs a run is about, as it was asked for and as it was counted.

use crate::task::ExcludedTask;
use serde::{Deserialize, Serialize};

/// The most excluded tasks that the record of a run names; all of them are counted.
const MOST_NAMED: usize = 1_000;

/// Which tasks are left out of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskChoice {
    /// The files of tasks that are never called. By default there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// The conditions on columns. By default there are none.
    #[serde(rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// The size of the sample. By default all tasks are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
    /// The seed of the sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The number of tasks before the first one that was taken. By default it is 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub offset: u64,
    /// What was left out when the run was planned.
    #[serde(skip_serializing_if = "LeftOut::is_nothing")]
    pub left_out: LeftOut,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl TaskChoice {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the choice that a run made from this one begins with: the same files, and nothing
    /// left out so far.
    pub fn inherited(&self) -> Self {
        Self { exclude: self.exclude.clone(), ..Self::default() }
    }
}

/// The rows that became no task, besides duplicates and what was done already.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeftOut {
    /// The number of excluded tasks.
    pub excluded: u64,
    /// The first of them, in order.
    pub named: Vec<ExcludedTask>,
    /// The number of rows that do not meet the conditions.
    pub not_matched: u64,
    /// The number of tasks that do not belong to the sample.
    pub not_sampled: u64,
    /// The number of tasks before the first one that was taken.
    pub before_offset: u64,
}

impl LeftOut {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what was left out at another time.
    pub fn add(&mut self, later: Self) {
        self.excluded += later.excluded;
        let room = MOST_NAMED.saturating_sub(self.named.len());
        self.named.extend(later.named.into_iter().take(room));
    }

    /// Counts a task that is excluded.
    pub fn add_excluded(&mut self, task: ExcludedTask) {
        self.excluded += 1;
        if self.named.len() < MOST_NAMED {
            self.named.push(task);
        }
    }
}
