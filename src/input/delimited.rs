//! Rows of a table: one cell is the id, another may be the command, the others are kept.
//!
//! Checks each row against the layout that the first row defines. `record` finds the cells.

use super::Header;
use super::InputOptions;
use super::Row;
use super::error::ColumnProblem;
use super::error::ReadFault;
use super::error::RowProblem;
use super::header::CommandCell;
use super::header::Layout;
use super::id_cell;
use super::record::Records;
use super::source::Bytes;
use crate::task::Command;
use crate::task::Position;
use crate::text::unguarded;
use std::str;

/// The rows of a table.
pub(super) struct Delimited {
    records: Records,
    layout: Layout,
    /// A buffer for the JSON of the other cells, reused for each row.
    json: Vec<u8>,
    /// Whether the current record is a row that was not returned yet.
    is_row_at_hand: bool,
}

impl Delimited {
    /// Reads up to the row that defines the columns; `None` if there is no record at all.
    pub(super) fn open(
        bytes: Bytes,
        start: Position,
        delimiter: u8,
        options: &InputOptions,
    ) -> Result<Option<Self>, ReadFault> {
        let mut records = Records::new(bytes, start, delimiter);
        if !records.advance().map_err(in_first_row)? {
            return Ok(None);
        }
        let layout = layout(&records, options).map_err(in_first_row)?;
        Ok(Some(Self {
            records,
            layout,
            json: Vec::new(),
            // Without a header the first record defines the width, and is a row as well.
            is_row_at_hand: options.header == Header::Absent,
        }))
    }

    /// Returns the names of the other columns.
    pub(super) fn columns(&self) -> &[String] {
        &self.layout.columns
    }

    /// Returns the next row.
    pub(super) fn next(&mut self) -> Option<Result<Row, ReadFault>> {
        if !std::mem::take(&mut self.is_row_at_hand) {
            match self.records.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(fault) => return Some(Err(fault)),
            }
        }
        Some(self.row())
    }

    fn row(&mut self) -> Result<Row, ReadFault> {
        // The width comes first: with a cell too many, every later cell is in the wrong column.
        self.check_width()?;
        let index = self.layout.id;
        let text = self.text(index)?;
        let id = id_cell::task_id(text).map_err(|bad| {
            let position = match bad.character_at {
                Some(byte) => self.records.inside_cell(index, byte),
                None => self.records.cell_start(index),
            };
            ReadFault::Row(position, bad.problem)
        })?;
        Ok(Row {
            id,
            command: self.command()?,
            position: self.records.cell_start(index),
            others: self.others()?,
        })
    }

    /// Refuses rows with too few or too many cells; surplus empty cells are harmless.
    fn check_width(&self) -> Result<(), ReadFault> {
        // Spreadsheets often write empty cells behind the last column of some rows.
        let (found, expected) = (self.records.cells().len(), self.layout.width);
        let mut surplus = self.records.cells().iter().skip(expected);
        let position = match surplus.position(|cell| !cell.trim_ascii().is_empty()) {
            Some(index) => self.records.cell_start(expected + index),
            None if found < expected => self.records.end(),
            None => return Ok(()),
        };
        Err(ReadFault::Row(position, RowProblem::Cells { found, expected }))
    }

    fn command(&self) -> Result<Command, ReadFault> {
        let index = match self.layout.command {
            CommandCell::Fixed(command) => return Ok(command),
            CommandCell::At(index) => index,
        };
        let text = self.text(index)?;
        text.parse().map_err(|_| {
            let problem = RowProblem::Command { text: text.into() };
            ReadFault::Row(self.records.cell_start(index), problem)
        })
    }

    /// Returns the other cells as a JSON array.
    fn others(&mut self) -> Result<Option<String>, ReadFault> {
        if self.layout.columns.is_empty() {
            return Ok(None);
        }
        // The buffer leaves `self`, because `self.text` borrows it; it returns at the end.
        let mut json = std::mem::take(&mut self.json);
        json.clear();
        for &index in &self.layout.others {
            json.push(if json.is_empty() { b'[' } else { b',' });
            // Cells of results.csv may have a guard; without it they are as they were read.
            serde_json::to_writer(&mut json, &unguarded(self.text(index)?))
                .expect("a string is written to memory without fail");
        }
        json.push(b']');
        let text = str::from_utf8(&json).expect("JSON of strings is UTF-8");
        let others = text.to_owned();
        self.json = json;
        Ok(Some(others))
    }

    fn text(&self, index: usize) -> Result<&str, ReadFault> {
        text(&self.records, index)
    }
}

fn layout(records: &Records, options: &InputOptions) -> Result<Layout, ReadFault> {
    let width = records.cells().len();
    let first: Vec<String> = match options.header {
        Header::Present => (0..width)
            .map(|index| text(records, index).map(str::to_owned))
            .collect::<Result<_, ReadFault>>()?,
        // Only the number of cells matters; their content is checked when the row is returned.
        Header::Absent => vec![String::new(); width],
    };
    Layout::of(&first, options).map_err(|problem| {
        let position = match problem {
            ColumnProblem::Repeated { second, .. } => records.cell_start(second),
            ColumnProblem::Shared { index } => records.cell_start(index),
            ColumnProblem::Missing { .. }
            | ColumnProblem::Nameless { .. }
            | ColumnProblem::NoSuchNumber { .. }
            | ColumnProblem::Unreadable(_) => records.start(),
        };
        ReadFault::Columns(position, Box::new(problem))
    })
}

/// Turns an error of the row that defines the columns into one of the whole table.
fn in_first_row(fault: ReadFault) -> ReadFault {
    match fault {
        ReadFault::Row(position, problem) => {
            ReadFault::Columns(position, Box::new(ColumnProblem::Unreadable(problem)))
        }
        ReadFault::Io(_) | ReadFault::Columns(..) => fault,
    }
}

/// Returns the text of a cell.
fn text(records: &Records, index: usize) -> Result<&str, ReadFault> {
    let cell = &records.cells()[index];
    str::from_utf8(cell).map_err(|error| {
        // `valid_up_to` counts bytes of the parsed cell; quoting shifts them in the file.
        let at = error.valid_up_to();
        ReadFault::Row(records.inside_cell(index, at), RowProblem::NotUtf8 { byte: cell[at] })
    })
}
