//! Holds that the service asks for: where the pace begins afterwards, and how long it rests.
//!
//! A hold costs all calls of its time, so a limit has to be found in few of them. Two spells at different
//! paces show a bucket's rate and what it saves, or how many calls a window takes.

use super::PaceController;
use super::holds::{Hold, Shown};
use super::listening::NOTHING;
use super::phase::{Climb, LONGEST_REST, Phase, RESTING, Rest};
use super::spell::Spell;
use crate::policy::pace::call_history::{after, before, seconds};
use std::time::Instant;

/// The rest after a hold is that many times as long, so that looking above a limit costs little, and at
/// most so many seconds.
const REST_PER_HOLD: f64 = 40.0;
const LONGEST_REST_AFTER_HOLD: f64 = 300.0;
/// How long a pace must have been accepted to be about the limit, in seconds, at least and at most,
/// how many calls at least, which share of them may be throttled, and which part of it is believed.
const SHORTEST_PROOF: f64 = 2.0;
const LONGEST_PROOF: f64 = 5.0;
const CALLS_OF_PROOF: f64 = 10.0;
const STRAYS_OF_PROOF: f64 = 0.01;
const OF_PROVEN: f64 = 0.97;
/// How many calls on the wire show what throttled them; which share of the pace they show at least and at
/// most; and what is taken where they are too few.
const CALLS_ON_THE_WIRE: f64 = 2.0;
const LEAST_SHOWN: f64 = 0.125;
const MOST_SHOWN: f64 = 0.9;
const SHOWN_BY_NONE: f64 = 0.5;
/// At which part of the limit that they show the first climb begins.
const BEGINNING: f64 = 0.75;
/// The part of a window's limit at which the pace rests.
const OF_WINDOW: f64 = 0.98;
/// For how many seconds a bucket may have saved calls, where calls on the wire have shown one, and where
/// they have not: what seems to have saved more is a window, or loses little in a hold.
const SAVED_BY_BUCKET: f64 = 0.6;
const SAVED_BY_UNKNOWN: f64 = 0.15;
/// How wrong a measured limit is by a call more or less.
const CALLS_OF_ERROR: f64 = 0.5;
/// A spell of so many seconds shows a pace that was accepted, and one at rest that the limit is near.
const LONG_SPELL: f64 = 5.0;
const LOWERED_LITTLE: f64 = 0.985;
/// By what factor the pace falls at least with the first hold that meets it at rest, with others in a row,
/// and at most.
const LOWERED_ONCE: f64 = 0.96;
const LOWERED_AGAIN: f64 = 0.9;
const LOWERED_MOST: f64 = 0.8;
/// Which part of what was accepted over holds a test keeps to, from which part of the pace on that makes it
/// needless, and how many times the calls of a spell it lasts.
const OF_SUSTAINED: f64 = 0.95;
const NEARLY_ALL: f64 = 0.75;
const SPELLS_OF_TEST: f64 = 3.0;
/// How many calls a step of a climb lasts at least, and how large it is at most.
const CALLS_OF_STEP: f64 = 2.0;
const LARGEST_STEP: f64 = 0.5;
impl PaceController {
    /// Takes note that the run holds until then because the answer to a call that was sent at `sent`
    /// asks for it: afterwards the pace begins below the level that was throttled.
    pub fn hold(&mut self, sent: Instant, until: Instant, now: Instant) {
        self.history.count_throttled(sent, now);
        let (is_new, proven) = (sent >= self.cut_at, self.proven(sent));
        if !self.rate.is_finite() {
            self.rate = self.history.sent_per_second(now).max(self.bounds.least);
        }
        self.cut_at = self.cut_at.max(until);
        if let Phase::Held { until: end, .. } = &mut self.phase {
            *end = until.max(*end);
        }
        if !is_new || matches!(self.phase, Phase::Held { .. }) {
            return;
        }
        self.throttled_at = self.pace_without_question();
        let is_open = matches!(self.phase, Phase::Open { .. });
        self.holds.present = Some(Hold {
            phase: self.phase,
            spell: Spell::of(&self.history, self.holds.begun, sent),
            proven: proven.filter(|_| is_open),
        });
        self.phase = Phase::Held { since: sent, until };
    }

    /// Returns what was accepted a second if hardly a call was throttled for a while: then the limit
    /// is about this, and a call or two came too close to others.
    fn proven(&self, sent: Instant) -> Option<f64> {
        let steady = self.raised_at.unwrap_or(self.begun).max(self.cut_at);
        let span = seconds(steady, sent).min(LONGEST_PROOF);
        let begun = before(sent, span);
        let accepted = self.history.accepted_between(begun, sent);
        let throttled = self.history.throttled_between(begun, sent);
        let is_enough = span >= SHORTEST_PROOF && accepted >= CALLS_OF_PROOF;
        (is_enough && throttled <= 1.0 + STRAYS_OF_PROOF * accepted).then(|| accepted / span)
    }

    /// Begins below the level that was throttled, unless that is put down to chance.
    pub(super) fn end_hold(&mut self, since: Instant, until: Instant, now: Instant) {
        let begun = self.holds.begun.0;
        self.holds.begun = (now, self.history.accepted_until(now));
        let Some(hold) = self.holds.present.take() else {
            return self.open(self.throttled_at, now);
        };
        if hold.spell.calls < 1.0 && self.holds.are_met() {
            // The hold before it was too short: it shows nothing.
            return self.go_on_as(hold.phase, now);
        }
        let held = seconds(since, until);
        if self.holds.strays > 0 {
            return match self.holds.stray(hold.spell.calls) {
                None => self.open(self.throttled_at, now),
                Some(limit) => self.rest_after_hold(limit, held, now),
            };
        }
        self.holds.count(&hold, seconds(begun, now));
        match (hold.proven, self.holds.first) {
            // A call or two came too close to others, or were throttled by chance.
            (Some(proven), _) => {
                self.holds.first = Some((hold.spell, self.throttled_at));
                self.rest_after_hold(OF_PROVEN * proven, held, now);
            }
            (None, None) => self.begin_below(since, hold.spell, now),
            (None, Some(_)) if self.is_by_chance() => self.put_holds_down_to_chance(now),
            (None, Some(_)) if self.holds.is_test_due() => self.test_for_chance(now),
            (None, Some((first, _))) => {
                let found = match self.holds.at_rest {
                    0 => self.limit_shown(&first, &hold),
                    _ => self.lowered(&first, &hold.spell),
                };
                let least = self.holds.sustained.max(self.bounds.least);
                self.rest_after_hold(found.max(least), held, now);
            }
        }
    }

    fn go_on_as(&mut self, phase: Phase, now: Instant) {
        let phase = match phase {
            Phase::Climbing(climb) => Phase::Climbing(Climb { grown: now, ..climb }),
            other => other,
        };
        self.enter(phase, self.throttled_at, now);
    }

    /// Begins at what was accepted of the calls that were on the wire when the hold began, or at half if
    /// those are too few, and climbs until the limit is met again.
    fn begin_below(&mut self, since: Instant, spell: Spell, now: Instant) {
        let calls = self.history.sent_between(since, now);
        let accepted = 1.0 - self.history.throttled_between(since, now) / calls.max(1.0);
        self.holds.first = Some((spell, self.throttled_at));
        self.holds.shown = match (calls >= CALLS_ON_THE_WIRE, accepted > NOTHING) {
            (false, _) => Shown::Nothing,
            (true, true) => Shown::Bucket,
            (true, false) => Shown::Window,
        };
        let share = match self.holds.shown {
            Shown::Nothing => SHOWN_BY_NONE,
            Shown::Bucket => accepted.clamp(LEAST_SHOWN, MOST_SHOWN),
            Shown::Window => {
                (spell.last_second() / self.throttled_at).clamp(LEAST_SHOWN, MOST_SHOWN)
            }
        };
        let limit = share * self.throttled_at;
        self.know(limit, now, now);
        let climb = Climb::to_limit(now);
        self.enter(Phase::Climbing(climb), BEGINNING * limit, now);
    }

    /// Returns whether a pace at rest was throttled at which the service had accepted calls over holds.
    fn is_by_chance(&self) -> bool {
        self.holds.at_rest > 0 && self.throttled_at <= self.holds.sustained
    }

    /// Returns to the pace at which the first hold was met, because no limit explains them.
    fn put_holds_down_to_chance(&mut self, now: Instant) {
        let pace = self.holds.first.map_or(self.throttled_at, |(_, pace)| pace);
        self.holds.put_down_to_chance(self.known_limit());
        self.limit = None;
        self.open(pace, now);
    }

    /// Tries what was accepted since the pace first met a hold at rest, holds included. No limit is below
    /// that, so a hold shows then that calls are throttled by chance.
    fn test_for_chance(&mut self, now: Instant) {
        let (calls, lasted) = self.holds.since_rest;
        self.holds.sustained = (OF_SUSTAINED * calls / lasted).max(self.bounds.least);
        let is_near = |(_, pace): (Spell, f64)| NEARLY_ALL * pace < self.throttled_at;
        if self.holds.sustained > NEARLY_ALL * self.throttled_at
            && self.holds.first.is_some_and(is_near)
        {
            // The holds cost less than a test.
            return self.put_holds_down_to_chance(now);
        }
        let (spells, of_all) = self.holds.spells;
        let lasts = SPELLS_OF_TEST * (of_all / spells).max(1.0) / self.holds.sustained;
        self.rest_for(self.holds.sustained, lasts.min(LONGEST_REST_AFTER_HOLD), now);
        self.holds.is_test = true;
    }

    /// Returns the limit that a spell and the first one show.
    fn limit_shown(&self, first: &Spell, hold: &Hold) -> f64 {
        let (spell, pace, known) = (&hold.spell, self.throttled_at, self.known_limit());
        let most_saved = match self.holds.shown {
            Shown::Bucket => SAVED_BY_BUCKET,
            Shown::Nothing => SAVED_BY_UNKNOWN,
            Shown::Window => 0.0,
        };
        let is_bucket = |&limit: &f64| {
            self.holds.shown != Shown::Window && spell.saved(limit) <= most_saved * limit
        };
        let limit = match spell.limit_of_bucket(first, pace).filter(is_bucket) {
            Some(limit) => limit - CALLS_OF_ERROR / spell.lasted.clamp(0.1, 1.0),
            None => OF_WINDOW * spell.limit_of_window(first, pace),
        };
        let Phase::Climbing(Climb { from, .. }) = hold.phase else { return limit };
        if spell.lasted < LONG_SPELL {
            return limit;
        }
        // What was accepted for long is below the limit, and so was the last step but one.
        let from = from.max(known);
        if limit < known { from } else { limit.min(from) }
    }

    /// Returns a lower limit, because the pace met a hold at rest.
    fn lowered(&self, first: &Spell, spell: &Spell) -> f64 {
        let (pace, known) = (self.throttled_at, self.known_limit());
        let most = match (spell.lasted, self.holds.at_rest) {
            (LONG_SPELL.., _) => LOWERED_LITTLE * known,
            (_, 1) => LOWERED_ONCE * known,
            _ => LOWERED_AGAIN * known,
        };
        if self.holds.shown == Shown::Window {
            return most;
        }
        let found = spell.limit_of_bucket(first, pace);
        found
            .unwrap_or_else(|| spell.limit_of_window(first, pace))
            .clamp(LOWERED_MOST * known, most)
    }

    fn rest_after_hold(&mut self, limit: f64, held: f64, now: Instant) {
        let lasts = (REST_PER_HOLD * held).clamp(LONGEST_REST, LONGEST_REST_AFTER_HOLD);
        self.rest_for(limit, lasts, now);
    }

    fn rest_for(&mut self, limit: f64, lasts: f64, now: Instant) {
        self.know(limit, now, now);
        (self.hint, self.is_exact) = (0.0, false);
        let until = after(now, lasts);
        let rest = Rest { since: now, until, lowered: 0, may_slide: false };
        self.enter(Phase::Resting(rest), RESTING * limit, now);
    }

    /// Looks above a limit that asked for a hold, slowly at first.
    pub(super) fn climb_from_rest(&mut self, now: Instant) {
        let climb = match std::mem::take(&mut self.holds.is_test) {
            true => Climb::to_limit(now),
            false => Climb::from_limit(self.rate, now),
        };
        self.enter(Phase::Climbing(climb), (1.0 + climb.step) * self.rate, now);
    }

    /// Takes the next step of a climb, if it is due and the last one was used.
    pub(super) fn climb(&mut self, climb: Climb, now: Instant) {
        let lasts = climb.every.max(CALLS_OF_STEP / self.rate);
        if seconds(climb.grown, now) < lasts || !self.is_used_since(climb.grown, now) {
            return;
        }
        let step = (climb.grows * climb.step).min(LARGEST_STEP);
        let next = (1.0 + step) * self.rate;
        let is_ceiling = next >= self.bounds.most;
        if (is_ceiling && climb.every >= LONG_SPELL)
            || (self.is_search() && next > 2.0 * self.known_limit())
        {
            self.holds.forget();
            (self.limit, self.grown_at) = (None, Some(now));
            return self.open(next, now);
        }
        // A limit that lies just below the ceiling shows itself late.
        let every = if is_ceiling { LONG_SPELL } else { climb.every };
        let climb = Climb { grown: now, every, step, from: self.rate, ..climb };
        self.enter(Phase::Climbing(climb), next, now);
    }
}

#[cfg(test)]
#[path = "holding_tests.rs"]
mod tests;
