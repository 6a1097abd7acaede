//! Reads values that were stored back into the words of the domain.
//!
//! Only checked values are ever written, so a value that does not fit is damage. It is an error and
//! never guessed at.

use crate::journal::Text;
use crate::task::{Command, TaskId};
use rusqlite::types::Type;
use rusqlite::{Error, Row};
use std::str::FromStr;
use std::time::Duration;

/// No version writes this number.
#[derive(Debug, thiserror::Error)]
#[error("{number} is not the number of a command")]
struct UnknownNumber {
    number: i64,
}

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
pub(crate) fn task_id(id: Text<'_>) -> rusqlite::Result<TaskId> {
    id.with(value)
}

/// Reads a word from a segment.
pub(crate) fn word<T>(text: &str) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    value(text)
}

/// Returns the number of a command in temporary tables; rows are sorted by it.
pub(crate) fn command_code(command: Command) -> i64 {
    match command {
        Command::Start => 0,
        Command::Stop => 1,
    }
}

/// Reads a command.
pub(crate) fn command(row: &Row<'_>, index: usize) -> rusqlite::Result<Command> {
    let number: i64 = row.get(index)?;
    // From the numbers themselves: a second table could contradict the first.
    let known = [Command::Start, Command::Stop].into_iter().find(|&c| command_code(c) == number);
    known.ok_or_else(|| unfit(Type::Integer, UnknownNumber { number }))
}

/// Returns a span of microseconds.
pub(crate) fn span(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

fn unfit(kind: Type, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::FromSqlConversionFailure(0, kind, Box::new(error))
}
