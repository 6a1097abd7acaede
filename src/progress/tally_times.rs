//! The times of a run, according to its events.

use super::Tally;
use crate::clock::Timestamp;
use crate::event::StoreWait;
use std::time::Duration;

/// The longest time left that is returned.
const LONGEST_ETA: Duration = Duration::from_secs(100 * 86_400);

impl Tally {
    /// Takes that the store waits, or no longer.
    pub fn wait_for_store(&mut self, wait: Option<&StoreWait>, now: Timestamp) {
        self.store_wait = wait.cloned();
        let Some(baseline) = &mut self.baseline else { return };
        match wait {
            Some(_) => baseline.settling.held(now),
            // A hold that goes on ends with its own event.
            None if self.hold.is_none() && self.paused_since.is_none() => {
                baseline.settling.continued(now);
            }
            None => {}
        }
    }

    /// Returns the wait of the store, if it waits.
    pub fn store_wait(&self) -> Option<&StoreWait> {
        self.store_wait.as_ref()
    }

    /// Returns the time since the start, or from the start to the end.
    pub fn elapsed(&self, now: Timestamp) -> Duration {
        let until = self.ended.as_ref().map_or(now, |&(at, _)| at);
        self.baseline.as_ref().map_or(Duration::ZERO, |baseline| until.since(baseline.at))
    }

    /// Returns the time left, at the recent rate or the limit (the slower one), after the present
    /// hold.
    ///
    /// `None` if too little was observed, or if the run is paused, its store waits, or it is stopping or has
    /// ended.
    pub fn eta(&self, now: Timestamp) -> Option<Duration> {
        let left = self.selected().saturating_sub(self.done());
        let stands_still = self.stopping.is_some() || self.paused_since.is_some();
        let stands_still = stands_still || self.store_wait.is_some();
        if left == 0 || stands_still || self.ended.is_some() {
            return None;
        }
        let rate = self.baseline.as_ref()?.settling.per_second(now)?;
        let at_rate = Duration::try_from_secs_f64(left as f64 / rate).ok()?;
        // The observed rate may be a burst that the limit does not allow for long.
        let at_best = self.rate_limit().map_or(Duration::ZERO, |limit| limit.shortest_time(left));
        let held = self.hold.map_or(Duration::ZERO, |hold| hold.until.since(now));
        Some(held + at_rate.max(at_best)).filter(|&eta| eta <= LONGEST_ETA)
    }
}
