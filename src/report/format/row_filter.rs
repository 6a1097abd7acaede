//! Selects the tasks that results and JUnit documents contain.

use crate::report::model::Report;
use crate::store::TaskRow;
use crate::task::{Outcome, UnknownOutcome};
use std::str::FromStr;

/// Tasks that a document can be narrowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFilter {
    /// Tasks with this outcome.
    Outcome(Outcome),
    /// Tasks that succeeded without a sub-task.
    Empty,
}

impl RowFilter {
    /// The word for tasks that succeeded without a sub-task.
    pub const EMPTY: &'static str = "empty";

    fn includes(self, task: &TaskRow) -> bool {
        match self {
            Self::Outcome(outcome) => task.outcome == outcome,
            Self::Empty => task.is_empty(),
        }
    }
}

impl FromStr for RowFilter {
    type Err = UnknownOutcome;

    /// Reads the word of an outcome, or `empty`.
    fn from_str(word: &str) -> Result<Self, UnknownOutcome> {
        match word {
            Self::EMPTY => Ok(Self::Empty),
            outcome => outcome.parse().map(Self::Outcome),
        }
    }
}

/// Returns whether a task is selected; an empty selection means all.
pub(crate) fn is_selected(task: &TaskRow, only: &[RowFilter]) -> bool {
    only.is_empty() || only.iter().any(|filter| filter.includes(task))
}

/// Returns the number of selected tasks with an outcome.
pub(crate) fn selected_with(outcome: Outcome, report: &Report, only: &[RowFilter]) -> u64 {
    if only.is_empty() || only.contains(&RowFilter::Outcome(outcome)) {
        return report.tasks[outcome];
    }
    let has_empty = outcome == Outcome::Succeeded && only.contains(&RowFilter::Empty);
    if has_empty { report.empty } else { 0 }
}
