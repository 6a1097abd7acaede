//! Selects the tasks that results and JUnit documents contain.

use crate::reading::TaskRow;
use crate::task::{Outcome, UnknownOutcome};
use std::str::FromStr;

/// Tasks that a document can be narrowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFilter {
    /// Tasks with this outcome.
    Outcome(Outcome),
    /// Tasks that succeeded without a sub-task.
    Empty,
    /// Tasks that succeeded at their second or a later attempt.
    Flaky,
}

impl RowFilter {
    /// The words for a part of the tasks that succeeded.
    pub const PARTS: [&'static str; 2] = ["empty", "flaky"];

    fn includes(self, task: &TaskRow) -> bool {
        match self {
            Self::Outcome(outcome) => task.outcome == outcome,
            Self::Empty => task.is_empty(),
            Self::Flaky => task.is_flaky(),
        }
    }
}

impl FromStr for RowFilter {
    type Err = UnknownOutcome;

    /// Reads the word of an outcome, or one of [`RowFilter::PARTS`].
    fn from_str(word: &str) -> Result<Self, UnknownOutcome> {
        match word {
            "empty" => Ok(Self::Empty),
            "flaky" => Ok(Self::Flaky),
            outcome => outcome.parse().map(Self::Outcome),
        }
    }
}

/// Returns whether a task is selected; an empty selection means all.
pub(crate) fn is_selected(task: &TaskRow, only: &[RowFilter]) -> bool {
    only.is_empty() || only.iter().any(|filter| filter.includes(task))
}
