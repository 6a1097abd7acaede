//! The words of the domain, for all other modules: tasks, commands, outcomes, states, rates.
//!
//! Pure values without behaviour of their own. Knows no file, no clock and no service. See
//! `docs/GLOSSARY.md`: batch task, sub-task, command, outcome, counts.

mod command;
mod drilled;
mod excluded_task;
mod failure;
mod id;
mod level;
mod outcome;
mod rate;
mod results_columns;
mod row_cells;
mod run_by;
mod service_limit;
mod shard;
mod state;
mod state_word;
mod under_way;

pub use command::{Command, InvalidCommandName, Repetition, UnknownCommand};
pub use drilled::{DrillEnd, DrilledSubTask, DrilledTask};
pub use excluded_task::ExcludedTask;
pub use failure::{Failure, FailureKind, UnknownFailureKind};
pub use id::{TaskId, TaskIdError};
pub use level::{Level, UnknownLevel};
pub use outcome::{Counts, Outcome, OutcomeCounts, UnknownOutcome};
pub use rate::{InvalidRate, Rate};
pub use results_columns::{DIFF_COLUMNS, PLAN_COLUMNS, RESULTS_COLUMNS, TARGET_COLUMN};
pub use row_cells::RowCells;
pub use run_by::RunBy;
pub use service_limit::ServiceLimit;
pub use shard::{InvalidShard, Shard, task_hash};
pub use state::{ObservedState, StateCounts, TaskState, Toward, UnknownTaskState};
pub use state_word::{InvalidStateWord, StateWord};
pub use under_way::UnderWay;

use std::fmt;

/// The place of a task in its run, counted from 0; it identifies the task there.
///
/// Ordinals may have gaps, because duplicates are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ordinal(pub u32);

impl fmt::Display for Ordinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A position in an input, counted from 1 as in editors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The character in that line.
    pub column: u64,
}

/// One task of a run: a batch task and the command for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The place in the run.
    pub ordinal: Ordinal,
    /// The batch task.
    pub id: TaskId,
    /// The command for the batch task.
    pub command: Command,
    /// The other cells of its row, for a service whose calls need them; `None` for VIAS.
    pub cells: Option<RowCells>,
}
