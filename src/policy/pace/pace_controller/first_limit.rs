//! The first limit that a run finds.
//!
//! Until looks have met it twice, it is known badly, so the pace may be far above it when a window ends. At a
//! low one too few calls are on the wire to tell that end from a bucket that is empty. So the pace does not go on
//! while more of them are throttled: nothing is sent until those on the wire are answered. If none of them was
//! accepted, single calls ask when the service accepts some again.

use super::PaceController;
use super::exhaustion::{ROW, WINDOW_CLOSED};
use super::phase::{Asking, ENOUGH_ON_THE_WIRE, TOO_FAR};
use crate::policy::pace::call_history::seconds;
use std::time::Instant;

/// For how many seconds after a service accepts calls again its first windows may end early, because the limit
/// that was found is too high.
const FIRST_WINDOWS: f64 = 2.0;
/// After so many seconds a window may have ended that began then.
const IN_FIRST_WINDOW: f64 = 0.97;
/// Which share of the limit such a window has taken at least: what slides accepts less until it throttles.
const TAKEN_AT_LEAST: f64 = 0.8;
/// How many calls in a row are the end of a window, of a service that has shown none.
const FIRST_ROW: usize = 3;
/// How many calls must be on the wire to show anything.
const ANY_ON_THE_WIRE: f64 = 1.0;

impl PaceController {
    /// Returns whether a call that was throttled near a limit may be the first of a row.
    pub(super) fn may_end_first_window(&self, is_rough: bool, second: f64, sent: Instant) -> bool {
        if self.rested.saves_nothing() {
            return false;
        }
        match (is_rough, self.windows.are_met()) {
            // A search had passed this pace too fast for a window to show it.
            (true, false) => self.is_search() && self.throttled_at > TOO_FAR * second,
            (false, true) => self.resumed.is_some_and(|(at, _)| seconds(at, sent) < FIRST_WINDOWS),
            (true, true) | (false, false) => false,
        }
    }

    /// Decides what the calls on the wire have shown since one was throttled.
    pub(super) fn end_listening_at_first(&mut self, since: Instant, now: Instant) {
        let calls = self.history.sent_between(since, self.cut_at);
        let throttled = self.history.throttled_between(since, self.cut_at);
        let is_nothing = calls >= ANY_ON_THE_WIRE && throttled >= calls;
        let raised = self.raised_at;
        if !is_nothing {
            self.go_on_resting(now);
        } else if let Some((begun, taken)) = self.taken_since_resumed(since) {
            let asking = Asking { pace: self.throttled_at, begun };
            return self.wait_for_window(taken, asking, since, now);
        } else {
            self.rate = self.throttled_at;
            return self.exhaust(now);
        }
        self.raised_at = raised;
    }

    /// Returns when the present window began and what it has taken, if the service has accepted calls again for
    /// less than a second: no other one was accepted before in it.
    fn taken_since_resumed(&self, since: Instant) -> Option<(Instant, f64)> {
        let (begun, total) = self.resumed.filter(|_| self.windows.are_seconds())?;
        let taken = (self.history.accepted_until(since) - total + 1.0).max(self.met);
        let is_whole = taken >= TAKEN_AT_LEAST * self.known_limit();
        (is_whole && seconds(begun, since) < IN_FIRST_WINDOW).then_some((begun, taken))
    }

    /// Returns whether single calls were accepted so soon after so few throttled ones that no window has ended.
    pub(super) fn shows_no_end(&self, lasted: f64) -> bool {
        let row = if self.windows.are_met() { ROW } else { FIRST_ROW };
        self.is_exact
            && lasted < WINDOW_CLOSED
            && !self.history.ends_with_throttled(row, self.begun)
    }

    /// Returns whether the calls on the wire were all throttled at a limit so low that there never are more. Where
    /// two ways up show the same limit, that is enough.
    pub(super) fn are_a_row_of_few(&self, calls: f64, served: f64) -> bool {
        let usual = self.known_limit() * self.history.answers_within();
        let are_few = (ANY_ON_THE_WIRE..ENOUGH_ON_THE_WIRE).contains(&usual);
        are_few && calls >= ANY_ON_THE_WIRE && served < 1.0
    }
}
