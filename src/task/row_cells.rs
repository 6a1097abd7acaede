//! The other cells of a task's row, as a run keeps them.

/// The other cells of a task's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowCells {
    /// The input, as an index: it names the columns.
    pub source: u32,
    /// The cells as a JSON array, in the order of these columns; `None` if there are none.
    pub json: Option<Box<str>>,
}
