//! Escapes on the way to a terminal what would act on it: documents go there as they are otherwise.
//!
//! A pipe or a file gets every document byte for byte. A terminal would obey the controls in the
//! texts of a service or of a damaged run, so there they are shown as escapes.

use batchctl::text::{ascii, ascii_json, harmless};
use std::io;
use std::io::Write;

/// What standard output carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// JSON, which has escapes of its own.
    Json,
    /// Any other text.
    Text,
    /// What this program words and colours itself.
    Own,
}

impl Content {
    /// Returns a text of this kind as a terminal may show it.
    pub(crate) fn harmless(self, text: &str) -> String {
        match self {
            Self::Json => ascii_json(text),
            Self::Text => harmless(text),
            Self::Own => text.to_owned(),
        }
    }
}

/// Passes text on to a terminal, harmless.
pub(crate) struct TerminalGuard<W> {
    out: W,
    content: Content,
    /// Whether the terminal has no other characters.
    is_ascii: bool,
    /// The bytes of a character that is not whole yet.
    begun: Vec<u8>,
}

impl<W: Write> TerminalGuard<W> {
    pub(crate) fn new(out: W, content: Content) -> Self {
        Self { out, content, is_ascii: false, begun: Vec::new() }
    }

    /// Writes ASCII alone, if the terminal has no other characters.
    pub(crate) fn in_ascii(self, is_ascii: bool) -> Self {
        Self { is_ascii, ..self }
    }
}

impl<W: Write> Write for TerminalGuard<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.begun) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            // Bytes that are no text are replaced below, so that nothing is held back for ever.
            Ok(_) | Err(_) => self.begun.len(),
        };
        let rest = self.begun.split_off(whole);
        let text = std::mem::replace(&mut self.begun, rest);
        let text = self.content.harmless(&String::from_utf8_lossy(&text));
        let text = if self.is_ascii { ascii(&text) } else { text };
        self.out.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: Content, pieces: &[&[u8]], expected: &str) {
        let mut out = Vec::new();
        let mut guard = TerminalGuard::new(&mut out, content);
        for piece in pieces {
            guard.write_all(piece).unwrap();
        }
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{pieces:?}");
    }

    #[test]
    fn controls_become_escapes_wherever_the_text_is_split() {
        check(Content::Text, &[b"a\x1b[31m\n\tb\r\n"], "a\\u{1b}[31m\n\tb\\u{d}\n");
        check(Content::Text, &[b"\xc2", b"\x9b", b"\xe2\x80", b"\xaex"], "\\u{9b}\\u{202e}x");
        check(Content::Text, &["tör".as_bytes()], "tör");
        check(
            Content::Json,
            &["{\"a\": \"ö\u{9b}\"}\n".as_bytes()],
            "{\"a\": \"\\u00f6\\u009b\"}\n",
        );
        check(Content::Text, &[b"\xff\x1b"], "\u{fffd}\\u{1b}");
    }

    #[test]
    fn a_terminal_without_other_characters_gets_ascii() {
        let mut out = Vec::new();
        let mut guard = TerminalGuard::new(&mut out, Content::Own).in_ascii(true);
        guard.write_all("\u{1b}[1mt\u{f6}r\u{1b}[0m …\n".as_bytes()).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "\u{1b}[1mt\\u{f6}r\u{1b}[0m ...\n");
    }
}
