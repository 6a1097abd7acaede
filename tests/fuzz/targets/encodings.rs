//! Encodings: a text reads the same in UTF-8 with a mark, and in UTF-16 of both orders.

#![no_main]

mod common;

use batchctl::input::{CommandSource, InputError, InputOptions};
use batchctl::task::Command;
use libfuzzer_sys::fuzz_target;

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    std::iter::once('\u{feff}')
        .chain(text.chars())
        .collect::<String>()
        .encode_utf16()
        .flat_map(unit)
        .collect()
}

fuzz_target!(|data: &[u8]| {
    let options = InputOptions::new(CommandSource::Fixed(Command::STOP));
    let shown = |bytes: &[u8]| {
        let seen = common::read(bytes, &options, usize::MAX);
        seen.map_or_else(|error| error.to_string(), |seen| seen.shown())
    };
    let _ = shown(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Which bytes are no text is said of what stands in the file, not of what it means.
    let is_text =
        |bytes: &[u8]| !matches!(common::read(bytes, &options, 9), Err(InputError::NotText { .. }));
    if text.contains('\0') || !is_text(data) {
        return;
    }
    let plain = shown(data);
    assert_eq!(plain, shown(&[b"\xef\xbb\xbf", data].concat()), "UTF-8 with a mark");
    assert_eq!(plain, shown(&utf16(text, u16::to_le_bytes)), "UTF-16LE");
    assert_eq!(plain, shown(&utf16(text, u16::to_be_bytes)), "UTF-16BE");
});
