//! A limit of requests per span of time. See `docs/GLOSSARY.md`: pace.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// At most `limit` requests in any `window`.
///
/// ```
/// use batchctl::task::Rate;
///
/// let rate: Rate = "600/m".parse().unwrap();
/// assert_eq!(rate.per_second(), 10.0);
/// assert_eq!(rate.to_string(), "600/m");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The most requests in a window.
    pub limit: NonZeroU32,
    /// The length of a window.
    pub window: Duration,
}

/// The text is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a whole number above 0, by itself or with `/s`, `/m` or `/h`, such as `10/s`")]
pub struct InvalidRate;

impl Rate {
    /// Returns the limit as requests per second.
    pub fn per_second(self) -> f64 {
        f64::from(self.limit.get()) / self.window.as_secs_f64()
    }

    /// Returns the shortest time in which that many requests can be sent.
    pub fn shortest_time(self, sendings: u64) -> Duration {
        // The first request needs no time: n requests have n - 1 gaps between them.
        Duration::from_secs_f64(sendings.saturating_sub(1) as f64 / self.per_second())
    }
}

impl FromStr for Rate {
    type Err = InvalidRate;

    /// Reads `N`, `N/s`, `N/m` or `N/h`.
    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let (number, unit) = text.trim().split_once('/').unwrap_or((text.trim(), "s"));
        let seconds = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(InvalidRate),
        };
        let limit = number.trim().parse().map_err(|_| InvalidRate)?;
        Ok(Self { limit, window: Duration::from_secs(seconds) })
    }
}

impl fmt::Display for Rate {
    /// Writes the rate as the flag takes it, such as `10/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit;
        match self.window.as_secs() {
            1 => write!(f, "{limit}/s"),
            60 => write!(f, "{limit}/m"),
            3600 => write!(f, "{limit}/h"),
            seconds => write!(f, "{limit} in {seconds} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(u32, u64)>) {
        let rate = text.parse::<Rate>().ok();
        assert_eq!(rate.map(|r| (r.limit.get(), r.window.as_secs())), expected, "{text:?}");
    }

    #[test]
    fn rates_are_read_per_second_minute_and_hour() {
        check("10", Some((10, 1)));
        check("10/s", Some((10, 1)));
        check(" 5 / m ", Some((5, 60)));
        check("1/h", Some((1, 3600)));
        check("0/s", None);
        check("-1/s", None);
        check("1.5/s", None);
        check("10/d", None);
        check("", None);
        check("fast", None);
    }

    #[test]
    fn the_shortest_time_counts_the_gaps_between_sendings() {
        let rate: Rate = "10/s".parse().unwrap();
        assert_eq!(rate.shortest_time(61), Duration::from_secs(6));
        assert_eq!(rate.shortest_time(1), Duration::ZERO);
        assert_eq!(rate.shortest_time(0), Duration::ZERO);
    }
}
