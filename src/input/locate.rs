//! Finds cells and characters in the raw bytes of one record.
//!
//! Walks a record as the csv parser does, but keeps the offsets that the parser discards. It is
//! stricter in one case: text after a closing quote is an error. A parser that accepts it
//! swallows every row between a stray quote and the next one.

use crate::task::Position;

/// The byte that encloses cells.
const QUOTE: u8 = b'"';

/// One cell as it is in the file, by offsets into the raw record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RawCell {
    /// The first byte: the opening quote, if there is one.
    pub(super) start: usize,
    /// The byte after the last one.
    pub(super) end: usize,
    /// The quoting.
    pub(super) quoting: Quoting,
}

/// The quoting of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    /// There are no quotes.
    Bare,
    /// The whole cell is quoted, except for blanks behind the closing quote.
    Quoted,
    /// The closing quote is followed by text, at this offset.
    Overrun(usize),
    /// The closing quote is missing.
    Unclosed,
}

/// The cells of the record at the start of `raw`, up to the end of its line.
pub(super) struct RawCells<'a> {
    raw: &'a [u8],
    delimiter: u8,
    next: Option<usize>,
}

/// Returns the cells of the record at the start of `raw`.
pub(super) fn cells(raw: &[u8], delimiter: u8) -> RawCells<'_> {
    RawCells { raw, delimiter, next: Some(0) }
}

impl Iterator for RawCells<'_> {
    type Item = RawCell;

    fn next(&mut self) -> Option<RawCell> {
        let start = self.next?;
        let cell =
            if self.raw.get(start) == Some(&QUOTE) { self.quoted(start) } else { self.bare(start) };
        // A cell ends at a delimiter, at the end of the line, or at the end of the raw bytes.
        let goes_on = self.raw.get(cell.end) == Some(&self.delimiter);
        self.next = goes_on.then_some(cell.end + 1);
        Some(cell)
    }
}

impl RawCells<'_> {
    fn bare(&self, start: usize) -> RawCell {
        RawCell { start, end: self.end_of_text(start), quoting: Quoting::Bare }
    }

    fn quoted(&self, start: usize) -> RawCell {
        let Some(close) = closing_quote(self.raw, start + 1) else {
            return RawCell { start, end: self.raw.len(), quoting: Quoting::Unclosed };
        };
        let end = self.end_of_text(close + 1);
        // Blanks behind the quote are accepted, because many programs write them.
        let overrun = (close + 1..end).find(|&at| !matches!(self.raw[at], b' ' | b'\t'));
        RawCell { start, end, quoting: overrun.map_or(Quoting::Quoted, Quoting::Overrun) }
    }

    /// Returns the offset of the next delimiter or line end, from `start` on.
    fn end_of_text(&self, start: usize) -> usize {
        let ends = |&byte: &u8| byte == self.delimiter || is_line_end(byte);
        let length = self.raw[start..].iter().position(ends);
        length.map_or(self.raw.len(), |length| start + length)
    }
}

/// Finds the quote that closes a cell whose text begins at `start`.
fn closing_quote(raw: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at += raw[at..].iter().position(|&byte| byte == QUOTE)?;
        // RFC 4180: two quotes inside a quoted cell are one character of its text.
        if raw.get(at + 1) != Some(&QUOTE) {
            return Some(at);
        }
        at += 2;
    }
}

impl RawCell {
    /// Returns the raw offset of a byte of the cell's text.
    pub(super) fn offset_of(&self, raw: &[u8], byte_of_text: usize) -> usize {
        if self.quoting == Quoting::Bare {
            return self.start + byte_of_text;
        }
        // The text has one quote for each pair in the file, so the offsets drift apart.
        let mut at = self.start + 1;
        for _ in 0..byte_of_text {
            let doubled = raw.get(at) == Some(&QUOTE) && raw.get(at + 1) == Some(&QUOTE);
            at += if doubled { 2 } else { 1 };
        }
        at.min(raw.len())
    }
}

/// Returns the position at which `text` ends if it begins at `start`.
pub(super) fn after(start: Position, text: &[u8]) -> Position {
    match text.iter().rposition(|&byte| byte == b'\n') {
        Some(last) => Position {
            line: start.line + line_feeds(text),
            column: 1 + characters(&text[last + 1..]),
        },
        None => Position { line: start.line, column: start.column + characters(text) },
    }
}

/// Returns the number of bytes of line ends at the start of `raw`.
pub(super) fn leading_line_ends(raw: &[u8]) -> usize {
    raw.iter().take_while(|&&byte| is_line_end(byte)).count()
}

/// Returns `raw` without the line ends at its end.
pub(super) fn without_line_end(mut raw: &[u8]) -> &[u8] {
    while let Some((last, rest)) = raw.split_last()
        && is_line_end(*last)
    {
        raw = rest;
    }
    raw
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn line_feeds(text: &[u8]) -> u64 {
    text.iter().filter(|&&byte| byte == b'\n').count() as u64
}

/// Counts the characters of a text, which need not be valid UTF-8.
fn characters(text: &[u8]) -> u64 {
    // All bytes of a UTF-8 character but the first have the bits 10 in front.
    let starts_character = |byte: &&u8| **byte & 0b1100_0000 != 0b1000_0000;
    text.iter().filter(starts_character).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: &[(&str, Quoting)]) {
        let found: Vec<(&str, Quoting)> = cells(raw.as_bytes(), b',')
            .map(|cell| (&raw[cell.start..cell.end], cell.quoting))
            .collect();
        assert_eq!(found, expected, "{raw:?}");
    }

    #[test]
    fn cells_end_at_delimiters_and_at_the_end_of_the_line() {
        check("", &[("", Quoting::Bare)]);
        check("a,,b\r\nc", &[("a", Quoting::Bare), ("", Quoting::Bare), ("b", Quoting::Bare)]);
        check("a,", &[("a", Quoting::Bare), ("", Quoting::Bare)]);
        check("a\"b,c", &[("a\"b", Quoting::Bare), ("c", Quoting::Bare)]);
    }

    #[test]
    fn quotes_hold_delimiters_and_line_ends_together() {
        check(
            "\"a,\n\"\"b\"\"\" ,c",
            &[("\"a,\n\"\"b\"\"\" ", Quoting::Quoted), ("c", Quoting::Bare)],
        );
        check(
            "x,\"a\"b,c",
            &[("x", Quoting::Bare), ("\"a\"b", Quoting::Overrun(5)), ("c", Quoting::Bare)],
        );
        check("x,\"a\"\"", &[("x", Quoting::Bare), ("\"a\"\"", Quoting::Unclosed)]);
    }

    #[test]
    fn a_byte_of_the_text_is_found_behind_quotes() {
        let raw = br#""a""b",c"#;
        let cell = cells(raw, b',').next().unwrap();
        let found: Vec<u8> = (0..3).map(|at| raw[cell.offset_of(raw, at)]).collect();
        assert_eq!(found, b"a\"b");
    }

    #[test]
    fn columns_count_characters_since_the_last_line_feed() {
        let start = Position { line: 3, column: 5 };
        assert_eq!(after(start, "äb".as_bytes()), Position { line: 3, column: 7 });
        assert_eq!(after(start, "a\r\n\nxy".as_bytes()), Position { line: 5, column: 3 });
    }
}
