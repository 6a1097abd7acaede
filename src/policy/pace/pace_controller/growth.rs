//! How the pace grows: a search that doubles, looks just above a known limit, and what follows them.

use super::account::PAYS_FOR_LOOKS;
use super::phase::{Asking, Growth, NEAR, NEAR_STEP, Phase, SEARCH_FACTOR, SHORT};
use super::windows::Windows;
use super::{Opening, PaceController, SHORT_TICK, TICK};
use crate::policy::pace::call_history::{before, seconds};
use crate::policy::pace::limit_trial::{Observed, Seen, Trial, TrialKind};
use std::time::Instant;

/// How long the steps of a search are, and how many calls they need.
const SEARCH_STEP: f64 = 0.25;
const SEARCH_STEP_CALLS: f64 = 3.0;
/// From which pace on a search no longer doubles.
const FAST: f64 = 100.0;
/// By how much of the limit a look exceeds it, and by how many calls a second more: at a small limit
/// that is what shows in a second. A window is exceeded by little more than a call.
const LOOKING: f64 = 0.02;
const MORE_CALLS_OF_LOOK: f64 = 3.0;
const MOST_MORE: f64 = 0.03;
const CALLS_OF_LOOK: f64 = 1.5;
/// How many seconds of a window timers may leave out that are late: what is left must exceed the limit by
/// a call. A look that did not was accepted, and its limit outgrown.
const LATE_IN_LOOK: f64 = 0.004;
/// The same for a window whose limit no look has met: it doubles from look to look. After so many the limit
/// is history: each of them was a whole window. At a low limit that holds only if it is known when they end.
const UNCONFIRMED: f64 = 0.01;
const MOST_UNMET: i32 = 2;
/// How long a look takes, in seconds; a window of a second shows its limit when it ends.
const LOOK: f64 = 0.6;
pub(super) const LOOK_AT_WINDOW: f64 = 1.02;
/// After so many seconds of a look that no call was throttled in, the limit is higher: what was not
/// used before it is a second's worth at most, which a look makes up for only in half a minute.
const LONGEST_LOOK: f64 = 5.0;
/// By what factor the steps grow beyond it, how often they come, and the largest as a share of the pace.
const GROWTH: f64 = 2.5;
const GROWTH_STEP: f64 = 0.1;
const LARGEST_STEP: f64 = 0.6;
/// At which shares of a window's limit growth asks whether it takes more, and with how many calls.
const ASKED_AT: [f64; 2] = [1.01, 1.2];
const CALLS_OF_QUESTION: f64 = 2.0;
/// The steps towards a limit that is only roughly known: far below it, and how those near it grow.
const FAR_STEP: f64 = 0.12;
const ROUGH_GROWTH: f64 = 1.6;
const ROUGH_STEP: f64 = 0.1;
/// How much of the pace must be used before it is raised.
const USED: f64 = 0.8;
/// How long throttling is put down to chance before that is tested again, in seconds, at least and at
/// most: a test costs some ten calls, so that it waits for as many as the share counts for. All clients of
/// a service count that from the same time, and powers of two let different ones come together, too. Times
/// up to four times the longest one, and so 128 s, divide a day.
const CHANCE_LASTS: f64 = 2.0;
const CHANCE_LASTS_AT_MOST: f64 = 32.0;
/// How many accepted calls of the last second show what is accepted, where a test begins.
const SHOW_WHAT_IS_ACCEPTED: f64 = 10.0;
/// How many calls its share counts for.
const CALLS_OF_CHANCE: f64 = 200.0;
/// The share from which on it is tested again.
const DOUBTED_CHANCE: f64 = 0.03;

impl PaceController {
    /// Counts the times of such tests from an instant that all clients of the service know.
    pub fn testing_since(mut self, common: Instant) -> Self {
        self.testing_since = common.min(self.begun);
        self
    }

    /// Tests anew what was put down to chance, if that is due: it may have been a limit after all, or
    /// other clients of one. These take one another for chance unless all of them are slower at the same time.
    pub(super) fn doubt_chance(&mut self, now: Instant) -> bool {
        let is_open = matches!(self.phase, Phase::Open { .. } | Phase::Growing(_));
        let calls = CALLS_OF_CHANCE / self.rate;
        let lasts = calls.clamp(CHANCE_LASTS, CHANCE_LASTS_AT_MOST).log2().ceil().exp2();
        let lasts = lasts * self.chance.trusted_for();
        let round = |at: Instant| (seconds(self.testing_since, at) / lasts).floor();
        let is_due = round(now) > round(self.chance_since);
        if !is_open || !is_due || self.chance.share() <= DOUBTED_CHANCE {
            return false;
        }
        let (chance, rate) = (self.chance.share(), self.rate);
        self.chance.set_share(0.0);
        (self.throttled_at, self.chance_since) = (rate, now);
        let given = rate * (1.0 - chance);
        // Clients that go below what each of them was accepted are below the limit together, whatever share
        // they took for chance. A second with a hold shows nothing.
        let accepted = self.history.accepted_per_second(1.0, now);
        let is_shown = accepted > SHOW_WHAT_IS_ACCEPTED && !self.holds.are_asked_for();
        let given = if is_shown { given.min(accepted) } else { given };
        let calls = CALLS_OF_CHANCE;
        let seen = Seen::default().with(Observed {
            calls,
            throttled: chance * calls,
            rate,
            irregularity: 0.0,
            is_scattered: true,
        });
        let kind = TrialKind::Test { given, chance, step: 6 };
        let trial = Trial { begun: now, after: now, from: rate, kind, seen, is_doubt: true };
        self.enter(Phase::Trying(trial), 0.95 * given, now);
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
        self.rested.short = None;
        if self.holds.are_met() {
            return self.climb_from_rest(now);
        }
        if !self.is_exact {
            let limit = self.known_limit();
            return self.approach(limit, self.rate, self.cycle, now);
        }
        self.limit = Some(self.windows.correct(&self.history, self.rate, self.known_limit()));
        self.rested.end(!self.history.ends_with_throttled(2, before(self.cycle, SHORT)));
        self.cost = 0;
        self.windows.count_look();
        let limit = self.known_limit();
        let step = self.look();
        let phase =
            Phase::Growing(Growth { since: now, is_rough: false, step, grown: now, asked: 0 });
        self.enter(phase, (1.0 + step) * limit, now);
    }

    /// Returns by how much of the limit a look exceeds it: at a window by hardly more than a call.
    pub(super) fn look(&self) -> f64 {
        let calls = if self.windows.are_met() { CALLS_OF_LOOK } else { MORE_CALLS_OF_LOOK };
        let share = calls / self.known_limit();
        let share = match self.windows.are_regular() {
            true => share.max(1.0 / self.known_limit() + LATE_IN_LOOK),
            false => share,
        };
        match (self.windows.are_met(), self.confirmed) {
            (true, 0) => share.max(UNCONFIRMED * 2.0_f64.powi(self.unmet)).min(LARGEST_STEP),
            (true, _) => share.min(LOOKING),
            (false, _) => {
                let whole = LOOKING + share.min(MOST_MORE);
                if self.is_half_look { whole / 2.0 } else { whole }
            }
        }
    }

    pub(super) fn grow(&mut self, growth: Growth, now: Instant) {
        let Growth { since, is_rough, step, asked, .. } = growth;
        let limit = self.known_limit();
        if self.asks(growth, now) {
            return;
        }
        if let Some(filling) = self.filling {
            return self.fill_second_window(growth, filling, now);
        }
        let is_look = !is_rough && self.rate <= (1.0 + self.look()) * limit + 1e-9;
        if !self.is_growth_due(growth, is_look, now) {
            return;
        }
        let is_cheap = self.windows.are_regular() || limit >= PAYS_FOR_LOOKS;
        let is_history = self.unmet >= MOST_UNMET && is_cheap;
        if is_look && self.windows.are_met() && self.confirmed == 0 && !is_history {
            // No look has met this limit yet: it may be a little too low.
            (self.limit, self.unmet) = (Some(self.rate), self.unmet + 1);
            let growth = Growth { since: now, is_rough, step: 0.0, grown: now, asked: 0 };
            return self.enter(Phase::Growing(growth), (1.0 + self.look()) * self.rate, now);
        }
        let is_near = self.rate < NEAR * limit.max(self.hint);
        let step = match is_rough {
            true if self.rate < 0.93 * self.hint => FAR_STEP,
            // A service that saves nothing throttles a step too far at once.
            true if is_near && self.rested.saves_nothing() => 2.0 * NEAR_STEP,
            true if is_near => NEAR_STEP,
            true => ROUGH_GROWTH * step,
            false => GROWTH * step.max(LOOKING),
        };
        let next = self.rate + (step * limit).min(LARGEST_STEP * self.rate);
        // A large step from far below ends at the level that was accepted once: the steps near it are small.
        let next = if is_rough && step == FAR_STEP { next.min(self.hint) } else { next };
        if is_look {
            self.limit = Some(f64::midpoint(limit, self.rate));
            self.rested.forget();
        }
        let phase = Phase::Growing(Growth { since, is_rough, step, grown: now, asked });
        let is_at_ceiling = next >= self.bounds.most && self.opening == Opening::AtCeiling;
        let is_shown = is_at_ceiling && self.is_ceiling_shown(growth, now);
        if is_at_ceiling && !is_shown && self.rate >= self.bounds.most {
            return;
        }
        if is_shown {
            (self.limit, self.grown_at) = (None, Some(now));
            self.open(next, now);
        } else if is_rough && next > 2.0 * limit {
            // The limit that was known is history.
            (self.limit, self.is_exact) = (Some(self.rate), false);
            let growth = Growth { since, is_rough: true, step: 0.3, grown: now, asked };
            self.enter(Phase::Growing(growth), next, now);
        } else {
            self.is_exact &= is_rough;
            self.enter(phase, next, now);
        }
    }

    /// Lets what is accepted pass some levels above the limit slowly: whether the service takes more
    /// is known only when it would have been too much. Returns whether that is still to be known.
    fn asks(&mut self, growth: Growth, now: Instant) -> bool {
        let Growth { since, grown, asked, .. } = growth;
        let Some(asks_at) = self.question(growth).filter(|_| grown != since) else { return false };
        let begun = Windows::begun(since, now);
        let accepted = self.history.accepted_until(now) - self.history.accepted_until(begun);
        let room = asks_at - accepted;
        let is_answered = self.history.horizon(now) >= self.history.last_sent().unwrap_or(now);
        let pace = self.pace_without_question();
        if room < 1.0 && is_answered {
            self.phase = Phase::Growing(Growth { asked: asked + 1, ..growth });
            self.asking = None;
            self.set_rate(pace);
            return false;
        }
        let tick = if self.asking.is_some() { SHORT_TICK } else { TICK };
        let most = (room / tick.as_secs_f64()).max(self.bounds.least);
        if self.asking.is_none() && most >= (1.0 + LARGEST_STEP) * pace {
            return false;
        }
        self.asking = Some(Asking { pace, begun });
        self.set_rate(most.min(pace));
        true
    }

    /// Returns whether the service takes the ceiling: a window shows that only when it has ended. At a low one
    /// a second holds too few calls to wait for.
    fn is_ceiling_shown(&self, growth: Growth, now: Instant) -> bool {
        let was_tried =
            self.rate >= self.bounds.most && seconds(growth.grown, now) >= LOOK_AT_WINDOW;
        (was_tried || self.bounds.most < PAYS_FOR_LOOKS) && self.question(growth).is_none()
    }

    /// Returns at how many calls in a window growth asks next whether the service takes more, if it does at
    /// all: a window takes no more than the ceiling.
    pub(super) fn question(&self, growth: Growth) -> Option<f64> {
        let level = ASKED_AT.get(growth.asked).filter(|_| !growth.is_rough)?;
        let calls = level * self.known_limit() + CALLS_OF_QUESTION;
        let is_at_ceiling = self.pace_without_question() >= self.bounds.most;
        let is_worth_it = calls < self.bounds.most && !(is_at_ceiling && growth.asked > 0);
        Some(calls).filter(|_| self.windows.are_seconds() && is_worth_it)
    }

    /// Returns the pace that holds without a question whether the service accepts more.
    pub(super) fn pace_without_question(&self) -> f64 {
        self.asking.map_or(self.rate, |asking| asking.pace)
    }

    fn is_growth_due(&self, growth: Growth, is_look: bool, now: Instant) -> bool {
        let Growth { since, is_rough, grown, .. } = growth;
        let age = seconds(grown, now);
        let is_old = match (is_rough, is_look) {
            (true, _) => age >= ROUGH_STEP,
            (false, false) => age >= GROWTH_STEP,
            // A window does not make up for what was not used of an earlier one.
            (false, true) if self.windows.are_seconds() => {
                seconds(since, now) >= LOOK_AT_WINDOW + self.history.answers_within()
            }
            (false, true) => {
                // More than the limit must have been accepted on the whole since a call was
                // throttled: a bucket that filled meanwhile would look like a higher limit. And more
                // within a second, as a window counts that slides.
                let (accepted, span) = self.in_cycle(now);
                let limit = self.known_limit();
                let looked = seconds(since, now);
                let is_shown = looked >= LOOK
                    && accepted - limit * span > (0.001 * limit).max(1.0)
                    && self.history.accepted_per_second(1.0, now) > 1.001 * limit;
                is_shown || looked >= LONGEST_LOOK
            }
        };
        is_old && self.is_used_since(grown, now)
    }

    /// Returns whether the pace has been used since then, of the last second at most.
    pub(super) fn is_used_since(&self, since: Instant, now: Instant) -> bool {
        let span = seconds(since, now).min(1.0);
        let sent = self.history.sent_between(before(now, span), now);
        sent >= USED * self.rate * span - 1.0
    }
}
