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
    let read = |bytes: &[u8]| common::read(bytes, &options, usize::MAX);
    let plain = read(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Which bytes are no text is said of what stands in the file, not of what it means.
    if text.contains('\0') || matches!(plain, Err(InputError::NotText { .. })) {
        return;
    }
    let marked = [b"\xef\xbb\xbf", data].concat();
    common::assert_same(&plain, &read(&marked), "UTF-8 with a mark");
    common::assert_same(&plain, &read(&utf16(text, u16::to_le_bytes)), "UTF-16LE");
    common::assert_same(&plain, &read(&utf16(text, u16::to_be_bytes)), "UTF-16BE");
});
