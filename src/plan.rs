//! Turns the rows of all inputs into tasks: all of them are read and right, or nothing is sent.
//!
//! Streams: each good row is handed on at once, problems are counted and the first are kept.
//! Where a row stands twice is found by whoever keeps the rows; what that means is said here.

use crate::input;
use crate::input::InputError;
use crate::input::InputOptions;
use crate::input::Source;
use crate::task::Command;
use crate::task::Ordinal;
use crate::task::TaskId;
use crate::text::plural;
use crate::text::printable;
use std::fmt;

/// How many problems are kept; the rest is counted.
pub const SHOWN_PROBLEMS: usize = 20;
/// The most rows of a plan, so that an ordinal always fits.
const MOST_ROWS: u32 = 1 << 31;

/// One task of a plan, with where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRow {
    /// Its place among all rows.
    pub ordinal: Ordinal,
    /// The batch task.
    pub id: TaskId,
    /// What to do to it.
    pub command: Command,
    /// The source, counted from 0.
    pub source: u32,
    /// The line of the id.
    pub line: u64,
    /// The character in that line; nothing where it comes from another run's plan.
    pub column: Option<u64>,
    /// The other cells, as a JSON array in the order of the source's columns.
    pub others: Option<String>,
}

/// An input that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceColumns {
    /// What it is called.
    pub name: String,
    /// Its columns other than id and command.
    pub columns: Vec<String>,
}

/// What reading all inputs came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The inputs, in order.
    pub sources: Vec<SourceColumns>,
    /// How many rows they hold.
    pub rows: u64,
}

/// What to do with a row that says the same as an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDuplicate {
    /// Count it and leave it out.
    Collapse,
    /// Refuse the input.
    Error,
}

/// A row that cannot be part of a plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanProblem {
    /// The row itself is wrong.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The same id stands there once with `start` and once with `stop`.
    #[error("{at}: `{id}` is to `{command}` here and to `{other_command}` at {other}")]
    Contradiction {
        /// The batch task.
        id: TaskId,
        /// Where the later row stands.
        at: SourcePosition,
        /// What it says.
        command: Command,
        /// Where the first row stands.
        other: SourcePosition,
        /// What that one says.
        other_command: Command,
    },
    /// The row says the same as an earlier one, and that was to be an error.
    #[error("{at}: `{id}` stands at {other} already")]
    Duplicate {
        /// The batch task.
        id: TaskId,
        /// Where the later row stands.
        at: SourcePosition,
        /// Where the first row stands.
        other: SourcePosition,
    },
    /// There are more rows than a run can hold.
    #[error("the inputs have more than {MOST_ROWS} rows")]
    TooManyRows,
}

impl PlanProblem {
    /// Returns what helps against it, if something does.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Input(error) => error.hint(),
            Self::Contradiction { .. } => {
                Some("decide which of the two it is to be, and remove the other row".into())
            }
            Self::Duplicate { .. } => {
                Some("use `--on-duplicate collapse` to call such an id once".into())
            }
            Self::TooManyRows => Some("split the input into several runs".into()),
        }
    }
}

/// A place in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePosition {
    /// What the source is called.
    pub source: String,
    /// The line.
    pub line: u64,
    /// The character in that line, if it is known.
    pub column: Option<u64>,
}

impl fmt::Display for SourcePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", printable(&self.source, 200), self.line)?;
        self.column.map_or(Ok(()), |column| write!(f, ":{column}"))
    }
}

/// The problems of all inputs: the first [`SHOWN_PROBLEMS`] of them and how many there are.
#[derive(Debug, Default)]
pub struct Problems {
    /// The first ones.
    pub shown: Vec<PlanProblem>,
    /// How many there are in all.
    pub count: u64,
}

impl Problems {
    /// Adds one more.
    pub fn add(&mut self, problem: PlanProblem) {
        self.count += 1;
        if self.shown.len() < SHOWN_PROBLEMS {
            self.shown.push(problem);
        }
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the input has {}; nothing was sent", plural(self.count, "problem", "problems"))
    }
}

impl std::error::Error for Problems {}

/// Reads all sources to their ends and hands every good row to `take`.
///
/// # Errors
///
/// Only `take` ends the reading early. What is wrong with the rows is in the returned problems:
/// a source that cannot be read further does not keep the others from being checked.
pub fn read<E>(
    sources: Vec<Source>,
    options: &InputOptions,
    mut take: impl FnMut(PlannedRow) -> Result<(), E>,
) -> Result<(Reading, Problems), E> {
    let mut reading = Reading::default();
    let mut problems = Problems::default();
    for (number, source) in (0..).zip(sources) {
        match input::open(source, options) {
            Ok(rows) => {
                reading.sources.push(SourceColumns {
                    name: rows.name().to_owned(),
                    columns: rows.columns().to_vec(),
                });
                read_one(number, rows, &mut reading.rows, &mut problems, &mut take)?;
            }
            Err(error) => problems.add(error.into()),
        }
    }
    Ok((reading, problems))
}

fn read_one<E>(
    source: u32,
    rows: input::Rows,
    count: &mut u64,
    problems: &mut Problems,
    take: &mut impl FnMut(PlannedRow) -> Result<(), E>,
) -> Result<(), E> {
    for row in rows {
        let Some(ordinal) = u32::try_from(*count).ok().filter(|&n| n < MOST_ROWS) else {
            problems.add(PlanProblem::TooManyRows);
            return Ok(());
        };
        *count += 1;
        match row {
            // After a problem nothing will be sent; the rest is only checked.
            Ok(row) if problems.is_empty() => take(PlannedRow {
                ordinal: Ordinal(ordinal),
                id: row.id,
                command: row.command,
                source,
                line: row.position.line,
                column: Some(row.position.column),
                others: row.others,
            })?,
            Ok(_) => {}
            Err(error) => problems.add(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::CommandSource;
    use std::convert::Infallible;

    fn stream(name: &str, text: &'static str) -> Source {
        Source::Stream { name: name.into(), reader: Box::new(text.as_bytes()) }
    }

    fn plan(sources: Vec<Source>) -> (Vec<PlannedRow>, Reading, Problems) {
        let mut rows = Vec::new();
        let options = InputOptions::new(CommandSource::Fixed(Command::Stop));
        let Ok((reading, problems)) = read(sources, &options, |row| {
            rows.push(row);
            Ok::<(), Infallible>(())
        });
        (rows, reading, problems)
    }

    #[test]
    fn ordinals_go_on_from_one_source_to_the_next() {
        let (rows, reading, problems) =
            plan(vec![stream("a.csv", "id,site\naaaa,x\nbbbb,y\n"), stream("b.txt", "cccc\n")]);
        assert!(problems.is_empty());
        let places: Vec<_> = rows.iter().map(|r| (r.ordinal.0, r.source, r.line)).collect();
        assert_eq!(places, [(0, 0, 2), (1, 0, 3), (2, 1, 1)]);
        assert_eq!(reading.rows, 3);
        assert_eq!(reading.sources[0].columns, ["site"]);
    }

    #[test]
    fn every_source_is_checked_and_the_first_problems_are_kept() {
        let bad: &'static str = "x\n".repeat(30).leak();
        let missing = Source::File("no-such-file.csv".into());
        let (rows, reading, problems) =
            plan(vec![stream("a.txt", bad), missing, stream("b.txt", "aaaa\n")]);
        assert_eq!((problems.shown.len(), problems.count), (SHOWN_PROBLEMS, 31));
        assert_eq!(problems.to_string(), "the input has 31 problems; nothing was sent");
        assert!(rows.is_empty(), "rows after a problem are not kept");
        assert_eq!(reading.rows, 31);
    }

    #[test]
    fn an_error_of_the_taker_ends_the_reading() {
        let options = InputOptions::new(CommandSource::Fixed(Command::Stop));
        let result = read(vec![stream("a.txt", "aaaa\nbbbb\n")], &options, |_| Err("full"));
        assert_eq!(result.unwrap_err(), "full");
    }
}
