//! Trials: whether a limit throttles calls, or chance does.

use super::phase::{Met, Phase};
use super::{Opening, PaceController};
use crate::policy::pace::call_history::seconds;
use crate::policy::pace::chance_throttling::ChanceThrottling;
use crate::policy::pace::limit_trial::{DECISIVE, Trial, TrialCounts, TrialFinding, TrialKind};
use std::time::Instant;

/// How many calls in a row, of the first that are throttled, may be the end of a window.
const ROW_TO_LISTEN: usize = 4;

/// What a lower pace is to decide between: a limit and a share by chance.
struct Tested {
    given: f64,
    chance: f64,
    step: u32,
}

impl PaceController {
    pub(super) fn throttled_in_trial(&mut self, trial: Trial, now: Instant) {
        let suspected = match trial.kind {
            TrialKind::Test { chance, .. } => chance,
            TrialKind::Measurement => 0.0,
        };
        if !self.accepts_nothing(suspected.max(self.chance.share())) {
            let is_first = matches!(trial.kind, TrialKind::Measurement) && self.limit.is_none();
            if is_first && self.history.ends_with_throttled(ROW_TO_LISTEN, self.cut_at) {
                return self.listen(Met::AtCeiling, trial.after, now);
            }
            return self.judge(trial, now);
        }
        self.exhaust(now);
    }

    pub(super) fn try_at(&mut self, rate: f64, kind: TrialKind, after: Instant, now: Instant) {
        let from = match kind {
            TrialKind::Test { .. } => self.throttled_at,
            TrialKind::Measurement => self.rate,
        };
        self.enter(Phase::Trying(Trial { begun: now, after, from, kind }), rate, now);
    }

    pub(super) fn judge(&mut self, trial: Trial, now: Instant) {
        let to = self.history.horizon(now);
        let is_steady = self.raised_at.is_none_or(|raised| seconds(raised, now) > 1.5);
        let counts = TrialCounts {
            calls: self.history.sent_between(trial.after, to),
            throttled: self.history.throttled_between(trial.after, to),
            lasted: now - trial.begun,
            rate: self.rate,
            chance: self.chance.share(),
            // Where a limit is known, chance is the less likely reason.
            decisive: if self.limit.is_some() { 2.0 * DECISIVE } else { DECISIVE },
            is_scattered: self.history.is_scattered(trial.after, to),
            is_steady,
        };
        let last = self.history.last_throttled().unwrap_or(now);
        match trial.judge(counts) {
            TrialFinding::Open => {}
            TrialFinding::Tolerable { share } => {
                self.chance.set_share(share.max(self.chance.share()));
                self.go_on(self.rate, now);
            }
            TrialFinding::Chance { share } => {
                self.chance.set_share(share);
                self.chance_since = now;
                self.go_on(self.throttled_at, now);
            }
            TrialFinding::TestAt { rate, given, chance, step } => {
                self.mark(last, now);
                self.test(rate, &Tested { given, chance, step }, now);
            }
            TrialFinding::Near { limit } => self.approach(limit, self.rate, self.cycle, now),
            TrialFinding::At { limit } => {
                self.rest(limit, now, now);
                self.is_exact = false;
            }
            TrialFinding::Exhausted => self.exhaust(now),
        }
    }

    fn test(&mut self, rate: f64, tested: &Tested, now: Instant) {
        let &Tested { given, chance, step } = tested;
        if step == 1 {
            let second = self.history.accepted_per_second(1.0, self.cycle);
            self.hint = self.hint.max(second.min(self.throttled_at));
        }
        // A limit that was confirmed is worth more than a short measurement just above it.
        let known = self.limit.filter(|_| step == 1 && self.confirmed >= 2);
        let known = known.filter(|known| chance < 0.3 && self.rate < 1.2 * known);
        let (rate, given) = match known.map(|known| 0.98 * known).filter(|&known| known > given) {
            Some(known) => (0.95 * known, known),
            None => (rate, given),
        };
        self.try_at(rate, TrialKind::Test { given, chance, step }, now, now);
    }

    /// Goes on without a limit of the pace: the service limits how many calls it works on at a time.
    pub(super) fn forget_limit(&mut self, now: Instant) {
        (self.limit, self.is_exact, self.confirmed) = (None, false, 0);
        self.chance = ChanceThrottling::default();
        let is_listening = matches!(self.phase, Phase::Listening(_));
        let rate = match self.opening {
            Opening::AtCeiling => self.bounds.most,
            Opening::Doubling if is_listening => self.throttled_at,
            Opening::Doubling => self.rate,
        };
        self.open(rate, now);
    }

    /// Goes on after a trial that found no limit.
    pub(super) fn go_on(&mut self, rate: f64, now: Instant) {
        self.cost = 0;
        self.chance.acquit();
        match self.limit {
            Some(limit) => self.approach(limit, rate.min(limit), now, now),
            None => self.open(rate, now),
        }
    }
}
