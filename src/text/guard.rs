//! Prevents spreadsheets from running foreign cells as formulas, in a way that can be undone.
//!
//! A guarded cell begins with `'`, so spreadsheets show it as text. Plain numbers such as `-5`
//! are unchanged: they are not run as formulas, and calculations need them as numbers.

use std::borrow::Cow;

/// The prefix of a guarded cell; to spreadsheets it means "this is text".
const GUARD: char = '\'';

/// Returns the cell with a guard, if a spreadsheet would run it as a formula.
///
/// A cell that looks guarded already gets one more guard, so that [`unguarded`] always restores
/// the original cell.
///
/// ```
/// use batchctl::text::guarded;
///
/// assert_eq!(guarded("=HYPERLINK(\"x\")"), "'=HYPERLINK(\"x\")");
/// assert_eq!(guarded("-5"), "-5");
/// assert_eq!(guarded("north gate"), "north gate");
/// ```
pub fn guarded(cell: &str) -> Cow<'_, str> {
    if needs_guard(cell) { Cow::Owned(format!("{GUARD}{cell}")) } else { Cow::Borrowed(cell) }
}

/// Returns the original cell of a guarded one.
pub fn unguarded(cell: &str) -> &str {
    cell.strip_prefix(GUARD).filter(|inner| needs_guard(inner)).unwrap_or(cell)
}

/// Returns whether the cell is a formula, possibly behind guards.
fn needs_guard(cell: &str) -> bool {
    is_formula(cell.trim_start_matches(GUARD))
}

fn is_formula(text: &str) -> bool {
    // Fast path for nearly every cell.
    if text.bytes().next().is_none_or(|first| first.is_ascii_alphanumeric()) {
        return false;
    }
    let starts = text.trim_start_matches(is_skipped);
    match starts.chars().next() {
        // OWASP's list for CSV injection, full-width forms included.
        Some('+' | '-') => !is_plain_number(starts),
        Some('=' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠') => true,
        Some(_) | None => false,
    }
}

/// Returns whether spreadsheets may skip a character in front of a formula.
fn is_skipped(character: char) -> bool {
    let begins_a_formula = matches!(character, '\t' | '\r' | '\n');
    let shows_nothing = character.is_whitespace()
        || character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    shows_nothing && !begins_a_formula
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
        check("\t", "'\t");
        check(" \tx", "' \tx");
        check("\r\nx", "'\r\nx");
        check("＝1", "'＝1");
        check("＠x", "'＠x");
    }

    #[test]
    fn plain_numbers_and_words_are_left_alone() {
        for cell in ["", "-5", "+1", "3.14", "-0.5", "  -5", "a=b", "north gate", "'tis", "'", "ä"]
        {
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

    proptest! {
        #[test]
        fn every_cell_comes_back(cell in "['=+@\t\r\n \\-0-9.a＝]{0,6}") {
            let written = guarded(&cell);
            prop_assert_eq!(unguarded(&written), &cell);
            prop_assert!(!is_formula(&written));
        }
    }
}
