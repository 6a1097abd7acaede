//! Colours for a terminal: one style for all output of a stream.
//!
//! Colour alone never carries meaning, so plain text loses nothing.

/// Whether text may have colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Style {
    /// Text without colours.
    #[default]
    Plain,
    /// Text with ANSI colours.
    Coloured,
}

/// How a text stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// In bold, without a colour.
    Bold,
    /// In red.
    Red,
    /// In green.
    Green,
    /// In yellow.
    Yellow,
    /// In magenta.
    Magenta,
    /// In cyan.
    Cyan,
}

impl Style {
    /// Returns the text in a colour, if colours are allowed.
    ///
    /// ```
    /// use batchctl::text::{Colour, Style};
    ///
    /// assert_eq!(Style::Plain.paint("failed", Colour::Red), "failed");
    /// assert_eq!(Style::Coloured.paint("failed", Colour::Red), "\x1b[31mfailed\x1b[0m");
    /// ```
    pub fn paint(self, text: &str, colour: Colour) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\u{1b}[{}m{text}\u{1b}[0m", colour.code()),
        }
    }
}

impl Colour {
    /// Returns the parameter of the escape sequence (ECMA-48, SGR).
    const fn code(self) -> u8 {
        match self {
            Self::Bold => 1,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Magenta => 35,
            Self::Cyan => 36,
        }
    }
}
