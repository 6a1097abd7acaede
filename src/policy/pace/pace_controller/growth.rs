//! How the pace grows: a search that doubles, looks just above a known limit, and what follows them.

use super::{Growth, Opening, PaceController, Phase};
use crate::policy::pace::call_history::{before, seconds};
use crate::policy::pace::limit_trial::TrialKind;
use std::time::Instant;

/// How long the steps of a search are, and how many calls they need.
const SEARCH_STEP: f64 = 0.25;
const SEARCH_STEP_CALLS: f64 = 3.0;
/// From which pace on a search no longer doubles, and what it does instead: a step too far costs more.
const FAST: f64 = 100.0;
const SEARCH_FACTOR: f64 = 1.6;
/// By how much of the limit a look exceeds it at most, and how long it takes for a window to notice.
pub(super) const LOOKING: f64 = 0.02;
pub(super) const LOOK: f64 = 1.0;
/// The same for a fixed window that the look finds half used: one that begins within it must end.
const LOOK_AT_WINDOW: f64 = 2.0;
/// By what factor the steps grow beyond it, and how often they come.
const GROWTH: f64 = 2.5;
const GROWTH_STEP: f64 = 0.15;
/// The steps towards a limit that is only roughly known: far below it, near it, and their growth.
const FAR_STEP: f64 = 0.12;
pub(super) const NEAR_STEP: f64 = 0.008;
const ROUGH_GROWTH: f64 = 1.6;
const ROUGH_STEP: f64 = 0.1;
/// How much of the pace must be used before it is raised.
const USED: f64 = 0.8;
/// How long throttling is put down to chance before that is tested again.
const CHANCE_LASTS: f64 = 5.0;
/// The share from which on it is tested again.
const DOUBTED_CHANCE: f64 = 0.03;
impl PaceController {
    /// Tests anew what was put down to chance, if that is due: it may have been a limit after all.
    pub(super) fn doubt_chance(&mut self, now: Instant) -> bool {
        let is_open = matches!(self.phase, Phase::Open { .. } | Phase::Growing(_));
        let is_due = seconds(self.chance_since, now) > CHANCE_LASTS;
        if !is_open || !is_due || self.chance.share() <= DOUBTED_CHANCE {
            return false;
        }
        let (chance, rate) = (self.chance.share(), self.rate);
        self.chance.set_share(0.0);
        (self.throttled_at, self.chance_since) = (rate, now);
        let given = rate * (1.0 - chance);
        self.try_at(0.95 * given, TrialKind::Test { given, chance, step: 6 }, now, now);
        true
    }

    pub(super) fn search(&mut self, since: Instant, was_served: bool, now: Instant) {
        let span = seconds(since, now);
        if self.opening == Opening::AtCeiling || !was_served || span < SEARCH_STEP {
            return;
        }
        let sent = self.history.sent_between(since, now);
        if sent >= SEARCH_STEP_CALLS && sent >= USED * self.rate * span - 1.0 {
            let factor = if self.rate < FAST { 2.0 } else { SEARCH_FACTOR };
            self.open(factor * self.rate, now);
        } else if span > 3.0 {
            // Only the latest sendings show whether the pace is used.
            self.phase = Phase::Open { since: now, was_served: false };
        }
    }

    pub(super) fn end_rest(&mut self, now: Instant) {
        let limit = self.known_limit();
        if !self.is_exact {
            return self.approach(limit, self.rate, self.cycle, now);
        }
        if self.cost == 0 {
            self.look = (2.0 * self.look).min(LOOKING);
        }
        self.cost = 0;
        self.looks_since_row = self.looks_since_row.saturating_add(1);
        let step = self.look;
        let phase = Phase::Growing(Growth { since: now, is_rough: false, step, grown: now });
        self.enter(phase, (1.0 + step) * limit, now);
    }

    pub(super) fn grow(&mut self, growth: Growth, now: Instant) {
        let Growth { since, is_rough, step, grown: _ } = growth;
        let limit = self.known_limit();
        let is_look = !is_rough && self.rate <= (1.0 + self.look) * limit + 1e-9;
        if !self.is_growth_due(growth, is_look, now) {
            return;
        }
        let step = match is_rough {
            true if self.rate < 0.93 * self.hint => FAR_STEP,
            true if self.rate < 1.05 * limit.max(self.hint) => NEAR_STEP,
            true => ROUGH_GROWTH * step,
            false => GROWTH * step,
        };
        let next = self.rate + step * limit;
        let phase = Phase::Growing(Growth { since, is_rough, step, grown: now });
        if next >= self.bounds.most && self.opening == Opening::AtCeiling {
            self.limit = None;
            self.open(next, now);
        } else if next > 2.0 * limit {
            // The limit that was known is history.
            (self.limit, self.is_exact) = (Some(self.rate), false);
            let growth = Growth { since, is_rough: true, step: 0.3, grown: now };
            self.enter(Phase::Growing(growth), next, now);
        } else {
            self.is_exact &= is_rough;
            self.enter(phase, next, now);
        }
    }

    fn is_growth_due(&self, growth: Growth, is_look: bool, now: Instant) -> bool {
        let Growth { since, is_rough, step: _, grown } = growth;
        let age = seconds(grown, now);
        let span = age.min(1.0);
        let sent = self.history.sent_between(before(now, span), now);
        let is_used = sent >= USED * self.rate * span - 1.0;
        let is_old = match (is_rough, is_look) {
            (true, _) => age >= ROUGH_STEP,
            (false, false) => age >= GROWTH_STEP,
            // A window does not make up for what was not used of an earlier one. A search, which may
            // throttle fewer calls, waits for more evidence.
            (false, true)
                if self.has_windows()
                    && !self.is_search()
                    && seconds(since, now) >= LOOK_AT_WINDOW =>
            {
                true
            }
            (false, true) => {
                // More than the limit must have been accepted on the whole since a call was
                // throttled: a bucket that filled meanwhile would look like a higher limit.
                let (accepted, span) = self.in_cycle(now);
                let limit = self.known_limit();
                seconds(since, now) >= LOOK && accepted - limit * span > 0.001 * limit
            }
        };
        is_old && is_used
    }
}
