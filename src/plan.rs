//! Turns the rows of all inputs into tasks: either all rows are valid, or nothing is sent.
//!
//! Works as a stream: each valid row is passed on at once. Problems are counted, and the first
//! ones are kept. The store finds duplicates, because it keeps the rows; their problems are
//! worded here. See `docs/GLOSSARY.md`: plan, duplicate.

mod exclusions;
mod service_rows;

pub use exclusions::Exclusions;
pub use service_rows::ServiceRows;

use crate::input;
use crate::input::{InputError, InputOptions, Row, Source, TargetChoice};
use crate::plan::service_rows::SourceCheck;
use crate::service::{ValueFault, ValueProblem, ValueSource};
use crate::task::{Command, Ordinal, Position, TaskId};
use crate::text::{plural, printable};
use std::fmt;
use std::sync::Arc;

/// The most problems that are kept; the others are only counted.
pub const SHOWN_PROBLEMS: usize = 20;
/// The most rows of a plan, so that an ordinal always fits.
const MOST_ROWS: u32 = 1 << 31;

/// One task of a plan, with where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRow {
    /// The place among all rows.
    pub ordinal: Ordinal,
    /// The batch task.
    pub id: TaskId,
    /// The command for the batch task.
    pub command: Command,
    /// The source, counted from 0.
    pub source: u32,
    /// The line of the id.
    pub line: u64,
    /// The character in that line; `None` if the row comes from another run's plan.
    pub column: Option<u64>,
    /// The other cells, as a JSON array in the order of the source's columns.
    pub others: Option<String>,
    /// The target that the row names, counted from 0; `None` if rows name none.
    pub target: Option<usize>,
    /// Whether a run before may have carried it out.
    pub doubted: bool,
}

/// An input that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceColumns {
    /// The name in messages and results.
    pub name: String,
    /// Its columns other than id and command.
    pub columns: Vec<String>,
}

/// The result of reading all inputs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The inputs, in order.
    pub sources: Vec<SourceColumns>,
    /// The number of rows in all of them.
    pub rows: u64,
    /// The number of valid rows that do not meet the conditions.
    pub not_matched: u64,
}

/// What to do with a duplicate: a row with the id and command of an earlier one.
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
    /// The row itself is invalid.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The same id occurs once with `start` and once with `stop`.
    #[error("{at}: conflicting commands for `{id}`: {command} here, {other_command} at {other}")]
    Contradiction {
        /// The batch task.
        id: TaskId,
        /// The position of the later row.
        at: SourcePosition,
        /// The command of the later row.
        command: Command,
        /// The position of the first row.
        other: SourcePosition,
        /// The command of the first row.
        other_command: Command,
    },
    /// The row is a duplicate, and duplicates are to be an error.
    #[error("{at}: duplicate of `{id}` at {other}")]
    Duplicate {
        /// The batch task.
        id: TaskId,
        /// The position of the later row.
        at: SourcePosition,
        /// The position of the first row.
        other: SourcePosition,
    },
    /// The row names a target that the run does not have.
    #[error("{at}: there is no target `{}`", printable(text, 60))]
    Target {
        /// The position of the row.
        at: SourcePosition,
        /// The text that was read.
        text: String,
        /// The names of the targets.
        names: Vec<String>,
    },
    /// A value of the row cannot stand where the call of its service has it.
    #[error("{at}: {problem}")]
    Value {
        /// The position of the value, or of the source without such a column.
        at: SourcePosition,
        /// What is wrong.
        problem: ValueProblem,
    },
    /// The end of an entry of `--exclude` is no time.
    #[error("{at}: `{}` is neither a date nor a time", printable(text, 60))]
    Until {
        /// The position of the entry.
        at: SourcePosition,
        /// The text that was read.
        text: String,
    },
    /// A file of `--exclude` names no task, and is no table without rows.
    #[error("`{}` is empty: it names no task to exclude", printable(file, 200))]
    NothingExcluded {
        /// The file.
        file: String,
    },
    /// There are more rows than a run can hold.
    #[error("the inputs have more than {MOST_ROWS} rows")]
    TooManyRows,
}

impl PlanProblem {
    /// Returns what can be done about the problem, if anything is known to help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Input(error) => error.hint(),
            Self::Contradiction { .. } => {
                Some("keep one of the two rows and remove the other".into())
            }
            Self::Duplicate { .. } => {
                Some("use `--on-duplicate collapse` to call such an id once".into())
            }
            Self::Target { names, .. } => Some(format!(
                "the targets are {}; each has a table `[target.NAME]` in the config file",
                printable(&names.join(", "), 200)
            )),
            Self::Value { problem, .. } => match problem.fault {
                ValueFault::NoColumn | ValueFault::Empty => {
                    Some("`{column=default}` in the service's file gives a default".into())
                }
                ValueFault::NoFlag => Some(format!("give it with `--{}`", flag_of(problem))),
                _ => None,
            },
            Self::Until { .. } => {
                Some("write `2025-07-31`, `2025-07-31T18:00`, or a time with its zone".into())
            }
            Self::NothingExcluded { .. } => {
                Some("if no task is to be excluded, let it be the header `id` alone, as CSV".into())
            }
            Self::TooManyRows => Some("split the input into several runs".into()),
        }
    }
}

/// Returns the flag that gives a value.
fn flag_of(problem: &ValueProblem) -> &'static str {
    match problem.value {
        ValueSource::Region => "region",
        ValueSource::ProjectId => "project-id",
        ValueSource::Id | ValueSource::Action | ValueSource::Column(_) => "id",
    }
}

/// A position in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePosition {
    /// The name of the source.
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
    /// The first problems.
    pub shown: Vec<PlanProblem>,
    /// The number of all problems.
    pub count: u64,
}

impl Problems {
    /// Adds a problem.
    pub fn add(&mut self, problem: PlanProblem) {
        self.count += 1;
        if self.shown.len() < SHOWN_PROBLEMS {
            self.shown.push(problem);
        }
    }

    /// Returns whether there is none.
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

/// Reads all sources to their ends and hands every good row to `take`. The rows of another service
/// than VIAS must have the values that its calls need.
///
/// # Errors
///
/// Only an error of `take` ends the reading early. Invalid rows are in the returned problems, and
/// a source that cannot be read to its end does not prevent the check of the others.
pub fn read<E>(
    sources: Vec<Source>,
    options: &InputOptions,
    service: Option<&ServiceRows>,
    mut take: impl FnMut(PlannedRow) -> Result<(), E>,
) -> Result<(Reading, Problems), E> {
    let mut reading = Reading::default();
    let mut problems = Problems::default();
    for (number, source) in (0..).zip(sources) {
        match input::open(source, options) {
            Ok(rows) => {
                // A source that cannot be opened has no entry. The numbers of later rows are then
                // wrong, but no plan is made of them.
                reading.sources.push(SourceColumns {
                    name: rows.name().to_owned(),
                    columns: rows.columns().to_vec(),
                });
                let check = service.map(|service| SourceCheck::new(service, &rows));
                let rows = SourceRows { number, rows, targets: options.targets.as_ref(), check };
                read_one(rows, &mut reading, &mut problems, &mut take)?;
            }
            Err(error) => problems.add(error.into()),
        }
    }
    Ok((reading, problems))
}

/// The rows of one source.
struct SourceRows<'a> {
    number: u32,
    rows: input::Rows,
    targets: Option<&'a TargetChoice>,
    check: Option<SourceCheck<'a>>,
}

fn read_one<E>(
    SourceRows { number, mut rows, targets, mut check }: SourceRows<'_>,
    reading: &mut Reading,
    problems: &mut Problems,
    take: &mut impl FnMut(PlannedRow) -> Result<(), E>,
) -> Result<(), E> {
    let name: Arc<str> = rows.name().into();
    // Rows that belong to every target have a place for each of them.
    let most = match targets {
        Some(TargetChoice::Every { of }) => MOST_ROWS / u32::try_from(*of).unwrap_or(MOST_ROWS),
        Some(TargetChoice::Column { .. }) | None => MOST_ROWS,
    };
    // Not a `for`: the check asks the rows where the cells of the last one are.
    while let Some(row) = rows.next() {
        let Some(ordinal) = u32::try_from(reading.rows).ok().filter(|&n| n < most) else {
            problems.add(PlanProblem::TooManyRows);
            return Ok(());
        };
        // Invalid rows count too, so that ordinals follow the rows of the inputs.
        reading.rows += 1;
        match row {
            Ok(row) if !row.is_wanted => reading.not_matched += 1,
            // After a problem nothing will be sent, so the other rows are only checked.
            Ok(row) => {
                let target = match target_of(&row, &name, targets) {
                    Ok(target) => target,
                    Err(problem) => {
                        problems.add(problem);
                        continue;
                    }
                };
                let checked = check.as_mut().map_or(Ok(()), |check| check.check(&row, &rows));
                if let Err(problem) = checked {
                    problem.into_iter().for_each(|problem| problems.add(problem));
                    continue;
                }
                if problems.is_empty() {
                    take(PlannedRow {
                        ordinal: Ordinal(ordinal),
                        id: row.id,
                        command: row.command,
                        source: number,
                        line: row.position.line,
                        column: Some(row.position.column),
                        others: row.others,
                        target,
                        doubted: false,
                    })?;
                }
            }
            Err(error) => problems.add(error.into()),
        }
    }
    Ok(())
}

/// Returns which target a row names, if a column of its source does.
fn target_of(
    row: &Row,
    source: &Arc<str>,
    targets: Option<&TargetChoice>,
) -> Result<Option<usize>, PlanProblem> {
    let Some(TargetChoice::Column { names, .. }) = targets else { return Ok(None) };
    let text = row.target.as_deref().unwrap_or_default();
    let found = names.iter().position(|name| name == text);
    let problem = || {
        let (source, Position { line, column }) = (source.to_string(), row.position);
        let at = SourcePosition { source, line, column: Some(column) };
        PlanProblem::Target { at, text: text.into(), names: names.clone() }
    };
    found.map(Some).ok_or_else(problem)
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
        let options = InputOptions::new(CommandSource::Fixed(Command::STOP));
        let Ok((reading, problems)) = read(sources, &options, None, |row| {
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
        let options = InputOptions::new(CommandSource::Fixed(Command::STOP));
        let result = read(vec![stream("a.txt", "aaaa\nbbbb\n")], &options, None, |_| Err("full"));
        assert_eq!(result.unwrap_err(), "full");
    }
}
