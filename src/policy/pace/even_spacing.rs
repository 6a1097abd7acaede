//! Spreads sendings evenly: GCRA (`governor`), asked with an instant instead of its own clock.
//!
//! A small burst lets a late timer catch up; what a longer stall owes is forgotten.

use governor::clock::{Clock, FakeRelativeClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// How much lateness may be caught up, where sendings are closer together than that.
const CATCH_UP: Duration = Duration::from_millis(10);

/// The longest span by which a window is widened.
const LARGEST_MARGIN: Duration = Duration::from_millis(50);

/// Returns a window and by how much the pacer widens it, so that the server sees no more in one either.
pub(super) fn widened(window: Duration) -> Duration {
    window + (window / 200).min(LARGEST_MARGIN)
}

/// Spreads sendings evenly over the window.
pub(super) struct EvenSpacing {
    limiter: RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>,
    /// The limiter's clock, which shows the instant it was last asked about.
    dial: FakeRelativeClock,
    shown: Instant,
}

impl EvenSpacing {
    /// Returns a spacing that lets one sending through now, and the next after a whole period: there
    /// is nothing to catch up yet.
    pub(super) fn new(limit: NonZeroU32, window: Duration, now: Instant) -> Self {
        Self::begun(limit, window, now, 1)
    }

    /// Returns a spacing that lets so many sendings through now, of those that may be caught up.
    fn begun(limit: NonZeroU32, window: Duration, now: Instant, free: u32) -> Self {
        let dial = FakeRelativeClock::default();
        let limiter = RateLimiter::direct_with_clock(quota(limit, window), dial.clone());
        let spacing = Self { limiter, dial, shown: now };
        let burst = quota(limit, window).burst_size().get();
        if let Some(used) = NonZeroU32::new(burst.saturating_sub(free)) {
            let used_up = spacing.limiter.check_n(used);
            debug_assert_eq!(used_up, Ok(Ok(())), "an unused limiter grants its burst");
        }
        spacing
    }

    /// Returns a spacing whose next sending follows `last` by a whole period: each change of the
    /// rate would otherwise let one through at once.
    pub(super) fn after(last: Instant, limit: NonZeroU32, window: Duration) -> Self {
        Self::begun(limit, window, last, 0)
    }

    /// Counts a sending, or returns when one may be counted.
    pub(super) fn check(&mut self, now: Instant) -> Option<Instant> {
        self.dial.advance(now.saturating_duration_since(self.shown));
        self.shown = self.shown.max(now);
        let refused = self.limiter.check().err()?;
        // A wait of nothing would make the dispatcher spin without the limiter's clock moving.
        let wait = refused.wait_time_from(self.dial.now()).max(Duration::from_nanos(1));
        Some(self.shown + wait)
    }
}

fn quota(limit: NonZeroU32, window: Duration) -> Quota {
    // Rounded up: `window / limit` rounds down, which would be a hair above the rate.
    let nanos = window.as_nanos().div_ceil(u128::from(limit.get()));
    let period = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
    let burst = CATCH_UP.as_nanos().div_ceil(nanos) + 1;
    let burst = NonZeroU32::new(u32::try_from(burst).unwrap_or(u32::MAX))
        .expect("one more than a count is not zero");
    Quota::with_period(period).expect("a window is not empty").allow_burst(burst)
}

impl std::fmt::Debug for EvenSpacing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EvenSpacing").field("shown", &self.shown).finish_non_exhaustive()
    }
}
