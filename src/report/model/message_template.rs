//! Turns a message into its template: the parts that are the same for all tasks of one cause.
//!
//! Pure, and one pass over the text. Two messages with one template have one cause. See
//! `docs/GLOSSARY.md`: message template.
//!
//! | part of the message | template | why it is a blank |
//! |---|---|---|
//! | the task's own id | `no … here` | it differs in every message |
//! | a word with a digit in it | `task …`, `at …` | numbers, times, UUIDs, IPv4 addresses |
//! | eight or more hexadecimal letters | `handle …` | ids without a digit |
//! | IPv6 and MAC addresses | `from …` | their groups may have no digit |
//! | short names of days and months | `…` | times, as HTTP writes them |
//! | a text in quotes | `camera "…"` | a name; the words about it are outside the quotes |
//!
//! Adjacent blanks are one. Codes such as `VIAS.00010012` and the keys of JSON stay, because they
//! distinguish causes.

use crate::task::TaskId;
use crate::text::cut;
use std::net::Ipv6Addr;

/// Replaces each part that differs between tasks.
const BLANK: char = '…';
/// A word of hexadecimal letters is an id only if it is at least this long: `bad` and `face` are
/// words.
const MIN_HEX: usize = 8;
/// The fewest digits of a code, such as `APIGW.0308`.
const MIN_CODE_DIGITS: usize = 4;
/// The most bytes of a name in quotes; a longer text is a quotation.
const MAX_NAME_BYTES: usize = 128;
/// The most characters of an IPv6 address (RFC 4291, with an IPv4 tail).
const MAX_ADDRESS: usize = 45;
/// Characters that join two blanks into one: `12:00:03.5`, and `1, 2, 3`.
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
/// Days and months as HTTP and many logs write them. `May` is left out, because it is also a verb.
const DAYS_AND_MONTHS: [&str; 18] = [
    "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Jan", "Feb", "Mar", "Apr", "Jun", "Jul",
    "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Returns the message with `…` in place of parts that differ between tasks.
pub(crate) fn template(message: &str, id: &TaskId) -> String {
    let mut template = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let before = message[..message.len() - rest.len()].chars().next_back();
        // Quotes come first: a name may contain digits, addresses and words of every kind.
        if let Some(name) = quoted_name(rest, before) {
            add_quoted(&mut template, name);
            rest = &rest[name.len()..];
            continue;
        }
        let address = address_length(rest, before);
        // Both are measured, because an address consists of several words and their colons.
        let word = rest.bytes().take_while(|&byte| is_of_word(byte)).count();
        let (part, after) = rest.split_at(address.max(word).max(first.len_utf8()));
        if address > 0 || (differs(part, id) && !ends_a_code(&template, part)) {
            add_blank(&mut template);
        } else {
            template.push_str(part);
        }
        rest = after;
    }
    template
}

/// Returns a text that is the same for two templates that differ only in a plural, such as
/// `… sub-task failed` and `… sub-tasks failed`. It is compared and never shown.
pub(crate) fn without_plurals(template: &str) -> String {
    let mut parts = template.split(concat!('…', " "));
    let mut folded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_of_noun = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'-';
        let (noun, rest) = part.split_at(part.bytes().take_while(is_of_noun).count());
        // At least four letters and not `ss`, so that `is`, `was` and `class` stay whole. A wrong
        // guess does no harm unless two causes differ in nothing but that letter.
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

/// Returns whether a word is one that differs between tasks.
fn differs(word: &str, id: &TaskId) -> bool {
    word.chars().any(char::is_numeric)
        || word == id.as_str()
        || (word.len() >= MIN_HEX && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
        || DAYS_AND_MONTHS.contains(&word)
}

/// Returns the quoted name at the beginning of a text, with its quotes.
///
/// Not an apostrophe, and not a key of JSON.
fn quoted_name(text: &str, before: Option<char>) -> Option<&str> {
    let opening = text.chars().next()?;
    let (_, closing) = *QUOTES.iter().find(|(open, _)| *open == opening)?;
    let joins = |neighbour: Option<char>| neighbour.is_some_and(char::is_alphanumeric);
    let may_be_apostrophe = opening == closing;
    if may_be_apostrophe && joins(before) {
        return None;
    }
    // The search is bounded, so that many opening quotes without a closing one cost no quadratic
    // time.
    let inner = &text[opening.len_utf8()..];
    let length = cut(inner, MAX_NAME_BYTES + closing.len_utf8()).find(closing)?;
    let (name, after) = text.split_at(opening.len_utf8() + length + closing.len_utf8());
    let is_key = matches!(before, Some('{' | ',')) && after.trim_start().starts_with(':');
    let is_apostrophe = may_be_apostrophe && joins(after.chars().next());
    (length > 0 && !is_key && !is_apostrophe && !name.contains('\n')).then_some(name)
}

/// Returns the length of the IPv6 or MAC address at the beginning of a text, or 0.
fn address_length(text: &str, before: Option<char>) -> usize {
    // Within a word, such as `std::fmt::add`, no address begins.
    if before.is_some_and(char::is_alphanumeric) {
        return 0;
    }
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let length = text.bytes().take(MAX_ADDRESS + 1).take_while(is_part).count();
    // A full stop after an address ends the sentence.
    let address = text[..length].trim_end_matches('.');
    let is_of_word = text[length..].bytes().next().is_some_and(is_of_word);
    let is_address = address.bytes().filter(|&byte| byte == b':').count() >= 2
        && (address.parse::<Ipv6Addr>().is_ok() || is_mac(address));
    if is_address && !is_of_word { address.len() } else { 0 }
}

fn is_mac(text: &str) -> bool {
    text.split(':').count() == 6 && text.split(':').all(|pair| pair.len() == 2)
}

/// Returns whether a word is the number of a code, as `0308` in `APIGW.0308`.
fn ends_a_code(before: &str, word: &str) -> bool {
    let is_number = word.len() >= MIN_CODE_DIGITS && word.bytes().all(|byte| byte.is_ascii_digit());
    // Two capitals before the dot: `v.0308` is a version, and versions differ.
    let has_prefix =
        |before: &str| before.bytes().rev().take_while(u8::is_ascii_uppercase).nth(1).is_some();
    is_number && before.strip_suffix('.').is_some_and(has_prefix)
}

/// Adds a blank, unless the one before it is adjacent.
fn add_blank(template: &mut String) {
    // The joint between two blanks goes too: lists of any length have one template.
    let length = template.trim_end_matches(JOINTS).len();
    if template[..length].ends_with(BLANK) {
        template.truncate(length);
        return;
    }
    template.push(BLANK);
}

/// Adds a blank in the quotes of a name, unless the one before it is adjacent.
fn add_quoted(template: &mut String, name: &str) {
    let quotes = name.chars().next().zip(name.chars().next_back());
    let (opening, closing) = quotes.expect("a quoted name has both its quotes");
    let blank = String::from_iter([opening, BLANK, closing]);
    let length = template.trim_end_matches(JOINTS).len();
    if template[..length].ends_with(&blank) {
        template.truncate(length);
        return;
    }
    template.push_str(&blank);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(message: &str, expected: &str) {
        let id = "gate-north".parse().unwrap();
        assert_eq!(template(message, &id), expected, "{message:?}");
    }

    #[test]
    fn parts_that_differ_between_tasks_become_blanks() {
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
    fn apostrophes_and_keys_are_not_quotes() {
        check("can't open, won't close", "can't open, won't close");
        check("the cameras' owners' names", "the cameras' owners' names");
        check(r#"{"error":"quota","limit":17}"#, r#"{"error":"…","limit":…}"#);
        check("an open \" quote", "an open \" quote");
        check("\"\" and ''", "\"\" and ''");
        check(&format!("\"{}\"", "x".repeat(129)), &format!("\"{}\"", "x".repeat(129)));
    }

    #[test]
    fn parts_that_distinguish_causes_stay() {
        check("This operation is not allowed.", "This operation is not allowed.");
        check("VIAS.00010012: no", "VIAS.00010012: no");
        check("a bad face", "a bad face");
        check("It May be off", "It May be off");
        check("", "");
    }

    #[test]
    fn a_plural_does_not_change_the_cause() {
        let check = |one: &str, many: &str| {
            let id = "gate-north".parse().unwrap();
            let folded = |message| without_plurals(&template(message, &id));
            assert_eq!(folded(one), folded(many), "{one:?} {many:?}");
        };
        check("1 sub-task failed", "3 sub-tasks failed");
        check("waited 1 second, 1 try", "waited 20 seconds, 2 try");
        assert_eq!(without_plurals("… class of … is …"), "… class of … is …");
        assert_eq!(without_plurals("tasks"), "tasks");
    }

    /// Two texts of one kind, for the same place in a message.
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
        fn parts_of_one_kind_make_one_template(
            before in "([a-zA-Z]{1,8} ){0,3}",
            (one, other) in of_one_kind(),
            after in "( [a-zA-Z]{1,8}){0,3}",
        ) {
            let id: TaskId = "gate-north".parse().unwrap();
            let message = |filled: &str| format!("{before}{filled}{after}.");
            prop_assert_eq!(template(&message(&one), &id), template(&message(&other), &id));
        }

        #[test]
        fn a_template_is_never_longer_than_its_message(text: String) {
            let id: TaskId = "gate-north".parse().unwrap();
            prop_assert!(template(&text, &id).chars().count() <= text.chars().count());
        }
    }
}
