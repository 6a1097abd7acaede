//! The result of reading: one valid row, which names a task.

use crate::task::{Command, Position, TaskId};

/// A valid row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The batch task.
    pub id: TaskId,
    /// The command for the batch task.
    pub command: Command,
    /// The start of the id's cell.
    pub position: Position,
    /// The other cells as a JSON array, in the order of
    /// [`Rows::columns`](super::Rows::columns); `None` if there are no other columns.
    pub others: Option<String>,
    /// The text of the cell that names its target, if a column does.
    pub target: Option<Box<str>>,
    /// Whether the row meets the conditions of the options.
    pub is_wanted: bool,
}
