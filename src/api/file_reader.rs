//! Reads files that somebody names: secrets, configuration and certificates.
//!
//! Opens regular files only, waits for nobody, and reads no more than a bound. A pipe could make
//! the program wait for ever, and a device has no end.

use crate::system::files::OFlags;
use crate::system::files::{FileTypeExt, OpenOptionsExt};
use std::fs::{File, FileType, OpenOptions};
use std::io;
use std::io::Read;
use std::path::Path;

/// The largest secret or configuration that is read, in bytes.
pub(crate) const MAX_TEXT_BYTES: u64 = 1 << 20;
/// The largest file of certificates that is read, in bytes.
pub(super) const MAX_CERTIFICATE_BYTES: u64 = 16 << 20;

/// Reads a regular file of at most `max` bytes.
///
/// # Errors
///
/// The file cannot be opened, is not a regular file, or is larger.
pub(super) fn read_bytes(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte beyond the bound shows that the file is larger, even if it grows meanwhile.
    open_regular(path)?.take(max + 1).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= max => Ok(bytes),
        _ => Err(invalid(format!("it is larger than {} MiB", max >> 20))),
    }
}

/// Opens a regular file without waiting.
fn open_regular(path: &Path) -> io::Result<File> {
    // Without `NONBLOCK` opening a named pipe waits for a writer. `NOCTTY` keeps a terminal from
    // becoming the one of this process.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let flags = i32::try_from(flags).expect("both flags are below the sign bit");
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    // The open file is asked, because the path may lead to another file by now.
    let kind = file.metadata()?.file_type();
    if kind.is_file() { Ok(file) } else { Err(invalid(format!("it is {}", name_of(kind)))) }
}

fn name_of(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a directory, not a file"
    } else if kind.is_fifo() {
        "a pipe, and only a regular file is read"
    } else {
        "a device or a socket, and only a regular file is read"
    }
}

/// Reads a text file of at most 1 MiB: UTF-8, or UTF-16 with a byte order mark.
///
/// # Errors
///
/// The file cannot be opened, is not a regular file, is larger, or holds other bytes.
pub fn read_text(path: &Path) -> io::Result<String> {
    decoded(&read_bytes(path, MAX_TEXT_BYTES)?).map_err(invalid)
}

/// Decodes a text, and drops its byte order mark. The error names a place, and no content.
pub(crate) fn decoded(bytes: &[u8]) -> Result<String, String> {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        bytes => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|error| format!("byte {} is not UTF-8", error.valid_up_to() + 1))?;
    Ok(text.to_owned())
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|&pair| unit(pair));
    let mut text = String::new();
    for (index, character) in char::decode_utf16(units).enumerate() {
        text.push(character.map_err(|_| format!("character {} is not UTF-16", index + 1))?);
    }
    if rest.is_empty() { Ok(text) } else { Err("it is UTF-16 and ends within a character".into()) }
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[track_caller]
    fn check(bytes: &[u8], expected: Result<&str, &str>) {
        let text = decoded(bytes);
        assert_eq!(text.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn a_text_is_utf_8_or_utf_16_with_a_mark() {
        check(b"plain", Ok("plain"));
        check(b"\xef\xbb\xbfplain", Ok("plain"));
        check(b"\xff\xfea\0b\0", Ok("ab"));
        check(b"\xfe\xff\0a\0b", Ok("ab"));
        check(b"\xff\xfea", Err("it is UTF-16 and ends within a character"));
        check(b"\xff\xfea\0\0\xd8b\0", Err("character 2 is not UTF-16"));
        check(b"abc\xfc", Err("byte 4 is not UTF-8"));
    }

    #[track_caller]
    fn check_refused(path: &Path, expected: &str) {
        let error = read_text(path).unwrap_err().to_string();
        assert_eq!(error, expected, "{}", path.display());
    }

    #[test]
    fn only_regular_files_within_the_bound_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), mode).unwrap();
        check_refused(&at("pipe"), "it is a pipe, and only a regular file is read");
        check_refused(directory.path(), "it is a directory, not a file");
        let device = Path::new("/dev/zero");
        check_refused(device, "it is a device or a socket, and only a regular file is read");
        let limit = usize::try_from(MAX_TEXT_BYTES).unwrap();
        fs::write(at("large"), vec![b'a'; limit + 1]).unwrap();
        check_refused(&at("large"), "it is larger than 1 MiB");
        fs::write(at("full"), vec![b'a'; limit]).unwrap();
        assert_eq!(read_text(&at("full")).unwrap().len(), limit);
        std::os::unix::fs::symlink(at("full"), at("link")).unwrap();
        assert!(read_text(&at("link")).is_ok(), "secrets of containers are links");
    }
}
