//! Lays out text for a terminal: lines, sections, wrapped texts and aligned rows of numbers.
//!
//! Knows no report. Colour is added after widths are known, so it never moves anything.

use crate::text::{Colour, Style, grouped, printable};
use unicode_width::UnicodeWidthStr;

/// The width of the text, in columns.
pub(crate) const COLUMNS: usize = 80;
/// The width of the labels of rows: that of `not attempted`.
pub(crate) const LABEL_COLUMNS: usize = 13;
/// The least width of numbers, so that short summaries of different runs are aligned too.
const MIN_NUMBER_COLUMNS: usize = 6;

/// How a word stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Not at all.
    Quiet,
    /// As the title of a section.
    Heading,
    /// As good news.
    Good,
    /// As something to check.
    Doubtful,
    /// As bad news.
    Bad,
}

impl Tone {
    const fn colour(self) -> Option<Colour> {
        match self {
            Self::Quiet => None,
            Self::Heading => Some(Colour::Bold),
            Self::Good => Some(Colour::Green),
            Self::Doubtful => Some(Colour::Yellow),
            Self::Bad => Some(Colour::Red),
        }
    }
}

/// A number with its label and a note.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NumberRow {
    /// How the label stands out.
    pub(crate) tone: Tone,
    /// The label.
    pub(crate) label: &'static str,
    /// The number; `None` if the note says it all.
    pub(crate) number: Option<u64>,
    /// The note.
    pub(crate) note: String,
}

impl NumberRow {
    fn written_number(&self) -> String {
        self.number.map_or_else(String::new, grouped)
    }
}

/// A text that grows line by line.
#[derive(Debug)]
pub(crate) struct TerminalText {
    text: String,
    style: Style,
}

impl TerminalText {
    /// Returns an empty text.
    pub(crate) fn new(style: Style) -> Self {
        Self { text: String::new(), style }
    }

    /// Returns the text as it was written.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Returns a word in its tone, filled with blanks to at least this many columns.
    pub(crate) fn toned(&self, word: &str, columns: usize, tone: Tone) -> String {
        // The gap follows the colour, because the escape sequences must not count as columns.
        let gap = " ".repeat(columns.saturating_sub(word.len()));
        let word =
            tone.colour().map_or_else(|| word.to_owned(), |colour| self.style.paint(word, colour));
        format!("{word}{gap}")
    }

    /// Begins a section.
    pub(crate) fn section(&mut self, title: &str) {
        let title = self.toned(title, 0, Tone::Heading);
        self.line("");
        self.line(&title);
    }

    /// Writes `lead: text`, in up to three lines.
    pub(crate) fn paragraph(&mut self, lead: &str, tone: Tone, text: &str) {
        let room = COLUMNS - lead.len() - 2;
        let mut begin = format!("{}: ", self.toned(lead, 0, tone));
        for line in wrapped(text, room, 3) {
            self.line(&format!("{begin}{line}"));
            begin = " ".repeat(lead.len() + 2);
        }
    }

    /// Writes blocks of rows with the same columns, and an empty line before each block.
    pub(crate) fn rows(&mut self, blocks: &[Vec<NumberRow>]) {
        let width = blocks.iter().flatten().map(|row| row.written_number().len());
        let width = width.fold(MIN_NUMBER_COLUMNS, usize::max);
        // An empty block would leave two empty lines.
        for block in blocks.iter().filter(|block| !block.is_empty()) {
            self.line("");
            for row in block {
                let label = self.toned(row.label, LABEL_COLUMNS, row.tone);
                let number = row.written_number();
                self.line(&format!("  {label}  {number:>width$}   {}", row.note));
            }
        }
    }
}

/// Returns a foreign text in at most `max_lines` lines of at most `columns`, made safe to show.
///
/// Line ends in the text count as blanks. A part that does not fit is replaced by `…`.
pub(crate) fn wrapped(text: &str, columns: usize, max_lines: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        // Made safe word by word, because an escape is wider than the character it stands for.
        let word = printable(word, columns);
        let is_last = lines.len() == max_lines;
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= columns => {
                line.push(' ');
                line.push_str(&word);
            }
            Some(line) if is_last => {
                // Padded beyond the columns, so that `printable` cuts the line and marks the cut.
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

    fn check(text: &str, columns: usize, max_lines: usize, expected: &[&str]) {
        assert_eq!(wrapped(text, columns, max_lines), expected, "{text:?}");
    }

    #[test]
    fn words_stay_whole_if_they_fit() {
        check("", 10, 2, &[]);
        check("one two three", 20, 2, &["one two three"]);
        check("one two three", 8, 2, &["one two", "three"]);
        check("one\r\n two\tthree", 8, 2, &["one two", "three"]);
        check("incomprehensible", 8, 2, &["incompr…"]);
    }

    #[test]
    fn a_cut_is_marked() {
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
