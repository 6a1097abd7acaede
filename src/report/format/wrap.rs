//! Breaks foreign text into lines for a terminal.

use crate::text::printable;
use unicode_width::UnicodeWidthStr;

/// Returns the text in at most that many lines of at most that many columns, made safe to show.
///
/// Line ends in the text are blanks like others. What does not fit is replaced by `…`.
pub(crate) fn wrapped(text: &str, columns: usize, most_lines: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = printable(word, columns);
        let is_last = lines.len() == most_lines;
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= columns => {
                line.push(' ');
                line.push_str(&word);
            }
            Some(line) if is_last => {
                // Made wider than there is room for, so that it is cut and the cut is marked.
                *line = printable(&format!("{line} {word:columns$}"), columns);
                break;
            }
            Some(_) | None => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, columns: usize, most_lines: usize, expected: &[&str]) {
        assert_eq!(wrapped(text, columns, most_lines), expected, "{text:?}");
    }

    #[test]
    fn words_stay_whole_where_they_can() {
        check("", 10, 2, &[]);
        check("one two three", 20, 2, &["one two three"]);
        check("one two three", 8, 2, &["one two", "three"]);
        check("one\r\n two\tthree", 8, 2, &["one two", "three"]);
        check("incomprehensible", 8, 2, &["incompr…"]);
    }

    #[test]
    fn what_does_not_fit_is_marked() {
        check("one two three four", 8, 2, &["one two", "three f…"]);
        check("one two three", 7, 1, &["one tw…"]);
        check("one \u{1b}[31m", 8, 2, &["one", r"\u{1b}[…"]);
    }

    proptest! {
        #[test]
        fn lines_keep_to_their_columns(text: String, columns in 1..40usize, most in 1..4usize) {
            let lines = wrapped(&text, columns, most);
            prop_assert!(lines.len() <= most);
            prop_assert!(lines.iter().all(|line| line.width() <= columns));
        }
    }
}
