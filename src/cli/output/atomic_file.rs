//! Where a document goes: to standard output, or whole over its target or not at all.

use crate::cli::output::error::CommandError;
use crate::cli::output::replacement::{Replacement, not_written};
use crate::cli::output::stream;
use crate::cli::output::terminal_guard::Content;
use std::io;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// How much is written at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Where a document goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OutputTarget {
    StandardOutput,
    File(PathBuf),
}

impl OutputTarget {
    /// Reads a place; `-` is standard output.
    pub(crate) fn parse(place: &str) -> Self {
        match place {
            "-" => Self::StandardOutput,
            path => Self::File(path.into()),
        }
    }

    /// Returns the file it is.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::StandardOutput => None,
            Self::File(path) => Some(path),
        }
    }

    /// Has a document written: to standard output, or beside the target and renamed over it.
    ///
    /// `fill` separates the errors: the outer one is of reading, the inner one of writing.
    pub(crate) fn write(
        &self,
        content: Content,
        fill: impl FnOnce(&mut dyn Write) -> Result<io::Result<()>, CommandError>,
    ) -> Result<(), CommandError> {
        let Some(path) = self.path() else {
            let mut out = BufWriter::with_capacity(CHUNK_BYTES, stream::standard_output(content));
            let filled = fill(&mut out)?.and_then(|()| out.flush());
            return Ok(stream::printed(filled)?);
        };
        let with_hint = |source| not_kept(path, source);
        let mut replacement = Replacement::begin(path)?;
        let mut out = BufWriter::with_capacity(CHUNK_BYTES, replacement.file_mut());
        fill(&mut out)?.and_then(|()| out.flush()).map_err(with_hint)?;
        // The buffer borrows the file.
        drop(out);
        replacement.finish().map_err(with_hint)
    }
}

/// Returns the error of a document of a run that could not be written.
pub(crate) fn not_kept(path: &Path, source: io::Error) -> CommandError {
    let hint = "the run is kept: `batchctl report -o FILE.csv` writes it again, any time";
    not_written(path, source).with_hint(hint)
}
