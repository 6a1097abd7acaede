//! Finds the shape of a message: what stays the same from one task to the next.
//!
//! Pure, and one walk over the text. Two messages of one shape are taken for one cause.
//!
//! | what | is a blank | because |
//! |---|---|---|
//! | the task's own id | `no … here` | it is another in every message |
//! | a word with a digit in it | `task …`, `at …` | numbers, times, UUIDs, IPv4 addresses |
//! | eight hexadecimal letters and more | `handle …` | ids without a digit |
//! | IPv6 and MAC addresses | `from …` | groups of letters may have no digit |
//! | short names of days and months | `…` | times, as HTTP writes them |
//! | what stands in quotes | `camera "…"` | a name: what is said of it stands outside |
//!
//! Blanks that stand in a row are one. Codes such as `VIAS.00010012` and the keys of JSON stay,
//! for they tell causes apart.

use crate::report::format::cut;
use crate::task::TaskId;
use std::net::Ipv6Addr;

/// Stands for whatever differs between tasks.
const BLANK: char = '…';
/// A word of hexadecimal letters alone is an id only if it is at least this long.
const SHORTEST_HEX: usize = 8;
/// How many digits the shortest code has, such as `APIGW.0308`.
const SHORTEST_CODE: usize = 4;
/// What is longer, in bytes, is no name that somebody put in quotes.
const LONGEST_NAME: usize = 128;
/// How long an IPv6 address is at the most.
const LONGEST_ADDRESS: usize = 45;
/// What may stand between two blanks that are one: `12:00:03.5`, and `1, 2, 3`.
const JOINTS: [char; 6] = ['.', ':', ',', '/', '+', ' '];
/// Opening quotes, each with its closing one.
const QUOTES: [(char, char); 9] = [
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('“', '”'),
    ('‘', '’'),
    ('«', '»'),
    ('‹', '›'),
    ('「', '」'),
    ('『', '』'),
];
/// How HTTP and many logs write days and months; `May` is a verb too often.
const DAYS_AND_MONTHS: [&str; 18] = [
    "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Jan", "Feb", "Mar", "Apr", "Jun", "Jul",
    "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Returns the message with `…` for whatever differs between tasks.
pub(crate) fn shape(message: &str, id: &TaskId) -> String {
    let mut shape = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let before = message[..message.len() - rest.len()].chars().next_back();
        if let Some(name) = quoted_name(rest, before) {
            add_quoted(&mut shape, name);
            rest = &rest[name.len()..];
            continue;
        }
        let address = address_length(rest, before);
        let word = rest.bytes().take_while(|&byte| is_of_word(byte)).count();
        let (part, after) = rest.split_at(address.max(word).max(first.len_utf8()));
        if address > 0 || (differs(part, id) && !ends_a_code(&shape, part)) {
            add_blank(&mut shape);
        } else {
            shape.push_str(part);
        }
        rest = after;
    }
    shape
}

/// Returns what two shapes have in common that differ only in a plural: `… sub-task failed` and
/// `… sub-tasks failed`. It is for comparing; nobody is shown it.
pub(crate) fn without_plurals(shape: &str) -> String {
    let mut parts = shape.split(concat!('…', " "));
    let mut folded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_of_noun = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'-';
        let (noun, rest) = part.split_at(part.bytes().take_while(is_of_noun).count());
        let is_plural = noun.len() >= 4 && noun.ends_with('s') && !noun.ends_with("ss");
        let stem = if is_plural { &noun[..noun.len() - 1] } else { noun };
        folded.extend([BLANK, ' ']);
        folded.push_str(stem);
        folded.push_str(rest);
    }
    folded
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Tells whether a word differs between tasks.
fn differs(word: &str, id: &TaskId) -> bool {
    word.chars().any(char::is_numeric)
        || word == id.as_str()
        || (word.len() >= SHORTEST_HEX && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
        || DAYS_AND_MONTHS.contains(&word)
}

/// Returns the quoted name that a text begins with, its quotes included.
///
/// An apostrophe is no quote, and a key of JSON is no name.
fn quoted_name(text: &str, before: Option<char>) -> Option<&str> {
    let opening = text.chars().next()?;
    let (_, closing) = *QUOTES.iter().find(|(open, _)| *open == opening)?;
    let joins = |neighbour: Option<char>| neighbour.is_some_and(char::is_alphanumeric);
    let may_be_apostrophe = opening == closing;
    if may_be_apostrophe && joins(before) {
        return None;
    }
    let inner = &text[opening.len_utf8()..];
    let length = cut(inner, LONGEST_NAME + closing.len_utf8()).find(closing)?;
    let (name, after) = text.split_at(opening.len_utf8() + length + closing.len_utf8());
    let is_key = matches!(before, Some('{' | ',')) && after.trim_start().starts_with(':');
    let is_apostrophe = may_be_apostrophe && joins(after.chars().next());
    (length > 0 && !is_key && !is_apostrophe && !name.contains('\n')).then_some(name)
}

/// Returns the length of the IPv6 or MAC address that a text begins with, or nought.
fn address_length(text: &str, before: Option<char>) -> usize {
    if before.is_some_and(char::is_alphanumeric) {
        return 0;
    }
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let length = text.bytes().take(LONGEST_ADDRESS + 1).take_while(is_part).count();
    let address = text[..length].trim_end_matches('.');
    let is_of_word = text[length..].bytes().next().is_some_and(is_of_word);
    let is_address = address.bytes().filter(|&byte| byte == b':').count() >= 2
        && (address.parse::<Ipv6Addr>().is_ok() || is_mac(address));
    if is_address && !is_of_word { address.len() } else { 0 }
}

fn is_mac(text: &str) -> bool {
    text.split(':').count() == 6 && text.split(':').all(|pair| pair.len() == 2)
}

/// Tells whether a word is the number of a code whose prefix stands before it.
fn ends_a_code(before: &str, word: &str) -> bool {
    let is_number = word.len() >= SHORTEST_CODE && word.bytes().all(|byte| byte.is_ascii_digit());
    let has_prefix =
        |before: &str| before.bytes().rev().take_while(u8::is_ascii_uppercase).nth(1).is_some();
    is_number && before.strip_suffix('.').is_some_and(has_prefix)
}

/// Adds a blank, or lets the one before stand for this too.
fn add_blank(shape: &mut String) {
    let length = shape.trim_end_matches(JOINTS).len();
    if shape[..length].ends_with(BLANK) {
        shape.truncate(length);
        return;
    }
    shape.push(BLANK);
}

/// Adds a blank in the quotes of a name; a list of names has one.
fn add_quoted(shape: &mut String, name: &str) {
    let quotes = name.chars().next().zip(name.chars().next_back());
    let (opening, closing) = quotes.expect("a quoted name has both its quotes");
    let blank = String::from_iter([opening, BLANK, closing]);
    let length = shape.trim_end_matches(JOINTS).len();
    if shape[..length].ends_with(&blank) {
        shape.truncate(length);
        return;
    }
    shape.push_str(&blank);
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
        check("since Fri, 05 Jul 2024 12:00:03 GMT", "since … GMT");
        check("connect to 10.0.0.1:443 refused", "connect to … refused");
        check("limit:200,time:5 minute", "limit:…,time:… minute");
        check("sub-tasks 1, 2, 3 failed", "sub-tasks … failed");
        check("handle deadbeef", "handle …");
        check("任务123不存在", "任务…不存在");
        check("任务１２３不存在", "任务…不存在");
    }

    #[test]
    fn addresses_of_every_kind_become_a_blank() {
        check("from fe80::face:b00c failed", "from … failed");
        check("from ::1, then", "from …, then");
        check("peer [2001:db8::dead:beef]:443.", "peer […]:….");
        check("device aa:bb:cc:dd:ee:ff is off", "device … is off");
        check("a::b", "…");
        check("face: bad: dad", "face: bad: dad");
        check("std::fmt::add", "std::fmt::add");
    }

    #[test]
    fn names_in_quotes_become_a_blank() {
        check("camera \"Front Door\" is off", "camera \"…\" is off");
        check("camera 'north' is off", "camera '…' is off");
        check("camera “north” is off", "camera “…” is off");
        check("相机「北门」离线", "相机「…」离线");
        check("['a', 'b', 'c'] are off", "['…'] are off");
        check("`a` and `b`", "`…` and `…`");
    }

    #[test]
    fn apostrophes_and_keys_are_no_quotes() {
        check("can't open, won't close", "can't open, won't close");
        check("the cameras' owners' names", "the cameras' owners' names");
        check(r#"{"error":"quota","limit":17}"#, r#"{"error":"…","limit":…}"#);
        check("an open \" quote", "an open \" quote");
        check("\"\" and ''", "\"\" and ''");
        check(&format!("\"{}\"", "x".repeat(129)), &format!("\"{}\"", "x".repeat(129)));
    }

    #[test]
    fn what_tells_causes_apart_stays() {
        check("This operation is not allowed.", "This operation is not allowed.");
        check("VIAS.00010012: no", "VIAS.00010012: no");
        check("a bad face", "a bad face");
        check("It May be off", "It May be off");
        check("", "");
    }

    #[test]
    fn a_plural_makes_no_other_shape() {
        let check = |one: &str, many: &str| {
            let id = "gate-north".parse().unwrap();
            let folded = |message| without_plurals(&shape(message, &id));
            assert_eq!(folded(one), folded(many), "{one:?} {many:?}");
        };
        check("1 sub-task failed", "3 sub-tasks failed");
        check("waited 1 second, 1 try", "waited 20 seconds, 2 try");
        assert_eq!(without_plurals("… class of … is …"), "… class of … is …");
        assert_eq!(without_plurals("tasks"), "tasks");
    }

    /// Two texts for one place in a message, alike in kind.
    fn of_one_kind() -> impl Strategy<Value = (String, String)> {
        let pair = |pattern: &'static str| (pattern, pattern);
        prop_oneof![
            pair("[0-9]{1,12}"),
            pair("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{12}"),
            pair("[0-9a-f]{32}"),
            pair("0x[0-9A-F]{4,16}"),
            pair("2024-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,6})?Z"),
            pair("[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}(:[0-9]{2,5})?"),
            pair("[0-9]{1,4}(\\.[0-9]{1,3})?ms"),
            pair("\"[A-Za-z0-9 _-]{1,20}\""),
            pair("`[a-z]{1,12}`"),
            pair("([0-9a-f]{2}:){5}[0-9a-f]{2}"),
            (any::<Ipv6Addr>(), any::<Ipv6Addr>())
                .prop_map(|(one, other)| (one.to_string(), other.to_string())),
        ]
    }

    proptest! {
        #[test]
        fn what_differs_in_kind_only_makes_one_shape(
            before in "([a-zA-Z]{1,8} ){0,3}",
            (one, other) in of_one_kind(),
            after in "( [a-zA-Z]{1,8}){0,3}",
        ) {
            let id: TaskId = "gate-north".parse().unwrap();
            let message = |filled: &str| format!("{before}{filled}{after}.");
            prop_assert_eq!(shape(&message(&one), &id), shape(&message(&other), &id));
        }

        #[test]
        fn every_text_has_a_shape_no_longer_than_blanks_make_it(text: String) {
            let id: TaskId = "gate-north".parse().unwrap();
            prop_assert!(shape(&text, &id).chars().count() <= text.chars().count());
        }
    }
}
