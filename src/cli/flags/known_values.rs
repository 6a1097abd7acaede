//! Refuses a value that can match nothing, and names those that exist and the nearest one.

use crate::cli::output::error::CommandError;
use batchctl::text::printable;

/// How alike two words are, from 0 to 1, if one may have been meant for the other.
const ALIKE: f64 = 0.8;
/// How many of the values are named.
const MOST_NAMED: usize = 30;

/// Returns the known value that a misspelt one may have been meant to be.
pub(crate) fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    // A status such as 404 is another number than 400, and not misspelt.
    if given.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let near = known.iter().map(|value| (strsim::jaro_winkler(given, value), *value));
    let near = near.filter(|(likeness, _)| *likeness > ALIKE);
    near.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, value)| value)
}

/// Refuses a value that is none of the known ones; `what` says what these are.
pub(crate) fn refuse(error: String, given: &str, what: &str, known: &[&str]) -> CommandError {
    CommandError::usage(error).with_hint(hint(given, what, known))
}

/// Names the nearest of the known values, and all of them; `what` says what these are.
pub(crate) fn hint(given: &str, what: &str, known: &[&str]) -> String {
    let nearest = nearest(given, known);
    let nearest = nearest.map(|value| format!("did you mean `{}`? ", printable(value, 64)));
    let named: Vec<String> =
        known.iter().take(MOST_NAMED).map(|value| printable(value, 64)).collect();
    let more = if known.len() > MOST_NAMED { ", …" } else { "" };
    format!("{}{what} {}{more}", nearest.unwrap_or_default(), named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_value_is_named_if_one_is_near() {
        let known = ["running", "stopped", "start_failed", "stopped_no_service"];
        let check = |given, expected| assert_eq!(nearest(given, &known), expected, "{given}");
        check("runing", Some("running"));
        check("stop", Some("stopped"));
        check("start-failed", Some("start_failed"));
        check("foo", None);
        assert_eq!(nearest("404", &["400"]), None);
        check("", None);
        assert_eq!(nearest("running", &[]), None);
    }
}
