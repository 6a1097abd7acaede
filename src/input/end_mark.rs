//! Passes over the end marks (Ctrl-Z, 0x1A) that DOS programs write behind a text.
//!
//! Only marks at the very end are passed over. A mark that other text follows stays, and makes
//! an error of its row: DOS would drop all rows behind it in silence.

use memchr::memchr;
use std::io;
use std::io::{BufRead, Read};

/// The end mark, SUB in ASCII.
const END_MARK: u8 = 0x1a;
/// The most bytes of marks and blanks that are held back until it is known what follows.
const MAX_HELD: usize = 64 << 10;

/// A stream without the end marks at its end.
pub(crate) struct WithoutEndMark<R> {
    inner: R,
    /// Marks, and the blanks and line ends among them, that may be the end of the text.
    held: Vec<u8>,
    /// Bytes that were held back and belong to the text.
    ready: io::Cursor<Vec<u8>>,
}

impl<R: BufRead> WithoutEndMark<R> {
    /// Returns the stream.
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, held: Vec::new(), ready: io::Cursor::default() }
    }

    fn release(&mut self) {
        self.ready = io::Cursor::new(std::mem::take(&mut self.held));
    }
}

impl<R: BufRead> Read for WithoutEndMark<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.ready.read(buffer)?;
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            let chunk = self.inner.fill_buf()?;
            if chunk.is_empty() {
                self.held.retain(|&byte| byte != END_MARK);
                if self.held.is_empty() {
                    return Ok(0);
                }
                self.release();
                continue;
            }
            if self.held.is_empty() && chunk[0] != END_MARK {
                let chunk = &chunk[..chunk.len().min(buffer.len())];
                let mark = memchr(END_MARK, chunk);
                let length = mark.unwrap_or(chunk.len());
                buffer[..length].copy_from_slice(&chunk[..length]);
                self.inner.consume(length);
                return Ok(length);
            }
            let may_end = |byte: &u8| matches!(*byte, END_MARK | b'\r' | b'\n' | b' ' | b'\t');
            let length = chunk.iter().take_while(|byte| may_end(byte)).count();
            let is_followed = length < chunk.len();
            self.held.extend_from_slice(&chunk[..length]);
            self.inner.consume(length);
            // The bound keeps memory flat, whatever the input is.
            if is_followed || self.held.len() > MAX_HELD {
                self.release();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::BufReader;

    fn read(text: &str, chunk: usize) -> String {
        let mut stream = WithoutEndMark::new(BufReader::with_capacity(chunk, text.as_bytes()));
        let mut read = String::new();
        stream.read_to_string(&mut read).unwrap();
        read
    }

    #[test]
    fn marks_at_the_end_are_passed_over_and_others_stay() {
        for (text, expected) in [
            ("abcd\n\u{1a}", "abcd\n"),
            ("abcd\u{1a}\u{1a}", "abcd"),
            ("abcd\r\n\u{1a}\r\n\u{1a} ", "abcd\r\n\r\n "),
            ("ab\u{1a}cd\n", "ab\u{1a}cd\n"),
            ("ab\u{1a}\ncd\u{1a}", "ab\u{1a}\ncd"),
            ("\u{1a}", ""),
        ] {
            for chunk in 1..4 {
                assert_eq!(read(text, chunk), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn very_many_marks_are_not_held_in_memory() {
        let marks = io::repeat(END_MARK).take(1 << 20);
        let mut stream = WithoutEndMark::new(BufReader::new(marks));
        io::copy(&mut stream, &mut io::sink()).unwrap();
        assert!(stream.held.capacity() <= 4 * MAX_HELD);
    }

    proptest! {
        #[test]
        fn nothing_else_is_changed(text in "[a\n \u{1a}]{0,20}", chunk in 1..5usize) {
            let end = text.trim_end_matches(['\n', ' ', '\u{1a}']).len();
            let (kept, rest) = text.split_at(end);
            // Blanks before the first mark are not the end of the text, but they stay, too.
            prop_assert_eq!(read(&text, chunk), format!("{kept}{}", rest.replace('\u{1a}', "")));
        }
    }
}
