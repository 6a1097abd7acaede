//! Lays out text for a terminal: lines, sections and rows of numbers that stand in columns.
//!
//! Knows no report. Colour is added after widths are known, so it never moves anything.

use crate::report::format::wrap::wrapped;
use crate::text::grouped;

/// How wide the text is at the most.
pub(crate) const COLUMNS: usize = 80;
/// How wide the names of rows are: as `not attempted`.
pub(crate) const LABEL: usize = 13;
/// How wide numbers are at the least.
const NUMBER: usize = 6;

/// Whether words are stressed by colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Style {
    /// Nothing but text.
    #[default]
    Plain,
    /// ANSI colours.
    Coloured,
}

/// What a word is to stand out as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As nothing.
    Quiet,
    /// As the beginning of a section.
    Heading,
    /// As good news.
    Good,
    /// As something to look at.
    Doubtful,
    /// As bad news.
    Bad,
}

/// A number with its name and what there is to say about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NumberRow {
    /// How its name stands out.
    pub(crate) tone: Tone,
    /// Its name.
    pub(crate) label: &'static str,
    /// The number, if it is one.
    pub(crate) number: Option<u64>,
    /// What there is to say.
    pub(crate) note: String,
}

impl NumberRow {
    fn written_number(&self) -> String {
        self.number.map_or_else(String::new, grouped)
    }
}

/// The text that is being written.
#[derive(Debug)]
pub(crate) struct TerminalText {
    text: String,
    style: Style,
}

impl TerminalText {
    /// Returns an empty page.
    pub(crate) fn new(style: Style) -> Self {
        Self { text: String::new(), style }
    }

    /// Returns what was written.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Returns a word in at least that many columns, stressed.
    pub(crate) fn toned(&self, word: &str, columns: usize, tone: Tone) -> String {
        let gap = " ".repeat(columns.saturating_sub(word.len()));
        let code = match tone {
            Tone::Quiet => return format!("{word}{gap}"),
            Tone::Heading => 1,
            Tone::Bad => 31,
            Tone::Good => 32,
            Tone::Doubtful => 33,
        };
        match self.style {
            Style::Plain => format!("{word}{gap}"),
            Style::Coloured => format!("\u{1b}[{code}m{word}\u{1b}[0m{gap}"),
        }
    }

    /// Begins a section.
    pub(crate) fn section(&mut self, title: &str) {
        let title = self.toned(title, 0, Tone::Heading);
        self.line("");
        self.line(&title);
    }

    /// Writes `lead: text`, in as many lines as it takes.
    pub(crate) fn paragraph(&mut self, lead: &str, tone: Tone, text: &str) {
        let room = COLUMNS - lead.len() - 2;
        let mut begin = format!("{}: ", self.toned(lead, 0, tone));
        for line in wrapped(text, room, 3) {
            self.line(&format!("{begin}{line}"));
            begin = " ".repeat(lead.len() + 2);
        }
    }

    /// Writes blocks of rows whose columns are the same, with an empty line before each.
    pub(crate) fn rows(&mut self, blocks: &[Vec<NumberRow>]) {
        let width = blocks.iter().flatten().map(|row| row.written_number().len());
        let width = width.fold(NUMBER, usize::max);
        for block in blocks.iter().filter(|block| !block.is_empty()) {
            self.line("");
            for row in block {
                let label = self.toned(row.label, LABEL, row.tone);
                let number = row.written_number();
                self.line(&format!("  {label}  {number:>width$}   {}", row.note));
            }
        }
    }
}
