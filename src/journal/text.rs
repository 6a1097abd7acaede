//! Texts: each with its length before it. Hexadecimal digits take half a byte each, and a text that
//! repeats is written once for each body.

use crate::journal::bytes::{ByteReader, Malformed, put};
use std::borrow::Cow;
use std::collections::HashMap;

/// The lowest two bits in front of a text: what follows.
const PLAIN: u64 = 0;
const HEX: u64 = 1;
const REPEATED: u64 = 2;
/// The most digits that are read without memory of their own; no id has more.
const SHORT_DIGITS: usize = 64;
/// The number of texts that the writer remembers; a plan of different cells repeats none.
const MAX_REMEMBERED: usize = 256;

/// A text that stands only once in its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text<'a> {
    /// The text itself.
    Plain(&'a str),
    /// Two lower-case hexadecimal digits in each byte.
    Hex(&'a [u8]),
}

impl<'a> Text<'a> {
    /// Returns the text.
    pub(crate) fn text(self) -> Cow<'a, str> {
        match self {
            Self::Plain(text) => Cow::Borrowed(text),
            Self::Hex(bytes) => {
                let digits = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
                let mut text = String::with_capacity(bytes.len() * 2);
                text.extend(digits.map(char::from));
                Cow::Owned(text)
            }
        }
    }

    /// Calls `take` with the text. The digits of an id need no memory of their own.
    pub(crate) fn with<T>(self, take: impl FnOnce(&str) -> T) -> T {
        let mut digits = [0; SHORT_DIGITS];
        if let Self::Hex(bytes) = self
            && let Some(room) = digits.get_mut(..bytes.len() * 2)
        {
            for (pair, byte) in room.chunks_exact_mut(2).zip(bytes) {
                (pair[0], pair[1]) = (digit(byte >> 4), digit(byte & 15));
            }
            return take(std::str::from_utf8(room).expect("digits are ASCII"));
        }
        take(&self.text())
    }

    /// Appends the text in its shortest form.
    pub(crate) fn write(self, body: &mut Vec<u8>) {
        match self {
            Self::Plain(text) => write_plain(body, text),
            Self::Hex(bytes) => {
                put(body, length(bytes.len()) << 2 | HEX);
                body.extend_from_slice(bytes);
            }
        }
    }

    /// Reads a text that is not repeated.
    pub(crate) fn read(reader: &mut ByteReader<'a>) -> Result<Self, Malformed> {
        let head = reader.number()?;
        match head & 3 {
            PLAIN => Ok(Self::Plain(utf8(reader, head >> 2)?)),
            HEX => Ok(Self::Hex(reader.take(head >> 2)?)),
            _ => Err(reader.malformed("no text begins like this")),
        }
    }
}

fn write_plain(body: &mut Vec<u8>, text: &str) {
    let start = body.len();
    if is_packable(text.as_bytes()) {
        put(body, length(text.len() / 2) << 2 | HEX);
        body.extend(text.as_bytes().chunks_exact(2).map(|pair| half(pair[0]) << 4 | half(pair[1])));
    } else {
        put(body, length(text.len()) << 2 | PLAIN);
        body.extend_from_slice(text.as_bytes());
    }
    debug_assert!(body.len() > start);
}

/// Returns whether a text consists of pairs of lower-case hexadecimal digits.
fn is_packable(text: &[u8]) -> bool {
    let is_digit = |&byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    !text.is_empty() && text.len().is_multiple_of(2) && text.iter().all(is_digit)
}

fn digit(half: u8) -> u8 {
    b"0123456789abcdef"[usize::from(half)]
}

fn half(digit: u8) -> u8 {
    if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 }
}

fn utf8<'a>(reader: &mut ByteReader<'a>, length: u64) -> Result<&'a str, Malformed> {
    let error = reader.malformed("a text is not UTF-8");
    std::str::from_utf8(reader.take(length)?).map_err(|_| error)
}

fn length(length: usize) -> u64 {
    u64::try_from(length).expect("a usize fits a u64")
}

/// The texts that a writer may refer to.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    numbers: HashMap<String, u64>,
    written: u64,
}

impl Repeats {
    /// Appends a text, or the number of the same text before.
    pub(crate) fn write(&mut self, body: &mut Vec<u8>, text: &str) {
        if let Some(&number) = self.numbers.get(text) {
            return put(body, number << 2 | REPEATED);
        }
        put(body, length(text.len()) << 2 | PLAIN);
        body.extend_from_slice(text.as_bytes());
        if self.numbers.len() < MAX_REMEMBERED {
            self.numbers.insert(text.to_owned(), self.written);
        }
        self.written += 1;
    }

    /// Forgets all texts, for the next body.
    pub(crate) fn clear(&mut self) {
        self.numbers.clear();
        self.written = 0;
    }
}

/// The texts that were read so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadTexts<'a>(Vec<&'a str>);

impl<'a> ReadTexts<'a> {
    /// Reads a text that may be repeated.
    pub(crate) fn read(&mut self, reader: &mut ByteReader<'a>) -> Result<&'a str, Malformed> {
        let head = reader.number()?;
        match head & 3 {
            PLAIN => {
                let text = utf8(reader, head >> 2)?;
                self.0.push(text);
                Ok(text)
            }
            REPEATED => {
                let number = usize::try_from(head >> 2).ok();
                let text = number.and_then(|number| self.0.get(number)).copied();
                text.ok_or_else(|| reader.malformed("there is no such text before"))
            }
            _ => Err(reader.malformed("no text begins like this")),
        }
    }
}
