//! The totals of a run, kept in its row: how much was written, and the tasks by outcome.
//!
//! They follow from the segments. They are kept because lists of runs ask for them often, and are
//! compared with the fold after an unclean end and whenever all tasks are read.

use crate::task::{Outcome, OutcomeCounts};
use serde::{Deserialize, Serialize};

/// The totals of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// The number of commits.
    pub(crate) commits: u64,
    /// The number of segments, and the sequence number of the last one.
    pub(crate) segments: u64,
    /// The settled tasks, by their own outcomes.
    pub(crate) settled: OutcomeCounts,
    /// The tasks whose ids were lost with a plan chunk.
    pub(crate) lost_tasks: u64,
}

/// The totals as they are kept: one field for each outcome that occurred.
#[derive(Serialize, Deserialize)]
struct TotalsJson {
    commits: u64,
    segments: u64,
    settled: SettledJson,
    #[serde(default, skip_serializing_if = "is_zero")]
    lost_tasks: u64,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SettledJson {
    #[serde(skip_serializing_if = "is_zero")]
    succeeded: u64,
    #[serde(skip_serializing_if = "is_zero")]
    partial: u64,
    #[serde(skip_serializing_if = "is_zero")]
    failed: u64,
    #[serde(skip_serializing_if = "is_zero")]
    ambiguous: u64,
    #[serde(skip_serializing_if = "is_zero")]
    unchanged: u64,
    #[serde(skip_serializing_if = "is_zero")]
    not_attempted: u64,
}

impl Totals {
    /// Returns the totals as they are kept.
    pub(crate) fn text(&self) -> String {
        let settled = SettledJson {
            succeeded: self.settled[Outcome::Succeeded],
            partial: self.settled[Outcome::Partial],
            failed: self.settled[Outcome::Failed],
            ambiguous: self.settled[Outcome::Ambiguous],
            unchanged: self.settled[Outcome::Unchanged],
            not_attempted: self.settled[Outcome::NotAttempted],
        };
        let Self { commits, segments, lost_tasks, .. } = *self;
        let json = TotalsJson { commits, segments, settled, lost_tasks };
        serde_json::to_string(&json).expect("numbers are JSON")
    }

    /// Reads totals.
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let totals = serde_json::from_str(text)?;
        let TotalsJson { commits, segments, settled: json, lost_tasks } = totals;
        let mut settled = OutcomeCounts::default();
        settled[Outcome::Succeeded] = json.succeeded;
        settled[Outcome::Partial] = json.partial;
        settled[Outcome::Failed] = json.failed;
        settled[Outcome::Ambiguous] = json.ambiguous;
        settled[Outcome::Unchanged] = json.unchanged;
        settled[Outcome::NotAttempted] = json.not_attempted;
        Ok(Self { commits, segments, settled, lost_tasks })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
