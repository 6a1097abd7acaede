//! Decides how many failures end a run early.

use std::fmt;
use std::str::FromStr;

/// A share of the tasks never tolerates fewer failures than this: a short list with a few bad
/// ids is not an outage.
const LEAST_OF_A_SHARE: u64 = 10;

/// How many failed tasks a run tolerates; the one after them stops new sendings.
///
/// Only the outcome `failed` counts: a task that is partial or ambiguous was reached.
///
/// ```
/// use batchctl::policy::MaxFailures;
///
/// let share: MaxFailures = "25%".parse().unwrap();
/// assert_eq!(share.tolerated(1_000), 250);
/// assert_eq!(share.tolerated(8), 10);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxFailures {
    /// That many.
    Count(u64),
    /// That many of every hundred selected tasks, rounded down, and never less than 10.
    Percent(u8),
}

impl MaxFailures {
    /// Returns how many of `selected` tasks may fail.
    pub fn tolerated(self, selected: u64) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let share = u128::from(selected) * u128::from(percent) / 100;
                u64::try_from(share).unwrap_or(u64::MAX).max(LEAST_OF_A_SHARE)
            }
        }
    }
}

/// The text is neither a count nor a share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a limit of failures is a whole number such as `40`, or a share of 0% to 100%")]
pub struct InvalidMaxFailures;

impl FromStr for MaxFailures {
    type Err = InvalidMaxFailures;

    fn from_str(text: &str) -> Result<Self, InvalidMaxFailures> {
        let text = text.trim();
        let Some(percent) = text.strip_suffix('%') else {
            return text.parse().map(Self::Count).map_err(|_| InvalidMaxFailures);
        };
        match percent.trim_end().parse() {
            Ok(percent @ 0..=100) => Ok(Self::Percent(percent)),
            Ok(_) | Err(_) => Err(InvalidMaxFailures),
        }
    }
}

impl fmt::Display for MaxFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, selected: u64, expected: Option<u64>) {
        let tolerated = text.parse::<MaxFailures>().ok().map(|max| max.tolerated(selected));
        assert_eq!(tolerated, expected, "{text:?} of {selected}");
    }

    #[test]
    fn a_count_is_taken_as_it_is_and_a_share_is_rounded_down() {
        check("0", 1_000, Some(0));
        check("40", 10, Some(40));
        check("25%", 199, Some(49));
        check("25 %", 200, Some(50));
        check("0%", 1_000_000, Some(10));
        check("100%", u64::MAX, Some(u64::MAX));
    }

    #[test]
    fn a_share_tolerates_ten_at_least() {
        check("25%", 4, Some(10));
        check("1%", 999, Some(10));
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for text in ["", "-1", "101%", "2.5%", "%", "few"] {
            check(text, 100, None);
        }
    }
}
