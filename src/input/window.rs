//! Keeps the raw bytes of the record that is being read, and no more.
//!
//! Sits under the csv reader, which forgets where a cell stood in the file. The window slides
//! along with the records, so memory stays flat; a record that outgrows it ends the reading,
//! because that is what a quote that is never closed looks like.

use std::io;
use std::io::Read;

/// The longest record, in bytes.
pub(super) const LONGEST_RECORD: usize = 1 << 20;

/// A reader that remembers what it gave since the mark.
pub(super) struct Window<R> {
    inner: R,
    kept: Vec<u8>,
    /// The offset in the stream of the first kept byte.
    base: u64,
    /// The offset in the stream of the record that is being read.
    mark: u64,
    outgrown: bool,
}

impl<R: Read> Window<R> {
    /// Returns a window at the start of the stream.
    pub(super) fn new(inner: R) -> Self {
        Self { inner, kept: Vec::new(), base: 0, mark: 0, outgrown: false }
    }

    /// Lets go of everything before `offset`, which never moves back.
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

    /// Tells whether the reading ended because a record was too long.
    pub(super) fn is_outgrown(&self) -> bool {
        self.outgrown
    }

    fn index(&self, offset: u64) -> usize {
        let index = usize::try_from(offset - self.base).expect("the window is smaller than memory");
        index.min(self.kept.len())
    }

    /// Moves the kept bytes to the front, before more are added behind them.
    fn slide(&mut self) {
        let dead = self.index(self.mark);
        self.kept.drain(..dead);
        self.base = self.mark;
    }
}

impl<R: Read> Read for Window<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.slide();
        // The csv reader asks for more only when the record ate all it had.
        if self.kept.len() > LONGEST_RECORD {
            self.outgrown = true;
            return Err(io::Error::other("record too long"));
        }
        let length = read_undisturbed(&mut self.inner, buffer)?;
        self.kept.extend_from_slice(&buffer[..length]);
        Ok(length)
    }
}

/// Reads although a signal may come in between, which the csv reader takes for the end.
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
