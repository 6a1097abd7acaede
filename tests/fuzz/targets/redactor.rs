//! The redactor: no 16 characters of a secret stay, however they are spelt and whatever is around.

#![no_main]

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use batchctl::api::Redactor;
use libfuzzer_sys::fuzz_target;
use memchr::memmem;

const PIECE: usize = 16;
/// The characters of secrets: tokens are base64, passwords have other characters as well.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Spells a text in one of ten ways.
fn spelt(way: usize, text: &str) -> String {
    let each = |write: fn(u8) -> String| text.bytes().map(write).collect::<String>();
    match way % 10 {
        0 => each(|byte| format!("%{byte:02x}")),
        1 => text.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
        2 => text.chars().map(|c| format!("\\u{:04X}", u32::from(c))).collect(),
        3 => each(|byte| format!("{byte:02X}")),
        4 => STANDARD_NO_PAD.encode(text),
        5 => text.replace('+', "&plus;").replace('/', "&sol;").replace('=', "&equals;"),
        6 => text.chars().map(|c| format!("{c}\n")).collect(),
        7 => text.chars().rev().collect(),
        8 => text.to_ascii_uppercase(),
        _ => text.to_owned(),
    }
}

fn folded(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect()
}

fuzz_target!(|data: &[u8]| {
    let (way, rest) = common::choice(data);
    let (length, rest) = common::choice(rest);
    let (start, rest) = common::choice(rest);
    let length = PIECE + length % 48;
    if rest.len() < length {
        return;
    }
    let (letters, around) = rest.split_at(length);
    let secret: String =
        letters.iter().map(|letter| char::from(LETTERS[usize::from(letter & 63)])).collect();
    let around = String::from_utf8_lossy(around);
    let middle = around.char_indices().nth(around.chars().count() / 2).map_or(0, |(at, _)| at);
    let (before, after) = around.split_at(middle);
    let start = start % (length - PIECE + 1);
    let piece = spelt(way, &secret[start..start + PIECE]);
    let redactor = Redactor::default();
    redactor.learn("it", &secret);
    // A stray `%` in front of a secret that begins with two digits would be read as an escape.
    let text = format!("{before}<{piece}>{after}");
    let redacted = redactor.redact(text.clone());
    let (shown, of_secret) = (folded(&redacted), folded(&secret));
    for at in 0..=of_secret.len() - PIECE {
        let part = &of_secret[at..at + PIECE];
        let found = memmem::find(shown.as_bytes(), part.as_bytes());
        assert!(found.is_none(), "{part} stays of {text:?} in {redacted:?}");
    }
    assert!(!redacted.contains(&piece), "{piece} stays of {text:?} in {redacted:?}");
});
