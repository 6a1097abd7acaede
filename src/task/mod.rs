//! The words of the domain, for all other modules: tasks, commands, outcomes, states, rates.
//!
//! Pure values without behaviour of their own. Knows no file, no clock and no service. See
//! `docs/GLOSSARY.md`: batch task, sub-task, command, outcome, counts.

mod excluded_task;
mod failure;
mod id;
mod level;
mod outcome;
mod rate;
mod results_columns;
mod run_by;
mod service_limit;
mod shard;
mod state;

pub use excluded_task::ExcludedTask;
pub use failure::{Failure, FailureKind, UnknownFailureKind};
pub use id::{TaskId, TaskIdError};
pub use level::{Level, UnknownLevel};
pub use outcome::{Counts, Outcome, OutcomeCounts, UnknownOutcome};
pub use rate::{InvalidRate, Rate};
pub use results_columns::{DIFF_COLUMNS, PLAN_COLUMNS, RESULTS_COLUMNS, TARGET_COLUMN};
pub use run_by::RunBy;
pub use service_limit::ServiceLimit;
pub use shard::{InvalidShard, Shard, task_hash};
pub use state::{ObservedState, StateCounts, TaskState, Toward, UnknownTaskState};

use std::fmt;
use std::str::FromStr;

/// What a run does to a batch task, in the service's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Command {
    /// Start every sub-task of the batch task.
    Start,
    /// Stop every sub-task of the batch task.
    Stop,
}

impl Command {
    /// Returns the word the service and all files use: `start` or `stop`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }

    /// Returns the command that reverses this one.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Start => Self::Stop,
            Self::Stop => Self::Start,
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is neither `start` nor `stop`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a command is `start` or `stop`")]
pub struct UnknownCommand;

impl FromStr for Command {
    type Err = UnknownCommand;

    /// Reads a command, ignoring case and blanks around it.
    fn from_str(text: &str) -> Result<Self, UnknownCommand> {
        let word = text.trim();
        if word.eq_ignore_ascii_case("start") {
            return Ok(Self::Start);
        }
        if word.eq_ignore_ascii_case("stop") {
            return Ok(Self::Stop);
        }
        Err(UnknownCommand)
    }
}

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_whatever_its_case_and_blanks() {
        assert_eq!(" Start ".parse(), Ok(Command::Start));
        assert_eq!("STOP".parse(), Ok(Command::Stop));
        assert_eq!("restart".parse::<Command>(), Err(UnknownCommand));
        assert_eq!("".parse::<Command>(), Err(UnknownCommand));
    }
}
