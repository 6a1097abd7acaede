//! What follows a call that is throttled while the pace grows.

use super::account::CONFIRMED;
use super::listening::WORTH_A_MEASURE;
use super::phase::{
    Asking, ENOUGH_ON_THE_WIRE, Growth, Met, NEAR, NEAR_STEP, Phase, SEARCH_FACTOR, SHORT, TOO_FAR,
};
use super::windows::FilledWindow;
use super::{Opening, PaceController};
use crate::policy::pace::call_history::{before, seconds};
use std::time::Instant;

/// How far a pace that approaches a limit may be above what is accepted.
const TOO_FAR_WHEN_ROUGH: f64 = 1.3;
/// How long a look at a window was, in seconds, that fills one.
const NEARLY_LOOK: f64 = 0.9;
/// By which share of the limit a window differs at most that took what was known.
const SAME_WINDOW: f64 = 0.02;
/// The lowest share of a limit to which a window lowers it that was full at rest.
const LOWERED_BY_REST: f64 = 0.985;
/// The share of what was accepted in the second before a look was throttled that is believed, and up
/// to which share of the limit it may be that of a window.
const OF_A_LOOK: f64 = 0.993;
const MOST_OF_A_WINDOW: f64 = 1.02;
/// The share of the latest pace that is believed of a limit that was only roughly known, also where the
/// service saves nothing.
const OF_A_SHORT: f64 = 0.93;
const OF_A_SHORT_IF_NOTHING: f64 = 0.985;
/// From which pace on a second call that is throttled shows that the service saves nothing. Below it a tenth
/// of a second holds too few calls to show what it accepts.
const SHOWS_WHAT_IS_SAVED: f64 = 100.0;

impl PaceController {
    pub(super) fn throttled_in_the_open(&mut self, sent: Instant, now: Instant) {
        if self.history.accepted_until(sent) < 2.0 && self.rate >= SHOWS_WHAT_IS_SAVED {
            self.rested.save_nothing();
        }
        let has_just_grown = self.grown_at.is_some_and(|grown| seconds(grown, now) < 3.0);
        // Too few calls on the wire show nothing.
        let shows = self.rate * self.history.answers_within() >= ENOUGH_ON_THE_WIRE;
        let is_search = self.opening == Opening::Doubling || (has_just_grown && shows);
        self.hint = self.history.accepted_per_second(1.0, sent).min(self.rate);
        if !self.chance.is_negligible() {
            self.throttled_at = self.rate;
            return self.measure(sent, now);
        }
        if is_search {
            self.hint = self.hint.max(0.9 * self.rate / SEARCH_FACTOR);
            return self.listen(Met::Growing, sent, now);
        }
        self.throttled_at = self.rate;
        self.measure(sent, now);
    }

    pub(super) fn throttled_while_growing(
        &mut self,
        since: Instant,
        is_rough: bool,
        sent: Instant,
        now: Instant,
    ) {
        self.throttled_at = self.pace_without_question();
        let limit = self.known_limit();
        if let Some((asking, found)) = self.window_asked(sent) {
            return self.wait_for_window(found, asking, sent, now);
        }
        if self.filling.is_some() {
            // What slides takes no more than its limit as soon as calls are accepted again.
            self.drain(0.995 * limit, sent, now);
            self.is_exact = true;
            return;
        }
        let second = self.history.accepted_per_second(1.0, sent).min(self.throttled_at);
        let far = if is_rough { TOO_FAR_WHEN_ROUGH * limit.max(second) } else { TOO_FAR * limit };
        if self.rate > far {
            (self.confirmed, self.hint) = (0, 0.0);
            return self.listen(Met::Growing, sent, now);
        }
        // Between two throttled calls a bucket accepts exactly its rate on average, because it is
        // empty at both; a window accepts a little less, so that the limit sinks slowly at most.
        let (accepted, span) = self.in_cycle(sent);
        let mean = accepted / span.max(0.001);
        self.met = second;
        let looked = seconds(since, sent);
        let seems_too_low = !is_rough && self.seems_too_low(span, mean);
        if seems_too_low {
            self.rested.count_look(looked);
        }
        let is_full_at_rest =
            !is_rough && self.windows.are_met() && self.windows.are_filled_by_rests(looked);
        let found = match (is_rough, span) {
            (true, _) => self.found_on_the_way(second, sent),
            (false, _) if is_full_at_rest => second.clamp(LOWERED_BY_REST * limit, limit),
            (false, _) if self.windows.are_met() => {
                if looked >= NEARLY_LOOK {
                    second
                } else {
                    limit
                }
            }
            (false, _) if seems_too_low => self.rested.raised(limit),
            // A window that slides takes no more than its limit in any second; a bucket does.
            (false, 1.0..) if second <= MOST_OF_A_WINDOW * limit => mean.max(OF_A_LOOK * second),
            (false, 1.0..) => mean,
            (false, _) => limit,
        };
        // What a rest was accepted without a throttled call is below the limit.
        let least = match (is_rough || is_full_at_rest, self.rested.is_disturbed) {
            (true, _) => 0.98 * limit,
            (false, true) => 0.995 * limit,
            (false, false) => 0.999 * limit,
        };
        let may_end_window = self.may_end_first_window(is_rough, second, sent);
        self.confirmed += 1;
        self.is_settled |= self.confirmed >= CONFIRMED;
        let is_filled = !is_rough && looked >= NEARLY_LOOK;
        let filled = FilledWindow { calls: second, first: sent, fell: now };
        self.windows.fill(is_filled.then_some(filled));
        self.rest(found.max(least).min(self.throttled_at.max(least)), sent, now);
        self.is_windowed = true;
        if may_end_window && !self.is_settled {
            self.hear_out(Met::FirstLimit, sent, now);
        }
    }

    /// Returns what is accepted of a pace on the way to a limit that was only roughly known, by the last
    /// second and the latest calls before one was throttled.
    fn found_on_the_way(&self, second: f64, sent: Instant) -> f64 {
        if self.windows.are_met() {
            return second;
        }
        let latest = (self.history.sent_between(before(sent, SHORT), sent) / SHORT).min(self.rate);
        let part = if self.rested.saves_nothing() { OF_A_SHORT_IF_NOTHING } else { OF_A_SHORT };
        let latest = part * latest;
        // A search had passed this level in a quarter of a second, which a window does not show.
        let is_passed = self.is_search() && !self.is_settled && self.rate < NEAR * self.hint;
        let latest = if is_passed { latest.min(second) } else { latest };
        let (accepted, span) = self.in_cycle(sent);
        if span >= WORTH_A_MEASURE {
            f64::midpoint(accepted / span, second).max(latest)
        } else {
            second.max(latest)
        }
    }

    /// Returns the limit of the window that a question has filled, if its end is known.
    fn window_asked(&self, sent: Instant) -> Option<(Asking, f64)> {
        let asking = self.asking?;
        let limit = self.known_limit();
        let found = self.history.accepted_until(sent) - self.history.accepted_until(asking.begun);
        if (found - limit).abs() <= SAME_WINDOW * limit {
            // One that took just what was known has not grown, and its begin was right: what slides would
            // have throttled calls as soon as the pace grew.
            return Some((asking, found.max(limit)));
        }
        self.windows.are_regular().then(|| (asking, found.max(0.98 * limit)))
    }

    /// Goes towards a limit that is only roughly known.
    pub(super) fn approach(&mut self, limit: f64, rate: f64, sent: Instant, now: Instant) {
        self.is_exact = false;
        self.know(limit, sent, now);
        let phase = Phase::Growing(Growth {
            since: now,
            is_rough: true,
            step: NEAR_STEP,
            grown: now,
            asked: 0,
        });
        self.enter(phase, rate, now);
    }

    pub(super) fn know(&mut self, limit: f64, sent: Instant, now: Instant) {
        self.limit = Some(limit.max(self.bounds.least));
        (self.cost, self.unmet) = (0, 0);
        self.mark(sent, now);
        self.chance.acquit();
    }

    /// Begins to count what is accepted from a call on that was throttled.
    pub(super) fn mark(&mut self, at: Instant, now: Instant) {
        self.accepted_before_cycle = self.history.accepted_until(at.min(now));
        self.cycle = at;
    }

    /// Returns what was accepted since the last throttled call the pace followed, and how long
    /// that is ago.
    pub(super) fn in_cycle(&self, to: Instant) -> (f64, f64) {
        let accepted = self.history.accepted_until(to) - self.accepted_before_cycle;
        (accepted, seconds(self.cycle, to))
    }
}
