//! Reads values that were stored back into the words of the domain.
//!
//! Only checked values are ever written, so a value that does not fit is damage. It is an error and
//! never guessed at.

use crate::journal::PlannedTask;
use crate::task::{RowCells, TaskId};
use rusqlite::Error;
use rusqlite::types::Type;
use std::str::FromStr;

/// Reads a word of the domain.
pub(crate) fn word<T>(text: &str) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(|error: T::Err| unfit(Type::Text, error))
}

/// Reads an id that was checked when the plan was made, by the pattern of its service.
pub(crate) fn accepted(text: &str) -> rusqlite::Result<TaskId> {
    TaskId::accepted(text).map_err(|error| unfit(Type::Text, error))
}

/// Reads the id of a task from a plan chunk.
pub(crate) fn task_id(task: &PlannedTask<'_>) -> rusqlite::Result<TaskId> {
    task.id.with(if task.command.is_action() { accepted } else { word })
}

/// Returns the cells that the call of a task may need: no call of VIAS needs any.
pub(crate) fn cells(task: &PlannedTask<'_>) -> Option<RowCells> {
    let json = task.others.map(Box::from);
    task.command.is_action().then_some(RowCells { source: task.source, json })
}

/// Returns the error of a value that does not fit.
pub(crate) fn unfit(kind: Type, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::FromSqlConversionFailure(0, kind, Box::new(error))
}
