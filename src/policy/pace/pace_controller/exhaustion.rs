//! A service that accepts nothing: single calls ask for its next window, and the way back.

use super::PaceController;
use super::phase::{Phase, TOO_FAR};
use crate::policy::pace::call_history::{after, seconds};
use crate::policy::pace::chance_throttling::ChanceThrottling;
use std::time::Instant;

/// How long it is until the first single call at least and at most, and how that grows.
const SHORTEST_PROBE: f64 = 0.02;
const FIRST_PROBE: f64 = 0.05;
pub(super) const PROBES_GROW: f64 = 1.25;
/// The longest time from one to the next, in seconds.
pub(super) const LONGEST_PROBE: f64 = 5.0;
/// An exhaustion that lasted so long is the end of a window: what slides accepts again at once.
pub(super) const WINDOW_CLOSED: f64 = 0.1;
/// An exhaustion that lasted longer is measured by what was accepted since the one before.
const WHOLE_CYCLE: f64 = 1.0;
/// How long a window of a second seems to be from one single call to the next.
const WINDOW_FROM: f64 = 0.8;
const WINDOW_TO: f64 = 1.15;
/// After how many windows at most the end of another one shows how long they are.
const MOST_WINDOWS: f64 = 3.0;
/// A run that is throttled and served again within so many seconds has met a shorter window.
pub(super) const SHORT_WINDOW: f64 = 0.25;
/// The same within so many seconds may have, or the end of one that had begun long before the run.
pub(super) const SHORTER_WINDOW: f64 = 0.8;
/// How many calls in a row are throttled where the service accepts none.
pub(super) const ROW: usize = 5;
const ROW_WITHOUT_LIMIT: usize = 7;
/// How long an exhaustion lasts, in seconds, that leaves a limit that was known as it is.
const BRIEF: f64 = 0.5;

/// Returns whether single calls were accepted again so many seconds apart at the beginnings of two windows.
fn are_whole_seconds(span: f64) -> bool {
    let windows = (span + 1.0 - WINDOW_FROM).floor();
    (1.0..=MOST_WINDOWS).contains(&windows) && span - windows < WINDOW_TO - 1.0
}

impl PaceController {
    /// Returns whether so many calls in a row were throttled, of those sent later, that none is accepted.
    pub(super) fn accepts_nothing(&self, chance: f64, later: Instant) -> bool {
        let row = match (chance > 0.02, self.limit.is_some()) {
            (true, _) => ChanceThrottling::longest_row(chance),
            (false, true) => ROW,
            (false, false) => ROW_WITHOUT_LIMIT,
        };
        self.history.ends_with_throttled(row, later)
    }

    /// Returns whether a service that accepted nothing before does so again, while its limit is only
    /// roughly known. The pace falls by small steps then, so that only an accepted call ends a row.
    pub(super) fn accepts_nothing_again(&self) -> bool {
        let Some((resumed, _)) = self.resumed.filter(|_| !self.is_exact) else { return false };
        self.accepts_nothing(self.chance.share(), resumed)
    }

    /// Asks now and then whether a service that accepts nothing does so again.
    pub(super) fn exhaust(&mut self, now: Instant) {
        let soonest =
            (4.0 / self.rate).clamp(SHORTEST_PROBE, FIRST_PROBE).max(1.0 / self.rate.max(0.1));
        let interval = soonest.max(self.paid_probe(now));
        let phase = Phase::Exhausted { since: now, interval, next: after(now, interval) };
        self.enter(phase, 1.0 / interval, now);
    }

    /// A call was accepted again: the limit is what was accepted from one such moment to the next,
    /// which is a whole number of windows, however long a window is.
    pub(super) fn resume(&mut self, since: Instant, sent: Instant, now: Instant) {
        let lasted = seconds(since, now);
        if self.shows_no_end(lasted) {
            return self.go_on_resting(now);
        }
        let total = self.history.accepted_until(now);
        let earlier = self.resumed.replace((now, total));
        let cycle = earlier.map(|(at, accepted)| (seconds(at, now), total - accepted));
        let last = self.history.last_throttled().unwrap_or(since);
        let passed = seconds(self.begun, sent);
        // From one beginning of a window to the next: all that one takes.
        let whole = cycle.filter(|(span, _)| (WINDOW_FROM..WINDOW_TO).contains(span));
        let whole = whole.filter(|_| lasted <= WHOLE_CYCLE).map(|(_, accepted)| accepted);
        let found = match (cycle, whole) {
            (Some((span, accepted)), _) if lasted > WHOLE_CYCLE => accepted / span,
            (_, Some(whole)) => whole,
            _ if lasted > WHOLE_CYCLE => total / seconds(self.begun, now),
            // A run that has just begun does not know when the window did. Windows that end so
            // soon are short ones, mostly; others last for a second.
            _ if passed < SHORT_WINDOW => self.history.accepted_per_second(1.0, sent),
            _ => {
                // All that the window of a second may have taken that ended between the last two calls.
                let span = 1.0 + seconds(last, sent);
                self.history.accepted_per_second(span, sent) * span.min(passed)
            }
        };
        let known = self.limit.filter(|_| self.is_exact && lasted < BRIEF);
        let found = found.min(known.unwrap_or(found)).min(self.throttled_at);
        self.confirmed = if known.is_some() { self.confirmed } else { 0 };
        let is_brief = lasted < WINDOW_CLOSED;
        let is_first = earlier.is_none() && self.is_first_window(passed, sent);
        let is_far = self.throttled_at > TOO_FAR * found;
        // Two that whole seconds lie between are the ends of windows, too, however brief.
        let is_whole = cycle.is_some_and(|(span, _)| are_whole_seconds(span)) && !is_far;
        self.windows.closed(lasted, !is_brief || is_whole || is_first);
        // What slides still counts what was sent when the pace was too high.
        let is_sliding = is_brief && is_far && !is_first;
        // Of a first window that was a short one only the end was seen.
        let is_measured = earlier.is_some() || known.is_some() || !is_brief;
        if is_sliding {
            self.hint = 0.0;
            if let Some(short) = &mut self.rested.short {
                short.begin(now);
                self.rested.save_nothing();
            }
            return self.drain(0.995 * self.met.max(found), now, now);
        }
        self.rested.short = None;
        // What a whole window took is its limit. With less than that, looks exceeded it by no call.
        let is_taken = whole.map_or(is_whole, |whole| whole <= found);
        let part = if is_taken { 1.0 } else { 0.995 };
        self.rest(part * found.max(self.bounds.least), now, now);
        self.is_exact = is_measured;
        if earlier.is_none() && passed < SHORTER_WINDOW {
            // It may be a shorter one than a second, so one look that it does not fill is enough.
            self.unmet = 1;
        }
        if let Phase::Resting(rest) = &mut self.phase {
            rest.may_slide = is_far;
        }
        if is_first {
            let end = passed - seconds(last, sent) / 2.0;
            self.begin_second_window(found, passed, end, now);
        }
    }
}
