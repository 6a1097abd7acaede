//! The arguments of [`open`](super::open): the source of the rows, and how to read them.
//!
//! Values only; nothing here reads or checks anything.

use super::condition::Condition;
use crate::task::{Command, Level};
use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

/// A source of rows.
pub enum Source {
    /// A file.
    File(PathBuf),
    /// An open stream, such as standard input.
    Stream {
        /// The name in messages, such as `-`.
        name: String,
        /// The stream.
        reader: Box<dyn Read + Send>,
    },
    /// Ids from the command line; messages number them as lines.
    Ids(Vec<String>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            // A reader cannot be shown without consuming it.
            Self::Stream { name, reader: _ } => f.debug_tuple("Stream").field(name).finish(),
            Self::Ids(ids) => f.debug_tuple("Ids").field(ids).finish(),
        }
    }
}

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Detected by the name's ending, otherwise by the content.
    Auto,
    /// Cells between delimiters.
    Csv,
    /// Cells between tabs.
    Tsv,
    /// One id per line.
    List,
}

/// The source of a row's command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandSource {
    /// All rows have this command.
    Fixed(Command),
    /// The command is in the column of this name or, without a header, of this number.
    Column(String),
}

/// Whether the first row names the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// The first row is a header.
    Present,
    /// The first row is a task like all others.
    Absent,
}

/// How rows are shared out among the targets of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetChoice {
    /// Each row belongs to the target that it names in this column.
    Column {
        /// The name of the column or, without a header, its number.
        column: String,
        /// The names of the targets.
        names: Vec<String>,
    },
    /// Each row belongs to every target.
    Every {
        /// The number of targets.
        of: usize,
    },
}

/// What is done with a list where the column of the ids is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lists {
    /// It is read: the name is for other inputs.
    Accepted,
    /// It is an error, unless the name is its heading.
    Refused,
}

/// What ids and commands look like at another service than VIAS.
#[derive(Clone)]
pub struct RowRules {
    /// The pattern of ids, for messages.
    pub pattern: Arc<str>,
    /// Returns whether a text is an id.
    pub is_id: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// The commands that a row may name.
    pub commands: Arc<[Command]>,
}

impl fmt::Debug for RowRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowRules").field("pattern", &self.pattern).finish_non_exhaustive()
    }
}

impl PartialEq for RowRules {
    fn eq(&self, other: &Self) -> bool {
        (&self.pattern, &self.commands) == (&other.pattern, &other.commands)
    }
}

impl Eq for RowRules {}

/// The options for reading a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputOptions {
    /// The column of the ids: its name or, without a header, its number from 1. By default
    /// the first of `id`, `batch_task_id` and `task_id` that exists, or column 1.
    pub id_column: Option<String>,
    /// Whether a text without that column is refused if it is a list, which has no columns.
    pub lists: Lists,
    /// What the ids are to name: a table that names the other is refused. Not checked by default.
    pub level: Option<Level>,
    /// The source of the commands.
    pub command: CommandSource,
    /// The format.
    pub format: Format,
    /// The byte that separates cells; by default detected from the content.
    pub delimiter: Option<u8>,
    /// Whether the first row names the columns.
    pub header: Header,
    /// The conditions that a row must meet, all of them.
    pub conditions: Vec<Condition>,
    /// How rows are shared out among targets; by default there are none.
    pub targets: Option<TargetChoice>,
    /// What ids and commands look like; by default as those of VIAS.
    pub rules: Option<RowRules>,
}

impl InputOptions {
    /// Returns the default options.
    pub fn new(command: CommandSource) -> Self {
        Self {
            id_column: None,
            lists: Lists::Accepted,
            level: None,
            command,
            format: Format::Auto,
            delimiter: None,
            header: Header::Present,
            conditions: Vec::new(),
            targets: None,
            rules: None,
        }
    }
}
