//! Arranges pieces of text in lines of a terminal that never exceed its width.
//!
//! Knows columns and colours, not the meaning of the text. A piece stays on one line if it fits.

use crate::text::{Colour, Style, printable};
use unicode_width::UnicodeWidthStr;

/// The indent of the lines below the first.
const INDENT: &str = "  ";

/// Text that stays together on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    text: String,
    colour: Option<Colour>,
}

impl Piece {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), colour: None }
    }

    pub(super) fn coloured(text: impl Into<String>, colour: Colour) -> Self {
        Self { text: text.into(), colour: Some(colour) }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    pub(super) fn columns(&self) -> usize {
        // Measured without colours, because escape sequences take no columns.
        self.text.width()
    }

    fn painted(&self, style: Style) -> String {
        self.colour.map_or_else(|| self.text.clone(), |colour| style.paint(&self.text, colour))
    }

    fn cut_to(self, columns: usize) -> Self {
        Self { text: printable(&self.text, columns), ..self }
    }
}

/// A line of pieces.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct DisplayLine(Vec<Piece>);

impl DisplayLine {
    pub(super) fn new(pieces: Vec<Piece>) -> Self {
        Self(pieces)
    }

    pub(super) fn columns(&self) -> usize {
        self.0.iter().map(Piece::columns).sum()
    }

    pub(super) fn painted(&self, style: Style) -> String {
        let text: String = self.0.iter().map(|piece| piece.painted(style)).collect();
        text.trim_end().to_owned()
    }
}

/// Arranges pieces below the first line, as many on each line as fit.
pub(super) fn flow(pieces: Vec<Piece>, separator: &str, width: usize) -> Vec<DisplayLine> {
    let room = width.saturating_sub(INDENT.width());
    let mut lines: Vec<DisplayLine> = Vec::new();
    for piece in pieces {
        // Cut even the widest piece: a line that wraps would break the redrawing of the bar.
        let piece = piece.cut_to(room);
        match lines.last_mut() {
            Some(line) if line.columns() + separator.width() + piece.columns() <= width => {
                line.0.extend([Piece::new(separator), piece]);
            }
            Some(_) | None => lines.push(DisplayLine(vec![Piece::new(INDENT), piece])),
        }
    }
    lines
}

/// Arranges a sentence below the first line, broken between its words.
pub(super) fn sentence(text: &str, colour: Colour, width: usize) -> Vec<DisplayLine> {
    let words = text.split(' ').map(|word| Piece::coloured(word, colour)).collect();
    flow(words, " ", width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(texts: &[&str], width: usize, expected: &[&str]) {
        let pieces = texts.iter().map(|&text| Piece::new(text)).collect();
        let lines = flow(pieces, " · ", width);
        let shown: Vec<String> = lines.iter().map(|line| line.painted(Style::Plain)).collect();
        assert_eq!(shown, expected, "{texts:?}");
    }

    #[test]
    fn pieces_share_a_line_while_they_fit() {
        check(&["10 ok", "2 failed"], 18, &["  10 ok · 2 failed"]);
        check(&["10 ok", "2 failed"], 17, &["  10 ok", "  2 failed"]);
        check(&["10 ok", "2 failed", "3"], 17, &["  10 ok", "  2 failed · 3"]);
        check(&[], 17, &[]);
    }

    #[test]
    fn a_piece_that_is_too_long_is_cut() {
        check(&["10 ambiguous"], 8, &["  10 am…"]);
        check(&["10 ambiguous"], 2, &[""]);
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let line = &sentence("not now", Colour::Yellow, 20)[0];
        assert_eq!(line.painted(Style::Plain), "  not now");
        assert_eq!(
            line.painted(Style::Coloured),
            "  \u{1b}[33mnot\u{1b}[0m \u{1b}[33mnow\u{1b}[0m"
        );
    }
}
