//! The totals of a run, kept in its row: how much was written, and the tasks by outcome.
//!
//! They follow from the segments. They are kept because lists of runs ask for them often, and are
//! compared with the fold after an unclean end and whenever all tasks are read.

use crate::task::{Outcome, OutcomeCounts};
use serde::{Deserialize, Serialize};
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
}

#[derive(Serialize, Deserialize)]
struct TotalsJson {
    commits: u64,
    segments: u64,
    settled: BTreeMap<String, u64>,
}

impl Totals {
    /// Returns the totals as they are kept.
    pub(crate) fn text(&self) -> String {
        let named = |outcome: Outcome| (outcome.as_str().to_owned(), self.settled[outcome]);
        let settled = Outcome::ALL.into_iter().map(named).filter(|(_, count)| *count > 0).collect();
        let json = TotalsJson { commits: self.commits, segments: self.segments, settled };
        serde_json::to_string(&json).expect("numbers and words are JSON")
    }

    /// Reads totals.
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let json: TotalsJson = serde_json::from_str(text)?;
        let mut settled = OutcomeCounts::default();
        for (word, count) in json.settled {
            let outcome: Outcome = word.parse().map_err(serde::de::Error::custom)?;
            settled[outcome] = count;
        }
        Ok(Self { commits: json.commits, segments: json.segments, settled })
    }
}
