//! Reads the cells of stored rows back into the words of the domain.
//!
//! Only checked values are ever written, so a value that does not fit is damage. It is an error and
//! never guessed at: a flipped bit must not turn a `start` into a `stop`.

use crate::task::{Command, Counts, Failure, Outcome};
use rusqlite::types::Type;
use rusqlite::{Error, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::str::FromStr;
use std::time::Duration;

/// No version writes this number.
#[derive(Debug, thiserror::Error)]
#[error("{number} is not the number of {what}")]
struct UnknownNumber {
    number: i64,
    what: &'static str,
}

/// Parses a text, such as an id.
pub(crate) fn parsed<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    value(row.get_ref(index)?.as_str()?, index)
}

/// Parses a text, if there is one.
pub(crate) fn parsed_or_null<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text = row.get_ref(index)?.as_str_or_null()?;
    text.map(|text| value(text, index)).transpose()
}

fn value<T>(text: &str, index: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(|error: T::Err| unfit(index, Type::Text, error))
}

/// Reads a list of texts.
pub(crate) fn texts(row: &Row<'_>, index: usize) -> rusqlite::Result<Vec<String>> {
    let Some(text) = row.get_ref(index)?.as_str_or_null()? else { return Ok(Vec::new()) };
    serde_json::from_str(text).map_err(|error| unfit(index, Type::Text, error))
}

/// Reads a value that is stored as JSON.
pub(crate) fn json<T: DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(index)?.as_str()?;
    serde_json::from_str(text).map_err(|error| unfit(index, Type::Text, error))
}

/// Returns a value as JSON, with the names of its fields in alphabetical order.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_value(value).expect("a value of ours has a form in JSON").to_string()
}

/// Returns the number of a command.
///
/// 0 and 1 were rejected. SQLite stores them as two kinds of cell that differ in one bit, so one
/// flip would turn a stop into a start.
pub(crate) fn command_code(command: Command) -> i64 {
    match command {
        Command::Start => 0b0011,
        Command::Stop => 0b1100,
    }
}

/// Returns the number of an outcome; any two differ in two bits, so that one flip is noticed.
pub(crate) fn outcome_code(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Succeeded => 0b0011,
        Outcome::Partial => 0b0101,
        Outcome::Failed => 0b0110,
        Outcome::Ambiguous => 0b1001,
        Outcome::Unchanged => 0b1010,
        Outcome::NotAttempted => 0b1100,
    }
}

/// Reads a command.
pub(crate) fn command(row: &Row<'_>, index: usize) -> rusqlite::Result<Command> {
    let number: i64 = row.get(index)?;
    // From the numbers themselves: a second table could contradict the first.
    let known = [Command::Start, Command::Stop].into_iter().find(|&c| command_code(c) == number);
    known.ok_or_else(|| unfit(index, Type::Integer, UnknownNumber { number, what: "a command" }))
}

/// Reads an outcome.
pub(crate) fn outcome(row: &Row<'_>, index: usize) -> rusqlite::Result<Outcome> {
    known_outcome(row.get(index)?, index)
}

/// Reads an outcome, if there is one.
pub(crate) fn outcome_or_null(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Outcome>> {
    let number: Option<i64> = row.get(index)?;
    number.map(|number| known_outcome(number, index)).transpose()
}

fn known_outcome(number: i64, index: usize) -> rusqlite::Result<Outcome> {
    let known = Outcome::ALL.into_iter().find(|&outcome| outcome_code(outcome) == number);
    known.ok_or_else(|| unfit(index, Type::Integer, UnknownNumber { number, what: "an outcome" }))
}

/// Reads the counts of the service from three cells.
pub(crate) fn counts(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Counts>> {
    // The three are stored together or not at all.
    let Some(total) = row.get(first)? else { return Ok(None) };
    let (failed, succeeded) = (row.get(first + 1)?, row.get(first + 2)?);
    Ok(Some(Counts { total, failed, succeeded }))
}

/// Reads a failure from its eight cells.
pub(crate) fn failure(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Failure>> {
    let Some(kind) = parsed_or_null(row, first)? else { return Ok(None) };
    let text = |index| row.get::<_, Option<String>>(first + index).map(Option::unwrap_or_default);
    Ok(Some(Failure {
        kind,
        code: text(1)?,
        message: text(2)?,
        detail: text(6)?,
        params: texts(row, first + 7)?,
        reason: text(3)?,
        advice: text(4)?,
        error_list: texts(row, first + 5)?,
    }))
}

/// Returns a span of microseconds; a negative number is damage of no consequence and counts as 0.
pub(crate) fn span(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

fn unfit(index: usize, kind: Type, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::FromSqlConversionFailure(index, kind, Box::new(error))
}
