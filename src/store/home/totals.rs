//! The totals of a run, kept in its row: how much was written, and the tasks by outcome.
//!
//! They follow from the segments. They are kept because lists of runs ask for them often, and are
//! compared with the fold after an unclean end and whenever all tasks are read.

use crate::task::{Outcome, OutcomeCounts};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

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

/// The totals as they are kept: one field for each outcome that occurred, under its word.
#[derive(Serialize, Deserialize)]
struct TotalsJson {
    commits: u64,
    segments: u64,
    settled: BTreeMap<Cow<'static, str>, u64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    lost_tasks: u64,
}

impl Totals {
    /// Returns the totals as they are kept.
    pub(crate) fn text(&self) -> String {
        let Self { commits, segments, settled, lost_tasks } = *self;
        let occurred = Outcome::ALL.into_iter().filter(|&outcome| settled[outcome] > 0);
        let settled = occurred.map(|outcome| (outcome.as_str().into(), settled[outcome])).collect();
        let json = TotalsJson { commits, segments, settled, lost_tasks };
        serde_json::to_string(&json).expect("numbers are JSON")
    }

    /// Reads totals.
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let json: TotalsJson = serde_json::from_str(text)?;
        let mut settled = OutcomeCounts::default();
        let TotalsJson { commits, segments, settled: counts, lost_tasks } = json;
        for (word, count) in counts {
            let outcome: Outcome = word.parse().map_err(serde::de::Error::custom)?;
            settled[outcome] = count;
        }
        Ok(Self { commits, segments, settled, lost_tasks })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
