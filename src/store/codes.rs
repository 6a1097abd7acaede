//! Reads values that were stored back into the words of the domain.
//!
//! Only checked values are ever written, so a value that does not fit is damage. It is an error and
//! never guessed at.

use crate::journal::PlannedTask;
use crate::task::{RowCells, TaskId};
use rusqlite::types::Type;
use rusqlite::{Error, Row};
use std::str::FromStr;
use std::time::Duration;

/// Parses a text, such as an id.
pub(crate) fn parsed<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    value(row.get_ref(index)?.as_str()?)
}

fn value<T>(text: &str) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(|error: T::Err| unfit(Type::Text, error))
}

/// Reads the id of a task from a plan chunk.
pub(crate) fn task_id(task: &PlannedTask<'_>) -> rusqlite::Result<TaskId> {
    if task.command.is_action() {
        // The service's own pattern was checked when the plan was made.
        return task.id.with(TaskId::accepted).map_err(|error| unfit(Type::Text, error));
    }
    task.id.with(value)
}

/// Returns the cells that the call of a task may need: no call of VIAS needs any.
pub(crate) fn cells(task: &PlannedTask<'_>) -> Option<RowCells> {
    let json = task.others.map(Box::from);
    task.command.is_action().then_some(RowCells { source: task.source, json })
}

/// Reads a word from a segment.
pub(crate) fn word<T>(text: &str) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    value(text)
}

/// Returns a span of microseconds.
pub(crate) fn span(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

pub(crate) fn unfit(kind: Type, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::FromSqlConversionFailure(0, kind, Box::new(error))
}
