//! Listening: nothing is sent until the calls on the wire show what throttled one of them.

use super::PaceController;
use super::phase::{Asking, ENOUGH_ON_THE_WIRE, Listening, Met, Phase, SHORT, TOO_FAR};
use crate::policy::pace::call_history::{after, before};
use std::time::Instant;

/// How long answers are waited for at least and at most, in seconds.
const SHORTEST_LISTENING: f64 = 0.01;
const LONGEST_LISTENING: f64 = 0.3;
/// In how many seconds a throttled answer comes at once, so that few calls are on the wire at any pace. For how
/// many seconds the pace then goes on, and how far above the limit it must be.
const AT_ONCE: f64 = 0.01;
const SENDS_ON: f64 = 0.025;
const FAR: f64 = 1.5;
/// The share of accepted calls up to which nothing is accepted: one may overtake others, or come when a window
/// that slides has room again.
pub(super) const NOTHING: f64 = 0.1;
/// The share of accepted ones from which on a single throttled call says little about the pace.
const MOST: f64 = 0.85;
/// Which share is believed of what a search was accepted in its last second, where little else is
/// known: it doubled meanwhile, and a second may hold the calls of two windows.
const SHARE_OF_SECOND: f64 = 0.85;
/// How many calls in a row were accepted before those that a window throttles at its end.
const ACCEPTED_BEFORE_ROW: f64 = 10.0;
/// How many seconds between two throttled calls show a limit.
pub(super) const WORTH_A_MEASURE: f64 = 0.3;
/// How long a window of a second seems to be that ends with calls on the wire.
const WINDOW_FROM: f64 = 0.8;
const WINDOW_TO: f64 = 1.15;
/// How long one is, in seconds.
const WHOLE_WINDOW: f64 = 1.0;
/// How long after the end of a window the next one is used.
const AFTER_WINDOW: f64 = 0.005;

impl PaceController {
    /// Sends nothing until the answers to the calls on the wire show what throttled one of them:
    /// each call more that finds a window at its end would be throttled, too.
    pub(super) fn listen(&mut self, met: Met, sent: Instant, now: Instant) {
        self.throttled_at = self.pace_without_question();
        let accepted = self.history.accepted_per_second(1.0, sent).min(self.rate);
        self.met = accepted;
        if met == Met::Growing && self.shows_little(sent, now) {
            let until = after(now, SENDS_ON);
            let listening = Listening { since: sent, until, accepted, met: Met::SendingOn };
            return self.enter(Phase::Listening(listening), self.rate, now);
        }
        self.hear_out(met, sent, now);
    }

    /// The same where the pace has just fallen, and what was accepted at the one before it is known.
    pub(super) fn hear_out(&mut self, met: Met, sent: Instant, now: Instant) {
        let lasts =
            (3.0 * self.history.answers_within()).clamp(SHORTEST_LISTENING, LONGEST_LISTENING);
        let (until, accepted) = (after(now, lasts), self.met);
        let listening = Listening { since: sent, until, accepted, met };
        self.enter(Phase::Listening(listening), 0.0, now);
    }

    /// Returns whether the calls on the wire are too few to show what throttled one of them, because its
    /// answer came at once, though the pace is far too high and soon has sent enough of them.
    fn shows_little(&self, sent: Instant, now: Instant) -> bool {
        let missing = ENOUGH_ON_THE_WIRE - self.history.sent_between(sent, now);
        let is_far = self.limit.is_none_or(|limit| self.throttled_at > FAR * limit);
        let is_soon = missing / self.rate < SENDS_ON;
        missing > 0.0 && is_far && is_soon && self.history.answers_within() < AT_ONCE
    }

    /// Sends no more as soon as enough calls are on the wire to show what throttled one of them.
    pub(super) fn stop_sending_on(&mut self, now: Instant) {
        if let Phase::Listening(Listening { since, met: Met::SendingOn, .. }) = self.phase
            && self.history.sent_between(since, now) >= ENOUGH_ON_THE_WIRE
        {
            self.hear_out(Met::SentOn, since, now);
        }
    }

    /// Returns what a bucket accepts that was found empty: a share of the pace. A single throttled
    /// call does not show what the pace was, which may have grown just then. A service that saves
    /// nothing accepts in a tenth of a second what it does in each.
    fn overshot(&self, since: Instant, accepted: f64, share: f64) -> f64 {
        let least = match self.rested.saves_nothing() {
            true => self.accepted_in_short(since).min(self.throttled_at),
            false => 0.0,
        };
        if self.windows.are_met() {
            return accepted.max(least);
        }
        let latest = self.history.sent_between(before(since, SHORT), since) / SHORT;
        let pace = if share > MOST { latest } else { self.throttled_at };
        (pace.min(self.throttled_at) * share).max(least)
    }

    /// Lowers a limit that is roughly known to what was accepted between two throttled calls.
    fn lower_to_cycle(&mut self, since: Instant, is_single: bool, now: Instant) {
        let (cycle, before_cycle) = (self.cycle, self.accepted_before_cycle);
        let (accepted, span) = self.in_cycle(since);
        let known = self.known_limit();
        let found = match span {
            WINDOW_FROM..WINDOW_TO if self.windows.are_met() => accepted,
            SHORT.. if accepted >= 3.0 => accepted / span,
            _ => 0.9 * known,
        };
        // After a pace that was much too high little was sent at first, so that a shorter time than that
        // of a window shows what was sent, and not what it takes.
        let found = match span {
            ..WHOLE_WINDOW if self.windows.are_met() => {
                found.max(self.history.accepted_per_second(WHOLE_WINDOW, since))
            }
            _ => found,
        };
        let found = match self.rested.saves_nothing() {
            true => found.max(self.accepted_in_short(since)),
            false => found,
        };
        let is_measured = span >= WORTH_A_MEASURE;
        let least = match (is_measured, is_single) {
            (true, _) => 0.4,
            (false, true) => 0.93,
            (false, false) => 0.8,
        };
        self.rest(found.clamp(least * known, 0.99 * known), since, now);
        if !is_measured {
            // The next throttled call measures the rest of the cycle, too.
            (self.cycle, self.accepted_before_cycle) = (cycle, before_cycle);
            self.is_exact = false;
        }
    }

    /// Returns whether so many calls in a row were accepted before this one that chance hardly
    /// throttles a row after them.
    fn ends_a_row_of_accepted(&self, since: Instant) -> bool {
        let begun = before(since, 1.0);
        let first = before(since, 1e-6);
        self.history.throttled_between(begun, first) < 1.0
            && self.history.accepted_between(begun, first) >= ACCEPTED_BEFORE_ROW
    }

    /// Waits for the next window, because the service takes no more in this one.
    pub(super) fn wait_for_window(
        &mut self,
        limit: f64,
        asking: Asking,
        sent: Instant,
        now: Instant,
    ) {
        self.know(limit, sent, now);
        (self.is_exact, self.confirmed) = (true, self.confirmed.max(1));
        self.windows.ends_at(after(asking.begun, WHOLE_WINDOW));
        let until = after(asking.begun, WHOLE_WINDOW + AFTER_WINDOW).max(now);
        let listening = Listening { since: sent, until, accepted: limit, met: Met::Window };
        self.enter(Phase::Listening(listening), 0.0, now);
    }

    /// Goes on as soon as no call is on the wire any more.
    pub(super) fn hear(&mut self, listening: Listening, now: Instant) {
        if self.history.on_the_wire() == 0 && !matches!(listening.met, Met::Window | Met::SendingOn)
        {
            self.end_listening(listening, now);
        }
    }

    pub(super) fn end_listening(&mut self, listening: Listening, now: Instant) {
        let Listening { since, accepted, met, .. } = listening;
        if self.finds_calls_at_a_time(now) {
            return;
        }
        match met {
            Met::FirstLimit => return self.end_listening_at_first(since, now),
            Met::SendingOn => return self.hear_out(Met::SentOn, since, now),
            _ => {}
        }
        let calls = self.history.sent_between(since, self.cut_at);
        let served = calls - self.history.throttled_between(since, self.cut_at);
        let raised = self.raised_at;
        if met != Met::Window {
            self.confirmed = 0;
        }
        let rate = self.throttled_at;
        let is_nothing = match met {
            Met::Window | Met::FirstLimit | Met::SendingOn => false,
            Met::AtRest if served < 1.0 && self.accepts_nothing_again() => true,
            Met::AtCeiling | Met::Growing | Met::SentOn | Met::AtRest => {
                // The call that was throttled first is none of these, but shows as much where a window
                // had taken all calls before it.
                let first = met == Met::AtCeiling && self.ends_a_row_of_accepted(since);
                calls + f64::from(u8::from(first)) >= ENOUGH_ON_THE_WIRE
                    && served <= NOTHING * calls
            }
        };
        let short = self.believe_short_window(listening, now);
        if is_nothing {
            self.rate = rate;
            self.met = short.unwrap_or(self.met);
            return self.exhaust(now);
        }
        match met {
            Met::Window | Met::FirstLimit | Met::SendingOn => {
                self.rest(self.known_limit(), since, now);
            }
            Met::AtCeiling => {
                self.rate = rate;
                self.measure(since, now);
                self.judge_present(now);
            }
            Met::Growing | Met::SentOn => {
                let found = match short {
                    Some(limit) => {
                        self.rested.save_nothing();
                        limit
                    }
                    None => self.overshot(since, accepted, served / calls.max(1.0)),
                };
                // Too few calls do not tell a window from a bucket, and a second that ends with the
                // doubling may hold the calls of two windows.
                let is_first = self.limit.is_none() && calls < ENOUGH_ON_THE_WIRE;
                let is_near = self.limit.is_some_and(|limit| found < TOO_FAR * limit);
                let part = if is_first { SHARE_OF_SECOND } else { 0.99 };
                self.drain((part * accepted).max(0.99 * found), since, now);
                self.is_exact = is_near
                    && (calls >= ENOUGH_ON_THE_WIRE || self.are_a_row_of_few(calls, served));
            }
            Met::AtRest => {
                self.rate = rate;
                match self.refutes_short_window(since) {
                    Some(second) => self.drain(0.995 * second, since, now),
                    None => self.lower_to_cycle(since, served >= calls, now),
                }
            }
        }
        self.raised_at = raised;
    }
}
