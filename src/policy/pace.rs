//! Decides when the next sending may go, so that no window holds more than the rate.
//!
//! Two gates. `admit` spreads sendings evenly: GCRA (`governor`), whose small burst lets a late
//! timer catch up but forgets what a longer stall owes. `release` makes the limit exact: it
//! remembers the last sendings and lets no window hold one too many, whatever stalls between
//! admission and sending. It never waits; it answers with an instant. Only the dispatcher asks.

use crate::task::Rate;
use governor::Quota;
use governor::RateLimiter;
use governor::clock::Clock;
use governor::clock::FakeRelativeClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::InMemoryState;
use governor::state::NotKeyed;
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;
use std::time::Instant;

/// How much lateness may be caught up, where sendings are closer together than that.
const CATCH_UP: Duration = Duration::from_millis(10);
/// How long before its window is free a sending may be admitted: what making it durable takes.
const AHEAD: Duration = Duration::from_millis(25);
/// The longest span by which a window is widened.
const LARGEST_MARGIN: Duration = Duration::from_millis(50);

/// Whether a sending may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may, and it is counted.
    Now,
    /// Not before then.
    NotBefore(Instant),
    /// Not before one that was admitted has been released or withdrawn.
    AfterRelease,
}

/// Holds the rate, and the service's wish that the run waits.
#[derive(Debug)]
pub struct Pacer {
    limit: Option<Limit>,
    held_until: Option<Instant>,
}

impl Pacer {
    /// Returns a pacer that knows of no sending yet. Without a rate, only holds delay a sending.
    pub fn new(rate: Option<Rate>, now: Instant) -> Self {
        Self { limit: rate.map(|rate| Limit::new(rate, now)), held_until: None }
    }

    /// Remembers a sending of an earlier process of the same run; the oldest comes first.
    pub fn recall(&mut self, sent: Instant) {
        if let Some(limit) = &mut self.limit {
            limit.remember(sent);
        }
    }

    /// Sends nothing before `until`; a hold that lasts longer stays.
    pub fn hold(&mut self, until: Instant) {
        self.held_until = Some(self.held_until.map_or(until, |held| held.max(until)));
    }

    /// Returns the end of the present hold.
    pub fn held_until(&self, now: Instant) -> Option<Instant> {
        self.held_until.filter(|&until| until > now)
    }

    /// Asks for one more sending; the answer `Now` reserves it until it is released or withdrawn.
    pub fn admit(&mut self, now: Instant) -> Admission {
        if let Some(until) = self.held_until(now) {
            return Admission::NotBefore(until);
        }
        match &mut self.limit {
            Some(limit) => limit.admit(now),
            None => Admission::Now,
        }
    }

    /// Asks whether one that was admitted may leave now; the answer `Now` counts it as sent.
    pub fn release(&mut self, now: Instant) -> Admission {
        if let Some(until) = self.held_until(now) {
            return Admission::NotBefore(until);
        }
        match &mut self.limit {
            Some(limit) => limit.release(now),
            None => Admission::Now,
        }
    }

    /// Returns the earliest time at which the one that was just admitted can leave: now, or
    /// when the window has room for it.
    pub fn earliest_release(&self, now: Instant) -> Instant {
        let free = self.limit.as_ref().and_then(Limit::last_admitted_free_at);
        free.map_or(now, |free| free.max(now))
    }

    /// Takes back one that was admitted and will not be sent.
    pub fn withdraw(&mut self) {
        if let Some(limit) = &mut self.limit {
            limit.admitted = limit.admitted.saturating_sub(1);
        }
    }
}

/// A rate, and what its two gates remember.
#[derive(Debug)]
struct Limit {
    spread: Spread,
    /// The rate's window and a margin: calls that leave evenly do not arrive evenly, and a
    /// server counts arrivals.
    window: Duration,
    /// The most sendings in a window.
    most: usize,
    /// The last `most` sendings, the oldest first.
    sent: VecDeque<Instant>,
    /// How many are admitted and not yet released.
    admitted: usize,
}

impl Limit {
    fn new(rate: Rate, now: Instant) -> Self {
        let window = rate.window + (rate.window / 200).min(LARGEST_MARGIN);
        Self {
            spread: Spread::new(rate.limit, window, now),
            window,
            most: usize::try_from(rate.limit.get()).expect("a u32 fits a usize"),
            sent: VecDeque::new(),
            admitted: 0,
        }
    }

    fn admit(&mut self, now: Instant) -> Admission {
        if self.admitted >= self.most {
            return Admission::AfterRelease;
        }
        // Were all that are admitted sent now, this one would follow them. Admitted only then, it
        // would leave late by a commit, and the next window's would wait for it in turn: each
        // window would last a commit longer.
        let free = self.free_at(self.most - self.admitted);
        if let Some(free) = free.filter(|&free| free > now + AHEAD) {
            return Admission::NotBefore(free - AHEAD);
        }
        match self.spread.check(now) {
            Some(due) => Admission::NotBefore(due),
            None => {
                self.admitted += 1;
                Admission::Now
            }
        }
    }

    fn release(&mut self, now: Instant) -> Admission {
        if let Some(free) = self.free_at(self.most).filter(|&free| free > now) {
            return Admission::NotBefore(free);
        }
        self.admitted = self.admitted.saturating_sub(1);
        self.remember(now);
        Admission::Now
    }

    fn last_admitted_free_at(&self) -> Option<Instant> {
        self.free_at(self.most - self.admitted.saturating_sub(1))
    }

    /// Returns when the `n`-th last sending leaves the window, if there were that many.
    fn free_at(&self, n: usize) -> Option<Instant> {
        let index = self.sent.len().checked_sub(n)?;
        self.sent.get(index).map(|&sent| sent + self.window)
    }

    fn remember(&mut self, sent: Instant) {
        if self.sent.len() == self.most {
            self.sent.pop_front();
        }
        self.sent.push_back(sent);
    }
}

/// Spreads sendings evenly over the window.
struct Spread {
    limiter: RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>,
    /// The limiter's clock, which shows the instant it was last asked about.
    dial: FakeRelativeClock,
    shown: Instant,
}

impl Spread {
    fn new(limit: NonZeroU32, window: Duration, now: Instant) -> Self {
        // Rounded up: `window / limit` rounds down, which would be a hair above the rate.
        let nanos = window.as_nanos().div_ceil(u128::from(limit.get()));
        let period = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let burst = CATCH_UP.as_nanos().div_ceil(nanos) + 1;
        let burst = NonZeroU32::new(u32::try_from(burst).unwrap_or(u32::MAX))
            .expect("one more than a count is not zero");
        let quota = Quota::with_period(period).expect("a window is not empty").allow_burst(burst);
        let dial = FakeRelativeClock::default();
        Self { limiter: RateLimiter::direct_with_clock(quota, dial.clone()), dial, shown: now }
    }

    /// Counts a sending, or returns when one may be counted.
    fn check(&mut self, now: Instant) -> Option<Instant> {
        self.dial.advance(now.saturating_duration_since(self.shown));
        self.shown = self.shown.max(now);
        let refused = self.limiter.check().err()?;
        // A wait of nothing would make the dispatcher spin without the limiter's clock moving.
        let wait = refused.wait_time_from(self.dial.now()).max(Duration::from_nanos(1));
        Some(self.shown + wait)
    }
}

impl std::fmt::Debug for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spread").field("shown", &self.shown).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
