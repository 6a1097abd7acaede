//! How the pace gives way to a bound on calls at a time, and comes back where that is not the reason.

use super::phase::Phase;
use super::{Opening, PaceController};
use crate::policy::pace::calls_at_a_time::BoundChange;
use crate::policy::pace::chance_throttling::ChanceThrottling;
use std::time::Instant;

/// How far above the pace before it a bound is tried.
const ON_TRIAL: f64 = 1.3;

impl PaceController {
    /// Returns whether a limit on calls at a time is why this call was throttled, or what was just
    /// learnt of one has moved the pace.
    pub(super) fn is_put_down_to_calls_at_a_time(&mut self, sent: Instant, now: Instant) -> bool {
        let found = (sent, self.history.level_at(sent));
        match self.at_a_time.explains(found, self.history.sent_per_second(now), now) {
            Ok(true) => true,
            Ok(false) => self.finds_calls_at_a_time(now),
            Err(change) => self.follow_bound(change, now),
        }
    }

    /// Looks for a limit on calls at a time, and goes on without one of the pace if there is.
    pub(super) fn finds_calls_at_a_time(&mut self, now: Instant) -> bool {
        if matches!(self.phase, Phase::Held { .. }) {
            return false;
        }
        let change = self.at_a_time.search(&self.history, self.limit, now);
        change.is_some_and(|change| self.follow_bound(change, now))
    }

    /// Moves the pace as the bound demands; returns whether it did.
    pub(super) fn follow_bound(&mut self, change: BoundChange, now: Instant) -> bool {
        match change {
            BoundChange::Found { on_trial } => self.forget_limit(on_trial, now),
            BoundChange::Confirmed if self.opening == Opening::AtCeiling => {
                self.open(self.bounds.most, now);
            }
            BoundChange::Confirmed => {}
            BoundChange::Refuted { pace: Some(pace) } => self.rest(pace, now, now),
            BoundChange::Refuted { pace: None } => return false,
        }
        true
    }

    /// Goes on without a limit of the pace: the service limits how many calls it works on at a time.
    fn forget_limit(&mut self, on_trial: bool, now: Instant) {
        let is_listening = matches!(self.phase, Phase::Listening(_));
        let rate = match (self.opening, self.limit) {
            (_, Some(limit)) if on_trial => ON_TRIAL * limit,
            (Opening::AtCeiling, _) => self.bounds.most,
            (Opening::Doubling, _) if is_listening => self.throttled_at,
            (Opening::Doubling, _) => self.rate,
        };
        (self.limit, self.is_exact, self.confirmed) = (None, false, 0);
        self.chance = ChanceThrottling::default();
        self.open(rate, now);
    }
}
