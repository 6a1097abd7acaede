//! Foreign text made safe to show, and the small wording every message shares.
//!
//! All text from outside (ids, file names, messages of the service) goes through [`printable`]
//! before it reaches a terminal or a log. Pure; imports nothing of the crate.

mod address;
mod guard;
mod invisible;
pub(crate) mod json;
mod names;
mod shell;
mod style;
pub(crate) mod unread;

pub use address::{AddressError, address};
pub use guard::{guarded, unguarded};
pub use invisible::is_invisible;
pub(crate) use invisible::is_misleading;
pub use names::{is_same_name, plain_name};
pub use shell::shell_quoted;
pub use style::{Colour, Style};

use std::time::Duration;
use unicode_width::UnicodeWidthChar;

/// Replaces the part that was cut off.
const ELLIPSIS: char = '…';
/// The most characters that may share one column: a letter with three combining marks. Without
/// this bound a text of combining marks, which take no column, would be shown at any length.
const MAX_CHARACTERS_PER_COLUMN: usize = 4;

/// Returns the text in at most that many terminal columns, without characters that could
/// mislead a terminal, a log or a reader.
///
/// A tab becomes a blank; other controls, bidirectional controls, invisible characters and
/// line separators become escapes such as `\u{1b}`. The number of characters is bounded, too,
/// because combining marks take no column. A second application changes nothing.
///
/// ```
/// use batchctl::text::printable;
///
/// assert_eq!(printable("a\tb\u{1b}[31m", 40), r"a b\u{1b}[31m");
/// assert_eq!(printable("a long story", 7), "a long…");
/// ```
pub fn printable(text: &str, max_columns: usize) -> String {
    let max_characters = max_columns.saturating_mul(MAX_CHARACTERS_PER_COLUMN);
    let mut shown = String::with_capacity(text.len().min(max_characters));
    let (mut columns, mut characters) = (0, 0);
    // The length at which room is left for the ellipsis, in case the text is too long.
    let mut cut = 0;
    for character in text.chars().flat_map(as_shown) {
        columns += character.width().unwrap_or(0);
        characters += 1;
        if columns > max_columns || characters > max_characters {
            shown.truncate(cut);
            shown.extend((max_columns > 0).then_some(ELLIPSIS));
            return shown;
        }
        shown.push(character);
        if columns < max_columns && characters < max_characters {
            cut = shown.len();
        }
    }
    shown
}

/// Returns the characters that replace one character.
fn as_shown(character: char) -> impl Iterator<Item = char> {
    let (plain, escape) = match character {
        '\t' => (Some(' '), None),
        _ if is_misleading(character) => (None, Some(character.escape_unicode())),
        _ => (Some(character), None),
    };
    plain.into_iter().chain(escape.into_iter().flatten())
}

/// Returns the text with escapes for all characters that could mislead a terminal or a reader,
/// except for line ends and tabs.
///
/// ```
/// use batchctl::text::harmless;
///
/// assert_eq!(harmless("a\n\u{1b}]0;b\u{7}"), "a\n\\u{1b}]0;b\\u{7}");
/// ```
pub fn harmless(text: &str) -> String {
    let shown = |character| match character {
        '\n' | '\t' => (Some(character), None),
        _ if is_misleading(character) => (None, Some(character.escape_unicode())),
        _ => (Some(character), None),
    };
    let pieces = text.chars().map(shown);
    pieces
        .flat_map(|(plain, escape)| plain.into_iter().chain(escape.into_iter().flatten()))
        .collect()
}

/// Returns a text in ASCII, for a terminal that has no other characters: signs of our own become
/// similar ones, and all others escapes.
///
/// ```
/// use batchctl::text::ascii;
///
/// assert_eq!(ascii("a…\u{fc}·"), "a...\\u{fc}|");
/// ```
pub fn ascii(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            _ if character.is_ascii() => shown.push(character),
            '…' => shown.push_str("..."),
            '·' => shown.push('|'),
            '–' => shown.push('-'),
            '→' => shown.push_str("->"),
            _ => shown.extend(character.escape_unicode()),
        }
    }
    shown
}

/// Returns the beginning of a text that fits into this many bytes, with whole characters only.
///
/// ```
/// use batchctl::text::cut;
///
/// assert_eq!(cut("aäb", 2), "a");
/// ```
pub fn cut(text: &str, max_bytes: usize) -> &str {
    let mut end = text.len().min(max_bytes);
    // Ends at the latest at 0, which is a boundary.
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Escapes what is not printable ASCII in JSON: the same value, harmless wherever it is shown.
///
/// JSON has no other characters outside its strings, so the text need not be parsed.
///
/// ```
/// use batchctl::text::ascii_json;
///
/// assert_eq!(ascii_json("{\"id\":\"tör\"}"), r#"{"id":"t\u00f6r"}"#);
/// ```
pub fn ascii_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        // A line end is between the tokens: within a string it is an escape already.
        if matches!(character, ' '..='~' | '\n') {
            text.push(character);
            continue;
        }
        // RFC 8259: characters beyond the basic plane are escaped as a pair of UTF-16 units.
        for unit in character.encode_utf16(&mut [0; 2]) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    text
}

/// Returns `None` for an empty text, which means that none was sent.
pub fn non_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// Returns a span in whole milliseconds; one that is too long is the longest.
pub fn whole_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the number with its noun, such as `1 row` or `2,000 rows`.
pub fn plural(n: u64, one: &str, many: &str) -> String {
    let noun = if n == 1 { one } else { many };
    format!("{} {noun}", grouped(n))
}

/// Returns the number with commas between groups of three digits, such as `40,000`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a span of time in at most two units, such as `4m 05s`.
///
/// Smaller units are cut off, not rounded: `59.9 s` is `59s`.
///
/// ```
/// use batchctl::text::span;
/// use std::time::Duration;
///
/// assert_eq!(span(Duration::from_millis(420)), "0.4s");
/// assert_eq!(span(Duration::from_secs(11_520)), "3h 12m");
/// ```
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..10 => few_seconds(time),
        10..60 => format!("{seconds}s"),
        60..3_600 => format!("{minutes}m {:02}s", seconds % 60),
        3_600..86_400 => format!("{hours}h {:02}m", minutes % 60),
        86_400.. => format!("{}d {}h", grouped(days), hours % 24),
    }
}

/// Returns the span of a flag: as [`span`] does, but to the millisecond where tenths would hide it.
///
/// ```
/// use batchctl::text::flag_span;
/// use std::time::Duration;
///
/// assert_eq!(flag_span(Duration::from_millis(1)), "1ms");
/// assert_eq!(flag_span(Duration::from_millis(1_500)), "1.5s");
/// ```
pub fn flag_span(time: Duration) -> String {
    let millis = time.as_millis();
    if millis < 10_000 && !millis.is_multiple_of(100) { format!("{millis}ms") } else { span(time) }
}

/// Returns less than ten seconds, with tenths unless they are zero.
fn few_seconds(time: Duration) -> String {
    match (time.as_secs(), time.subsec_millis() / 100) {
        (seconds, 0) => format!("{seconds}s"),
        (seconds, tenths) => format!("{seconds}.{tenths}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr;

    fn check(text: &str, max_columns: usize, expected: &str) {
        assert_eq!(printable(text, max_columns), expected, "{text:?}");
    }

    #[test]
    fn what_misleads_is_shown_as_an_escape() {
        check("plain äöü 漢字", 40, "plain äöü 漢字");
        check("a\tb", 40, "a b");
        check("a\r\nb\u{7f}", 40, r"a\u{d}\u{a}b\u{7f}");
        check("\u{9b}31m", 40, r"\u{9b}31m");
        check("\u{202e}cba", 40, r"\u{202e}cba");
        check("\u{2066}a\u{2069}\u{2028}", 40, r"\u{2066}a\u{2069}\u{2028}");
        check("\u{feff}id\u{200b}", 40, r"\u{feff}id\u{200b}");
    }

    #[test]
    fn a_long_text_is_cut_to_the_columns_there_are() {
        check("abcdef", 6, "abcdef");
        check("abcdefg", 6, "abcde…");
        check("漢字漢字", 5, "漢字…");
        check("漢字漢字", 6, "漢字…");
        check("ab\u{1b}cd", 6, r"ab\u{…");
        check("abc", 1, "…");
        check("abc", 0, "");
        check("", 0, "");
    }

    fn check_cut(text: &str, max_bytes: usize, expected: &str) {
        assert_eq!(cut(text, max_bytes), expected, "{text:?}");
    }

    #[test]
    fn a_character_is_kept_whole_or_not_at_all() {
        check_cut("abc", 5, "abc");
        check_cut("abc", 2, "ab");
        check_cut("aäb", 2, "a");
        check_cut("äb", 0, "");
    }

    #[test]
    fn a_text_is_bounded_in_characters_where_it_takes_no_columns() {
        let marks = "\u{301}".repeat(400_000);
        let shown = printable(&format!("a{marks}"), 60);
        assert_eq!(shown.chars().count(), 240);
        assert!(shown.starts_with("a\u{301}") && shown.ends_with("\u{301}…"), "{shown}");
        check("e\u{301}e\u{301}", 2, "e\u{301}e\u{301}");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(40_000), "40,000");
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn a_noun_follows_its_number() {
        assert_eq!(plural(0, "row", "rows"), "0 rows");
        assert_eq!(plural(1, "row", "rows"), "1 row");
        assert_eq!(plural(2_000, "row", "rows"), "2,000 rows");
    }

    fn check_span(millis: u64, expected: &str) {
        assert_eq!(span(Duration::from_millis(millis)), expected, "{millis} ms");
    }

    #[test]
    fn a_span_has_two_units_at_most() {
        check_span(0, "0s");
        check_span(420, "0.4s");
        check_span(9_999, "9.9s");
        check_span(26_900, "26s");
        check_span(245_000, "4m 05s");
        check_span(3_599_999, "59m 59s");
        check_span(3_600_000, "1h 00m");
        check_span(11_520_000, "3h 12m");
        check_span(187_200_000, "2d 4h");
        check_span(u64::MAX, "213,503,982,334d 14h");
    }

    #[test]
    fn the_span_of_a_flag_is_nothing_only_if_it_is() {
        let check = |millis: u64, expected: &str| {
            assert_eq!(flag_span(Duration::from_millis(millis)), expected);
        };
        check(0, "0s");
        check(1, "1ms");
        check(99, "99ms");
        check(400, "0.4s");
        check(1_250, "1250ms");
        check(90_000, "1m 30s");
    }

    proptest! {
        #[test]
        fn shown_text_has_no_control_and_fits(text in any::<String>(), columns in 0..60usize) {
            let shown = printable(&text, columns);
            prop_assert!(!shown.chars().any(is_misleading), "{shown:?}");
            prop_assert!(shown.width() <= columns, "{shown:?}");
            prop_assert!(shown.chars().count() <= 4 * columns, "{shown:?}");
        }

        #[test]
        fn showing_twice_changes_nothing_more(text in any::<String>(), columns in 0..60usize) {
            let shown = printable(&text, columns);
            prop_assert_eq!(&printable(&shown, columns), &shown);
        }
    }
}
