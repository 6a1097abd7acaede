//! Keeps the raw bytes of the current record, and no more.
//!
//! The csv reader reads through it and discards the positions of cells. The window moves along
//! with the records, so memory stays flat. A record that outgrows it ends the reading, because
//! a quote that is never closed looks like that.

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
    /// The offset in the stream of the current record.
    mark: u64,
    outgrown: bool,
}

impl<R: Read> Window<R> {
    /// Returns a window at the start of the stream.
    pub(super) fn new(inner: R) -> Self {
        Self { inner, kept: Vec::new(), base: 0, mark: 0, outgrown: false }
    }

    /// Allows everything before `offset` to be dropped; the offset never moves back.
    pub(super) fn keep_from(&mut self, offset: u64) {
        self.mark = offset;
    }

    /// Returns the kept bytes from the mark up to `end`.
    pub(super) fn up_to(&self, end: u64) -> &[u8] {
        &self.kept[self.index(self.mark)..self.index(end)]
    }

    /// Returns every byte from the mark on.
    pub(super) fn rest(&self) -> &[u8] {
        &self.kept[self.index(self.mark)..]
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

    #[test]
    fn only_bytes_since_the_mark_are_kept() {
        let mut window = Window::new(&b"abcdefgh"[..]);
        let mut buffer = [0; 4];
        assert_eq!(window.read(&mut buffer).unwrap(), 4);
        window.keep_from(3);
        assert_eq!(window.read(&mut buffer).unwrap(), 4);
        assert_eq!(window.rest(), b"defgh");
        assert_eq!(window.up_to(5), b"de");
        assert_eq!(window.kept.len(), 5);
    }

    #[test]
    fn a_record_that_outgrows_the_window_ends_the_reading() {
        let mut window = Window::new(io::repeat(b'x'));
        let copied = io::copy(&mut window, &mut io::sink());
        assert!(copied.is_err());
        assert!(window.is_outgrown());
        assert!(window.rest().len() < 2 * LONGEST_RECORD);
    }
}
