//! Writes each frequent text once, and its number in all other places, to keep the page small.

use crate::text::cut;
use serde::Serialize;
use std::collections::HashMap;

/// The most texts with a number; all others are written in their places.
const MAX_TEXTS: usize = 4_096;
/// The most bytes of a text on the page.
const MAX_TEXT_BYTES: usize = 2_000;

/// A text, or the number of a text that is written elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Text {
    /// The number of the text.
    Kept(usize),
    /// The text itself.
    Here(String),
}

/// The texts with a number; number 0 is the empty text.
#[derive(Debug)]
pub(crate) struct Texts {
    numbers: HashMap<String, usize>,
    in_order: Vec<String>,
}

impl Texts {
    pub(crate) fn new() -> Self {
        Self { numbers: HashMap::from([(String::new(), 0)]), in_order: vec![String::new()] }
    }

    /// Returns the form in which a text is written.
    pub(crate) fn text(&mut self, text: &str) -> Text {
        // Cut before the lookup, so that texts that are shown the same have one number.
        let text = cut(text, MAX_TEXT_BYTES);
        if let Some(&number) = self.numbers.get(text) {
            return Text::Kept(number);
        }
        // Bounded: messages with an id in them are all different.
        if self.in_order.len() >= MAX_TEXTS {
            return Text::Here(text.to_owned());
        }
        let number = self.in_order.len();
        self.in_order.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        Text::Kept(number)
    }

    /// Returns the texts from this number on.
    pub(crate) fn since(&self, number: usize) -> &[String] {
        &self.in_order[number..]
    }

    /// Returns the texts, in the order of their numbers.
    pub(crate) fn finish(self) -> Vec<String> {
        self.in_order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_text_has_the_same_number() {
        let mut texts = Texts::new();
        let numbers = ["a", "b", "", "a"].map(|text| texts.text(text));
        assert_eq!(numbers, [1, 2, 0, 1].map(Text::Kept));
        assert_eq!(texts.finish(), ["", "a", "b"]);
    }

    #[test]
    fn texts_beyond_the_limit_are_written_in_their_places() {
        let mut texts = Texts::new();
        (1..MAX_TEXTS).for_each(|number| drop(texts.text(&number.to_string())));
        assert_eq!(texts.text("one more"), Text::Here("one more".into()));
        assert_eq!(texts.text("17"), Text::Kept(17));
    }
}
