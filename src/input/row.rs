//! What a caller gets from the module: one row that names a task.

use crate::task::Command;
use crate::task::Position;
use crate::task::TaskId;

/// One row that names a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The batch task.
    pub id: TaskId,
    /// What to do to it.
    pub command: Command,
    /// Where the cell of the id starts.
    pub position: Position,
    /// The other cells as a JSON array, in the order of [`Rows::columns`](super::Rows::columns); nothing where there
    /// are no other columns.
    pub others: Option<String>,
}
