//! Turns bytes into rows with positions: CSV, TSV, plain lists and ids given by hand.
//!
//! Reads a stream: memory does not grow with the number of rows. Each row is valid (its id and
//! its command are checked) or is an error with the line and column that an editor shows. The
//! meaning of a bad row is never guessed, except in a hint. Must not send anything, drop a row
//! silently or open standard input by itself. See `docs/GLOSSARY.md`: input.

mod carriage_returns;
mod condition;
mod delimited;
mod end_mark;
mod error;
mod error_words;
mod file_kind;
mod header;
mod hint;
mod id_cell;
mod json;
mod level_check;
mod likely_id;
mod list;
mod locate;
mod options;
mod read_fault;
mod record;
mod results_header;
mod row;
mod sniff;
mod source;
mod stray_line;
#[cfg(test)]
mod tests;
mod window;

pub use condition::{Condition, InvalidCondition};
pub use error::{ColumnProblem, InputError, JqFilter, Role, RowProblem, WidthReason};
pub use file_kind::FileKind;
pub use options::{
    CommandSource, Format, Header, InputOptions, Lists, RowRules, Source, TargetChoice,
};
pub use row::Row;
pub use stray_line::StrayLine;

use crate::task::{Command, Position};
use crate::text::is_same_name;
use delimited::Delimited;
use list::{Given, List};
use read_fault::ReadFault;
use sniff::Shape;
use source::Content;
use std::fmt;
use std::sync::Arc;

/// The name of [`Source::Ids`] in messages: the flag that gives the ids.
const GIVEN: &str = "--id";

/// Opens a source and reads its beginning, up to the format and the columns.
///
/// A source without a single row is valid; the caller decides whether to accept it.
///
/// # Errors
///
/// Every error is fatal for this source: it cannot be opened, is not text, or has no column
/// for the ids.
///
/// ```
/// use batchctl::input::{self, CommandSource, InputOptions, Source};
/// use batchctl::task::Command;
///
/// let bytes = "name;id\nnorth gate;0d47bbf5\n".as_bytes();
/// let source = Source::Stream { name: "-".into(), reader: Box::new(bytes) };
/// let options = InputOptions::new(CommandSource::Fixed(Command::STOP));
/// let mut rows = input::open(source, &options)?;
/// assert_eq!(rows.columns(), ["name"]);
/// let row = rows.next().expect("there is one row")?;
/// assert_eq!(row.id.as_str(), "0d47bbf5");
/// assert_eq!((row.position.line, row.position.column), (2, 12));
/// assert_eq!(row.others.as_deref(), Some(r#"["north gate"]"#));
/// # Ok::<(), batchctl::input::InputError>(())
/// ```
pub fn open(source: Source, options: &InputOptions) -> Result<Rows, InputError> {
    match source {
        Source::Ids(ids) => given(ids, options),
        Source::File(path) => read(source::open_file(&path)?, options),
        Source::Stream { name, reader } => {
            let name = name.into();
            read(source::Opened { name, reader }, options)
        }
    }
}

fn given(ids: Vec<String>, options: &InputOptions) -> Result<Rows, InputError> {
    let name = Arc::from(GIVEN);
    let command = the_command(&name, options)?;
    check_conditions(&name, options)?;
    let given = Given::new(ids, command, options.rules.clone());
    Ok(Rows::new(name, RowReader::Given(given), options))
}

fn read(opened: source::Opened, options: &InputOptions) -> Result<Rows, InputError> {
    let mut content = source::decode(opened)?;
    let name = Arc::clone(&content.name);
    let reader = match sniff::shape(&mut content, options)? {
        Shape::Empty => RowReader::Empty,
        Shape::List { skip } => list(content, skip, options)?,
        Shape::Delimited { delimiter } => {
            // `content` is consumed here, so errors take the name from its clone.
            let (start, bytes) = content.skip(0);
            let delimited = Delimited::open(bytes, start, delimiter, options)
                .map_err(|fault| fault.in_input(&name))?;
            delimited.map_or(RowReader::Empty, |table| RowReader::Delimited(Box::new(table)))
        }
    };
    Ok(Rows::new(name, reader, options))
}

fn list(content: Content, skip: usize, options: &InputOptions) -> Result<RowReader, InputError> {
    let command = the_command(&content.name, options)?;
    check_conditions(&content.name, options)?;
    // A table's parser knows lone carriage returns; a list has no parser.
    let (start, bytes) = content.with_line_feeds()?.skip(skip);
    Ok(RowReader::List(List::new(bytes, start, command, options.rules.clone())))
}

/// Returns the one command of an input that has no column for it.
fn the_command(name: &Arc<str>, options: &InputOptions) -> Result<Command, InputError> {
    match &options.command {
        CommandSource::Fixed(command) => Ok(*command),
        CommandSource::Column(column) => {
            Err(InputError::NoCommands { name: Arc::clone(name), column: column.clone() })
        }
    }
}

/// Refuses conditions on columns that an input of ids alone does not have, and targets in one.
fn check_conditions(name: &Arc<str>, options: &InputOptions) -> Result<(), InputError> {
    if let Some(TargetChoice::Column { column, .. }) = &options.targets {
        let (name, column) = (Arc::clone(name), column.clone());
        return Err(InputError::NoCondition { name, column });
    }
    let is_on_ids = |condition: &&Condition| is_about_ids(condition, options);
    match options.conditions.iter().find(|condition| !is_on_ids(condition)) {
        Some(condition) => {
            let (name, column) = (Arc::clone(name), condition.column().to_owned());
            Err(InputError::NoCondition { name, column })
        }
        None => Ok(()),
    }
}

/// Returns whether a condition is on the ids of an input that has no other columns.
fn is_about_ids(condition: &Condition, options: &InputOptions) -> bool {
    header::id_names(options).iter().any(|name| is_same_name(condition.column(), name))
}

/// The rows of one source, in its order.
///
/// A bad row is an error, and the next row follows. No row follows a fatal error.
pub struct Rows {
    name: Arc<str>,
    reader: RowReader,
    /// The conditions on the ids of a list.
    conditions: Vec<Condition>,
    ended: bool,
}

/// The reader of the rows, by format.
enum RowReader {
    Empty,
    Given(Given),
    List(List),
    Delimited(Box<Delimited>),
}

impl Rows {
    fn new(name: Arc<str>, reader: RowReader, options: &InputOptions) -> Self {
        let conditions = match &reader {
            RowReader::Given(_) | RowReader::List(_) => options.conditions.clone(),
            // A table checks its own cells.
            RowReader::Empty | RowReader::Delimited(_) => Vec::new(),
        };
        Self { name, reader, conditions, ended: false }
    }

    /// Returns the name of the source in messages and results.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether the source is a table with a header, though perhaps without rows.
    pub fn has_header(&self) -> bool {
        match &self.reader {
            RowReader::Empty | RowReader::Given(_) | RowReader::List(_) => false,
            RowReader::Delimited(delimited) => delimited.has_header(),
        }
    }

    /// Returns where a cell of the row that was returned last begins, by the index of its column
    /// among the others; `None` without such cells.
    pub fn position_of(&self, column: usize) -> Option<Position> {
        match &self.reader {
            RowReader::Empty | RowReader::Given(_) | RowReader::List(_) => None,
            RowReader::Delimited(delimited) => delimited.position_of(column),
        }
    }

    /// Returns the names of the other columns, in their order.
    pub fn columns(&self) -> &[String] {
        match &self.reader {
            RowReader::Empty | RowReader::Given(_) | RowReader::List(_) => &[],
            RowReader::Delimited(delimited) => delimited.columns(),
        }
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("name", &self.name).finish_non_exhaustive()
    }
}

impl RowReader {
    fn next(&mut self) -> Option<Result<Row, ReadFault>> {
        match self {
            Self::Empty => None,
            Self::Given(given) => given.next(),
            Self::List(list) => list.next(),
            Self::Delimited(delimited) => delimited.next(),
        }
    }
}

impl Iterator for Rows {
    type Item = Result<Row, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = self.reader.next().map(|row| match row {
            Ok(mut row) => {
                let is_met = |condition: &Condition| condition.is_met_by(row.id.as_str());
                row.is_wanted &= self.conditions.iter().all(is_met);
                Ok(row)
            }
            Err(fault) => Err(fault.in_input(&self.name)),
        });
        // After a fatal error the reader's position is undefined: asking again could invent rows.
        self.ended = match &row {
            None => true,
            Some(Ok(_)) => false,
            Some(Err(error)) => error.is_fatal(),
        };
        row
    }
}
