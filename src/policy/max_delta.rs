//! By how much a job's list may differ from the last one that went well.

use std::fmt;
use std::str::FromStr;

/// By how much the number of tasks may differ from that of the last good run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxDelta {
    /// By so many percent of what there were.
    Percent(u32),
    /// By so many tasks.
    Tasks(u64),
    /// By any number.
    Any,
}

/// The text says no such thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it looks like `50%` or `200`; `none` lets any number pass")]
pub struct InvalidMaxDelta;

impl MaxDelta {
    /// Tells whether a number of tasks may follow another.
    pub fn allows(self, before: u64, now: u64) -> bool {
        let delta = u128::from(now.abs_diff(before));
        match self {
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
    fn a_number_may_differ_by_so_much_and_no_more() {
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
    fn what_is_no_delta_is_refused() {
        for text in ["", "%", "-1", "half", "1.5%"] {
            assert!(text.parse::<MaxDelta>().is_err(), "{text}");
        }
    }
}
