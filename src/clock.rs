//! The only place that reads a clock.
//!
//! Logic uses the monotonic instant alone. Wall-clock times are labels, derived from one reading
//! at the start plus monotonic time. So a jump of the system's clock can neither reorder a run's
//! records nor change what it does.

use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A monotonic instant; in a paused runtime it stands still.
pub type Instant = tokio::time::Instant;

/// A point of wall-clock time in UTC, to the microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Returns the time that many microseconds after the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Returns the microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns the microseconds from an earlier time to this one, negative if it is a later one.
    pub fn micros_since(self, earlier: Self) -> i64 {
        self.as_micros().saturating_sub(earlier.as_micros())
    }

    /// Returns the time since `earlier`, or zero if that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns this time moved by that many microseconds, which may be negative.
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }
}

impl fmt::Display for Timestamp {
    /// Writes RFC 3339 in UTC with milliseconds, as in all documents. A time outside the calendar
    /// is written as its first or last moment.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An error of `Display` is a panic in `to_string`: a damaged file must not cause one.
        let nearest = if self.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        let time = jiff::Timestamp::from_microsecond(self.0).unwrap_or(nearest);
        write!(f, "{time:.3}")
    }
}

/// Writes times as their `Display` does, and reuses the text of the previous time's second.
///
/// ```
/// use batchctl::clock::{Timestamp, TimestampText};
///
/// let mut text = TimestampText::default();
/// assert_eq!(text.format(Timestamp::from_micros(1_720_180_800_000_000)), "2024-07-05T12:00:00.000Z");
/// assert_eq!(text.format(Timestamp::from_micros(1_720_180_800_017_900)), "2024-07-05T12:00:00.017Z");
/// ```
#[derive(Debug, Clone, Default)]
pub struct TimestampText {
    text: String,
    /// The second of the text, if other times in that second may share it.
    second: Option<i64>,
}

impl TimestampText {
    /// Returns the text of a time.
    pub fn format(&mut self, at: Timestamp) -> &str {
        let second = at.0.div_euclid(1_000_000);
        if self.second == Some(second) {
            // Only the digits of `.017Z` differ within a second.
            self.text.truncate(self.text.len() - "000Z".len());
            let millis = u32::try_from(at.0.rem_euclid(1_000_000) / 1_000).expect("below 1,000");
            let digit = |unit| char::from_digit(millis / unit % 10, 10).expect("below 10");
            self.text.extend([digit(100), digit(10), digit(1), 'Z']);
            return &self.text;
        }
        self.text.clear();
        write!(self.text, "{at}").expect("a String takes all text");
        // A time outside the calendar is written as the nearest one, whose milliseconds differ.
        let is_of_calendar = jiff::Timestamp::from_microsecond(at.0).is_ok();
        self.second = is_of_calendar.then_some(second);
        &self.text
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    /// Reads RFC 3339.
    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        text.parse::<jiff::Timestamp>().map(|time| Self(time.as_microsecond()))
    }
}

/// The clock: monotonic instants, and wall-clock labels for them.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    wall: Timestamp,
    anchor: Instant,
}

impl Clock {
    /// Reads both clocks once, so that each instant has a wall-clock label.
    pub fn start() -> Self {
        Self::starting_at(system_time())
    }

    /// Returns a clock that calls the present instant `wall`; for exact times in tests.
    #[expect(clippy::disallowed_methods, reason = "this module is the one that reads clocks")]
    pub fn starting_at(wall: Timestamp) -> Self {
        Self { wall, anchor: Instant::now() }
    }

    /// Returns the present instant.
    #[expect(clippy::disallowed_methods, reason = "this module is the one that reads clocks")]
    pub fn instant(&self) -> Instant {
        Instant::now()
    }

    /// Returns the present wall-clock time.
    pub fn now(&self) -> Timestamp {
        self.label(self.instant())
    }

    /// Returns the instant of a time in the past, or `None` if instants do not reach so far.
    ///
    /// A time in the future becomes the present one, because the system's clock may have jumped.
    pub fn past_instant(&self, at: Timestamp) -> Option<Instant> {
        self.instant().checked_sub(self.now().since(at))
    }

    /// Returns the wall-clock time of an instant.
    pub fn label(&self, instant: Instant) -> Timestamp {
        let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        match instant.checked_duration_since(self.anchor) {
            Some(after) => self.wall.plus_micros(micros(after)),
            None => self.wall.plus_micros(-micros(self.anchor - instant)),
        }
    }
}

/// The time since this machine was started, its sleep included: one for all of its processes.
#[derive(Debug, Clone)]
pub struct BootClock {
    boot: String,
}

impl BootClock {
    /// Reads the clock, and the name of this boot.
    ///
    /// # Errors
    ///
    /// This machine does not name its boots.
    pub fn start() -> std::io::Result<Self> {
        Ok(Self { boot: crate::system::machine::boot()? })
    }

    /// Returns the name of this boot.
    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// Returns the nanoseconds from the boot to an instant.
    pub fn nanos(&self, at: std::time::Instant) -> u64 {
        nanos_since_boot(at)
    }
}

/// Returns the time from the start of this machine to an instant, its sleep included.
pub fn since_boot(at: std::time::Instant) -> Duration {
    Duration::from_nanos(nanos_since_boot(at))
}

/// Instants stand still while the machine sleeps, so the difference is read each time.
#[expect(clippy::disallowed_methods, reason = "this module is the one that reads clocks")]
fn nanos_since_boot(at: std::time::Instant) -> u64 {
    let now: std::time::Instant = Instant::now().into();
    let ago = now.saturating_duration_since(at).as_nanos();
    boot_nanos().saturating_sub(u64::try_from(ago).unwrap_or(u64::MAX))
}

fn boot_nanos() -> u64 {
    let time = crate::system::machine::clock_gettime(crate::system::machine::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Reads the system's wall clock, which may jump; for times that other machines will compare.
#[expect(clippy::disallowed_methods, reason = "this module is the one that reads clocks")]
pub fn system_time() -> Timestamp {
    let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => Timestamp(micros(since)),
        Err(before) => Timestamp(-micros(before.duration())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SOME_DAY: Timestamp = Timestamp::from_micros(1_720_180_800_000_000);

    #[test]
    fn times_are_written_as_rfc_3339_with_milliseconds() {
        assert_eq!(SOME_DAY.to_string(), "2024-07-05T12:00:00.000Z");
        assert_eq!(SOME_DAY.plus_micros(1_234_999).to_string(), "2024-07-05T12:00:01.234Z");
        assert_eq!("2024-07-05T12:00:00.000Z".parse::<Timestamp>().unwrap(), SOME_DAY);
    }

    #[test]
    fn a_time_beyond_the_calendar_is_written_all_the_same() {
        let last = Timestamp::from_micros(i64::MAX).to_string();
        assert!(last.starts_with("9999-12-"), "{last}");
        let first = Timestamp::from_micros(i64::MIN).to_string();
        assert!(first.starts_with("-009999-01-"), "{first}");
    }

    proptest! {
        #[test]
        fn times_that_share_a_text_are_written_as_each_by_itself(
            start in prop_oneof![any::<i64>(), -9_000_000..9_000_000_i64],
            steps in prop::collection::vec(-2_500_000..2_500_000_i64, 1..30),
        ) {
            let mut text = TimestampText::default();
            let mut at = Timestamp::from_micros(start);
            for step in steps {
                at = at.plus_micros(step);
                prop_assert_eq!(text.format(at), at.to_string());
            }
        }
    }

    #[test]
    fn a_span_is_never_negative() {
        assert_eq!(SOME_DAY.since(SOME_DAY.plus_micros(5)), Duration::ZERO);
        assert_eq!(SOME_DAY.plus_micros(5).since(SOME_DAY), Duration::from_micros(5));
    }

    #[tokio::test(start_paused = true)]
    async fn labels_follow_the_monotonic_clock() {
        let clock = Clock::starting_at(SOME_DAY);
        tokio::time::advance(Duration::from_millis(1_500)).await;
        assert_eq!(clock.now(), SOME_DAY.plus_micros(1_500_000));
        let earlier = clock.instant() - Duration::from_secs(2);
        assert_eq!(clock.label(earlier), SOME_DAY.plus_micros(-500_000));
    }
}
