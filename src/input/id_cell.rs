//! Takes off an id what spreadsheets and clipboards put around it.
//!
//! Only wrapping that can never be part of an id is taken off; nothing inside is changed, so
//! an id that is read is one that was written.

use super::error::RowProblem;
use crate::task::TaskId;
use crate::task::TaskIdError;

/// A text that is no id.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadId {
    /// What is wrong.
    pub(super) problem: RowProblem,
    /// The byte of the text where the character starts that does not belong there, if one
    /// character is to blame.
    pub(super) character_at: Option<usize>,
}

/// Reads the id in a cell.
pub(super) fn task_id(text: &str) -> Result<TaskId, BadId> {
    // Nearly every cell is an id as it stands.
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let core = unwrapped(text);
    core.parse().map_err(|error| bad_id(text, core, error))
}

#[cold]
fn bad_id(text: &str, core: &str, error: TaskIdError) -> BadId {
    let (character_at, is_nul) = match error {
        TaskIdError::Character { character, index } => {
            let before: usize = core.chars().take(index).map(char::len_utf8).sum();
            (Some(offset_within(text, core) + before), character == '\0')
        }
        TaskIdError::Empty | TaskIdError::TooShort { .. } | TaskIdError::TooLong { .. } => {
            (None, false)
        }
    };
    let text = core.into();
    BadId {
        problem: if is_nul { RowProblem::Nul } else { RowProblem::Id { text, error } },
        character_at,
    }
}

/// Returns where `part` starts in the text it was cut from.
fn offset_within(text: &str, part: &str) -> usize {
    part.as_ptr().addr() - text.as_ptr().addr()
}

/// Returns the text without blanks, guards and quotes around it.
fn unwrapped(text: &str) -> &str {
    let mut core = text.trim_matches(is_blank);
    while let Some(inner) = peeled(core) {
        core = inner.trim_matches(is_blank);
    }
    core
}

/// Takes off one layer: the formula `="…"`, a pair of quotes, or the guard `'`.
fn peeled(text: &str) -> Option<&str> {
    let between = |start: &str, end: &str| text.strip_prefix(start)?.strip_suffix(end);
    between("=\"", "\"")
        .or_else(|| between("\"", "\""))
        .or_else(|| between("'", "'"))
        .or_else(|| text.strip_prefix('\''))
}

/// Tells whether a character takes room, or not even that, and shows nothing.
pub(super) fn is_blank(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(task_id(text).unwrap().as_str(), expected, "{text:?}");
    }

    fn check_character(text: &str, expected: usize) {
        let bad = task_id(text).unwrap_err();
        assert_eq!(bad.character_at, Some(expected), "{text:?}");
    }

    #[test]
    fn what_is_around_an_id_is_taken_off() {
        check("0d47", "0d47");
        check(" 0d47\t", "0d47");
        check("\u{a0}0d47\u{202f}", "0d47");
        check("\u{feff}\u{200b}0d47\u{200e}\u{202c}", "0d47");
        check("=\"0d47\"", "0d47");
        check("= 0d47".trim_start_matches("= "), "0d47");
        check("'0d47", "0d47");
        check("'0d47'", "0d47");
        check(" =\"'0d47 \" ", "0d47");
        check("\"0d47\"", "0d47");
    }

    #[test]
    fn the_character_to_blame_is_found_under_the_wrapping() {
        check_character("abCd", 2);
        check_character("\u{a0}=\"abCd\"", 6);
        check_character("ä'b", 0);
        check_character("ab cd", 2);
    }

    #[test]
    fn a_text_of_the_wrong_length_has_no_character_to_blame() {
        for text in ["", "\u{a0}", "'", "=\"\"", "abc", &"a".repeat(37)] {
            assert_eq!(task_id(text).unwrap_err().character_at, None, "{text:?}");
        }
    }
}
