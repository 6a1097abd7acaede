//! The maximum difference between the size of a job's list and that of its last good run.

use std::fmt;
use std::str::FromStr;

/// The maximum difference between the number of tasks and that of the last good run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxDelta {
    /// A percentage of the earlier number.
    Percent(u32),
    /// A number of tasks.
    Tasks(u64),
    /// No limit.
    Any,
}

/// The text is not a valid difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it looks like `50%` or `200`; `none` lets any number pass")]
pub struct InvalidMaxDelta;

impl MaxDelta {
    /// Returns whether `now` tasks are permitted after `before`.
    pub fn allows(self, before: u64, now: u64) -> bool {
        // In 128 bits, because a large number of tasks times 100 overflows 64.
        let delta = u128::from(now.abs_diff(before));
        match self {
            // Multiplied rather than divided, so that rounding never decides.
            Self::Percent(percent) => delta * 100 <= u128::from(before) * u128::from(percent),
            Self::Tasks(tasks) => delta <= u128::from(tasks),
            Self::Any => true,
        }
    }
}

impl FromStr for MaxDelta {
    type Err = InvalidMaxDelta;

    fn from_str(text: &str) -> Result<Self, InvalidMaxDelta> {
        let wrong = |_| InvalidMaxDelta;
        match (text.trim(), text.trim().strip_suffix('%')) {
            ("none", _) => Ok(Self::Any),
            (_, Some(percent)) => percent.trim().parse().map(Self::Percent).map_err(wrong),
            (tasks, None) => tasks.parse().map(Self::Tasks).map_err(wrong),
        }
    }
}

impl fmt::Display for MaxDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Tasks(tasks) => write!(f, "{tasks}"),
            Self::Any => f.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(max_delta: &str, before: u64, now: u64, expected: bool) {
        let max_delta: MaxDelta = max_delta.parse().unwrap();
        assert_eq!(max_delta.allows(before, now), expected, "{max_delta}: {before} to {now}");
    }

    #[test]
    fn the_difference_is_limited_in_both_directions() {
        check("50%", 100, 150, true);
        check("50%", 100, 151, false);
        check("50%", 100, 50, true);
        check("50%", 100, 49, false);
        check("0%", 7, 7, true);
        check("0%", 7, 8, false);
        check("250%", 10, 35, true);
        check("3", 10, 13, true);
        check("3", 10, 6, false);
        check("none", 1, u64::MAX, true);
        check("100%", u64::MAX, 0, true);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "%", "-1", "half", "1.5%"] {
            assert!(text.parse::<MaxDelta>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_difference_is_written_as_it_is_read() {
        for text in ["50%", "200", "none"] {
            assert_eq!(text.parse::<MaxDelta>().unwrap().to_string(), text);
        }
    }
}
