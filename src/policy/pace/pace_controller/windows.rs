//! What is known of windows: a service that takes so many calls in each second, and then none.
//!
//! A window shows itself by its end, at which several calls in a row are throttled. Fixed windows
//! end a whole number of seconds apart, so their next end is known.

use crate::policy::pace::call_history::{CallHistory, after, before, seconds};
use std::time::Instant;

/// For how many looks a service that throttled a row of calls is taken for one with windows.
const ROWS_REMEMBERED: u32 = 20;
/// How many windows a whole number of seconds apart show when the next one begins.
const REGULAR: u32 = 2;
/// How many seconds after the pace fell a window that throttled calls has ended.
const CLOSES_WITHIN: f64 = 0.1;
/// How late timers and answers may be, in seconds.
const LATENESS: f64 = 0.002;
/// How long before a window a look at it begins.
pub(super) const BEFORE_WINDOW: f64 = 0.02;
/// After how many looks in a row that were throttled before their window began its limit is too high. A single
/// one may have begun too late: windows whose weights slide were left at a doubled limit for it.
const FULL_RESTS: u32 = 2;
/// An exhaustion that lasted longer was no window of a second, however late the last call asked.
const LONG_WINDOW: f64 = 1.35;
/// The lowest share of the limit that one window can correct it to.
const CORRECTED: f64 = 0.95;
/// Which share of the limit timers miscount that are late: a window that shows so little less is believed by
/// half. A limit that sank by two calls was outgrown by the next look. Below the second limit, a second, the
/// timers miscount less than a call.
const MISCOUNTED: f64 = 0.008;
const MISCOUNTED_FROM: f64 = 134.0;

/// A second in which a look was throttled.
#[derive(Debug, Clone, Copy)]
pub(super) struct FilledWindow {
    /// How many were accepted in it.
    pub(super) calls: f64,
    /// When the first throttled call was sent, and when the pace fell for it.
    pub(super) first: Instant,
    pub(super) fell: Instant,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    /// How many looks ago several calls in a row were throttled.
    looks_since_row: u32,
    /// Whether they last longer than a second.
    is_long: bool,
    /// The window that the last look filled, if it did.
    filled: Option<FilledWindow>,
    /// When the last one ended that throttled calls, and how many in a row ended whole seconds apart.
    ended: Option<Instant>,
    regular: u32,
    /// How many looks in a row were throttled before their window began.
    full_rests: u32,
}

impl Windows {
    pub(super) fn unknown() -> Self {
        Self {
            looks_since_row: u32::MAX,
            is_long: false,
            filled: None,
            ended: None,
            regular: 0,
            full_rests: 0,
        }
    }

    /// Returns whether the service has shown the end of one lately.
    pub(super) fn are_met(&self) -> bool {
        self.looks_since_row < ROWS_REMEMBERED
    }

    /// Returns whether it has, and whether they last for a second.
    pub(super) fn are_seconds(&self) -> bool {
        self.are_met() && !self.is_long
    }

    /// Returns whether it is known when the next one begins.
    pub(super) fn are_regular(&self) -> bool {
        self.regular >= REGULAR
    }

    /// Takes note that nothing was accepted for so many seconds.
    pub(super) fn closed(&mut self, lasted: f64, is_window: bool) {
        self.is_long |= lasted > LONG_WINDOW;
        if is_window {
            self.looks_since_row = 0;
        }
    }

    pub(super) fn count_look(&mut self) {
        self.looks_since_row = self.looks_since_row.saturating_add(1);
    }

    pub(super) fn fill(&mut self, filled: Option<FilledWindow>) {
        self.filled = filled;
    }

    /// Returns whether the last look was throttled when a window was full, and not before.
    pub(super) fn is_filled(&self) -> bool {
        self.filled.is_some()
    }

    /// Takes note of another throttled call of a look that is over: several in a row come at the end
    /// of a window.
    pub(super) fn believe(&mut self, history: &CallHistory) {
        let begun = self.filled.map(|filled| before(filled.first, 1e-6));
        if begun.is_some_and(|begun| history.ends_with_throttled(2, begun)) {
            self.looks_since_row = 0;
        }
    }

    /// Takes note of a look that was throttled after so many seconds. Returns whether two in a row were
    /// before their window began: then the rest before them has filled its own.
    pub(super) fn are_filled_by_rests(&mut self, looked: f64) -> bool {
        self.full_rests = if looked < BEFORE_WINDOW { self.full_rests + 1 } else { 0 };
        self.full_rests >= FULL_RESTS
    }

    /// Takes note that a window ends then, which took what the ones before it did.
    pub(super) fn ends_at(&mut self, end: Instant) {
        (self.ended, self.regular) = (Some(end), self.regular.max(1));
    }

    /// Returns the limit that the window shows which the last look filled. One that ended by itself,
    /// and not because the pace fell, has throttled just what was too much for it.
    pub(super) fn correct(&mut self, history: &CallHistory, pace: f64, limit: f64) -> f64 {
        let Some(FilledWindow { calls, first, fell }) = self.filled.take() else { return limit };
        let last = history.last_throttled_until(after(fell, CLOSES_WITHIN));
        let Some(last) = last.filter(|_| self.are_met()) else { return limit };
        let apart = self.ended.replace(last).map_or(0.5, |ended| seconds(ended, last));
        let is_regular = (apart - apart.round()).abs() < LATENESS + 2.0 / pace;
        self.regular = if is_regular { self.regular + 1 } else { 0 };
        let has_ended = last <= fell && history.sent_between(last, fell) >= 1.0;
        if !is_regular && !has_ended {
            return limit;
        }
        let row = history.throttled_between(before(first, 1e-6), last);
        let found = calls - row + 0.5;
        let is_miscounted = limit >= MISCOUNTED_FROM && limit - found <= MISCOUNTED * limit;
        let found = if is_miscounted { f64::midpoint(limit, found) } else { found };
        found.clamp(CORRECTED * limit, limit)
    }

    /// Returns when a look begins that fills the window which begins so many seconds after the one
    /// in which the last call was throttled.
    pub(super) fn look_after(&self, last: Instant, windows: f64) -> Instant {
        let ended = self.ended.filter(|_| self.regular > 0).unwrap_or(last);
        let begun = after(ended, (seconds(ended, last) - CLOSES_WITHIN).ceil().max(0.0));
        after(begun, windows - BEFORE_WINDOW)
    }

    /// Returns when the present window began, if a look began before one.
    pub(super) fn begun(look: Instant, now: Instant) -> Instant {
        after(look, BEFORE_WINDOW + seconds(look, now).floor())
    }
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;
