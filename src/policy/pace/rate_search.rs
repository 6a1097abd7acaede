//! Finds the service's limit by itself: `--rate auto`.
//!
//! Additive increase, multiplicative decrease, one decision a second. The level at which the
//! service throttled is remembered as the ceiling, and approached as CUBIC approaches its own:
//! quickly to just below it, a plateau there, then slowly past it to see whether it still holds.
//! Only a rate that was used up is raised. Knows no pacer and never waits.

use crate::policy::pace::pacer::SLOWEST;
use std::time::Duration;
use std::time::Instant;

/// How often a decision is made.
const PERIOD: Duration = Duration::from_secs(1);
/// Where a search begins that knows nothing, in sendings a second.
const START: f64 = 10.0;
/// By what a rate grows each period while no ceiling is known.
const SEARCH: f64 = 1.25;
/// The share of the ceiling at which the rate rests.
const PLATEAU: f64 = 0.97;
/// For how long it rests there, and for how many sendings: each look past the ceiling is throttled
/// once or twice, which must stay a small share of the answers at a low rate, too.
const REST: Duration = Duration::from_secs(30);
const REST_SENDINGS: f64 = 200.0;
/// By which share of the ceiling a rate below the plateau grows each period.
const RETURN_STEP: f64 = 0.05;
/// By which share of the ceiling it grows beyond the plateau.
const PROBE_STEP: f64 = 0.01;
/// A rate so far above the ceiling shows that there is a higher one, or none.
const SURPASSED: f64 = 1.1;
/// What is left of the rate when hardly an answer, and when many, were throttled.
const LEAST_CUT: f64 = 0.95;
const DEEPEST_CUT: f64 = 0.7;
/// How much deeper than [`LEAST_CUT`] the rate is cut for all answers throttled.
const CUT_PER_SHARE: f64 = 2.5;
/// Throttled again so soon, the ceiling was taken too high: a bucket of tokens lets a while pass
/// before it throttles.
const SOON: Duration = Duration::from_secs(10);
/// By what the ceiling sinks then, at least.
const SINK: f64 = 0.9;
/// The share of its sendings at which a rate counts as used up.
const USED_UP: f64 = 0.8;

/// Between what the rate moves, in sendings a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateBounds {
    /// The lowest.
    pub least: f64,
    /// The highest, unless it is below the lowest.
    pub most: f64,
}

/// What a search for the rate sets out with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AutoRate {
    /// Between what it searches.
    pub bounds: RateBounds,
    /// The level at which the service throttled an earlier run, if that is known.
    pub learnt: Option<f64>,
}

/// Raises and lowers the rate by what the service answers.
#[derive(Debug, Clone)]
pub struct AdaptiveRate {
    bounds: RateBounds,
    rate: f64,
    /// The level at which the service throttled last.
    ceiling: Option<f64>,
    throttled_at: Option<Instant>,
    /// Answers to calls sent before then belong to the rate before the last cut.
    cut_at: Instant,
    history: History,
    period: Period,
}

/// What happened since the last decision.
#[derive(Debug, Clone, Copy)]
struct Period {
    since: Instant,
    sent: u64,
    throttled: u64,
    /// How many were sent in the second before the first throttled call.
    level: Option<f64>,
}

impl Period {
    fn begin(now: Instant) -> Self {
        Self { since: now, sent: 0, throttled: 0, level: None }
    }
}

impl AdaptiveRate {
    /// Returns a rate that rests just below the ceiling an earlier run learnt, or searches.
    pub fn new(auto: AutoRate, now: Instant) -> Self {
        let AutoRate { bounds, learnt } = auto;
        let least = bounds.least.max(SLOWEST);
        let bounds = RateBounds { least, most: bounds.most.max(least) };
        let ceiling = learnt.filter(|&learnt| learnt > 0.0 && learnt.is_finite());
        let start = ceiling.map_or(START, |ceiling| ceiling * PLATEAU);
        Self {
            bounds,
            rate: within(bounds, start),
            ceiling,
            throttled_at: ceiling.map(|_| now),
            cut_at: now,
            history: History::new(now),
            period: Period::begin(now),
        }
    }

    /// Returns the sendings a second that hold now.
    pub fn per_second(&self) -> f64 {
        self.rate
    }

    /// Returns the level at which the service throttles, to be kept for the next run; nothing
    /// where it never did.
    pub fn learnt(&self) -> Option<f64> {
        self.ceiling
    }

    /// Returns when the next decision is due.
    pub fn next_decision(&self) -> Instant {
        self.period.since + PERIOD
    }

    /// Takes note of a sending of any kind.
    pub fn sent(&mut self, now: Instant) {
        self.period.sent += 1;
        self.history.count(now);
    }

    /// Takes note that a call which was sent at `sent` was throttled.
    pub fn throttled(&mut self, sent: Instant) {
        if sent < self.cut_at {
            return;
        }
        self.period.throttled += 1;
        let level = || self.history.second_before(sent);
        self.period.level = Some(self.period.level.unwrap_or_else(level));
    }

    /// Decides on the rate if a decision is due, and returns the sendings a second that hold.
    pub fn decide(&mut self, now: Instant) -> f64 {
        if now < self.next_decision() {
            return self.rate;
        }
        let span = now - self.period.since;
        let period = std::mem::replace(&mut self.period, Period::begin(now));
        let reached = period.sent as f64 / span.as_secs_f64();
        let next = match period.level {
            Some(level) => self.cut(period, level, now),
            None if reached >= USED_UP * self.rate => self.raised(reached, now),
            None => self.rate,
        };
        self.rate = within(self.bounds, next);
        self.rate
    }

    fn cut(&mut self, period: Period, level: f64, now: Instant) -> f64 {
        // A level above the rate is the remainder of an earlier, higher one.
        let level = level.clamp(self.rate / 2.0, self.rate);
        let soon = self.throttled_at.is_some_and(|last| now - last < SOON);
        let ceiling = match self.ceiling.filter(|_| soon) {
            Some(too_high) => level.min(too_high * SINK),
            None => level,
        };
        let throttled = period.throttled as f64;
        let share = throttled / (throttled + level);
        self.ceiling = Some(ceiling);
        self.throttled_at = Some(now);
        self.cut_at = now;
        ceiling * (LEAST_CUT - CUT_PER_SHARE * share).max(DEEPEST_CUT)
    }

    fn raised(&mut self, reached: f64, now: Instant) -> f64 {
        let Some(ceiling) = self.ceiling else { return self.rate * SEARCH };
        let plateau = ceiling * PLATEAU;
        if self.rate < plateau {
            return (self.rate + ceiling * RETURN_STEP).min(plateau);
        }
        let rest = REST.max(Duration::from_secs_f64(REST_SENDINGS / self.rate));
        if self.throttled_at.is_some_and(|last| now - last < rest) {
            return self.rate;
        }
        // A rate that is only nearly used up has surpassed nothing.
        if self.rate > ceiling * SURPASSED && reached > ceiling {
            self.ceiling = None;
        }
        self.rate + ceiling * PROBE_STEP
    }
}

fn within(bounds: RateBounds, rate: f64) -> f64 {
    rate.max(bounds.least).min(bounds.most)
}

/// How many sendings there were in each tenth of the last seconds.
#[derive(Debug, Clone)]
struct History {
    start: Instant,
    newest: u64,
    counts: [u64; Self::LENGTH],
}

impl History {
    /// How many tenths of a second are kept: throttled answers come within a few seconds.
    const LENGTH: usize = 64;
    /// How long one of them is.
    const TENTH: u128 = 100_000_000;

    fn new(now: Instant) -> Self {
        Self { start: now, newest: 0, counts: [0; Self::LENGTH] }
    }

    fn count(&mut self, now: Instant) {
        let (tenth, _) = self.tenth(now);
        if tenth >= self.newest + Self::LENGTH as u64 {
            self.counts = [0; Self::LENGTH];
            self.newest = tenth;
        }
        while self.newest < tenth {
            self.newest += 1;
            self.counts[slot(self.newest)] = 0;
        }
        self.counts[slot(tenth.max(self.newest))] += 1;
    }

    /// Returns how many were sent in the second that ends with `sent`, itself included.
    fn second_before(&self, sent: Instant) -> f64 {
        let (tenth, past) = self.tenth(sent);
        let whole: u64 = (0..10).filter_map(|back| self.at(tenth.checked_sub(back)?)).sum();
        let oldest = tenth.checked_sub(10).and_then(|oldest| self.at(oldest)).unwrap_or(0);
        whole as f64 + oldest as f64 * (1.0 - past)
    }

    fn at(&self, tenth: u64) -> Option<u64> {
        let kept = tenth <= self.newest && tenth + Self::LENGTH as u64 > self.newest;
        kept.then(|| self.counts[slot(tenth)])
    }

    /// Returns the number of the tenth an instant is in, and how much of it has passed.
    fn tenth(&self, at: Instant) -> (u64, f64) {
        let nanos = at.saturating_duration_since(self.start).as_nanos();
        let tenth = u64::try_from(nanos / Self::TENTH).unwrap_or(u64::MAX);
        (tenth, (nanos % Self::TENTH) as f64 / Self::TENTH as f64)
    }
}

fn slot(tenth: u64) -> usize {
    (tenth % History::LENGTH as u64) as usize
}

#[cfg(test)]
#[path = "rate_search_tests.rs"]
mod tests;
