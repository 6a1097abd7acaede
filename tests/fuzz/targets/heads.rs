//! Heads of answers: the same in any parts, and what is handed on is read again unchanged.

#![no_main]

mod common;

#[allow(dead_code, reason = "the library uses the rest")]
#[path = "../../../src/api/transport/head.rs"]
mod head;

use batchctl::policy;
use head::{HeadError, HeadReader};
use libfuzzer_sys::fuzz_target;

/// Reads an answer in parts of this length; `None` while its head has no end.
fn read(answer: &[u8], part: usize) -> Result<Option<Vec<u8>>, HeadError> {
    let (mut reader, mut out) = (HeadReader::default(), Vec::new());
    let mut is_complete = false;
    for bytes in answer.chunks(part) {
        if is_complete {
            out.extend_from_slice(bytes);
        } else {
            is_complete = reader.push(bytes, &mut out)?;
        }
    }
    Ok(is_complete.then_some(out))
}

fuzz_target!(|data: &[u8]| {
    let (part, answer) = common::choice(data);
    let whole = read(answer, answer.len().max(1));
    match (&whole, read(answer, 1 + part % 16)) {
        // How much of it had come is part of this message.
        (Err(HeadError::NotHttp(_)), Err(HeadError::NotHttp(_))) => {}
        (whole, parts) => assert_eq!(*whole, parts),
    }
    let Ok(Some(handed_on)) = whole else { return };
    assert_eq!(read(&handed_on, handed_on.len()), Ok(Some(handed_on.clone())));
    let end = handed_on.windows(4).position(|four| four == b"\r\n\r\n").expect("a head ends");
    for line in handed_on[..end].split(|&byte| byte == b'\n').skip(1) {
        let colon = line.iter().position(|&byte| byte == b':').expect("each line is a header");
        assert!(line[..colon].iter().all(u8::is_ascii_graphic), "{line:?}");
        let value = &line[colon + 1..];
        let value = value.strip_suffix(b"\r").unwrap_or(value);
        assert!(!value.iter().any(u8::is_ascii_control), "{line:?}");
    }
});
