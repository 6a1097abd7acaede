//! Trials: whether a limit throttles calls, or chance does.

use super::PaceController;
use super::phase::{Met, Phase};
use crate::policy::pace::call_history::seconds;
use crate::policy::pace::chance_throttling::ChanceThrottling;
use crate::policy::pace::limit_trial::{
    DECISIVE, Seen, Trial, TrialCounts, TrialFinding, TrialKind,
};
use crate::policy::pace::throttling_by_pace::Unexplained;
use std::time::Instant;

/// How many calls in a row, of the first that are throttled, may be the end of a window.
const ROW_TO_LISTEN: usize = 4;
/// How many throttled calls of a measurement show chance where a limit is known.
const SHOWS_CHANCE: f64 = 2.0;

/// Within how many seconds after a verdict of chance more throttled calls refute it: the pace has just risen.
const REFUTED_WITHIN: f64 = 1.5;

/// What a lower pace is to decide between: a limit and a share by chance.
struct Tested {
    given: f64,
    chance: f64,
    step: u32,
    seen: Seen,
}

impl PaceController {
    pub(super) fn throttled_in_trial(&mut self, trial: Trial, now: Instant) {
        let suspected = match trial.kind {
            TrialKind::Test { chance, .. } => chance,
            TrialKind::Measurement => 0.0,
        };
        if !self.accepts_nothing(suspected.max(self.chance.share()), self.cut_at) {
            let is_first = matches!(trial.kind, TrialKind::Measurement) && self.limit.is_none();
            if is_first && self.history.ends_with_throttled(ROW_TO_LISTEN, self.cut_at) {
                return self.listen(Met::AtCeiling, trial.after, now);
            }
            return self.judge(trial, now);
        }
        self.exhaust(now);
    }

    /// Measures the share that is throttled at the present pace, of the calls sent after `after`.
    pub(super) fn measure(&mut self, after: Instant, now: Instant) {
        let (kind, seen) = (TrialKind::Measurement, Seen::default());
        let trial = Trial { begun: now, after, from: self.rate, kind, seen, is_doubt: false };
        self.enter(Phase::Trying(trial), self.rate, now);
    }

    pub(super) fn try_at(&mut self, rate: f64, kind: TrialKind, seen: Seen, now: Instant) {
        let is_doubt = matches!(self.phase, Phase::Trying(Trial { is_doubt: true, .. }));
        let trial = Trial { begun: now, after: now, from: self.throttled_at, kind, seen, is_doubt };
        self.enter(Phase::Trying(trial), rate, now);
    }

    pub(super) fn judge_present(&mut self, now: Instant) {
        if let Phase::Trying(trial) = self.phase {
            self.judge(trial, now);
        }
    }

    pub(super) fn judge(&mut self, trial: Trial, now: Instant) {
        let to = self.history.horizon(now);
        let is_steady = self.raised_at.is_none_or(|raised| seconds(raised, now) > 1.5);
        let groups = self.history.groups(trial.after, to);
        let counts = TrialCounts {
            calls: self.history.sent_between(trial.after, to),
            throttled: self.history.throttled_between(trial.after, to),
            lasted: now - trial.begun,
            rate: self.rate,
            chance: self.chance.share(),
            // Where a limit is known, chance is the less likely reason.
            decisive: if self.limit.is_some() { 2.0 * DECISIVE } else { DECISIVE },
            is_below_known: self.limit.is_none_or(|limit| self.rate < limit),
            is_scattered: groups.are_scattered(),
            in_a_row: groups.in_a_row(),
            conviction: self.chance.conviction(),
            irregularity: self.history.irregularity(trial.after, to),
            is_steady,
        };
        let last = self.history.last_throttled().unwrap_or(now);
        match trial.judge(counts) {
            TrialFinding::Open => {}
            TrialFinding::Tolerable { share } => {
                // Of a known limit so few calls show no chance: it would let a row be throttled. The one that
                // began the measurement is not counted.
                if self.limit.is_none() || counts.throttled >= SHOWS_CHANCE {
                    self.chance.set_share(share.max(self.chance.share()));
                }
                self.go_on(self.rate, now);
            }
            TrialFinding::Chance { share } => {
                self.chance.confirm(share);
                self.chance_since = now;
                self.go_on(self.throttled_at, now);
            }
            TrialFinding::TestAt { rate, given, chance, step } => {
                self.mark(last, now);
                let seen = match trial.kind {
                    // Where a later call overtakes those before it, the first ones find a bucket that is not
                    // empty yet. What was throttled of them would show chance at the next pace.
                    TrialKind::Measurement
                        if counts.is_badly_measured() && self.history.overtake(trial.after, to) =>
                    {
                        trial.seen
                    }
                    _ => trial.seen.with(counts.observed()),
                };
                self.test(rate, &Tested { given, chance, step, seen }, now);
            }
            TrialFinding::Near { limit } => {
                self.chance = ChanceThrottling::default();
                self.approach(limit, self.rate, self.cycle, now);
            }
            TrialFinding::At { limit } => {
                self.rest(limit, now, now);
                self.is_exact = false;
            }
            TrialFinding::Exhausted => self.exhaust(now),
        }
    }

    fn test(&mut self, rate: f64, tested: &Tested, now: Instant) {
        let &Tested { given, chance, step, seen } = tested;
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
        self.try_at(rate, TrialKind::Test { given, chance, step }, seen, now);
    }

    /// Withdraws a verdict of chance where more calls are throttled as soon as the pace has risen for it: that
    /// is a limit, of which other clients take their part.
    pub(super) fn refute_chance(&mut self, now: Instant) {
        let is_new = seconds(self.chance_since, now) < REFUTED_WITHIN;
        if is_new && self.is_steady() && self.chance.exceeds_what_was_found() {
            self.chance.refute();
            self.by_pace.forget();
        }
    }

    /// Returns to the highest of the latest paces where no limit explains what was throttled at them.
    pub(super) fn finds_no_limit(&mut self, now: Instant) -> bool {
        let is_new = self.by_pace.look_at(&self.history, self.rate, now);
        let is_held = match self.phase {
            Phase::Held { .. } => true,
            // While all clients are slower, a test says more than the paces before it. Those that are asked to
            // wait are slower at any time.
            Phase::Trying(Trial { is_doubt: true, .. }) => !self.holds.are_asked_for(),
            Phase::Trying(trial) => matches!(trial.kind, TrialKind::Measurement),
            _ => false,
        };
        if !is_new || is_held || self.at_a_time.most().is_some() {
            return false;
        }
        let Some(Unexplained { share, pace }) = self.by_pace.unexplained() else { return false };
        let is_open = matches!(self.phase, Phase::Open { .. });
        if is_open && self.chance.share() > 0.5 * share {
            return false;
        }
        self.chance.confirm(share);
        self.chance_since = now;
        self.holds.put_down_to_chance(self.known_limit());
        (self.limit, self.is_exact, self.confirmed) = (None, false, 0);
        self.go_on(pace.max(self.rate), now);
        true
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
