//! Opens inputs and decodes their bytes to text.
//!
//! The result is UTF-8, as far as the byte order mark shows, and has no mark. Binary files are
//! refused here with their kind, before anything searches for rows in them.

use super::carriage_returns::LineFeeds;
use super::end_mark::WithoutEndMark;
use super::error::InputError;
use super::file_kind::FileKind;
use super::{carriage_returns, hint, locate};
use crate::task::Position;
use encoding_rs_io::DecodeReaderBytesBuilder;
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

/// The bytes that are read to detect a binary file.
const KIND_BYTES: usize = 8 << 10;
/// The bytes of text that are read to detect the format.
const HEAD_BYTES: usize = 64 << 10;
/// The bytes that are read at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// The byte order mark of UTF-8, which some programs write more than once.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A stream of bytes.
pub(super) type Bytes = Box<dyn Read + Send>;

/// An input that was opened.
pub(super) struct Opened {
    pub(super) name: Arc<str>,
    pub(super) reader: Bytes,
}

/// A text whose beginning was read.
pub(super) struct Content {
    pub(super) name: Arc<str>,
    /// The beginning.
    pub(super) head: Vec<u8>,
    /// Whether nothing comes after the head.
    pub(super) is_whole: bool,
    /// The position of the head's first byte.
    start: Position,
    rest: Bytes,
}

impl Content {
    /// Returns the text after that many bytes of the head, and the position of its start.
    pub(super) fn skip(self, length: usize) -> (Position, Bytes) {
        let start = locate::after(self.start, &self.head[..length]);
        let mut head = Cursor::new(self.head);
        head.set_position(length as u64);
        (start, Box::new(head.chain(self.rest)))
    }

    /// Drops that many bytes of the head, and reads on until it has its full length again.
    pub(super) fn advance(&mut self, length: usize) -> Result<(), InputError> {
        self.start = locate::after(self.start, &self.head[..length]);
        self.head.drain(..length);
        let missing = HEAD_BYTES - self.head.len();
        let more = beginning(&mut self.rest, missing)
            .map_err(|source| InputError::Read { name: Arc::clone(&self.name), source })?;
        self.is_whole |= more.len() < missing;
        self.head.extend(more);
        Ok(())
    }

    /// Returns the text with a LF for each lone CR.
    pub(super) fn with_line_feeds(self) -> Result<Self, InputError> {
        let Self { name, head, is_whole: _, start, rest } = self;
        let bytes = BufReader::with_capacity(CHUNK_BYTES, Cursor::new(head).chain(rest));
        let rest: Bytes = Box::new(LineFeeds::new(bytes));
        let mut content = Self { name, head: Vec::new(), is_whole: false, start, rest };
        content.advance(0)?;
        Ok(content)
    }
}

/// Opens a file; if it does not exist, finds a file with a similar name.
pub(super) fn open_file(path: &Path) -> Result<Opened, InputError> {
    let name: Arc<str> = path.to_string_lossy().into();
    // Opening a directory succeeds on Linux; only the first read would fail, without a hint.
    if path.is_dir() {
        return Err(InputError::Directory { name });
    }
    match File::open(path) {
        Ok(file) => Ok(Opened { name, reader: Box::new(file) }),
        Err(source) => Err(InputError::Open { name, nearest: nearest_file(path, &source), source }),
    }
}

/// Returns the file beside `path` that may be meant, if `path` does not exist.
fn nearest_file(path: &Path, error: &io::Error) -> Option<String> {
    /// The most entries that are searched: a hint must not take seconds.
    const MOST_ENTRIES: usize = 10_000;

    if error.kind() != io::ErrorKind::NotFound {
        return None;
    }
    let wanted = path.file_name()?.to_str()?;
    let folder = path.parent()?;
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(listed).ok()?.take(MOST_ENTRIES);
    let names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let nearest = hint::nearest(wanted, names.iter().map(String::as_str))?;
    Some(folder.join(nearest).to_string_lossy().into_owned())
}

/// Reads the beginning of an input, checks that it is text and decodes it.
pub(super) fn decode(opened: Opened) -> Result<Content, InputError> {
    let Opened { name, mut reader } = opened;
    let broken = |source| InputError::Read { name: Arc::clone(&name), source };
    // The kind is checked on the raw bytes: decoding would replace what gives it away.
    let raw = beginning(&mut reader, KIND_BYTES).map_err(broken)?;
    if let Some(kind) = kind_of_binary(&raw) {
        return Err(InputError::NotText { name, kind });
    }
    let decoded = BufReader::with_capacity(CHUNK_BYTES, decoder(raw, reader));
    let mut rest: Bytes = Box::new(WithoutEndMark::new(decoded));
    let mut head = beginning(&mut rest, HEAD_BYTES).map_err(broken)?;
    let is_whole = head.len() < HEAD_BYTES;
    while head.starts_with(BOM) {
        head.drain(..BOM.len());
    }
    let start = Position { line: 1, column: 1 };
    let is_old = carriage_returns::ends_lines(&head);
    let content = Content { name, head, is_whole, start, rest };
    if is_old { content.with_line_feeds() } else { Ok(content) }
}

/// Returns up to `length` bytes from the start of a stream.
fn beginning(reader: &mut Bytes, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns the stream decoded to UTF-8 if it has a byte order mark, otherwise unchanged.
fn decoder(head: Vec<u8>, rest: Bytes) -> Bytes {
    // UTF-8 passes through unchecked: invalid bytes are reported later, with their position,
    // and not replaced here without a word.
    let decoder = DecodeReaderBytesBuilder::new()
        .utf8_passthru(true)
        .strip_bom(true)
        .build(Cursor::new(head).chain(rest));
    Box::new(decoder)
}

/// Returns the kind of a binary file, or `None` for text.
fn kind_of_binary(head: &[u8]) -> Option<FileKind> {
    /// The first bytes of well-known files.
    const MAGIC: [(&[u8], FileKind); 4] = [
        (b"\x1f\x8b", FileKind::Gzip),
        (b"%PDF-", FileKind::Pdf),
        (b"\xd0\xcf\x11\xe0", FileKind::Workbook),
        (b"PK\x03\x04", FileKind::Zip),
    ];

    let named = MAGIC.iter().find(|(magic, _)| head.starts_with(magic));
    match named {
        // `.xlsx` and `.ods` are ZIP archives, and the advice for them is different.
        Some((_, FileKind::Zip)) if holds_workbook(head) => Some(FileKind::Workbook),
        Some((_, kind)) => Some(*kind),
        None if has_utf16_mark(head) || !head.contains(&0) => None,
        None if every_other_byte_is_zero(head) => Some(FileKind::UnmarkedUtf16),
        None => Some(FileKind::Unknown),
    }
}

/// Returns whether a ZIP archive begins with the parts of a workbook.
fn holds_workbook(head: &[u8]) -> bool {
    const PARTS: [&[u8]; 3] = [b"[Content_Types].xml", b"xl/", b"opendocument.spreadsheet"];
    PARTS.iter().any(|part| head.windows(part.len()).any(|bytes| bytes == *part))
}

fn has_utf16_mark(head: &[u8]) -> bool {
    head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff")
}

/// Returns whether the bytes look like ASCII in UTF-16.
fn every_other_byte_is_zero(head: &[u8]) -> bool {
    let zeros_from = |start: usize| head.iter().skip(start).step_by(2).all(|&byte| byte == 0);
    // Exactly one half is zero; if both are, the file is zeros alone and not text.
    zeros_from(0) != zeros_from(1)
}
