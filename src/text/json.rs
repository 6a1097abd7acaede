//! Makes text out of the bytes of a JSON body, whatever encoding they are in and wherever they
//! were cut.
//!
//! Codes, counts and ids are ASCII. A text beside them that is damaged must not hide them, so
//! nothing here fails: what cannot be read becomes U+FFFD.

use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// Why an object with another one behind it is not understood.
pub(crate) const MORE_THAN_ONE: &str = "more than one object";

/// Decodes a body. A byte order mark is skipped (RFC 8259, section 8.1).
pub(crate) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes).into(),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes).into(),
        // The first character of JSON is ASCII, so a zero beside it is half of a UTF-16 unit.
        [1..=0x7f, 0, ..] => utf16(bytes, u16::from_le_bytes).into(),
        [0, 1..=0x7f, ..] => utf16(bytes, u16::from_be_bytes).into(),
        // Nearly every body is UTF-8, and whether it is takes a fraction of what mending it takes.
        _ => match str::from_utf8(bytes) {
            Ok(text) => skip_marks(text).into(),
            Err(_) => skip_marks(&String::from_utf8_lossy(bytes)).to_owned().into(),
        },
    }
}

/// Decodes a body that is not UTF-8, or whose text is no JSON, in the way in which it is JSON.
///
/// Returns nothing if it is no JSON in any way.
pub(crate) fn decode_as_json(bytes: &[u8], is_json: impl Fn(&str) -> bool) -> Option<String> {
    let ways: [fn(&[u8]) -> String; 2] = [|bytes| decode(bytes).into_owned(), decode_double_byte];
    ways.iter().map(|way| way(bytes)).find(|text| is_json(text))
}

fn skip_marks(text: &str) -> &str {
    text.trim_start_matches(|c: char| c == '\u{feff}' || c == '\0' || c.is_whitespace())
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    // An odd byte at the end is half a unit of a body that was cut.
    let (pairs, _odd) = bytes.as_chunks();
    let units = pairs.iter().map(|&pair| unit(pair));
    let text = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
    skip_marks(&text.collect::<String>()).to_owned()
}

/// Reads a body as it is, else with its strings mended, else as text of another encoding.
///
/// `text` is the decoded body. The error is that of the mended text, which is nearest to it.
pub(crate) fn read_leniently<T, E>(
    bytes: &[u8],
    text: &str,
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<T, E> {
    // From strict to lenient, because mending must never change a body that is valid.
    read(text).or_else(|_| read(&mend_strings(text))).or_else(|error| {
        if text.is_ascii() {
            Err(error)
        } else {
            read(&mend_strings(&decode_double_byte(bytes))).map_err(|_| error)
        }
    })
}

/// Decodes a body as if each byte outside ASCII led a character of two bytes, as in GBK, Big5
/// and Shift JIS: the second byte may look like a backslash and must not escape what follows.
fn decode_double_byte(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied();
    while let Some(byte) = rest.next() {
        if byte.is_ascii() {
            text.push(byte.into());
            continue;
        }
        text.push(char::REPLACEMENT_CHARACTER);
        // In these encodings a second byte is 0x40 or more, so a quote is never swallowed.
        let second = rest.clone().next();
        if second.is_some_and(|second| second >= 0x40) {
            rest.next();
        }
    }
    text
}

/// Mends the strings of a JSON text: raw control characters, escapes that there are not, and
/// halves of surrogate pairs.
pub(crate) fn mend_strings(text: &str) -> String {
    let mut mended = String::with_capacity(text.len() + 16);
    let mut rest = text.chars().peekable();
    let mut is_in_string = false;
    while let Some(character) = rest.next() {
        match character {
            '"' => {
                is_in_string = !is_in_string;
                mended.push('"');
            }
            '\\' if is_in_string => mend_escape(&mut rest, &mut mended),
            control if control.is_control() && is_in_string => {
                mended += &format!("\\u{:04x}", u32::from(control));
            }
            // Between values JSON knows four blanks; others are of no meaning there.
            blank if !is_in_string && (blank.is_whitespace() || blank.is_control()) => {
                mended.push(' ');
            }
            plain => mended.push(plain),
        }
    }
    mended
}

fn mend_escape(rest: &mut Peekable<Chars<'_>>, mended: &mut String) {
    match rest.peek() {
        Some(&named @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't')) => {
            rest.next();
            mended.extend(['\\', named]);
        }
        Some('u') => {
            rest.next();
            mend_unicode_escape(rest, mended);
        }
        // An escape that JSON does not have was meant as a plain backslash.
        Some(_) => mended.push_str("\\\\"),
        // The text was cut here.
        None => {}
    }
}

/// Mends what follows `\u`.
fn mend_unicode_escape(rest: &mut Peekable<Chars<'_>>, mended: &mut String) {
    let Some(unit) = hex_unit(rest) else { return mended.push_str("\\\\u") };
    // Looks ahead on a copy, because a second half that does not fit is read again by itself.
    let mut ahead = rest.clone();
    let mut next_unit = || {
        let is_escape = ahead.next() == Some('\\') && ahead.next() == Some('u');
        is_escape.then(|| hex_unit(&mut ahead)).flatten()
    };
    let is_pair = (0xd800..0xdc00).contains(&unit)
        && next_unit().is_some_and(|next| (0xdc00..0xe000).contains(&next));
    if is_pair {
        *mended += &format!("\\u{unit:04x}");
        // The second half follows; it is mended only if its first half is not there.
        let second: String = rest.by_ref().take(6).collect();
        mended.push_str(&second);
        return;
    }
    let is_half = (0xd800..0xe000).contains(&unit);
    let unit = if is_half { u32::from(char::REPLACEMENT_CHARACTER) } else { unit };
    *mended += &format!("\\u{unit:04x}");
}

/// Takes four hexadecimal digits, or nothing.
fn hex_unit(rest: &mut Peekable<Chars<'_>>) -> Option<u32> {
    let mut ahead = rest.clone();
    let digits: String = ahead.by_ref().take(4).collect();
    let is_hex = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let unit = u32::from_str_radix(&digits, 16).ok().filter(|_| is_hex)?;
    *rest = ahead;
    Some(unit)
}

/// Says why a text that begins like an object is none.
pub(crate) fn fault_of_object(text: &str) -> String {
    let mended = mend_strings(text);
    let text = without_open_end(&mended);
    let mut reader = serde_json::Deserializer::from_str(text);
    // As a map, so that what is missing is called as where the fields of VIAS are read.
    match BTreeMap::<String, IgnoredAny>::deserialize(&mut reader) {
        Ok(_) if after_first_value(text).contains('{') => MORE_THAN_ONE.to_owned(),
        Ok(_) => reader.end().err().map(|error| error.to_string()).unwrap_or_default(),
        Err(error) => error.to_string(),
    }
}

/// Returns a text without what may be the beginning of a longer word or number: one at the end of a
/// text that was cut may have had more digits.
pub(crate) fn without_open_end(text: &str) -> &str {
    text.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// Returns what follows the first JSON value of a text.
pub(crate) fn after_first_value(text: &str) -> &str {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let _ = values.next();
    text.get(values.byte_offset()..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(decode(bytes), expected, "{bytes:x?}");
    }

    #[test]
    fn marks_encodings_and_cut_characters_are_read() {
        check(b"\xef\xbb\xbf{}", "{}");
        check(b"\xef\xbb\xbf\xef\xbb\xbf {}", "{}");
        check(b"\xff\xfe{\0}\0", "{}");
        check(b"\xfe\xff\0{\0}", "{}");
        check(b"{\0\"\0\xe9\0\"\0}\0", "{\"\u{e9}\"}");
        check(b"\0{\0}", "{}");
        check(b"{\"\xe4\xbd\"}", "{\"\u{fffd}\"}");
        check(b"", "");
    }

    fn check_mended(text: &str, expected: &str) {
        assert_eq!(mend_strings(text), expected, "{text}");
        assert!(serde_json::from_str::<Value>(expected).is_ok(), "{expected}");
    }

    #[test]
    fn strings_that_json_forbids_are_mended() {
        check_mended("\"a\nb\"", "\"a\\u000ab\"");
        check_mended(r#""\ud83d""#, r#""\ufffd""#);
        check_mended(r#""\ude00""#, r#""\ufffd""#);
        check_mended(r#""\ud83d\u0041""#, r#""\ufffd\u0041""#);
        check_mended(r#""\ud83d\ude00""#, r#""\ud83d\ude00""#);
        check_mended(r#""\x41 \' \u12""#, r#""\\x41 \\' \\u12""#);
        check_mended("{\u{a0}\"a\":\0 1}", "{ \"a\":  1}");
    }

    #[test]
    fn a_second_byte_that_looks_like_a_backslash_escapes_nothing() {
        // GBK writes one of its characters as D5 5C.
        assert_eq!(
            decode_double_byte(b"{\"m\":\"\xd5\\\",\"n\":1}"),
            "{\"m\":\"\u{fffd}\",\"n\":1}"
        );
    }

    proptest! {
        #[test]
        fn json_stays_as_it_is(text in "[ -~é😀]{0,40}") {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(decode(json.as_bytes()), json.as_str());
            prop_assert_eq!(mend_strings(&json), json);
        }

        #[test]
        fn any_string_is_valid_json_once_it_is_mended(text in "([^\"\\\\]|\\\\.){0,40}") {
            let mended = mend_strings(&format!("\"{text}\""));
            prop_assert!(serde_json::from_str::<String>(&mended).is_ok(), "{}", mended);
        }
    }
}
