//! A limit of requests per span of time. See `docs/GLOSSARY.md`: pace.

use crate::task::Shard;
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
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error(
    "a rate is a whole number above 0, by itself or with `/s`, `/m` or `/h`, such as `10/s`{}",
    .instead.map_or_else(String::new, |rate| format!("; write `{rate}` for that"))
)]
pub struct InvalidRate {
    /// The same rate in a form that is read, if there is one.
    pub instead: Option<Rate>,
}

impl Rate {
    /// Returns the limit as requests per second.
    pub fn per_second(self) -> f64 {
        f64::from(self.limit.get()) / self.window.as_secs_f64()
    }

    /// Returns one shard's part of a rate that all shards keep together; `None` if the limit is
    /// smaller than the number of shards.
    ///
    /// No window holds more than the whole limit, whatever the shards know of each other.
    pub fn part(self, shard: Shard) -> Option<Self> {
        if self.limit.get() < shard.of() {
            return None;
        }
        let limit = NonZeroU32::new(shard.part_of(self.limit.get()))?;
        Some(Self { limit, ..self })
    }

    /// Returns the lower one of two rates.
    pub fn min_of(self, other: Self) -> Self {
        if self.per_second() <= other.per_second() { self } else { other }
    }

    /// Returns the same rate over the shortest window in which each of so many shards has a part;
    /// `None` if not even an hour is long enough.
    pub fn for_shards(self, shards: u32) -> Option<Self> {
        [1, 60, 3_600].into_iter().map(Duration::from_secs).find_map(|window| {
            let longer = u32::try_from(window.as_secs() / self.window.as_secs().max(1)).ok()?;
            let limit = self.limit.get().checked_mul(longer).filter(|&limit| limit >= shards)?;
            Some(Self { limit: NonZeroU32::new(limit)?, window })
        })
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
            _ => return Err(InvalidRate::default()),
        };
        let invalid = |_| InvalidRate { instead: whole(number, seconds) };
        let limit = number.trim().parse().map_err(invalid)?;
        Ok(Self { limit, window: Duration::from_secs(seconds) })
    }
}

/// Returns the rate of a number with a fraction in the shortest window that makes it a whole one.
fn whole(number: &str, seconds: u64) -> Option<Rate> {
    let number: f64 = number.trim().parse().ok().filter(|number| *number > 0.0)?;
    [1, 60, 3_600_u64].into_iter().find_map(|window| {
        let limit = number * window as f64 / seconds as f64;
        // Products such as 0.1 · 60 are not exact in binary, so a tiny difference is tolerated.
        let is_whole = (1.0..1e9).contains(&limit) && (limit - limit.round()).abs() < 1e-9;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it lies between 1 and a billion"
        )]
        let limit = is_whole.then_some(limit.round() as u32)?;
        Some(Rate { limit: NonZeroU32::new(limit)?, window: Duration::from_secs(window) })
    })
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

    #[test]
    fn the_parts_of_shards_add_up_to_the_rate() {
        let part = |rate: &str, shard: &str| {
            let rate: Rate = rate.parse().unwrap();
            rate.part(shard.parse().unwrap()).map(|part| part.to_string())
        };
        assert_eq!(part("10/s", "1/4").as_deref(), Some("3/s"));
        assert_eq!(part("10/s", "3/4").as_deref(), Some("2/s"));
        assert_eq!(part("4/m", "4/4").as_deref(), Some("1/m"));
        assert_eq!(part("3/s", "1/4"), None);
        let longer = |rate: &str, shards| {
            let rate: Rate = rate.parse().unwrap();
            rate.for_shards(shards).map(|rate| rate.to_string())
        };
        assert_eq!(longer("3/s", 4).as_deref(), Some("180/m"));
        assert_eq!(longer("1/s", 900).as_deref(), Some("3600/h"));
        assert_eq!(longer("5/m", 400), None);
    }

    #[test]
    fn a_rate_with_a_fraction_is_refused_with_the_form_that_is_read() {
        let instead = |text: &str| {
            let error = text.parse::<Rate>().unwrap_err();
            error.instead.map(|rate| rate.to_string())
        };
        assert_eq!(instead("0.5/s").as_deref(), Some("30/m"));
        assert_eq!(instead("0.5").as_deref(), Some("30/m"));
        assert_eq!(instead("2.5/m").as_deref(), Some("150/h"));
        assert_eq!(instead("2.0/s").as_deref(), Some("2/s"));
        for text in ["0.0001/s", "-0.5/s", "NaN", "fast", "1/d"] {
            assert_eq!(instead(text), None, "{text}");
        }
        let error = "0.5/s".parse::<Rate>().unwrap_err();
        assert!(error.to_string().ends_with("; write `30/m` for that"), "{error}");
    }
}
