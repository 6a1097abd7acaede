//! The errors of an input, each with its position.
//!
//! Errors keep the text exactly as it was read; it is made safe only when it is shown. `hint`
//! adds what helps against an error. Nothing here may import it, or the two would form a cycle.

use super::error_words::{actions, alternatives, cells, listed, quoted, quoted_command, shown};
use super::file_kind::FileKind;
use super::stray_line::StrayLine;
use crate::task::{Command, Position, TaskIdError};
use crate::text::grouped;
use std::io;
use std::sync::Arc;

/// Why an input, or one row of it, cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The file cannot be opened.
    #[error("cannot read `{}`", shown(name))]
    Open {
        /// The file.
        name: Arc<str>,
        /// A file beside it whose name is nearly the same, if it was not found.
        nearest: Option<String>,
        /// Why.
        source: io::Error,
    },
    /// The name is a directory.
    #[error("cannot read `{}`: it is a directory", shown(name))]
    Directory {
        /// The directory.
        name: Arc<str>,
    },
    /// The bytes are not text.
    #[error("cannot read `{}`: it is {kind}", shown(name))]
    NotText {
        /// The input.
        name: Arc<str>,
        /// The kind of file that the bytes suggest.
        kind: FileKind,
    },
    /// It is JSON.
    #[error("cannot read `{}`: it is JSON, not a table or a list", shown(name))]
    Json {
        /// The input.
        name: Arc<str>,
        /// What takes the ids out of it, if they were found.
        filter: Option<JqFilter>,
    },
    /// Reading failed before the end.
    #[error("cannot read `{}` to its end", shown(name))]
    Read {
        /// The input.
        name: Arc<str>,
        /// Why.
        source: io::Error,
    },
    /// The command is expected in each row, and no column has it.
    #[error("`{}` names ids alone and no commands", shown(name))]
    NoCommands {
        /// The input.
        name: Arc<str>,
        /// The expected name of the commands' column.
        column: String,
    },
    /// The column of the ids is named, and a list has no columns.
    #[error("`{}` is a list and has no column `{}`", shown(name), shown(column))]
    NoColumns {
        /// The input.
        name: Arc<str>,
        /// The name of the column.
        column: String,
    },
    /// A condition is on a column, and a list has no columns.
    #[error("`{}` names ids alone and has no column `{}`", shown(name), shown(column))]
    NoCondition {
        /// The input.
        name: Arc<str>,
        /// The name of the column.
        column: String,
    },
    /// The byte cannot separate cells.
    #[error("{:?} cannot separate cells", char::from(*delimiter))]
    Delimiter {
        /// The byte.
        delimiter: u8,
    },
    /// The columns of the table are invalid.
    #[error("{}:{}:{}: {problem}", shown(name), position.line, position.column)]
    Columns {
        /// The input.
        name: Arc<str>,
        /// The position in the header, or in the first row.
        position: Position,
        /// The reason.
        problem: Box<ColumnProblem>,
    },
    /// A row is invalid.
    #[error("{}:{}:{}: {problem}", shown(name), position.line, position.column)]
    Row {
        /// The input.
        name: Arc<str>,
        /// The start of the invalid character or cell.
        position: Position,
        /// The reason.
        problem: RowProblem,
    },
}

/// A filter of `jq` that makes a list or a table of the JSON that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JqFilter {
    /// The filter itself.
    pub filter: String,
    /// Whether its output is a table without a header, with commands in the second column, and
    /// not a list.
    pub has_commands: bool,
}

impl InputError {
    /// Returns whether the error ends the input, so that no row follows it.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Row { problem, .. } => problem.is_fatal(),
            Self::Open { .. }
            | Self::Directory { .. }
            | Self::NotText { .. }
            | Self::Json { .. }
            | Self::Read { .. }
            | Self::NoCommands { .. }
            | Self::NoColumns { .. }
            | Self::NoCondition { .. }
            | Self::Delimiter { .. }
            | Self::Columns { .. } => true,
        }
    }

    /// Returns the position in the input, if the error has one.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Columns { position, .. } | Self::Row { position, .. } => Some(*position),
            Self::Open { .. }
            | Self::Directory { .. }
            | Self::NotText { .. }
            | Self::Json { .. }
            | Self::Read { .. }
            | Self::NoCommands { .. }
            | Self::NoColumns { .. }
            | Self::NoCondition { .. }
            | Self::Delimiter { .. } => None,
        }
    }
}

/// The purpose of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The column holds the ids.
    Id,
    /// The column holds the commands.
    Command,
    /// The column holds the targets.
    Target,
}

impl Role {
    /// Returns the flag that names the column.
    pub(super) const fn flag(self) -> &'static str {
        match self {
            Self::Id => "--id-column",
            Self::Command => "--command-column",
            Self::Target => "--target-column",
        }
    }
}

/// The reason why the columns of a table are invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnProblem {
    /// No column has the name.
    #[error("no column is named {}; there {}", alternatives(wanted), listed(columns))]
    Missing {
        /// What the column is for.
        role: Role,
        /// The names it may have.
        wanted: Vec<String>,
        /// The names of the columns that are there.
        columns: Vec<String>,
    },
    /// No column has the name that a condition is on.
    #[error("no column is named `{}`; there {}", shown(column), listed(columns))]
    Unconditional {
        /// The name.
        column: String,
        /// The names of the columns that are there.
        columns: Vec<String>,
    },
    /// Two columns have the name.
    #[error("columns {} and {} are both named `{}`", first + 1, second + 1, shown(column))]
    Repeated {
        /// The name.
        column: String,
        /// The index of the first.
        first: usize,
        /// The index of the second.
        second: usize,
    },
    /// A column is given by name although no header names the columns.
    #[error("`{}` is not a number; columns without a header have no names", shown(column))]
    Nameless {
        /// What the column is for.
        role: Role,
        /// The name.
        column: String,
    },
    /// The number of a column is too large or zero.
    #[error("there is no column {}; the first row has {}", shown(column), cells(*width))]
    NoSuchNumber {
        /// What the column is for.
        role: Role,
        /// The number, as given.
        column: String,
        /// How many columns there are.
        width: usize,
    },
    /// One column is given as both the ids' and the commands'.
    #[error("column {} cannot hold both the ids and the commands", index + 1)]
    Shared {
        /// The index of the column.
        index: usize,
    },
    /// The ids are those of sub-tasks, as `tasks` lists them, and batch tasks are acted on.
    #[error("these are sub-tasks, as `batchctl tasks` lists them, and no batch tasks")]
    SubTasks,
    /// The ids are those of batch tasks, as `list` lists them, and sub-tasks are acted on.
    #[error("these are batch tasks, as `batchctl list` lists them, and no sub-tasks")]
    BatchTasks,
    /// The row that names the columns is itself invalid.
    #[error(transparent)]
    Unreadable(RowProblem),
}

/// The reason why a row is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowProblem {
    /// The text is not an id.
    #[error("{}{error}", quoted(text))]
    Id {
        /// The text, without the wrapping that was removed.
        text: Box<str>,
        /// The rule that the text breaks.
        error: TaskIdError,
    },
    /// The text does not match the pattern of its service.
    #[error("`{}` is not an id: it does not match `{}`", shown(text), shown(pattern))]
    IdPattern {
        /// The text.
        text: Box<str>,
        /// The pattern.
        pattern: Arc<str>,
    },
    /// The text is the name of the ids' column.
    #[error("`{}` is the name of a column, not an id", shown(text))]
    Heading {
        /// The text.
        text: Box<str>,
    },
    /// The text only draws a line.
    #[error("`{}` only draws a line; it is not an id", shown(text))]
    Rule {
        /// The text.
        text: Box<str>,
    },
    /// The text is not a command.
    #[error("{}a command is `start`, `stop` or `delete`", quoted_command(text))]
    Command {
        /// The text.
        text: Box<str>,
    },
    /// The text is no action of its service.
    #[error("{}an action is {}", quoted_command(text), actions(known))]
    Action {
        /// The text.
        text: Box<str>,
        /// The actions of the service.
        known: Arc<[Command]>,
    },
    /// The number of cells differs from that of the first row (the header, if there is one).
    #[error("the row has {}, the first row has {}", cells(*found), grouped(*expected as u64))]
    Cells {
        /// The number of cells in the row.
        found: usize,
        /// The number of cells in the first row.
        expected: usize,
        /// The probable reason, if there is one.
        reason: Option<WidthReason>,
    },
    /// Text follows a closing quote.
    #[error(
        "text after the closing quote of the cell that was opened at {}:{}",
        opened.line, opened.column
    )]
    TextAfterQuote {
        /// The position of the opening quote.
        opened: Position,
    },
    /// The quote that opens here is not closed in the file.
    #[error("the quote that opens here is never closed")]
    UnclosedQuote,
    /// The quote that opens here is not closed within a megabyte; nobody looked any further.
    #[error("the quote that opens here is not closed within 1 MiB")]
    LongQuote,
    /// The row is longer than any row of a table.
    #[error("the row is longer than 1 MiB")]
    TooLong,
    /// The byte is not valid in UTF-8.
    #[error("the byte 0x{byte:02X} is not valid UTF-8")]
    NotUtf8 {
        /// The byte.
        byte: u8,
    },
    /// A NUL byte.
    #[error("a NUL byte, which no text contains")]
    Nul,
}

/// Why a row has the wrong number of cells; a guess, for hints only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WidthReason {
    /// It is not a row of the table at all.
    StrayLine(StrayLine),
    /// A cell contains the delimiter and is not quoted.
    Delimiter,
    /// A cell contains a line break and is not quoted.
    LineBreak,
    /// The last cells were left out, because they are empty.
    LastCells,
    /// Another character separates its cells.
    OtherDelimiter,
}

impl RowProblem {
    /// Returns whether the rows after this one can no longer be separated.
    fn is_fatal(&self) -> bool {
        match self {
            Self::UnclosedQuote | Self::LongQuote | Self::TooLong => true,
            Self::Id { .. }
            | Self::IdPattern { .. }
            | Self::Action { .. }
            | Self::Command { .. }
            | Self::Cells { .. }
            | Self::TextAfterQuote { .. }
            | Self::NotUtf8 { .. }
            | Self::Heading { .. }
            | Self::Rule { .. }
            | Self::Nul => false,
        }
    }
}
