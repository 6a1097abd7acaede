//! A condition of `--where` on a column: equality, or a pattern with `*` and `?`.
//!
//! Nothing else has a meaning in a pattern, so a value with brackets is compared as it stands.

use std::fmt;
use std::str::FromStr;

/// A condition that a row must meet to become a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    column: String,
    pattern: String,
}

/// The text is no condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a condition is COLUMN=VALUE, where `*` stands for any text and `?` for one character")]
pub struct InvalidCondition;

impl Condition {
    /// Returns the name of the column.
    pub fn column(&self) -> &str {
        &self.column
    }

    /// Returns whether the text of a cell meets the condition; blanks around it do not count.
    pub(super) fn is_met_by(&self, cell: &str) -> bool {
        matches(&self.pattern, cell.trim())
    }
}

impl FromStr for Condition {
    type Err = InvalidCondition;

    fn from_str(text: &str) -> Result<Self, InvalidCondition> {
        let (column, pattern) = text.split_once('=').ok_or(InvalidCondition)?;
        if column.trim().is_empty() {
            return Err(InvalidCondition);
        }
        Ok(Self { column: column.trim().into(), pattern: pattern.trim().into() })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.column, self.pattern)
    }
}

/// Returns whether a text matches a pattern, in the time of both lengths multiplied at most.
fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Only the last star can need another try: what an earlier one covers may end at its first
    // chance.
    let mut last_star = None;
    loop {
        let mut rest = text.clone();
        match (pattern.next(), rest.next()) {
            (Some('*'), _) => last_star = Some((pattern.clone(), text.clone())),
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => text = rest,
            (Some(_) | None, _) => {
                let Some((after_star, covered)) = &mut last_star else { return false };
                if covered.next().is_none() {
                    return false;
                }
                (pattern, text) = (after_star.clone(), covered.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_definition(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, _) => text.is_empty(),
            (Some(('*', rest)), _) => {
                (0..=text.len()).any(|covered| by_definition(rest, &text[covered..]))
            }
            (Some((wanted, rest)), Some((found, after))) => {
                (*wanted == '?' || wanted == found) && by_definition(rest, after)
            }
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_its_definition_says(
            pattern in "[ab?*é]{0,7}",
            text in "[abé?*]{0,9}",
        ) {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(
                matches(&pattern, &text),
                by_definition(&chars(&pattern), &chars(&text)),
            );
        }
    }

    #[test]
    fn many_stars_take_no_long_time() {
        assert!(!matches(&"*a".repeat(200), &"a".repeat(199)));
        assert!(!matches(&format!("{}b", "a*".repeat(500)), &"a".repeat(5_000)));
    }

    #[test]
    fn a_condition_is_a_column_and_a_value() {
        let condition: Condition = " Site Name = eu*=[1] ".parse().unwrap();
        assert_eq!(condition.to_string(), "Site Name=eu*=[1]");
        assert_eq!(condition.column(), "Site Name");
        assert!(condition.is_met_by(" eu-west=[1]"));
        assert!(!condition.is_met_by("eu-west=1"));
        let empty: Condition = "site=".parse().unwrap();
        assert!(empty.is_met_by("  ") && !empty.is_met_by("x"));
        for text in ["site", "", "=eu", " =eu"] {
            assert_eq!(text.parse::<Condition>(), Err(InvalidCondition), "{text}");
        }
    }
}
