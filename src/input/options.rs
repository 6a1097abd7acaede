//! What a caller gives to the module: where rows come from, and how they are to be read.
//!
//! Values only; nothing here reads or checks anything.

use crate::task::Command;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;

/// Where rows come from.
pub enum Source {
    /// A file.
    File(PathBuf),
    /// An open stream, such as standard input.
    Stream {
        /// What it is called in messages, such as `-`.
        name: String,
        /// The stream.
        reader: Box<dyn Read + Send>,
    },
    /// Ids given by hand; the n-th is said to stand on line n.
    Ids(Vec<String>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Stream { name, reader: _ } => f.debug_tuple("Stream").field(name).finish(),
            Self::Ids(ids) => f.debug_tuple("Ids").field(ids).finish(),
        }
    }
}

/// How the bytes of a file are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Told by the name's ending, otherwise by the content.
    Auto,
    /// Cells between delimiters.
    Csv,
    /// Cells between tabs.
    Tsv,
    /// One id a line.
    List,
}

/// Where a row's command comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandSource {
    /// All rows have this one.
    Fixed(Command),
    /// It stands in the column of this name; without a header, of this number.
    Column(String),
}

/// Whether the first row names the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// It does.
    Present,
    /// It is a task like all others.
    Absent,
}

/// How a source is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputOptions {
    /// The column of the ids: its name or, without a header, its number from 1. By default
    /// the first of `id`, `batch_task_id` and `task_id` that exists, or column 1.
    pub id_column: Option<String>,
    /// Where commands come from.
    pub command: CommandSource,
    /// How the bytes are arranged.
    pub format: Format,
    /// What separates cells; by default told by the content.
    pub delimiter: Option<u8>,
    /// Whether the first row names the columns.
    pub header: Header,
}

impl InputOptions {
    /// Returns the options of somebody who set none.
    pub fn new(command: CommandSource) -> Self {
        Self {
            id_column: None,
            command,
            format: Format::Auto,
            delimiter: None,
            header: Header::Present,
        }
    }
}
