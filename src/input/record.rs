//! Reads the records of a table and knows the position of each cell in the file.
//!
//! Keeps the raw bytes of one record at a time beside its parsed cells. The parser accepts text
//! after a closing quote, and a quote that is never closed, and so swallows rows. Both are
//! errors here.

use super::error::RowProblem;
use super::locate;
use super::locate::{Quoting, RawCell};
use super::read_fault::ReadFault;
use super::source::Bytes;
use super::window::Window;
use crate::task::Position;
use csv::{ByteRecord, ReaderBuilder};

/// The bytes that are read at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// The records of a table, one at a time.
pub(super) struct Records {
    reader: csv::Reader<Window<Bytes>>,
    delimiter: u8,
    record: ByteRecord,
    /// The offset in the stream after the record.
    end: u64,
    /// The bytes of line ends between the previous record and this one.
    lead: usize,
    /// The position of the record's first byte.
    start: Position,
    /// The position after the record's last byte.
    next: Position,
}

impl Records {
    /// Returns the records of a text that begins at `start`.
    pub(super) fn new(bytes: Bytes, start: Position, delimiter: u8) -> Self {
        let reader = ReaderBuilder::new()
            // The header and the number of cells are checked by `delimited`, with positions.
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .buffer_capacity(CHUNK_BYTES)
            .from_reader(Window::new(bytes, start));
        Self { reader, delimiter, record: ByteRecord::new(), end: 0, lead: 0, start, next: start }
    }

    /// Goes to the next record that is not empty; `false` if there is none.
    pub(super) fn advance(&mut self) -> Result<bool, ReadFault> {
        while self.read()? {
            // Before anything is believed: the parsed cells may hold several rows at once.
            self.check_raw()?;
            if !self.is_blank() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the cells of the record.
    pub(super) fn cells(&self) -> &ByteRecord {
        &self.record
    }

    /// Returns the cells of the record after this one, as far as they were read already.
    pub(super) fn next_cells(&self) -> Vec<String> {
        let rest = self.reader.get_ref().after(self.end);
        let next = &rest[locate::leading_line_ends(rest)..];
        if next.is_empty() {
            return Vec::new();
        }
        let text =
            |cell: RawCell| String::from_utf8_lossy(&next[cell.start..cell.end]).into_owned();
        locate::cells(next, self.delimiter).map(text).collect()
    }

    /// Returns the start of the record.
    pub(super) fn start(&self) -> Position {
        self.start
    }

    /// Returns the end of the record, before its line end.
    pub(super) fn end(&self) -> Position {
        locate::after(self.start, locate::without_line_end(self.raw()))
    }

    /// Returns the start of a cell, or the end of the record if it has no such cell.
    pub(super) fn cell_start(&self, index: usize) -> Position {
        // Fast path: the ids are usually in the first column, so nothing has to be searched.
        if index == 0 {
            return self.start;
        }
        match self.raw_cell(index) {
            Some(cell) => self.position_at(cell.start),
            None => self.end(),
        }
    }

    /// Returns the position of a byte of a cell's text.
    pub(super) fn inside_cell(&self, index: usize, byte_of_text: usize) -> Position {
        match self.raw_cell(index) {
            Some(cell) => self.position_at(cell.offset_of(self.raw(), byte_of_text)),
            None => self.end(),
        }
    }

    fn raw_cell(&self, index: usize) -> Option<RawCell> {
        locate::cells(self.raw(), self.delimiter).nth(index)
    }

    fn position_at(&self, offset: usize) -> Position {
        locate::after(self.start, &self.raw()[..offset])
    }

    /// Returns the raw bytes of the record.
    fn raw(&self) -> &[u8] {
        &self.reader.get_ref().up_to(self.end)[self.lead..]
    }

    fn read(&mut self) -> Result<bool, ReadFault> {
        // The window may now drop the previous record; this one is kept from its first byte.
        self.reader.get_mut().keep_from(self.end, self.next);
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => return Err(self.broken(error)),
        }
        self.end = self.reader.position().byte();
        // The parser ends a record at CR and counts the LF after it to the next record.
        let raw = self.reader.get_ref().up_to(self.end);
        self.lead = locate::leading_line_ends(raw);
        let (lead, record) = raw.split_at(self.lead);
        self.start = locate::after(self.reader.get_ref().position(), lead);
        self.next = locate::after(self.start, record);
        Ok(true)
    }

    /// Returns why reading failed: because of the stream, or of a record without an end.
    fn broken(&self, error: csv::Error) -> ReadFault {
        let window = self.reader.get_ref();
        if !window.is_outgrown() {
            return ReadFault::Io(error.into());
        }
        // The most probable reason for an endless record is a quote that is never closed.
        let raw = window.rest();
        let (lead, record) = raw.split_at(locate::leading_line_ends(raw));
        let start = locate::after(window.position(), lead);
        let open =
            locate::cells(record, self.delimiter).find(|cell| cell.quoting == Quoting::Unclosed);
        match open {
            Some(cell) => {
                ReadFault::Row(locate::after(start, &record[..cell.start]), RowProblem::LongQuote)
            }
            None => ReadFault::Row(start, RowProblem::TooLong),
        }
    }

    fn check_raw(&self) -> Result<(), ReadFault> {
        let raw = self.raw();
        // Most rows have no quotes, and one search for a byte is far cheaper than a walk.
        if raw.contains(&b'"') {
            self.check_quotes()?;
        }
        match raw.iter().position(|&byte| byte == 0) {
            Some(offset) => Err(ReadFault::Row(self.position_at(offset), RowProblem::Nul)),
            None => Ok(()),
        }
    }

    fn check_quotes(&self) -> Result<(), ReadFault> {
        for cell in locate::cells(self.raw(), self.delimiter) {
            let opened = || self.position_at(cell.start);
            match cell.quoting {
                Quoting::Bare | Quoting::Quoted => {}
                Quoting::Unclosed => {
                    return Err(ReadFault::Row(opened(), RowProblem::UnclosedQuote));
                }
                Quoting::Overrun(offset) => {
                    let problem = RowProblem::TextAfterQuote { opened: opened() };
                    return Err(ReadFault::Row(self.position_at(offset), problem));
                }
            }
        }
        Ok(())
    }

    fn is_blank(&self) -> bool {
        self.record.iter().all(|cell| cell.iter().all(u8::is_ascii_whitespace))
    }
}
