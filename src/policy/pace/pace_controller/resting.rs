//! Rests at a limit: how long they last, and what calls show that are throttled meanwhile.

use super::PaceController;
use super::phase::{Growth, LONGEST_REST, Met, Phase, RESTING, Rest};
use crate::policy::pace::call_history::{after, before, seconds};
use std::time::{Duration, Instant};

/// How long a rest lasts at least, in seconds.
const SHORTEST_REST: f64 = 0.6;
/// How many windows go by at most before the next is looked at, where it is known when that begins.
const WINDOWS_OF_REST: f64 = 2.0;
/// The share of throttled calls that looking above the limit may cost: a rest pays for it. Looks at windows
/// come whole seconds apart, and one a second later would leave a doubled limit unused for three.
const COST_OF_LOOKING: f64 = 0.012;
const COST_OF_LOOKING_AT_WINDOW: f64 = 0.015;
pub(super) const COST_OF_SEARCHING: f64 = 0.008;
/// How long the pace keeps to the window of the last second after it had grown too far.
const DRAIN: Duration = Duration::from_millis(1_300);
/// Calls that were on the wire when a rest began say nothing about it: those of so many seconds.
const STRAYS: f64 = 0.03;
/// How many seconds after single calls were accepted again more are throttled by what slides.
const SLIDES_WITHIN: f64 = 0.5;
/// How many groups of throttled calls are no end of a window, within how many seconds of a rest, and how many of
/// these show what is accepted meanwhile. Whether chance would scatter them so is another question.
const GROUPS_OF_A_PART: f64 = 3.0;
const WITHIN_A_PART: f64 = 0.5;
const SHOWS_ACCEPTED: f64 = 0.25;
/// The least share that is accepted then. Half by chance may look like a window, and the limit would halve again
/// and again.
const LEAST_ACCEPTED: f64 = 0.57;
/// For how many seconds of a run other clients that began with it may still be finding the limit, too.
const BEGINNING: f64 = 10.0;
/// How many calls between two throttled ones show the limit.
const CALLS_AT_REST: f64 = 8.0;
/// How often the pace is lowered while it rests before the limit is measured anew.
const RESTS_LOWERED: u32 = 3;

impl PaceController {
    pub(super) fn rest(&mut self, limit: f64, sent: Instant, now: Instant) {
        let is_look = matches!(self.phase, Phase::Growing(Growth { is_rough: false, .. }));
        let cost = if is_look { self.cost } else { 0 };
        // A service without bursts throttles a whole look at once, even where its limit lies a few
        // hundredths higher than a rough way up has shown.
        if let Phase::Growing(Growth { is_rough, .. }) = self.phase {
            self.is_half_look = is_rough;
        }
        (self.is_exact, self.hint, self.rested.is_disturbed) = (true, 0.0, false);
        self.know(limit, sent, now);
        self.cost = cost;
        self.begin_rest(now);
    }

    /// Goes on at a limit that is still believed, after nothing was sent for a moment.
    pub(super) fn go_on_resting(&mut self, now: Instant) {
        self.begin_rest(now);
        self.is_windowed = true;
    }

    /// Rests at the known limit.
    fn begin_rest(&mut self, now: Instant) {
        let until = after(now, SHORTEST_REST);
        let rest = Rest { since: now, until, lowered: 0, may_slide: false };
        self.enter(Phase::Resting(rest), RESTING * self.known_limit(), now);
        self.pay();
    }

    /// Lets a rest last until the calls that the look before it cost are a small share. The next look
    /// at a window begins when one does, a whole number of seconds after the end of another.
    pub(super) fn pay(&mut self) {
        let share = match (self.is_search(), self.windows.are_met()) {
            (true, _) => COST_OF_SEARCHING,
            (false, true) => COST_OF_LOOKING_AT_WINDOW,
            (false, false) => COST_OF_LOOKING,
        };
        let pays = f64::from(self.cost) / (share * self.known_limit());
        let windows = self.windows;
        let last = self.history.last_throttled().filter(|_| windows.are_met());
        let debt = self.in_debt_for();
        let Phase::Resting(rest) = &mut self.phase else { return };
        if rest.lowered > 0 || !self.is_exact {
            return;
        }
        rest.until = match last {
            Some(last) => {
                let most = if windows.are_seconds() { WINDOWS_OF_REST } else { LONGEST_REST };
                let look = windows.look_after(last, pays.round().clamp(1.0, most).max(debt.ceil()));
                if look > rest.since { look } else { after(rest.since, 1.0) }
            }
            None => rest.until.max(after(rest.since, pays.min(LONGEST_REST).max(debt))),
        };
    }

    /// Follows a pace that had grown too far: the service may remember what was sent in the last
    /// second, so the pacer counts that, too.
    pub(super) fn drain(&mut self, limit: f64, sent: Instant, now: Instant) {
        self.is_exact = false;
        self.know(limit, sent, now);
        let phase =
            Phase::Resting(Rest { since: now, until: now + DRAIN, lowered: 0, may_slide: false });
        self.enter(phase, limit, now);
        (self.is_windowed, self.cut_at) = (true, self.cut_at.max(now));
    }

    pub(super) fn throttled_at_rest(&mut self, rest: Rest, sent: Instant, now: Instant) {
        let Rest { since, lowered, .. } = rest;
        // Lowering the pace a little meanwhile ends no row.
        let later = if lowered > 0 { since } else { self.cut_at };
        if self.accepts_nothing(self.chance.share(), later) || self.accepts_nothing_again() {
            self.throttled_at = self.rate;
            return self.exhaust(now);
        }
        if seconds(since, now) < STRAYS {
            return self.mark(sent, now);
        }
        if rest.may_slide && seconds(since, now) < SLIDES_WITHIN {
            // What slides still counts what was sent when the pace was too high.
            self.drain(0.995 * self.met.max(self.known_limit()), sent, now);
            self.is_exact = true;
            return;
        }
        if !self.is_exact || rest.may_slide {
            return self.listen(Met::AtRest, sent, now);
        }
        if self.windows.are_met() && !self.accepts_nothing(0.0, self.cut_at) {
            // Each call that a window throttles at its end is one that it does not take.
            let known = self.known_limit();
            let limit = self.accepted_of_a_part(since, now).unwrap_or(known).min(known - 1.0);
            self.limit = Some(limit.max(self.bounds.least));
            return self.set_rate(RESTING * limit);
        }
        self.rested.disturb(self.known_limit());
        let (accepted, span) = self.in_cycle(sent);
        if lowered == 0 {
            self.mark(sent, now);
        }
        if lowered >= RESTS_LOWERED {
            self.throttled_at = self.rate;
            return self.measure(sent, now);
        }
        let known = self.known_limit();
        let is_measured = lowered > 0 && accepted >= CALLS_AT_REST;
        let found = if is_measured { accepted / span } else { known };
        let limit = found.clamp(0.9 * known, 0.99 * known);
        self.limit = Some(limit);
        // What is throttled below a limit puts it in doubt, and that is not left alone for long.
        let until = rest.until.min(after(since, LONGEST_REST).max(now));
        let phase = Phase::Resting(Rest { lowered: lowered + 1, until, ..rest });
        self.enter(phase, self.rate.min(limit), now);
    }

    /// Returns what is accepted of a rest in which accepted calls lie between those that are throttled. A window
    /// throttles what comes at its end. Other clients that found the same limit at the same time take their part
    /// of it all the time. Later a limit has changed instead, and what slides takes less than it for a second.
    fn accepted_of_a_part(&self, since: Instant, now: Instant) -> Option<f64> {
        if self.is_settled || seconds(self.begun, now) >= BEGINNING {
            return None;
        }
        let begun = before(now, WITHIN_A_PART).max(since);
        let (span, groups) = (seconds(begun, now), self.history.groups(begun, now));
        let is_part = groups.accepted() >= LEAST_ACCEPTED * self.history.sent_between(begun, now);
        let is_shown = span >= SHOWS_ACCEPTED && groups.count() >= GROUPS_OF_A_PART;
        (is_shown && is_part).then(|| groups.accepted() / span)
    }
}
