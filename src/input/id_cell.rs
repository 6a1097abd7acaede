//! Reads the id in a cell, without the wrapping that spreadsheets and clipboards add.
//!
//! Only characters that can never be part of an id are removed. Nothing inside is changed, so
//! each id is exactly one that the input contains.

use super::error::RowProblem;
use super::options::RowRules;
use crate::task::{TaskId, TaskIdError};
use crate::text::is_invisible;
use std::sync::Arc;

/// A text that is not an id.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadId {
    /// The reason.
    pub(super) problem: RowProblem,
    /// The offset in the text of the first invalid character, if a character is the reason.
    pub(super) character_at: Option<usize>,
}

/// Reads the id in a cell, by the rules of VIAS or of another service.
pub(super) fn task_id(text: &str, rules: Option<&RowRules>) -> Result<TaskId, BadId> {
    match rules {
        None => id_of_vias(text),
        Some(rules) => id_by_rules(text, rules),
    }
}

/// Reads the id of another service. Its own marks belong to it: what is around it is taken off only
/// where it is no id otherwise.
fn id_by_rules(text: &str, rules: &RowRules) -> Result<TaskId, BadId> {
    let trimmed = text.trim_matches(is_blank);
    let unwrapped = unwrapped(text);
    let accepted = |text: &str| (rules.is_id)(text).then(|| TaskId::accepted(text).ok()).flatten();
    if let Some(id) = [trimmed, unwrapped].into_iter().find_map(accepted) {
        return Ok(id);
    }
    match TaskId::accepted(trimmed) {
        Err(error) => Err(bad_id(text, trimmed, error)),
        Ok(_) => {
            let (text, pattern) = (trimmed.into(), Arc::clone(&rules.pattern));
            Err(BadId { problem: RowProblem::IdPattern { text, pattern }, character_at: None })
        }
    }
}

fn id_of_vias(text: &str) -> Result<TaskId, BadId> {
    // Fast path: nearly every cell is an unwrapped id.
    if let Ok(id) = text.parse() {
        return if is_no_name(text) { Err(no_name(text)) } else { Ok(id) };
    }
    let core = unwrapped(text);
    if is_no_name(core) || core.eq_ignore_ascii_case("id") {
        return Err(no_name(core));
    }
    core.parse().map_err(|error| bad_id(text, core, error))
}

/// Returns whether a text has the form of an id and names no task.
fn is_no_name(text: &str) -> bool {
    is_heading(text) || is_rule(text)
}

/// Returns whether a text only draws a line, as below the heading of a table in Markdown.
fn is_rule(text: &str) -> bool {
    // The first byte leaves out nearly every id at once.
    let first = text.bytes().next().filter(|byte| matches!(byte, b'-' | b'_'));
    first.is_some_and(|first| text.bytes().all(|byte| byte == first))
}

/// The names of the ids' column that could be ids themselves, without case and joints.
const HEADINGS: [&str; 2] = ["taskid", "batchtaskid"];

/// Returns whether a text is a name of the ids' column, as in the heading of a second list.
fn is_heading(text: &str) -> bool {
    // The two lengths that do not fit leave out nearly every id at once.
    let fits = (6..=13).contains(&text.len());
    let is_letter = |c: &char| !matches!(c, '_' | '-');
    let plain = || text.chars().filter(is_letter).map(|c| c.to_ascii_lowercase());
    fits && HEADINGS.iter().any(|heading| plain().eq(heading.chars()))
}

#[cold]
fn no_name(text: &str) -> BadId {
    let shown = text.into();
    let problem = match is_rule(text) {
        true => RowProblem::Rule { text: shown },
        false => RowProblem::Heading { text: shown },
    };
    BadId { problem, character_at: None }
}

#[cold]
fn bad_id(text: &str, core: &str, error: TaskIdError) -> BadId {
    let (character_at, is_nul) = match error {
        TaskIdError::Character { character, index }
        | TaskIdError::NeverInIds { character, index } => {
            // The error counts characters of the core; positions need bytes of the whole text.
            let before: usize = core.chars().take(index).map(char::len_utf8).sum();
            (Some(offset_within(text, core) + before), character == '\0')
        }
        TaskIdError::Empty
        | TaskIdError::TooShort { .. }
        | TaskIdError::TooLong { .. }
        | TaskIdError::TooManyBytes { .. }
        | TaskIdError::DotSegment => (None, false),
    };
    let text = core.into();
    // A NUL byte indicates a damaged file, which is a better message than a bad character.
    BadId {
        problem: if is_nul { RowProblem::Nul } else { RowProblem::Id { text, error } },
        character_at,
    }
}

/// Returns the offset of `part` in the text from which it was cut.
fn offset_within(text: &str, part: &str) -> usize {
    // Safe code and always exact, because `part` borrows from `text`; a search could find an
    // earlier copy of it.
    part.as_ptr().addr() - text.as_ptr().addr()
}

/// Returns the text without blanks, guards and quotes around it.
pub(super) fn unwrapped(text: &str) -> &str {
    // Layers are nested in practice, such as `="'id"`, so they are removed until none is left.
    // It ends: each round makes the text shorter.
    let mut core = text.trim_matches(is_blank);
    while let Some(inner) = peeled(core) {
        core = inner.trim_matches(is_blank);
    }
    core
}

/// Removes one layer: the formula `="…"`, a pair of quotes, or the guard `'`.
fn peeled(text: &str) -> Option<&str> {
    let between = |start: &str, end: &str| text.strip_prefix(start)?.strip_suffix(end);
    // `="…"` is the trick that keeps spreadsheets from converting a cell to a number.
    between("=\"", "\"")
        .or_else(|| between("\"", "\""))
        .or_else(|| between("'", "'"))
        .or_else(|| text.strip_prefix('\''))
}

/// Returns whether a character shows nothing, whether it takes room or not.
pub(super) fn is_blank(character: char) -> bool {
    character.is_whitespace() || is_invisible(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(task_id(text, None).unwrap().as_str(), expected, "{text:?}");
    }

    fn check_character(text: &str, expected: usize) {
        let bad = task_id(text, None).unwrap_err();
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
    fn what_looks_like_an_id_and_names_no_task_is_refused() {
        for text in ["----", "____", " ------ "] {
            let problem = task_id(text, None).unwrap_err().problem;
            assert!(matches!(problem, RowProblem::Rule { .. }), "{text:?}");
        }
        for text in ["id", " ID ", "task_id", "Batch-Task-Id"] {
            let problem = task_id(text, None).unwrap_err().problem;
            assert!(matches!(problem, RowProblem::Heading { .. }), "{text:?}");
        }
        check("-gate", "-gate");
    }

    #[test]
    fn a_text_of_the_wrong_length_has_no_character_to_blame() {
        for text in ["", "\u{a0}", "'", "=\"\"", "abc", &"a".repeat(37)] {
            assert_eq!(task_id(text, None).unwrap_err().character_at, None, "{text:?}");
        }
    }

    #[test]
    fn an_id_of_another_service_keeps_its_marks_and_is_judged_by_its_pattern() {
        let rules = |is_id: fn(&str) -> bool| RowRules {
            pattern: "a pattern".into(),
            is_id: Arc::new(is_id),
            commands: Arc::new([]),
        };
        let any = rules(|_| true);
        for (text, expected) in [("42", "42"), (" 'a' ", "'a'"), ("id", "id"), ("----", "----")] {
            assert_eq!(task_id(text, Some(&any)).unwrap().as_str(), expected);
        }
        let digits = rules(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        assert_eq!(task_id("=\"0042\"", Some(&digits)).unwrap().as_str(), "0042");
        let problem = task_id("4x", Some(&digits)).unwrap_err().problem;
        assert!(matches!(problem, RowProblem::IdPattern { .. }));
        let problem = task_id(" .. ", Some(&any)).unwrap_err().problem;
        assert!(matches!(problem, RowProblem::Id { .. }));
    }
}
