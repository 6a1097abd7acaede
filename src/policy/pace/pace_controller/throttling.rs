//! What follows a throttled call: a trial, a rest at a lower limit, or a pause until one is accepted.

use super::growth::{LOOK, NEAR_STEP};
use super::{Growth, Opening, PaceController, Phase, Rest, after};
use crate::policy::pace::call_history::seconds;
use crate::policy::pace::chance_throttling::ChanceThrottling;
use crate::policy::pace::limit_trial::{DECISIVE, Trial, TrialCounts, TrialFinding, TrialKind};
use std::time::{Duration, Instant};

/// The share of the limit at which the pace rests, and for how long.
pub(super) const RESTING: f64 = 0.995;
const SHORTEST_REST: f64 = 0.6;
pub(super) const LONGEST_REST: f64 = 3.0;
/// The share of throttled calls that looking above the limit may cost: a rest pays for it.
const COST_OF_LOOKING: f64 = 0.012;
/// The same for a hold: it costs all calls of its time, and the rest is that many times as long.
const REST_PER_HOLD: f64 = 20.0;
const LONGEST_REST_AFTER_HOLD: f64 = 300.0;
/// How long the pace keeps to the window of the last second after it had grown too far.
const DRAIN: Duration = Duration::from_millis(1_300);
/// A throttled call so far above the limit shows that the pace grew too far.
const TOO_FAR: f64 = 1.1;
/// A run that is throttled and served again within so many seconds has met a shorter window.
const SHORT_WINDOW: f64 = 0.25;
/// The share of what a whole look was accepted below which the limit is not: a rest before the look
/// makes the mean of both too low, and a window does not make up for it.
const NEVER_BELOW: f64 = 0.99;
/// Which share is believed of what a search was accepted in its last second: it doubled meanwhile,
/// and a second may hold the calls of two windows.
const OF_A_SEARCH: f64 = 0.85;
/// For how many looks a service that throttled a row of calls is taken for one with a window.
const ROWS_REMEMBERED: u32 = 20;
/// How many calls more than the limit a look at a window may send.
const CALLS_OF_LOOK: f64 = 2.0;
const SMALLEST_LOOK: f64 = 0.005;
/// How often the pace is lowered while it rests before the limit is measured anew.
const RESTS_LOWERED: u32 = 3;
/// What a lower pace is to decide between: a limit and a share by chance.
struct Tested {
    given: f64,
    chance: f64,
    step: u32,
}

impl PaceController {
    pub(super) fn throttled_in_trial(&mut self, trial: Trial, sent: Instant, now: Instant) {
        let suspected = match trial.kind {
            TrialKind::Test { chance, .. } => chance,
            TrialKind::Measurement | TrialKind::Overshoot { .. } => 0.0,
        };
        if !self.accepts_nothing(suspected.max(self.chance.share())) {
            return self.judge(trial, now);
        }
        match trial.kind {
            TrialKind::Overshoot { accepted } => self.drain(0.99 * accepted, sent, now),
            TrialKind::Measurement | TrialKind::Test { .. } => self.exhaust(now),
        }
    }

    pub(super) fn throttled_in_the_open(&mut self, sent: Instant, now: Instant) {
        self.throttled_at = self.rate;
        let accepted = self.history.accepted_per_second(1.0, sent).min(self.rate);
        self.hint = accepted;
        let has_just_grown = self.raised_at.is_some_and(|raised| seconds(raised, now) < 3.0);
        let is_search = self.opening == Opening::Doubling || has_just_grown;
        if is_search && self.chance.is_negligible() {
            self.try_at(
                self.rate,
                TrialKind::Overshoot { accepted: OF_A_SEARCH * accepted },
                sent,
                now,
            );
        } else {
            self.try_at(self.rate, TrialKind::Measurement, sent, now);
        }
    }

    pub(super) fn throttled_at_rest(&mut self, rest: Rest, sent: Instant, now: Instant) {
        let Rest { since, until, lowered } = rest;
        if self.accepts_nothing(self.chance.share()) {
            return self.exhaust(now);
        }
        self.mark(sent, now);
        if lowered >= RESTS_LOWERED {
            self.throttled_at = self.rate;
            return self.try_at(self.rate, TrialKind::Measurement, sent, now);
        }
        // Calls that were on the wire when the rest began say nothing about it.
        if seconds(since, now) < 0.03 {
            return;
        }
        let limit = 0.99 * self.known_limit();
        self.limit = Some(limit);
        let phase = Phase::Resting(Rest { since, until, lowered: lowered + 1 });
        self.enter(phase, self.rate.min(limit), now);
    }

    /// Takes note that the run holds until then because the answer to a call that was sent at `sent`
    /// asks for it: afterwards the pace begins below the level that was throttled.
    pub fn hold(&mut self, sent: Instant, until: Instant, now: Instant) {
        self.history.count_throttled(sent, now);
        let is_new = sent >= self.cut_at;
        if !self.rate.is_finite() {
            self.rate = self.history.sent_per_second(now).max(self.bounds.least);
        }
        self.cut_at = self.cut_at.max(until);
        if let Phase::Held { until: end, .. } = &mut self.phase {
            *end = until.max(*end);
        }
        if !is_new {
            return;
        }
        self.throttled_at = self.rate;
        match self.phase {
            Phase::Growing(Growth { since, is_rough, .. })
                if self.rate <= TOO_FAR * self.known_limit() =>
            {
                self.throttled_while_growing(since, is_rough, sent, now);
                self.rest_after_hold(self.known_limit(), until, now);
            }
            Phase::Resting(_) => {
                self.rest_after_hold(0.97 * self.known_limit(), until, now);
            }
            Phase::Held { .. } => {}
            _ => self.phase = Phase::Held { since: sent, until },
        }
        self.cut_at = self.cut_at.max(until);
    }

    /// Begins below the level that was throttled: at what was accepted of the calls that were on
    /// the wire when the hold began, or at half if those are too few.
    pub(super) fn end_hold(&mut self, since: Instant, until: Instant, now: Instant) {
        let calls = self.history.sent_between(since, now);
        let share = self.history.throttled_between(since, now) / calls.max(1.0);
        let is_known = calls >= 4.0;
        let accepted = if is_known { (1.0 - share).clamp(0.125, 0.9) } else { 0.5 };
        let limit = accepted * self.throttled_at;
        // Without a measurement the way back is a quick one.
        self.hint = if is_known { 0.0 } else { 0.9 * self.throttled_at };
        self.approach(limit, 0.9 * limit, until, now);
    }

    fn rest_after_hold(&mut self, limit: f64, until: Instant, now: Instant) {
        let rest = REST_PER_HOLD * seconds(now, until);
        let end = after(until.max(now), rest.clamp(LONGEST_REST, LONGEST_REST_AFTER_HOLD));
        self.know(limit, now, now);
        let phase = Phase::Resting(Rest { since: now, until: end, lowered: 0 });
        self.enter(phase, RESTING * limit, now);
    }

    pub(super) fn throttled_while_growing(
        &mut self,
        since: Instant,
        is_rough: bool,
        sent: Instant,
        now: Instant,
    ) {
        self.throttled_at = self.rate;
        let limit = self.known_limit();
        let second = self.history.accepted_per_second(1.0, sent).min(self.rate);
        if self.rate > TOO_FAR * limit {
            (self.confirmed, self.hint) = (0, 0.0);
            return self.try_at(self.rate, TrialKind::Overshoot { accepted: second }, sent, now);
        }
        // Between two throttled calls a bucket accepts exactly its rate on average, because it is
        // empty at both; a window accepts a little less, so that the limit sinks slowly at most.
        let (accepted, span) = self.in_cycle(sent);
        let mean = accepted / span.max(0.001);
        let looked = seconds(since, sent);
        let found = match (is_rough, span) {
            (true, 0.3..) => f64::midpoint(mean, second),
            (true, _) => second,
            (false, 1.0..) if self.has_windows() && looked >= LOOK => {
                mean.max((NEVER_BELOW * second).min(limit))
            }
            (false, 1.0..) => mean,
            (false, _) => limit,
        };
        let least = if is_rough { 0.98 * limit } else { 0.995 * limit };
        self.confirmed += 1;
        self.window = Some(second).filter(|_| !is_rough && looked >= LOOK);
        self.rest(found.max(least).min(self.rate.max(least)), sent, now);
        self.is_windowed = true;
    }

    pub(super) fn rest(&mut self, limit: f64, sent: Instant, now: Instant) {
        let is_look = matches!(self.phase, Phase::Growing(Growth { is_rough: false, .. }));
        let pays = if is_look { f64::from(self.cost) / (COST_OF_LOOKING * limit) } else { 0.0 };
        (self.is_exact, self.hint) = (true, 0.0);
        self.know(limit, sent, now);
        let until = after(now, pays.clamp(SHORTEST_REST, LONGEST_REST));
        let rest = Rest { since: now, until, lowered: 0 };
        self.enter(Phase::Resting(rest), RESTING * limit, now);
    }

    /// Returns whether the service has shown the end of a window lately.
    pub(super) fn has_windows(&self) -> bool {
        self.looks_since_row < ROWS_REMEMBERED
    }

    /// Several calls of a look were throttled in a row: a window has ended, which takes what it took
    /// in the second before, however little of it was used earlier.
    pub(super) fn believe_window(&mut self) {
        let Phase::Resting(_) = self.phase else { return };
        let Some(window) = self.window.filter(|_| self.cost >= 2) else { return };
        self.looks_since_row = 0;
        let known = self.known_limit();
        if window > known {
            // The second also holds the last calls of the window before.
            let limit = (0.99 * window).clamp(known, 1.02 * known);
            (self.limit, self.window) = (Some(limit), None);
            self.look = (CALLS_OF_LOOK / limit).clamp(SMALLEST_LOOK, self.look);
            self.set_rate(RESTING * limit);
        }
    }

    /// Follows a pace that had grown too far: the service may remember what was sent in the last
    /// second, so the pacer counts that, too.
    pub(super) fn drain(&mut self, limit: f64, sent: Instant, now: Instant) {
        self.is_exact = false;
        self.know(limit, sent, now);
        let phase = Phase::Resting(Rest { since: now, until: now + DRAIN, lowered: 0 });
        self.enter(phase, limit, now);
        self.is_windowed = true;
    }

    /// Goes towards a limit that is only roughly known.
    pub(super) fn approach(&mut self, limit: f64, rate: f64, sent: Instant, now: Instant) {
        self.is_exact = false;
        self.know(limit, sent, now);
        let phase =
            Phase::Growing(Growth { since: now, is_rough: true, step: NEAR_STEP, grown: now });
        self.enter(phase, rate, now);
    }

    pub(super) fn know(&mut self, limit: f64, sent: Instant, now: Instant) {
        self.limit = Some(limit.max(self.bounds.least));
        self.cost = 0;
        self.mark(sent, now);
        self.chance.acquit();
    }

    /// Asks now and then whether a service that accepts nothing does so again.
    pub(super) fn exhaust(&mut self, now: Instant) {
        let interval = (4.0 / self.rate).clamp(0.005, 0.05).max(1.0 / self.rate.max(0.1));
        let phase = Phase::Exhausted { since: now, interval, next: after(now, interval) };
        self.enter(phase, 1.0 / interval, now);
    }

    /// A call was accepted again: the limit is what was accepted from one such moment to the next,
    /// which is a whole number of windows, however long a window is.
    pub(super) fn resume(&mut self, since: Instant, sent: Instant, now: Instant) {
        let lasted = seconds(since, now);
        let total = self.history.accepted_until(now);
        let earlier = self.resumed.replace((now, total));
        let cycle = earlier.map(|(at, accepted)| (seconds(at, now), total - accepted));
        let last = self.history.last_throttled().unwrap_or(since);
        let found = match cycle.filter(|&(span, _)| span < 2.5 || lasted > 1.0) {
            Some((span, accepted)) => accepted / span,
            None if lasted > 1.0 => total / seconds(self.begun, now),
            None => {
                // The window of a second that ended when the first call was accepted again.
                let span = 1.0 + seconds(last, sent);
                let per_second = self.history.accepted_per_second(span, sent);
                let passed = seconds(self.begun, sent);
                // A run that has just begun does not know when the window did. Windows that end so
                // soon are short ones, mostly; others last for a second.
                per_second * if passed < SHORT_WINDOW { 1.0 } else { span.min(passed) }
            }
        };
        let known = self.limit.filter(|_| self.is_exact && lasted < 0.5);
        let found = found.min(known.unwrap_or(found)).min(self.throttled_at);
        let is_measured = earlier.is_some() || known.is_some();
        self.rest(0.995 * found.max(self.bounds.least), now, now);
        // Of the first window only the end was seen.
        self.is_exact = is_measured;
    }
}

impl PaceController {
    pub(super) fn try_at(&mut self, rate: f64, kind: TrialKind, after: Instant, now: Instant) {
        let from = match kind {
            TrialKind::Test { .. } => self.throttled_at,
            TrialKind::Measurement | TrialKind::Overshoot { .. } => self.rate,
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
            TrialFinding::At { limit } => self.rest(limit, now, now),
            TrialFinding::Passed { limit } => self.drain(limit, last, now),
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
        let rate = if self.opening == Opening::AtCeiling { self.bounds.most } else { self.rate };
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
