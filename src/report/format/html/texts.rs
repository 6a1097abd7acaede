//! Writes texts that come again and again only once, and a number in their places.

use crate::report::format::cut::cut;
use serde::Serialize;
use std::collections::HashMap;

/// How many texts are kept; whatever comes with yet another is written where it stands.
const MOST_TEXTS: usize = 4_096;
/// How many bytes of a text the page shows.
const LONGEST_TEXT: usize = 2_000;

/// A text, or the number of one that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Text {
    /// Which of the kept texts it is.
    Kept(usize),
    /// The text.
    Here(String),
}

/// The texts that are kept; the first is the empty one.
#[derive(Debug)]
pub(crate) struct Texts {
    numbers: HashMap<String, usize>,
    in_order: Vec<String>,
}

impl Texts {
    pub(crate) fn new() -> Self {
        Self { numbers: HashMap::from([(String::new(), 0)]), in_order: vec![String::new()] }
    }

    /// Returns what is to be written for a text.
    pub(crate) fn text(&mut self, text: &str) -> Text {
        let text = cut(text, LONGEST_TEXT);
        if let Some(&number) = self.numbers.get(text) {
            return Text::Kept(number);
        }
        if self.in_order.len() >= MOST_TEXTS {
            return Text::Here(text.to_owned());
        }
        let number = self.in_order.len();
        self.in_order.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        Text::Kept(number)
    }

    /// Returns the kept texts, in the order of their numbers.
    pub(crate) fn finish(self) -> Vec<String> {
        self.in_order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_comes_again_has_its_number() {
        let mut texts = Texts::new();
        let numbers = ["a", "b", "", "a"].map(|text| texts.text(text));
        assert_eq!(numbers, [1, 2, 0, 1].map(Text::Kept));
        assert_eq!(texts.finish(), ["", "a", "b"]);
    }

    #[test]
    fn no_more_texts_are_kept_than_there_is_room_for() {
        let mut texts = Texts::new();
        (1..MOST_TEXTS).for_each(|number| drop(texts.text(&number.to_string())));
        assert_eq!(texts.text("one more"), Text::Here("one more".into()));
        assert_eq!(texts.text("17"), Text::Kept(17));
    }
}
