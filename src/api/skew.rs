//! The difference between this machine's clock and the service's, by the `Date` of an answer.
//!
//! A signature contains its time, and the gateway refuses one that is a quarter of an hour
//! off: a wrong clock looks like a wrong key unless somebody compares.

use crate::clock::Timestamp;
use jiff::SignedDuration;
use std::time::UNIX_EPOCH;

/// A clock that is further off than this explains a refused signature; the gateway allows 15
/// minutes, and an answer takes its time.
const EXPLAINS: SignedDuration = SignedDuration::from_mins(14);

/// The service's time minus this machine's; negative if the service's clock is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSkew(SignedDuration);

impl ClockSkew {
    /// Compares the `Date` of an answer with this machine's time.
    pub(super) fn from_date(date: &str, here: Timestamp) -> Option<Self> {
        // `Date` counts whole seconds (RFC 9110, section 6.6.1), so the skew is only that exact.
        let there = httpdate::parse_http_date(date).ok()?.duration_since(UNIX_EPOCH).ok()?;
        let there = i64::try_from(there.as_micros()).ok()?;
        Some(Self(SignedDuration::from_micros(there.checked_sub(here.as_micros())?)))
    }

    /// Returns the difference in whole seconds.
    pub const fn as_secs(self) -> i64 {
        self.0.as_secs()
    }

    /// Returns whether a signature would be refused for it.
    pub fn spoils_signatures(self) -> bool {
        self.0.abs() > EXPLAINS
    }
}

impl std::fmt::Display for ClockSkew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let span = SignedDuration::from_secs(self.0.abs().as_secs());
        let direction = if self.0.is_negative() { "ahead of" } else { "behind" };
        write!(f, "this machine's clock is {span:#} {direction} the service's")
    }
}

/// Returns what helps against a refused signature, if the clock explains it: the service does not
/// say so.
///
/// Only a signature depends on the clock, so a refused token keeps its own message.
pub(super) fn refused_for_skew(
    status: u16,
    date: Option<&str>,
    signed_at: Option<Timestamp>,
) -> Option<String> {
    let signed_at = signed_at.filter(|_| status == 401)?;
    let skew = ClockSkew::from_date(date?, signed_at).filter(|skew| skew.spoils_signatures())?;
    Some(format!("{skew}, and a signature is good for 15 minutes: set the clock."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-07-05, 12:00:00 UTC.
    const NOON: Timestamp = Timestamp::from_micros(1_720_180_800_000_000);

    fn check(date: &str, seconds: i64, spoils: bool, text: &str) {
        let skew = ClockSkew::from_date(date, NOON).unwrap();
        assert_eq!((skew.as_secs(), skew.spoils_signatures()), (seconds, spoils), "{date}");
        assert_eq!(skew.to_string(), text);
    }

    #[test]
    fn a_clock_is_ahead_or_behind() {
        check(
            "Fri, 05 Jul 2024 12:20:03 GMT",
            1_203,
            true,
            "this machine's clock is 20m 3s behind the service's",
        );
        check(
            "Fri, 05 Jul 2024 09:00:00 GMT",
            -10_800,
            true,
            "this machine's clock is 3h ahead of the service's",
        );
        check(
            "Fri, 05 Jul 2024 12:00:40 GMT",
            40,
            false,
            "this machine's clock is 40s behind the service's",
        );
    }

    #[test]
    fn what_is_no_date_says_nothing() {
        assert_eq!(ClockSkew::from_date("yesterday", NOON), None);
    }
}
