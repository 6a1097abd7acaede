//! The limits that end a run early: a number of failures, and a time of day.

use jiff::{ZonedDateTime, civil};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The minimum that a share of the tasks tolerates, because a few bad ids in a short list are not
/// an outage.
const MIN_OF_A_SHARE: u64 = 10;

/// The number of failed tasks that a run tolerates; one more stops new sendings.
///
/// Only the outcome `failed` counts, because partial and ambiguous tasks were reached.
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
    /// A number of tasks.
    Count(u64),
    /// A percentage of the selected tasks, rounded down, and never less than 10.
    Percent(u8),
}

impl MaxFailures {
    /// Returns how many of `selected` tasks may fail.
    pub fn tolerated(self, selected: u64) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                // In 128 bits, because the product of a large selection overflows 64.
                let share = u128::from(selected) * u128::from(percent) / 100;
                u64::try_from(share).unwrap_or(u64::MAX).max(MIN_OF_A_SHARE)
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

/// The time of day at which new sendings end.
///
/// ```
/// use batchctl::policy::FinishBy;
/// use std::time::Duration;
///
/// let finish_by: FinishBy = "06:00".parse().unwrap();
/// let now = "2026-07-27T22:30:00+00:00[UTC]".parse().unwrap();
/// assert_eq!(finish_by.time_left(&now), Duration::from_secs(7 * 3600 + 1800));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinishBy(civil::Time);

impl FinishBy {
    /// Returns when that time of day comes next after `now`, in the time zone of `now`.
    ///
    /// If clocks skip this time of day, it comes as much later; if they repeat it, the first one
    /// counts.
    pub fn next(self, now: &ZonedDateTime) -> ZonedDateTime {
        let today = Some(now.date());
        let tomorrow = now.date().tomorrow().ok();
        // Today's time may have passed already, so tomorrow's is tried next.
        let days = today.into_iter().chain(tomorrow);
        let mut times = days.filter_map(|day| {
            day.to_datetime(self.0).to_zoned_datetime(now.time_zone().clone()).ok()
        });
        // There is always a tomorrow, except on the calendar's last day: then no time is left.
        times.find(|time| time > now).unwrap_or_else(|| now.clone())
    }

    /// Returns how long new sendings may go on.
    pub fn time_left(self, now: &ZonedDateTime) -> Duration {
        now.duration_until(&self.next(now)).unsigned_abs()
    }
}

/// The text is not a time of day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a time of day is hours and minutes, from `00:00` to `23:59`")]
pub struct InvalidFinishBy;

impl FromStr for FinishBy {
    type Err = InvalidFinishBy;

    /// Reads `HH:MM`; a leading zero of the hours may be left out.
    fn from_str(text: &str) -> Result<Self, InvalidFinishBy> {
        let (hours, minutes) = text.trim().split_once(':').ok_or(InvalidFinishBy)?;
        let number = |digits: &str, shortest: usize| {
            // `parse` alone would accept a sign.
            let is_digits = digits.bytes().all(|b| b.is_ascii_digit());
            let has_length = (shortest..=2).contains(&digits.len());
            digits.parse::<i8>().ok().filter(|_| is_digits && has_length).ok_or(InvalidFinishBy)
        };
        let time = civil::Time::new(number(hours, 1)?, number(minutes, 2)?, 0, 0);
        time.map(Self).map_err(|_| InvalidFinishBy)
    }
}

impl fmt::Display for FinishBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute())
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
    fn a_count_is_exact_and_a_share_is_rounded_down() {
        check("0", 1_000, Some(0));
        check("40", 10, Some(40));
        check("25%", 199, Some(49));
        check("25 %", 200, Some(50));
        check("0%", 1_000_000, Some(10));
        check("100%", u64::MAX, Some(u64::MAX));
    }

    #[test]
    fn a_share_tolerates_at_least_ten() {
        check("25%", 4, Some(10));
        check("1%", 999, Some(10));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "-1", "101%", "2.5%", "%", "few"] {
            check(text, 100, None);
        }
    }

    /// A time zone with summer time, written out so that it does not depend on the machine's tables.
    fn berlin(local: &str) -> ZonedDateTime {
        let zone = jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        local.parse::<civil::DateTime>().unwrap().to_zoned_datetime(zone).unwrap()
    }

    fn check_finish(finish_by: &str, now: &str, hours: f64) {
        let left = finish_by.parse::<FinishBy>().unwrap().time_left(&berlin(now));
        assert_eq!(left, Duration::from_secs_f64(hours * 3_600.0), "{finish_by} after {now}");
    }

    #[test]
    fn a_time_of_day_means_its_next_occurrence() {
        check_finish("06:00", "2026-07-27T22:30:00", 7.5);
        check_finish("06:00", "2026-07-27T05:59:59", 1.0 / 3_600.0);
        check_finish("06:00", "2026-07-27T06:00:00", 24.0);
        check_finish("00:00", "2026-12-31T23:00:00", 1.0);
        check_finish("23:59", "2026-07-27T00:00:00", 24.0 - 1.0 / 60.0);
    }

    #[test]
    fn a_change_of_the_clocks_makes_the_night_shorter_or_longer() {
        check_finish("06:00", "2026-03-28T22:00:00", 7.0);
        check_finish("06:00", "2026-10-24T22:00:00", 9.0);
        // 02:30 is skipped and counts as 03:30; or it comes twice and the first one counts.
        check_finish("02:30", "2026-03-29T01:30:00", 1.0);
        check_finish("02:30", "2026-10-25T01:30:00", 1.0);
    }

    #[test]
    fn times_of_day_are_written_as_they_are_read() {
        for (text, expected) in [("06:00", "06:00"), (" 6:05 ", "06:05"), ("23:59", "23:59")] {
            assert_eq!(text.parse::<FinishBy>().unwrap().to_string(), expected);
        }
        for text in ["", "6", "24:00", "06:60", "06:5", "006:00", "-6:00", "+6:00", "06:00:00"] {
            assert_eq!(text.parse::<FinishBy>(), Err(InvalidFinishBy), "{text:?}");
        }
    }

    #[test]
    fn a_limit_of_failures_is_written_as_it_is_read() {
        for text in ["40", "0%", "100%"] {
            assert_eq!(text.parse::<MaxFailures>().unwrap().to_string(), text);
        }
    }
}
