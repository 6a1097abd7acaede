//! Errors of the readers, which know positions and not the name of their input.

use super::error::{ColumnProblem, InputError, RowProblem};
use crate::task::Position;
use std::io;
use std::sync::Arc;

/// An error of a reader, which does not know the name of its input.
#[derive(Debug)]
pub(super) enum ReadFault {
    /// Reading the stream failed.
    Io(io::Error),
    /// The columns are invalid.
    Columns(Position, Box<ColumnProblem>),
    /// A row is invalid.
    Row(Position, RowProblem),
}

impl ReadFault {
    /// Adds the name of the input.
    #[cold]
    pub(super) fn in_input(self, name: &Arc<str>) -> InputError {
        // Only errors need the name, so readers do not carry it.
        let name = Arc::clone(name);
        match self {
            Self::Io(source) => InputError::Read { name, source },
            Self::Columns(position, problem) => InputError::Columns { name, position, problem },
            Self::Row(position, problem) => InputError::Row { name, position, problem },
        }
    }
}
