//! A word for a state of another service: kept once per process, so that a state is a number.

use std::fmt;
use std::sync::{PoisonError, RwLock};

/// A word that a service file gives to states.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateWord(u16);

/// The words of all services so far. None is given back, because a process knows few services.
static WORDS: RwLock<Vec<&'static str>> = RwLock::new(Vec::new());

/// The longest word, in bytes.
const LONGEST: usize = 32;

/// The text cannot be a word for a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a word has up to {LONGEST} of a-z, 0-9 and `_`, and begins with a letter")]
pub struct InvalidStateWord;

impl StateWord {
    /// Returns a word.
    ///
    /// # Errors
    ///
    /// It does not match `^[a-z][a-z0-9_]{0,31}$`; and for the 65,536th word of a process.
    pub fn of(text: &str) -> Result<Self, InvalidStateWord> {
        if !Self::is_word(text) {
            return Err(InvalidStateWord);
        }
        let mut words = WORDS.write().unwrap_or_else(PoisonError::into_inner);
        let known = words.iter().position(|known| *known == text);
        // A damaged file of a run may name any number of words.
        let number = u16::try_from(known.unwrap_or(words.len())).map_err(|_| InvalidStateWord)?;
        if known.is_none() {
            words.push(String::from(text).leak());
        }
        Ok(Self(number))
    }

    /// Returns whether a text can be a word.
    pub fn is_word(text: &str) -> bool {
        let rest = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        text.len() <= LONGEST
            && text.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
            && text.bytes().all(rest)
    }

    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        WORDS.read().unwrap_or_else(PoisonError::into_inner)[usize::from(self.0)]
    }
}

impl fmt::Debug for StateWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_however_often_it_is_named() {
        let [on, off] = ["on", "off"].map(|word| StateWord::of(word).unwrap());
        assert_ne!(on, off);
        assert_eq!(StateWord::of("on"), Ok(on));
        assert_eq!([on, off].map(StateWord::as_str), ["on", "off"]);
        for text in ["", "On", "2nd", "a-b", "a b", &"a".repeat(33)] {
            assert_eq!(StateWord::of(text), Err(InvalidStateWord), "{text:?}");
        }
    }
}
