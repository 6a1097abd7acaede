//! Translates the times of another clock, of which only answers tell.
//!
//! An answer that names the other clock's time lies between the request and its receipt. So the
//! difference of the clocks lies in an interval as wide as the round trip; all intervals together
//! have a narrower common part. Time is taken from its late side, so that a slot is never used before
//! its time, and at most the width of the common part after it.

use std::time::{Duration, Instant};

/// How far two clocks may drift apart, as a share of time: 100 ppm.
const DRIFT: f64 = 100e-6;

/// What is known of another clock.
#[derive(Debug)]
pub struct ClockMap {
    start: Instant,
    known: Option<Known>,
}

/// The bounds of the other clock's time minus that of this one, in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Known {
    least: f64,
    most: f64,
    at: Instant,
}

/// What an answer did to the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// It fits what was known.
    Fits,
    /// It does not: one of the clocks was set, and the map begins anew.
    ClockWasSet,
}

impl ClockMap {
    /// Returns a map that knows nothing.
    pub fn new(now: Instant) -> Self {
        Self { start: now, known: None }
    }

    /// Learns from an answer that named the other clock's time.
    pub fn learn(&mut self, asked: Instant, answered: Instant, told_ns: i64) -> Learned {
        let least = told_ns as f64 - self.own_ns(answered);
        let most = told_ns as f64 - self.own_ns(asked);
        let fresh = Known { least, most, at: answered };
        let Some(before) = self.known.map(|known| known.aged(answered)) else {
            self.known = Some(fresh);
            return Learned::Fits;
        };
        let common = Known {
            least: before.least.max(fresh.least),
            most: before.most.min(fresh.most),
            at: answered,
        };
        let fits = common.least <= common.most;
        self.known = Some(if fits { common } else { fresh });
        if fits { Learned::Fits } else { Learned::ClockWasSet }
    }

    /// Returns how much later than its time a slot may be used, if anything is known.
    pub fn uncertainty(&self, now: Instant) -> Option<Duration> {
        let known = self.known?.aged(now);
        Some(Duration::from_nanos((known.most - known.least).max(0.0).ceil() as u64))
    }

    /// Returns when it is certainly this time on the other clock.
    pub fn instant_of(&self, told_ns: i64, now: Instant) -> Option<Instant> {
        let known = self.known?.aged(now);
        let own = (told_ns as f64 - known.least).max(0.0);
        self.start.checked_add(Duration::from_nanos(own.ceil() as u64))
    }

    fn own_ns(&self, at: Instant) -> f64 {
        // Exact to a microsecond for a century.
        at.saturating_duration_since(self.start).as_nanos() as f64
    }
}

impl Known {
    /// Returns the bounds, wider by what the clocks may have drifted since.
    fn aged(self, now: Instant) -> Self {
        let age = now.saturating_duration_since(self.at).as_nanos() as f64;
        Self { least: self.least - age * DRIFT, most: self.most + age * DRIFT, at: self.at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MILLI: i64 = 1_000_000;

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
    fn origin() -> Instant {
        Instant::now()
    }

    #[test]
    fn the_uncertainty_is_the_shortest_round_trip() {
        let start = origin();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut map = ClockMap::new(start);
        assert_eq!(map.uncertainty(start), None);
        map.learn(at(0), at(80), 1_000 * MILLI);
        assert_eq!(map.uncertainty(at(80)), Some(Duration::from_millis(80)));
        map.learn(at(100), at(110), 1_060 * MILLI);
        let known = map.uncertainty(at(110)).unwrap();
        assert!(known <= Duration::from_millis(10), "{known:?}");
        let later = map.uncertainty(at(10_110)).unwrap();
        assert_eq!(later - known, Duration::from_millis(2), "100 ppm on either side");
    }

    #[test]
    fn an_answer_at_once_leaves_no_doubt_and_fits_itself() {
        let start = origin();
        let mut map = ClockMap::new(start);
        for _ in 0..2 {
            assert_eq!(map.learn(start, start, 500 * MILLI), Learned::Fits);
            assert_eq!(map.uncertainty(start), Some(Duration::ZERO));
        }
        let nanosecond = Duration::from_nanos(1);
        assert_eq!(map.instant_of(500 * MILLI + 1, start), Some(start + nanosecond));
        assert_eq!(map.learn(start, start, 500 * MILLI + 1), Learned::ClockWasSet);
    }

    #[test]
    fn a_clock_that_was_set_begins_the_map_anew() {
        let start = origin();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut map = ClockMap::new(start);
        assert_eq!(map.learn(at(0), at(1), 500 * MILLI), Learned::Fits);
        assert_eq!(map.learn(at(10), at(11), 60_000 * MILLI), Learned::ClockWasSet);
        assert_eq!(map.instant_of(60_000 * MILLI, at(11)), Some(at(11)));
        assert_eq!(map.uncertainty(at(11)), Some(Duration::from_millis(1)));
    }

    proptest! {
        /// Whatever the delays and the drift: a slot is used at its time or up to the uncertainty
        /// later, never before.
        #[test]
        fn a_slot_is_never_used_before_its_time(
            offset in 0..10_000_000_000_i64,
            drift_ppm in -90..90_i64,
            trips in prop::collection::vec((1..500_u64, 0..90_000_u64, 0..90_000_u64), 1..60),
            ahead_ms in 0..200_i64,
        ) {
            let start = origin();
            let told = |own: Duration| {
                let own = i64::try_from(own.as_nanos()).unwrap();
                offset + own + own / 1_000_000 * drift_ppm
            };
            let mut map = ClockMap::new(start);
            let mut now = Duration::ZERO;
            for (pause_ms, there_us, back_us) in trips {
                let asked = now + Duration::from_millis(pause_ms);
                let read = asked + Duration::from_micros(there_us);
                now = read + Duration::from_micros(back_us);
                let learned = map.learn(start + asked, start + now, told(read));
                prop_assert_eq!(learned, Learned::Fits);
            }
            let slot = told(now) + ahead_ms * MILLI;
            let used = map.instant_of(slot, start + now).unwrap();
            let late = told(used - start) - slot;
            let uncertainty = map.uncertainty(used).unwrap().as_nanos();
            // A few nanoseconds are lost where numbers are rounded.
            let drifted = 40_000;
            prop_assert!(late >= -drifted, "{} ns too early", -late);
            prop_assert!(i128::from(late) <= i128::try_from(uncertainty).unwrap() + i128::from(drifted));
        }
    }
}
