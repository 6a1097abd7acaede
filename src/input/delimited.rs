//! Rows of a table: one cell is the id, another may be the command, the others are kept.
//!
//! Checks each row against the layout that the first row defines. `record` finds the cells.

use super::error::{ColumnProblem, RowProblem, WidthReason};
use super::header::{CommandCell, Layout};
use super::read_fault::ReadFault;
use super::record::Records;
use super::source::Bytes;
use super::{Header, InputOptions, Row, RowRules, id_cell, stray_line};
use crate::task::{Command, Position};
use crate::text::unguarded;
use std::str;
use std::sync::Arc;

/// The characters that separate cells in most files.
const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];

/// The rows of a table.
pub(super) struct Delimited {
    records: Records,
    layout: Layout,
    /// The number of cells in the row before, if it had too few.
    short_before: Option<usize>,
    /// A buffer for the JSON of the other cells, reused for each row.
    json: Vec<u8>,
    /// Whether the current record is a row that was not returned yet.
    is_row_at_hand: bool,
    /// The heading of the ids, if the table has one; it may stand again further down.
    heading: Option<Box<[u8]>>,
    rules: Option<RowRules>,
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
        let has_header = options.header == Header::Present;
        let heading = has_header.then(|| records.cells()[layout.id].into());
        Ok(Some(Self {
            records,
            layout,
            short_before: None,
            json: Vec::new(),
            // Without a header the first record defines the width, and is a row as well.
            is_row_at_hand: !has_header,
            heading,
            rules: options.rules.clone(),
        }))
    }

    /// Returns whether the first record names the columns.
    pub(super) fn has_header(&self) -> bool {
        self.heading.is_some()
    }

    /// Returns the names of the other columns.
    pub(super) fn columns(&self) -> &[String] {
        &self.layout.columns
    }

    /// Returns where a cell of the current record begins, by its index among the others.
    pub(super) fn position_of(&self, column: usize) -> Option<Position> {
        self.layout.others.get(column).map(|&index| self.records.cell_start(index))
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
        if self.heading.as_deref() == Some(text.as_bytes()) {
            // As where two tables were put into one file.
            let problem = RowProblem::Heading { text: text.into() };
            return Err(ReadFault::Row(self.records.cell_start(index), problem));
        }
        let id = id_cell::task_id(text, self.rules.as_ref()).map_err(|bad| {
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
            target: self.target()?,
            is_wanted: self.is_wanted()?,
        })
    }

    /// Refuses rows whose cells could be in the wrong columns. Empty surplus cells are allowed,
    /// because spreadsheets add them.
    fn check_width(&mut self) -> Result<(), ReadFault> {
        let (found, expected) = (self.records.cells().len(), self.layout.width);
        let mut surplus = self.records.cells().iter().skip(expected);
        let position = match surplus.position(|cell| !cell.trim_ascii().is_empty()) {
            Some(index) => self.records.cell_start(expected + index),
            None if found < expected => self.records.end(),
            None => {
                self.short_before = None;
                return Ok(());
            }
        };
        let reason = self.width_reason();
        self.short_before = (found < expected).then_some(found);
        Err(ReadFault::Row(position, RowProblem::Cells { found, expected, reason }))
    }

    /// Guesses why the row has the wrong number of cells.
    #[cold]
    fn width_reason(&self) -> Option<WidthReason> {
        let (found, expected) = (self.records.cells().len(), self.layout.width);
        let cell = |index: usize| self.records.cells().get(index).map(String::from_utf8_lossy);
        if let Some(line) = stray_line::recognise(&cell(0).unwrap_or_default()) {
            return Some(WidthReason::StrayLine(line));
        }
        if found > expected {
            return Some(WidthReason::Delimiter);
        }
        let only = cell(0).filter(|_| found == 1).unwrap_or_default();
        if DELIMITERS.iter().any(|&delimiter| only.matches(delimiter).count() + 1 == expected) {
            return Some(WidthReason::OtherDelimiter);
        }
        let makes_a_row = |first: usize, second: usize| first + second - 1 == expected;
        let begins_a_row = |id: &str| id_cell::task_id(id, self.rules.as_ref()).is_ok();
        let has_digit = |id: &str| id.bytes().any(|byte| byte.is_ascii_digit());
        let id = cell(self.layout.id);
        if !id.is_some_and(|id| begins_a_row(&id)) {
            let is_rest = self.short_before.is_some_and(|before| makes_a_row(before, found));
            return is_rest.then_some(WidthReason::LineBreak);
        }
        // The next row decides: the other half of this one, or a row of its own.
        let next = self.records.next_cells();
        if next.is_empty() || !makes_a_row(found, next.len()) {
            return Some(WidthReason::LastCells);
        }
        match next.get(self.layout.id) {
            // A word may be an id or the rest of a text, so there is no guess.
            Some(id) if begins_a_row(id) => has_digit(id).then_some(WidthReason::LastCells),
            Some(_) | None => Some(WidthReason::LineBreak),
        }
    }

    fn is_wanted(&self) -> Result<bool, ReadFault> {
        for (index, condition) in &self.layout.conditions {
            if !condition.is_met_by(&unguarded(self.text(*index)?)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn target(&self) -> Result<Option<Box<str>>, ReadFault> {
        let Some(index) = self.layout.target else { return Ok(None) };
        Ok(Some(unguarded(self.text(index)?).trim().into()))
    }

    fn command(&self) -> Result<Command, ReadFault> {
        let index = match self.layout.command {
            CommandCell::Fixed(command) => return Ok(command),
            CommandCell::At(index) => index,
        };
        let text = self.text(index)?;
        let problem = match &self.rules {
            None => match text.parse() {
                Ok(command) => return Ok(command),
                Err(_) => RowProblem::Command { text: text.into() },
            },
            Some(RowRules { commands, .. }) => {
                let word = text.trim();
                let is_it = |command: &&Command| word.eq_ignore_ascii_case(command.as_str());
                match commands.iter().find(is_it) {
                    Some(command) => return Ok(*command),
                    None => RowProblem::Action { text: text.into(), known: Arc::clone(commands) },
                }
            }
        };
        Err(ReadFault::Row(self.records.cell_start(index), problem))
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
    Layout::from_header(&first, options).map_err(|problem| {
        let position = match problem {
            ColumnProblem::Repeated { second, .. } => records.cell_start(second),
            ColumnProblem::Shared { index } => records.cell_start(index),
            ColumnProblem::Missing { .. }
            | ColumnProblem::Unconditional { .. }
            | ColumnProblem::Nameless { .. }
            | ColumnProblem::NoSuchNumber { .. }
            | ColumnProblem::SubTasks
            | ColumnProblem::BatchTasks
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
