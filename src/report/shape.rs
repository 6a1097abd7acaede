//! Finds the shape of a message: what stays the same from one task to the next.
//!
//! Pure. Two messages of one shape are taken for one cause; they are never shown as shapes.

use crate::task::TaskId;

/// Stands for whatever differs between tasks.
const BLANK: char = '…';
/// A word of hexadecimal letters alone is an id only if it is at least this long.
const SHORTEST_HEX: usize = 8;
/// How many digits the shortest code has, such as `APIGW.0308`.
const SHORTEST_CODE: usize = 4;

/// Returns the message with `…` for every id, number, time, address and hexadecimal string.
///
/// Codes such as `VIAS.00010012` stay, for they tell causes apart.
pub(super) fn shape(message: &str, id: &TaskId) -> String {
    let mut shape = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let length = rest.bytes().take_while(|&byte| is_of_word(byte)).count();
        let (part, after) = rest.split_at(length.max(first.len_utf8()));
        if differs(part, id) && !ends_a_code(&shape, part) {
            add_blank(&mut shape);
        } else {
            shape.push_str(part);
        }
        rest = after;
    }
    shape
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Tells whether a word differs between tasks.
fn differs(word: &str, id: &TaskId) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit())
        || word == id.as_str()
        || (word.len() >= SHORTEST_HEX && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Tells whether a word is the number of a code whose prefix stands before it.
fn ends_a_code(before: &str, word: &str) -> bool {
    let is_number = word.len() >= SHORTEST_CODE && word.bytes().all(|byte| byte.is_ascii_digit());
    let has_prefix =
        |before: &str| before.bytes().rev().take_while(u8::is_ascii_uppercase).nth(1).is_some();
    is_number && before.strip_suffix('.').is_some_and(has_prefix)
}

/// Adds a blank, or lets the one before stand for this too: `12:00:03.5` and `1, 2, 3` are one.
fn add_blank(shape: &mut String) {
    let joints = ['.', ':', ',', '/', '+', ' '];
    let length = shape.trim_end_matches(joints).len();
    if shape[..length].ends_with(BLANK) {
        shape.truncate(length);
        return;
    }
    shape.push(BLANK);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(message: &str, expected: &str) {
        let id = "gate-north".parse().unwrap();
        assert_eq!(shape(message, &id), expected, "{message:?}");
    }

    #[test]
    fn what_differs_between_tasks_becomes_a_blank() {
        check("task 17 is gone", "task … is gone");
        check("no task 0d47bbf52962414bb7ae27fb6ea24230", "no task …");
        check("6fa459ea-ee8a-3ca4-894e-db77e160355e: busy", "…: busy");
        check("no `gate-north` here", "no `…` here");
        check("at 2024-07-05T12:00:03.5Z, then", "at …, then");
        check("connect to 10.0.0.1:443 refused", "connect to … refused");
        check("limit:200,time:5 minute", "limit:…,time:… minute");
        check("sub-tasks 1, 2, 3 failed", "sub-tasks … failed");
        check("handle deadbeef", "handle …");
        check("任务123不存在", "任务…不存在");
    }

    #[test]
    fn what_tells_causes_apart_stays() {
        check("This operation is not allowed.", "This operation is not allowed.");
        check("VIAS.00010012: no", "VIAS.00010012: no");
        check("a bad face", "a bad face");
        check("", "");
    }

    proptest! {
        #[test]
        fn numbers_never_make_two_shapes_of_one(text in "[a-z :.]{0,12}", one: u32, other: u32) {
            let id: TaskId = "gate-north".parse().unwrap();
            let message = |number| format!("{text}={number}={text}");
            prop_assert_eq!(shape(&message(one), &id), shape(&message(other), &id));
        }
    }
}
