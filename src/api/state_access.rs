//! How the states of tasks are read, and which command takes another back.

use crate::task::{Command, TaskState};
use std::time::Duration;

/// How the states of tasks are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateAccess {
    /// The requests.
    pub source: StateLookup,
    /// How late what is read may be.
    pub believed_after: Duration,
}

/// The requests that read states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateLookup {
    /// One for each page of a list.
    List,
    /// One for each id.
    EachId,
}

impl Default for StateAccess {
    /// A list that may be three seconds late, as VIAS's.
    fn default() -> Self {
        Self { source: StateLookup::List, believed_after: Duration::from_secs(3) }
    }
}

/// What takes a command back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undo {
    /// The opposite command.
    pub command: Command,
    /// Where the opposite leads: a task that was there before was changed.
    pub back_to: TaskState,
    /// Where the command leads.
    pub leads_to: TaskState,
}

impl Undo {
    /// Returns what takes a command of VIAS back.
    pub fn of_vias(command: Command) -> Option<Self> {
        let opposite = command.opposite()?;
        Some(Self {
            command: opposite,
            back_to: TaskState::after(opposite)?,
            leads_to: TaskState::after(command)?,
        })
    }
}
