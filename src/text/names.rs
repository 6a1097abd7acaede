//! Compares names of columns as people write them.

use crate::text::is_invisible;

/// Returns whether two names are the same without case, blanks and joints.
pub fn is_same_name(one: &str, other: &str) -> bool {
    // A name of symbols alone, such as `#`, would be empty and would match every other such name.
    if plain_name(one).next().is_none() {
        return one.trim() == other.trim();
    }
    plain_name(one).eq(plain_name(other))
}

/// Returns the characters of a name that are compared: no case, blanks, joints, quotes or `#`.
pub fn plain_name(name: &str) -> impl Iterator<Item = char> {
    let is_blank = |c: char| c.is_whitespace() || is_invisible(c);
    name.chars()
        .filter(move |&c| !is_blank(c) && !matches!(c, '_' | '-' | '#' | '"'))
        .flat_map(char::to_lowercase)
}
