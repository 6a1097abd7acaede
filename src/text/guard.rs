//! Keeps spreadsheets from running foreign cells as formulas, in a way that can be undone.
//!
//! A guarded cell has a `'` before it, which spreadsheets show as text. Plain numbers such as
//! `-5` stay as they are: nothing runs them, and calculations need them as numbers.
//!
//! A cell is guarded inside, too. In many countries the separator of spreadsheets is `;`, and a
//! user may choose the tab. Such a spreadsheet knows no quotes inside a line, because the line
//! does not begin with one, so it begins a cell after each of its separators and line breaks.

use crate::text::is_invisible;
use std::borrow::Cow;

/// The prefix of a guarded cell; spreadsheets take it as "this is text".
const GUARD: char = '\'';
/// The characters at which a spreadsheet may begin a new cell inside one of ours.
const SEPARATORS: [char; 4] = [';', '\t', '\r', '\n'];

/// Returns the cell with guards, wherever a spreadsheet would run a part of it as a formula.
///
/// A part that looks guarded already gets one more guard, so that [`unguarded`] always finds
/// the cell as it was.
///
/// ```
/// use batchctl::text::guarded;
///
/// assert_eq!(guarded("=HYPERLINK(\"x\")"), "'=HYPERLINK(\"x\")");
/// assert_eq!(guarded("full;=HYPERLINK(\"x\")"), "full;'=HYPERLINK(\"x\")");
/// assert_eq!(guarded("-5"), "-5");
/// assert_eq!(guarded("north gate"), "north gate");
/// ```
pub fn guarded(cell: &str) -> Cow<'_, str> {
    if !needs_guards(cell) {
        return Cow::Borrowed(cell);
    }
    let mut text = String::with_capacity(cell.len() + 1);
    if needs_guard(cell) {
        text.push(GUARD);
    }
    let mut parts = cell.split_inclusive(SEPARATORS);
    text.extend(parts.next());
    for part in parts {
        if needs_guard_inside(part) {
            text.push(GUARD);
        }
        text.push_str(part);
    }
    Cow::Owned(text)
}

/// Returns the cell that [`guarded`] was given.
pub fn unguarded(cell: &str) -> Cow<'_, str> {
    // A guarded part stays one that needs a guard, so the same question finds it again.
    if !cell.contains(GUARD) || !needs_guards(cell) {
        return Cow::Borrowed(cell);
    }
    let mut text = String::with_capacity(cell.len());
    let is_guarded = cell.starts_with(GUARD) && needs_guard(cell);
    let mut parts = cell.split_inclusive(SEPARATORS);
    let first = parts.next().unwrap_or_default();
    text.push_str(if is_guarded { without_guard(first) } else { first });
    for part in parts {
        text.push_str(if needs_guard_inside(part) { without_guard(part) } else { part });
    }
    Cow::Owned(text)
}

fn without_guard(part: &str) -> &str {
    part.strip_prefix(GUARD).unwrap_or(part)
}

/// Returns whether the cell needs a guard at its start or inside.
fn needs_guards(cell: &str) -> bool {
    needs_guard(cell)
        || (cell.contains(SEPARATORS)
            && cell.split_inclusive(SEPARATORS).skip(1).any(needs_guard_inside))
}

/// Returns whether the cell is a formula, under no or any number of guards.
fn needs_guard(cell: &str) -> bool {
    is_formula(cell.trim_start_matches(GUARD))
}

/// Returns whether a part that follows a separator is a formula, under any number of guards.
fn needs_guard_inside(part: &str) -> bool {
    is_formula_inside(part.trim_start_matches(GUARD))
}

fn is_formula(text: &str) -> bool {
    // Nearly every cell ends here.
    if text.bytes().next().is_none_or(|first| first.is_ascii_alphanumeric()) {
        return false;
    }
    let starts = text.trim_start_matches(is_skipped);
    match starts.chars().next() {
        Some('+' | '-') => !is_plain_number(starts),
        Some('\t' | '\r' | '\n') => true,
        Some(first) => begins_formula(first),
        None => false,
    }
}

/// Returns whether a spreadsheet would run a part that follows a separator.
///
/// Numbers with a sign are no exception: the part of the line up to the next separator, which is
/// the cell to such a spreadsheet, goes on behind our cell.
fn is_formula_inside(text: &str) -> bool {
    // Our own quotes are doubled, and a pair of them at the start of a cell is an empty text.
    let starts = text.trim_start_matches(|c| c == '"' || is_skipped(c));
    starts.chars().next().is_some_and(begins_formula)
}

fn begins_formula(character: char) -> bool {
    matches!(character, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠')
}

/// Returns whether spreadsheets may pass over a character before a formula.
fn is_skipped(character: char) -> bool {
    let starts_formula = matches!(character, '\t' | '\r' | '\n');
    let shows_nothing =
        character.is_whitespace() || character.is_control() || is_invisible(character);
    shows_nothing && !starts_formula
}

/// Returns whether a text is a sign, digits, and at most one dot with digits after it.
fn is_plain_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(unsigned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(cell: &str, expected: &str) {
        assert_eq!(guarded(cell), expected, "{cell:?}");
        assert_eq!(unguarded(expected), cell, "{expected:?}");
    }

    #[test]
    fn formulas_are_guarded() {
        check("=1+1", "'=1+1");
        check("+49 89", "'+49 89");
        check("-x", "'-x");
        check("@SUM(A1)", "'@SUM(A1)");
        check("  =1", "'  =1");
        check("\u{a0}\u{feff}=1", "'\u{a0}\u{feff}=1");
        check("\u{ad}=1", "'\u{ad}=1");
        check("\t", "'\t");
        check(" \tx", "' \tx");
        check("\r\nx", "'\r\nx");
        check("＝1", "'＝1");
        check("＠x", "'＠x");
    }

    #[test]
    fn formulas_behind_a_separator_or_a_line_break_are_guarded() {
        check("boom;=HYPERLINK(\"x\")", "boom;'=HYPERLINK(\"x\")");
        check("boom\t@SUM(A1)", "boom\t'@SUM(A1)");
        check("boom\r\n+1", "boom\r\n'+1");
        check("boom; \u{200b}=1;-5", "boom;' \u{200b}=1;'-5");
        check("boom;\"=1\"", "boom;'\"=1\"");
        check("=1;=2", "'=1;'=2");
        check("-5;=1", "'-5;'=1");
        check("\t=1", "'\t'=1");
        check("boom;'=1", "boom;''=1");
    }

    #[test]
    fn plain_numbers_and_words_are_left_alone() {
        let cells = [
            "",
            "-5",
            "+1",
            "3.14",
            "-0.5",
            "  -5",
            "a=b",
            "north gate",
            "'tis",
            "'",
            "ä",
            "a; b; c",
            "a;'b",
            ";",
            "a;",
            "x;1=2",
            "a,=1",
            "a|=1",
        ];
        for cell in cells {
            check(cell, cell);
        }
        check("-5e3", "'-5e3");
        check("-1.2.3", "'-1.2.3");
        check("-", "'-");
    }

    #[test]
    fn a_guard_that_was_there_before_is_kept_apart() {
        check("'=x", "''=x");
        check("''=x", "'''=x");
        check("'-5", "'-5");
    }

    /// Returns the cells that a spreadsheet with another separator finds in a line of ours.
    fn cells_elsewhere(line: &str) -> Vec<String> {
        let bare = |part: &str| part.trim_start_matches(|c| c == '"' || is_skipped(c)).to_owned();
        line.split(SEPARATORS).skip(1).map(bare).collect()
    }

    proptest! {
        #[test]
        fn every_cell_comes_back(cell in "['=+@\t\r\n \\-0-9.a＝;\"\u{ad}]{0,9}") {
            let written = guarded(&cell);
            prop_assert_eq!(&unguarded(&written), &cell);
            prop_assert!(!is_formula(&written));
            let mut line = csv::Writer::from_writer(Vec::new());
            line.write_record(["gate-1", &written, "x"]).unwrap();
            let line = String::from_utf8(line.into_inner().unwrap()).unwrap();
            for found in cells_elsewhere(line.trim_end()) {
                prop_assert!(!found.starts_with(begins_formula), "{line:?}: {found:?}");
            }
        }
    }
}
