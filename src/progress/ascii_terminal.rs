//! A terminal whose character set is ASCII: everything written to it is written with that.
//!
//! Each character keeps its width, so that lines that were laid out to fit still do.

use indicatif::TermLike;
use std::io;
use unicode_width::UnicodeWidthChar;

/// A terminal that shows no other characters than those of ASCII.
#[derive(Debug, Clone)]
pub struct AsciiTerminal<T>(pub T);

/// Returns a text in ASCII, with as many columns.
fn in_ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if c.is_ascii() => ascii.push(c),
            '█' | '▉' | '▊' | '▋' | '▌' => ascii.push('#'),
            '▍' | '▎' | '▏' => ascii.push('-'),
            '·' => ascii.push('|'),
            '…' => ascii.push('~'),
            // The braille characters of the spinner: one that turns as they do.
            '\u{2800}'..='\u{28ff}' => ascii.push(['|', '/', '-', '\\'][c as usize % 4]),
            _ => ascii.extend(std::iter::repeat_n('?', c.width().unwrap_or(0))),
        }
    }
    ascii
}

impl<T: TermLike> TermLike for AsciiTerminal<T> {
    fn width(&self) -> u16 {
        self.0.width()
    }

    fn height(&self) -> u16 {
        self.0.height()
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(&in_ascii(text))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(&in_ascii(text))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn every_character_has_an_ascii_one_of_its_width() {
        for (text, expected) in [
            ("10 ok · 2 failed", "10 ok | 2 failed"),
            ("██▌▏  ", "###-  "),
            ("cut o…", "cut o~"),
            ("名前 é", "???? ?"),
            ("\u{1b}[1mplain\u{1b}[0m", "\u{1b}[1mplain\u{1b}[0m"),
        ] {
            assert_eq!(in_ascii(text), expected);
            assert_eq!(expected.width(), text.width(), "{text}");
        }
        assert!(in_ascii("⠋⠙⠹⠸").is_ascii());
    }
}
