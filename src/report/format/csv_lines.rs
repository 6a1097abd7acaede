//! Writes lines of CSV field by field, for documents of millions of rows.
//!
//! The bytes are those of the `csv` crate (a test compares them). That crate takes whole records,
//! which it searches for quotes again field by field; most of our fields are known to need none.

use std::io;
use std::io::Write;

/// How much is gathered before it is written.
const CHUNK_BYTES: usize = 64 << 10;

/// A document that is being written.
#[derive(Debug)]
pub(crate) struct CsvLines<W> {
    out: W,
    line_end: &'static str,
    buffer: Vec<u8>,
    is_at_start: bool,
}

impl<W: Write> CsvLines<W> {
    /// Begins a document with these bytes.
    pub(crate) fn new(out: W, begin: &[u8], line_end: &'static str) -> Self {
        let mut buffer = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
        buffer.extend_from_slice(begin);
        Self { out, line_end, buffer, is_at_start: true }
    }

    /// Adds a field without a delimiter, a quote or a line break.
    pub(crate) fn word(&mut self, word: &str) {
        if !std::mem::replace(&mut self.is_at_start, false) {
            self.buffer.push(b',');
        }
        self.buffer.extend_from_slice(word.as_bytes());
    }

    /// Adds a field, in quotes if it needs them.
    pub(crate) fn field(&mut self, field: &str) {
        if !needs_quotes(field) {
            return self.word(field);
        }
        self.word("\"");
        for part in field.split_inclusive('"') {
            self.buffer.extend_from_slice(part.as_bytes());
            if part.ends_with('"') {
                self.buffer.push(b'"');
            }
        }
        self.buffer.push(b'"');
    }

    /// Ends the line.
    pub(crate) fn end_line(&mut self) -> io::Result<()> {
        self.buffer.extend_from_slice(self.line_end.as_bytes());
        self.is_at_start = true;
        if self.buffer.len() < CHUNK_BYTES {
            return Ok(());
        }
        let written = self.out.write_all(&self.buffer);
        self.buffer.clear();
        written
    }

    /// Writes the rest and returns what was written to.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&self.buffer)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

fn needs_quotes(field: &str) -> bool {
    // To the end even where one is found: without a branch it takes many bytes at a time.
    let is_special = |byte| matches!(byte, b',' | b'"' | b'\r' | b'\n');
    field.bytes().fold(false, |found, byte| found | is_special(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use csv::{Terminator, WriterBuilder};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_bytes_are_those_of_the_csv_crate(
            rows in prop::collection::vec(prop::collection::vec("[a,\"\r\n é]{0,5}", 2..4), 0..5),
        ) {
            for (terminator, line_end) in [(Terminator::Any(b'\n'), "\n"), (Terminator::CRLF, "\r\n")] {
                let mut theirs = WriterBuilder::new();
                let mut theirs = theirs.flexible(true).terminator(terminator).from_writer(Vec::new());
                let mut ours = CsvLines::new(Vec::new(), b"", line_end);
                for row in &rows {
                    theirs.write_record(row).unwrap();
                    row.iter().for_each(|field| ours.field(field));
                    ours.end_line().unwrap();
                }
                prop_assert_eq!(theirs.into_inner().unwrap(), ours.finish().unwrap());
            }
        }
    }

    #[test]
    fn a_full_buffer_is_written_on_the_way() {
        let mut lines = CsvLines::new(Vec::new(), b"", "\n");
        let word = "a".repeat(CHUNK_BYTES);
        for _ in 0..3 {
            lines.word(&word);
            lines.end_line().unwrap();
        }
        assert!(lines.buffer.is_empty());
        assert_eq!(lines.finish().unwrap().len(), 3 * (CHUNK_BYTES + 1));
    }
}
