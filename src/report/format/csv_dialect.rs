//! The dialects of CSV: for programs, and for spreadsheets.
//!
//! Pure. `input` undoes all that a dialect adds: byte order mark, line ends and the `'` before an
//! id are removed when results are read as tasks.

use crate::report::format::csv_lines::CsvLines;
use crate::task::TaskId;
use csv::{Terminator, Writer, WriterBuilder};
use std::io;
use std::io::Write;

/// The size of the write buffer.
const CHUNK_BYTES: usize = 64 << 10;
/// Without it Excel reads the text in the code page of the system, not as UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The readers that a CSV is written for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CsvDialect {
    /// Programs: RFC 4180 with lines that end with LF.
    #[default]
    Plain,
    /// Excel and other spreadsheets: with a byte order mark, lines that end with CR LF, and a `'`
    /// before each id that might be read as a number, a date or a truth value.
    ///
    /// Not `="0047"`: that keeps the zeros too, but it is a formula, and no other reader evaluates
    /// formulas.
    Excel,
}

impl CsvDialect {
    /// Begins a CSV document.
    pub(crate) fn begin<W: Write>(self, mut out: W) -> io::Result<Writer<W>> {
        let terminator = match self {
            Self::Plain => Terminator::Any(b'\n'),
            Self::Excel => Terminator::CRLF,
        };
        out.write_all(self.first_bytes())?;
        let mut builder = WriterBuilder::new();
        Ok(builder.terminator(terminator).buffer_capacity(CHUNK_BYTES).from_writer(out))
    }

    /// Begins a CSV document that is written field by field.
    pub(crate) fn begin_lines<W: Write>(self, out: W) -> CsvLines<W> {
        let line_end = match self {
            Self::Plain => "\n",
            Self::Excel => "\r\n",
        };
        CsvLines::new(out, self.first_bytes(), line_end)
    }

    fn first_bytes(self) -> &'static [u8] {
        match self {
            Self::Plain => b"",
            Self::Excel => BYTE_ORDER_MARK,
        }
    }

    /// Returns the prefix of an id.
    pub(crate) fn id_prefix(self, id: &TaskId) -> &'static str {
        match self {
            Self::Excel if may_be_read_as_value(id.as_str()) => "'",
            Self::Plain | Self::Excel => "",
        }
    }
}

/// Returns whether a spreadsheet may read an id as a number, a date or a truth value.
fn may_be_read_as_value(id: &str) -> bool {
    // In no language does such a value have more than one run of letters: `12e5`, `mar-2024`,
    // `wahr`. An id that begins with a minus would be a formula.
    let is_letter = |c: char| c.is_ascii_alphabetic();
    let runs = id.split(|c| !is_letter(c)).filter(|run| !run.is_empty()).count();
    id.starts_with('-') || runs < 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, expected: &str) {
        let id: TaskId = id.parse().unwrap();
        assert_eq!(format!("{}{id}", CsvDialect::Excel.id_prefix(&id)), expected);
        assert_eq!(CsvDialect::Plain.id_prefix(&id), "");
    }

    #[test]
    fn an_id_that_a_spreadsheet_would_change_is_marked_as_text() {
        check("0047", "'0047");
        check("12345678901234567890", "'12345678901234567890");
        check("12e5", "'12e5");
        check("2024-07-05", "'2024-07-05");
        check("mar-2024", "'mar-2024");
        check("sept2", "'sept2");
        check("true", "'true");
        check("-gate-north", "'-gate-north");
        check("_047", "'_047");
    }

    #[test]
    fn an_id_that_is_text_to_everyone_stays_as_it_is() {
        check("gate-north", "gate-north");
        check("0d47bbf52962414bb7ae27fb6ea24230", "0d47bbf52962414bb7ae27fb6ea24230");
        check("12e5f", "12e5f");
    }
}
