//! Turns lone carriage returns, the line ends of old Macs, into line feeds.
//!
//! A byte becomes a byte, so positions stay. A CR before a LF is left alone.

use memchr::memchr;
use std::io;
use std::io::{BufRead, Read};

/// Returns whether the lines of a text end with CR alone, as far as its beginning shows.
///
/// The first line end outside quotes decides, because a cell may hold line ends of another kind.
pub(crate) fn ends_lines(head: &[u8]) -> bool {
    let mut is_quoted = false;
    for (index, byte) in head.iter().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' if !is_quoted => return false,
            b'\r' if !is_quoted => return head.get(index + 1) != Some(&b'\n'),
            _ => {}
        }
    }
    // A stray quote may have hidden all of them.
    head.contains(&b'\r') && !head.contains(&b'\n')
}

/// A stream in which every lone CR is a LF.
pub(crate) struct LineFeeds<R> {
    inner: R,
    /// Whether a CR was read whose successor is not known yet.
    is_held: bool,
}

impl<R: BufRead> LineFeeds<R> {
    /// Returns the stream.
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, is_held: false }
    }
}

impl<R: BufRead> Read for LineFeeds<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let chunk = self.inner.fill_buf()?;
            if std::mem::take(&mut self.is_held) {
                buffer[0] = if chunk.first() == Some(&b'\n') { b'\r' } else { b'\n' };
                return Ok(1);
            }
            let length = chunk.len().min(buffer.len());
            buffer[..length].copy_from_slice(&chunk[..length]);
            self.inner.consume(length);
            let text = &mut buffer[..length];
            let mut from = 0;
            // Searched many bytes at a time, because nearly every text has none.
            while let Some(found) = memchr(b'\r', &text[from..]) {
                let at = from + found;
                if text.get(at + 1).is_some_and(|&next| next != b'\n') {
                    text[at] = b'\n';
                }
                from = at + 1;
            }
            self.is_held = text.last() == Some(&b'\r');
            // Zero would mean the end, so a CR that stands alone needs another round.
            if length != 1 || !self.is_held {
                return Ok(length - usize::from(self.is_held));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::BufReader;

    fn check(text: &str, expected: bool) {
        assert_eq!(ends_lines(text.as_bytes()), expected, "{text:?}");
    }

    #[test]
    fn the_first_line_end_outside_quotes_decides() {
        check("id\rabcd\r", true);
        check("id\r", true);
        check("id,\"a\nb\"\rabcd,1\r", true);
        check("5\" pipe\rabcd\r", true);
        check("id\r\nabcd\r\n", false);
        check("id\nab\rcd", false);
        check("\"a\rb\",id\nabcd", false);
        check("id", false);
    }

    proptest! {
        #[test]
        fn every_lone_cr_becomes_a_lf(text in "[a\r\n]{0,30}", chunk in 1..5usize, asked in 1..5usize) {
            let inner = BufReader::with_capacity(chunk, text.as_bytes());
            let mut stream = LineFeeds::new(inner);
            let (mut read, mut buffer) = (Vec::new(), vec![0; asked]);
            loop {
                let length = stream.read(&mut buffer).unwrap();
                if length == 0 {
                    break;
                }
                read.extend_from_slice(&buffer[..length]);
            }
            let expected = text.replace("\r\n", "\u{1}\n").replace('\r', "\n").replace('\u{1}', "\r");
            prop_assert_eq!(String::from_utf8(read).unwrap(), expected);
        }
    }
}
