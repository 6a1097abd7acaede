//! What a spreadsheet needs of a CSV beside what every reader of one needs.
//!
//! Pure. Nothing it adds is lost on an input: byte order mark, line ends and the `'` before an
//! id are taken off again when results are read as tasks.

use crate::task::TaskId;
use csv::Terminator;
use csv::Writer;
use csv::WriterBuilder;
use std::io;
use std::io::Write;

/// How much is written at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// Tells Excel that the text is UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whom a CSV is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CsvDialect {
    /// Programs: RFC 4180 with lines that end with LF.
    #[default]
    Plain,
    /// Excel and its like: with a byte order mark, lines that end with CR LF, and a `'` before
    /// each id that might be taken for a number, a date or a truth value.
    ///
    /// Not `="0047"`: that keeps the zeros, too, but is a formula, which every other reader would
    /// have to know how to evaluate.
    Excel,
}

impl CsvDialect {
    /// Begins a CSV.
    pub(crate) fn begin<W: Write>(self, mut out: W) -> io::Result<Writer<W>> {
        let terminator = match self {
            Self::Plain => Terminator::Any(b'\n'),
            Self::Excel => Terminator::CRLF,
        };
        if self == Self::Excel {
            out.write_all(BYTE_ORDER_MARK)?;
        }
        let mut builder = WriterBuilder::new();
        Ok(builder.terminator(terminator).buffer_capacity(CHUNK_BYTES).from_writer(out))
    }

    /// Returns what stands before an id.
    pub(crate) fn before_id(self, id: &TaskId) -> &'static str {
        match self {
            Self::Excel if may_be_taken_for_a_value(id.as_str()) => "'",
            Self::Plain | Self::Excel => "",
        }
    }
}

/// Tells whether an id may be a number, a date or a truth value to somebody's spreadsheet.
///
/// None of them has more than one run of letters in any language: `12e5`, `mar-2024`, `wahr`.
/// What begins with a minus is a formula, as far as spreadsheets are concerned.
fn may_be_taken_for_a_value(id: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic();
    let runs = id.split(|c| !is_letter(c)).filter(|run| !run.is_empty()).count();
    id.starts_with('-') || runs < 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, expected: &str) {
        let id: TaskId = id.parse().unwrap();
        assert_eq!(format!("{}{id}", CsvDialect::Excel.before_id(&id)), expected);
        assert_eq!(CsvDialect::Plain.before_id(&id), "");
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
