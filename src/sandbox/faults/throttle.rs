//! The gateway's throttling: a maximum number of requests in a sliding window.
//!
//! Refused requests count as well, as at the real gateway: a client that keeps sending above the
//! limit stays refused. Only the last `count` arrivals are kept.

use crate::clock::Instant;
use crate::sandbox::settings::SandboxLimit;
use std::collections::VecDeque;

/// Counts arrivals against one limit.
#[derive(Debug)]
pub(crate) struct Throttle {
    limit: SandboxLimit,
    arrivals: VecDeque<Instant>,
}

impl Throttle {
    /// Returns a throttle without any requests.
    pub(crate) fn new(limit: SandboxLimit) -> Self {
        Self { limit, arrivals: VecDeque::new() }
    }

    /// Returns the limit.
    pub(crate) const fn limit(&self) -> SandboxLimit {
        self.limit
    }

    /// Counts a request, and returns whether it is within the limit.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        let count = self.limit.count as usize;
        if self.arrivals.len() < count {
            self.arrivals.push_back(now);
            return true;
        }
        let Some(oldest) = self.arrivals.pop_front() else {
            return false;
        };
        // Pushed even if it is refused, because refused requests count as well.
        self.arrivals.push_back(now);
        now.duration_since(oldest) >= self.limit.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use std::time::Duration;

    /// Sends requests at the given milliseconds and checks which of them are admitted.
    fn check(count: u32, window_ms: u64, arrivals_and_admissions: &[(u64, bool)]) {
        let start = Clock::start().instant();
        let window = Duration::from_millis(window_ms);
        let mut throttle = Throttle::new(SandboxLimit { count, window });
        for &(millis, expected) in arrivals_and_admissions {
            let now = start + Duration::from_millis(millis);
            assert_eq!(throttle.admits(now), expected, "at {millis} ms");
        }
    }

    #[test]
    fn the_window_slides() {
        check(2, 1000, &[(0, true), (600, true), (999, false)]);
        check(2, 1000, &[(0, true), (600, true), (1000, true)]);
        check(2, 1000, &[(0, true), (600, true), (1000, true), (1599, false)]);
    }

    #[test]
    fn refused_requests_count_too() {
        let hammering = [(0, true), (500, false), (1000, false), (1500, false)];
        check(1, 1000, &hammering);
        check(1, 1000, &[(0, true), (500, false), (1500, true)]);
    }

    #[test]
    fn a_limit_of_zero_admits_nothing() {
        check(0, 1000, &[(0, false), (5000, false)]);
    }
}
