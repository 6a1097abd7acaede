//! The id of a batch task, checked once where it comes in and then trusted.

use std::fmt;
use std::str::FromStr;

/// The shortest id the service gives, in characters.
const SHORTEST: usize = 4;
/// The longest id the service gives, in characters.
const LONGEST: usize = 36;
/// The longest id that any service may have, in bytes.
const LONGEST_ACCEPTED: usize = 256;

/// An id that was checked: against VIAS's own pattern, `^[a-z0-9_-]{4,36}$`, or by another service's
/// rule.
///
/// An id of VIAS is a safe path segment without escaping. It cannot change the path, and it is
/// neither a formula of a spreadsheet nor an escape sequence of a terminal. An id of another service
/// is none of this, apart from the last: it has no control characters.
///
/// ```
/// use batchctl::task::TaskId;
///
/// let id: TaskId = "0d47bbf52962414bb7ae27fb6ea24230".parse().unwrap();
/// assert_eq!(id.as_str().len(), 32);
/// assert!("../admin".parse::<TaskId>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(Box<str>);

/// The reason why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TaskIdError {
    /// The text is empty.
    #[error("the id is empty")]
    Empty,
    /// The text has fewer than four characters.
    #[error("the id has {length} of at least {SHORTEST} characters")]
    TooShort {
        /// The number of characters.
        length: usize,
    },
    /// The text has more than 36 characters.
    #[error("the id has {length} characters, {LONGEST} are allowed")]
    TooLong {
        /// The number of characters.
        length: usize,
    },
    /// The text has more bytes than any service's id may have.
    #[error("the id has {length} bytes, {LONGEST_ACCEPTED} are allowed")]
    TooManyBytes {
        /// The number of bytes.
        length: usize,
    },
    /// The text is `.` or `..`, which servers take for a place and not for a name.
    #[error("`.` and `..` are never ids")]
    DotSegment,
    /// The text has a control character, or a blank at an end.
    #[error("the id contains {character:?}, which no id may contain there")]
    NeverInIds {
        /// The first such character.
        character: char,
        /// The place in the text, in characters from 0.
        index: usize,
    },
    /// The text has a character that no id of VIAS contains.
    #[error("the id contains {character:?}; only a-z, 0-9, `_` and `-` occur in ids")]
    Character {
        /// The first such character.
        character: char,
        /// The place in the text, in characters from 0.
        index: usize,
    },
}

impl TaskId {
    /// Returns the id as the service writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns an id that the rule of another service has accepted.
    ///
    /// # Errors
    ///
    /// Those that hold for the ids of all services: an id is not empty, has at most 256 bytes, no
    /// blanks around it and no control characters, and is neither `.` nor `..`.
    pub fn accepted(text: &str) -> Result<Self, TaskIdError> {
        if text.is_empty() {
            return Err(TaskIdError::Empty);
        }
        if text.len() > LONGEST_ACCEPTED {
            return Err(TaskIdError::TooManyBytes { length: text.len() });
        }
        let is_blank_end = |(index, c): (usize, char)| {
            c.is_whitespace()
                && (text[..index].is_empty() || text[index + c.len_utf8()..].is_empty())
        };
        let is_bad = |&(index, c): &(usize, char)| c.is_control() || is_blank_end((index, c));
        // As in `foreign_character`: each id passes through it, and nearly all are visible ASCII.
        let is_plain = text.bytes().fold(true, |all, byte| all & byte.is_ascii_graphic());
        let bad = if is_plain { None } else { text.char_indices().find(is_bad) };
        if let Some((index, character)) = bad {
            let index = text[..index].chars().count();
            return Err(TaskIdError::NeverInIds { character, index });
        }
        if matches!(text, "." | "..") {
            return Err(TaskIdError::DotSegment);
        }
        Ok(Self(text.into()))
    }

    /// Checks a text against VIAS's pattern without keeping it.
    pub fn check(text: &str) -> Result<(), TaskIdError> {
        if text.is_empty() {
            return Err(TaskIdError::Empty);
        }
        // Before the length: a bad character explains a wrong length, but not the other way round.
        if let Some(error) = foreign_character(text) {
            return Err(error);
        }
        // Bytes and characters are the same number here, because all of them are ASCII by now.
        match text.len() {
            length if length < SHORTEST => Err(TaskIdError::TooShort { length }),
            length if length > LONGEST => Err(TaskIdError::TooLong { length }),
            _ => Ok(()),
        }
    }
}

/// Finds the first character that no id contains.
fn foreign_character(text: &str) -> Option<TaskIdError> {
    let belongs = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    // No early exit: without a branch the loop is vectorised, and each id that is read, stored
    // or read back passes through it.
    if text.bytes().fold(true, |all, byte| all & belongs(byte)) {
        return None;
    }
    let is_foreign = |c: char| !u8::try_from(c).is_ok_and(belongs);
    let (index, character) = text.chars().enumerate().find(|&(_, c)| is_foreign(c))?;
    Some(TaskIdError::Character { character, index })
}

impl FromStr for TaskId {
    type Err = TaskIdError;

    fn from_str(text: &str) -> Result<Self, TaskIdError> {
        Self::check(text)?;
        // A box has no spare capacity, which matters with a million ids.
        Ok(Self(text.into()))
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: Result<(), TaskIdError>) {
        assert_eq!(TaskId::check(text), expected, "{text:?}");
        assert_eq!(text.parse::<TaskId>().is_ok(), expected.is_ok(), "{text:?}");
    }

    #[test]
    fn ids_follow_the_services_pattern() {
        check("abcd", Ok(()));
        check("a_-9", Ok(()));
        check(&"a".repeat(36), Ok(()));
        check("", Err(TaskIdError::Empty));
        check("abc", Err(TaskIdError::TooShort { length: 3 }));
        check(&"a".repeat(37), Err(TaskIdError::TooLong { length: 37 }));
        check("abCd", Err(TaskIdError::Character { character: 'C', index: 2 }));
        check("äbcd", Err(TaskIdError::Character { character: 'ä', index: 0 }));
        check("../x", Err(TaskIdError::Character { character: '.', index: 0 }));
        check("ab\ncd", Err(TaskIdError::Character { character: '\n', index: 2 }));
    }

    #[test]
    fn ids_of_other_services_have_no_control_characters_and_are_no_places() {
        let accepted = |text: &str| TaskId::accepted(text).map(|id| id.to_string());
        for text in ["a", "42", "A.b/c d", "ünder", "...", &"a".repeat(256)] {
            assert_eq!(accepted(text).as_deref(), Ok(text));
        }
        let never = |character, index| Err(TaskIdError::NeverInIds { character, index });
        for (text, expected) in [
            ("", Err(TaskIdError::Empty)),
            (".", Err(TaskIdError::DotSegment)),
            ("..", Err(TaskIdError::DotSegment)),
            ("ä\nb", never('\n', 1)),
            ("a\u{85}", never('\u{85}', 1)),
            (" a", never(' ', 0)),
            ("äb ", never(' ', 2)),
            (&"ä".repeat(129), Err(TaskIdError::TooManyBytes { length: 258 })),
        ] {
            assert_eq!(accepted(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn an_id_is_safe_in_a_path_a_cell_and_a_terminal(text in ".{0,40}") {
            if let Ok(id) = text.parse::<TaskId>() {
                prop_assert_eq!(id.as_str(), &text);
                let safe = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                prop_assert!(id.as_str().chars().all(safe));
            }
        }
    }
}
