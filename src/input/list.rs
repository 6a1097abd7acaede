//! Rows of a plain list, and of ids from the command line.
//!
//! A list has one id per line. `#` starts a comment at the start of a line or after a blank.
//! Empty lines are ignored.

use super::error::RowProblem;
use super::read_fault::ReadFault;
use super::source::Bytes;
use super::window::LONGEST_RECORD;
use super::{Row, RowRules, id_cell, locate, stray_line};
use crate::task::{Command, Position};
use std::io::{BufRead, BufReader, Read};
use std::{str, vec};

/// The bytes that are read at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// The rows of a plain list.
pub(super) struct List {
    reader: BufReader<Bytes>,
    command: Command,
    rules: Option<RowRules>,
    line: Vec<u8>,
    /// The start of the current line.
    start: Position,
}

impl List {
    /// Returns the rows of a text whose first line starts at `start`.
    pub(super) fn new(
        bytes: Bytes,
        start: Position,
        command: Command,
        rules: Option<RowRules>,
    ) -> Self {
        Self {
            reader: BufReader::with_capacity(CHUNK_BYTES, bytes),
            command,
            rules,
            line: Vec::new(),
            // `read` counts a line before it reads one.
            start: Position { line: start.line - 1, column: 1 },
        }
    }

    /// Returns the next row.
    pub(super) fn next(&mut self) -> Option<Result<Row, ReadFault>> {
        loop {
            match self.read() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(fault) => return Some(Err(fault)),
            }
            let (indent, text) = entry(&self.line);
            if !text.is_empty() {
                return Some(self.row(indent, text));
            }
        }
    }

    /// Reads one line; `false` if there is none.
    fn read(&mut self) -> Result<bool, ReadFault> {
        self.line.clear();
        self.start.line += 1;
        // Without the limit, a huge file without line ends would be read into memory whole. One
        // byte more than allowed distinguishes a line that is too long from one that just fits.
        let mut limited = self.reader.by_ref().take(LONGEST_RECORD as u64 + 1);
        let length = limited.read_until(b'\n', &mut self.line).map_err(ReadFault::Io)?;
        if length > LONGEST_RECORD {
            return Err(ReadFault::Row(self.start, RowProblem::TooLong));
        }
        Ok(length > 0)
    }

    fn row(&self, indent: usize, text: &[u8]) -> Result<Row, ReadFault> {
        let position = |byte: usize| locate::after(self.start, &self.line[..indent + byte]);
        let text = str::from_utf8(text).map_err(|error| {
            let at = error.valid_up_to();
            ReadFault::Row(position(at), RowProblem::NotUtf8 { byte: text[at] })
        })?;
        let id = id_cell::task_id(text, self.rules.as_ref()).map_err(|bad| {
            let at = bad.character_at.unwrap_or(0);
            ReadFault::Row(position(at), bad.problem)
        })?;
        Ok(Row {
            id,
            command: self.command,
            position: position(0),
            others: None,
            target: None,
            is_wanted: true,
        })
    }
}

/// Returns a line without blanks and comment, and the number of bytes before that text.
fn entry(line: &[u8]) -> (usize, &[u8]) {
    let text = line.trim_ascii_start();
    let indent = line.len() - text.len();
    (indent, without_comment(text).trim_ascii_end())
}

fn without_comment(text: &[u8]) -> &[u8] {
    let mut from = 0;
    while let Some(found) = text[from..].iter().position(|&byte| byte == b'#') {
        let at = from + found;
        // Inside a word `#` is kept: it is not part of an id, and must be reported as an error. So
        // must a formula that failed: as a comment it would take its task with it.
        let is_comment = at == 0 || text[at - 1].is_ascii_whitespace();
        if is_comment && !is_failed_formula(&text[at..]) {
            return &text[..at];
        }
        from = at + 1;
    }
    text
}

/// Returns whether a text is what a spreadsheet shows for a failed formula, and nothing else.
fn is_failed_formula(text: &[u8]) -> bool {
    str::from_utf8(text).is_ok_and(|text| stray_line::is_error_value(text.trim_end()))
}

/// The rows of ids from the command line.
pub(super) struct Given {
    ids: vec::IntoIter<String>,
    command: Command,
    rules: Option<RowRules>,
    line: u64,
}

impl Given {
    /// Returns a row for each of the ids.
    pub(super) fn new(ids: Vec<String>, command: Command, rules: Option<RowRules>) -> Self {
        Self { ids: ids.into_iter(), command, rules, line: 0 }
    }

    /// Returns the next row.
    pub(super) fn next(&mut self) -> Option<Result<Row, ReadFault>> {
        let text = self.ids.next()?;
        self.line += 1;
        let start = Position { line: self.line, column: 1 };
        let row = id_cell::task_id(&text, self.rules.as_ref()).map(|id| Row {
            id,
            command: self.command,
            position: start,
            others: None,
            target: None,
            is_wanted: true,
        });
        Some(row.map_err(|bad| {
            let at = bad.character_at.unwrap_or(0);
            ReadFault::Row(locate::after(start, &text.as_bytes()[..at]), bad.problem)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: (usize, &str)) {
        let (indent, text) = entry(line.as_bytes());
        assert_eq!((indent, str::from_utf8(text).unwrap()), expected, "{line:?}");
    }

    #[test]
    fn a_line_says_an_id_besides_blanks_and_comments() {
        check("abcd\r\n", (0, "abcd"));
        check("  abcd # north gate\n", (2, "abcd"));
        check("abcd\t#x#y", (0, "abcd"));
        check("ab#cd", (0, "ab#cd"));
        check("# abcd\n", (0, ""));
        check("#N/A\r\n", (0, "#N/A"));
        check("abcd #N/A", (0, "abcd #N/A"));
        check("#NOTE: abcd", (0, ""));
        check(" \r\n", (3, ""));
    }
}
