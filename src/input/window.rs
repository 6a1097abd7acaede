//! Keeps the raw bytes of the current record, and no more.
//!
//! The csv reader reads through it and discards the positions of cells. The window moves along
//! with the records, so memory stays flat. A record that outgrows it ends the reading, because
//! a quote that is never closed looks like that.

use super::locate;
use crate::task::Position;
use std::io;
use std::io::Read;

/// The longest record, in bytes.
pub(super) const LONGEST_RECORD: usize = 1 << 20;

/// A reader that keeps the bytes it returned since the mark.
pub(super) struct Window<R> {
    inner: R,
    kept: Vec<u8>,
    /// The offset in the stream of the first kept byte.
    base: u64,
    /// The offset in the stream of the current record, or of the line ends before it.
    mark: u64,
    /// The position of the mark.
    position: Position,
    outgrown: bool,
}

impl<R: Read> Window<R> {
    /// Returns a window at the start of a stream that begins at `position`.
    pub(super) fn new(inner: R, position: Position) -> Self {
        Self { inner, kept: Vec::new(), base: 0, mark: 0, position, outgrown: false }
    }

    /// Allows everything before `offset` to be dropped; the offset never moves back.
    pub(super) fn keep_from(&mut self, offset: u64, position: Position) {
        self.mark = offset;
        self.position = position;
    }

    /// Returns the position of the mark, which moves on over dropped line ends.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// Returns the kept bytes from the mark up to `end`.
    pub(super) fn up_to(&self, end: u64) -> &[u8] {
        &self.kept[self.index(self.mark)..self.index(end)]
    }

    /// Returns every byte from the mark on.
    pub(super) fn rest(&self) -> &[u8] {
        &self.kept[self.index(self.mark)..]
    }

    /// Returns the bytes after `offset` that were read already.
    pub(super) fn after(&self, offset: u64) -> &[u8] {
        &self.kept[self.index(offset)..]
    }

    /// Returns whether the reading ended because a record was too long.
    pub(super) fn is_outgrown(&self) -> bool {
        self.outgrown
    }

    fn index(&self, offset: u64) -> usize {
        let index = usize::try_from(offset - self.base).expect("the window is smaller than memory");
        index.min(self.kept.len())
    }

    /// Drops the bytes before the mark.
    fn slide(&mut self) {
        // Here and not in `keep_from`: once per chunk read, and not once per record.
        let dead = self.index(self.mark);
        self.kept.drain(..dead);
        self.base = self.mark;
        // Blank lines belong to no record: millions of them must not make one outgrow the window.
        let blank = locate::leading_line_ends(&self.kept);
        self.position = locate::after(self.position, &self.kept[..blank]);
        self.kept.drain(..blank);
        self.mark += blank as u64;
        self.base = self.mark;
    }
}

impl<R: Read> Read for Window<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.slide();
        // The csv reader reads more only if the current record has used up its buffer, so what
        // is left after sliding belongs to one record.
        if self.kept.len() > LONGEST_RECORD {
            self.outgrown = true;
            return Err(io::Error::other("record too long"));
        }
        let length = read_undisturbed(&mut self.inner, buffer)?;
        self.kept.extend_from_slice(&buffer[..length]);
        Ok(length)
    }
}

/// Reads and retries after signals, which the csv reader would take for the end of the input.
fn read_undisturbed(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: Position = Position { line: 1, column: 1 };

    #[test]
    fn only_bytes_since_the_mark_are_kept() {
        let mut window = Window::new(&b"abcdefgh"[..], TOP);
        let mut buffer = [0; 4];
        assert_eq!(window.read(&mut buffer).unwrap(), 4);
        window.keep_from(3, Position { line: 1, column: 4 });
        assert_eq!(window.read(&mut buffer).unwrap(), 4);
        assert_eq!(window.rest(), b"defgh");
        assert_eq!(window.up_to(5), b"de");
        assert_eq!(window.kept.len(), 5);
    }

    #[test]
    fn a_record_that_outgrows_the_window_ends_the_reading() {
        let mut window = Window::new(io::repeat(b'x'), TOP);
        let copied = io::copy(&mut window, &mut io::sink());
        assert!(copied.is_err());
        assert!(window.is_outgrown());
        assert!(window.rest().len() < 2 * LONGEST_RECORD);
    }

    #[test]
    fn blank_lines_do_not_fill_the_window() {
        let lines = io::repeat(b'\n').take(3 * LONGEST_RECORD as u64);
        let mut window = Window::new(lines.chain(&b"\r\nab"[..]), TOP);
        io::copy(&mut window, &mut io::sink()).unwrap();
        assert!(window.kept.capacity() < LONGEST_RECORD);
        window.slide();
        let line = 3 * LONGEST_RECORD as u64 + 2;
        assert_eq!((window.position(), window.rest()), (Position { line, column: 1 }, &b"ab"[..]));
    }
}
