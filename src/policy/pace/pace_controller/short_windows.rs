//! Windows that are much shorter than a second: a tenth of one holds what the service takes.
//!
//! A pace that has grown far past a limit has been far below it for most of the last second. So what was
//! accepted in that second is too little for a short window, and all of a window of a second. Which of the
//! two it is shows what follows: the tenth is believed, and the first throttled call after it confirms or
//! refutes that.

use super::PaceController;
use super::phase::{Listening, Met, SHORT};
use crate::policy::pace::call_history::before;
use std::time::Instant;

/// How many calls in a row a short window throttles at its end, where it is not known for single ones.
const ROW: f64 = 3.0;
/// The same, of a window that is followed by so many accepted calls of the next one.
const SHORT_ROW: f64 = 2.0;
const LONG_NEXT: f64 = 4.0;
/// How many accepted calls follow the row that ends a search: a window that slides takes single ones.
const NEXT_OF_SEARCH: f64 = 3.0;
/// From which pace on a search shows a short window. Below it a tenth of a second holds too few calls.
const SHOWS_SHORT_WINDOW: f64 = 100.0;
/// How many looks in a row a single call was throttled in, where windows of a second throttle rows, and
/// where a row was met earlier.
const SINGLE_LOOKS: u32 = 2;
const SINGLE_LOOKS_AFTER_ROW: u32 = 4;
/// Which share of what was accepted in a tenth of a second is believed.
const BELIEVED: f64 = 0.95;
/// Which share of a window must have been accepted before it throttles a call, to confirm it.
const CONFIRMED_BY: f64 = 0.5;

/// A limit that a tenth of a second has shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShortWindow {
    /// What the last second has shown, which is the limit of a longer window.
    second: f64,
    /// Since when the pace keeps to it.
    begun: Instant,
}

impl PaceController {
    /// Returns what was accepted in the tenth of a second before a call that was throttled.
    pub(super) fn accepted_in_short(&self, sent: Instant) -> f64 {
        self.history.accepted_between(before(sent, SHORT), sent) / SHORT
    }

    /// Believes the last tenth of a second, if the answers to the calls on the wire are those of a short
    /// window; returns the limit that it shows.
    pub(super) fn believe_short_window(
        &mut self,
        listening: Listening,
        now: Instant,
    ) -> Option<f64> {
        let Listening { since, met, .. } = listening;
        let found = BELIEVED * self.accepted_in_short(since).min(self.throttled_at);
        let is_short = met == Met::Growing && found > self.met && self.ends_short_window(since);
        if !is_short {
            return None;
        }
        self.rested.short = Some(ShortWindow { second: self.met, begun: now });
        Some(found)
    }

    /// Returns whether the calls since a first throttled one are a row of throttled ones and then accepted
    /// ones, at a service that shows no windows of a second.
    fn ends_short_window(&self, since: Instant) -> bool {
        let groups = self.history.groups(before(since, 1e-6), self.cut_at);
        if groups.count() > 1.0 {
            return false;
        }
        let (row, next) = (groups.in_a_row(), groups.accepted());
        if self.limit.is_none() {
            let is_fast = self.throttled_at >= SHOWS_SHORT_WINDOW;
            return is_fast && row >= ROW && next >= NEXT_OF_SEARCH;
        }
        let is_row = row >= ROW || (row >= SHORT_ROW && next >= LONG_NEXT);
        let looks = if self.windows.are_met() { SINGLE_LOOKS_AFTER_ROW } else { SINGLE_LOOKS };
        is_row && !self.windows.are_regular() && self.rested.singles() >= looks
    }

    /// Returns what the last second had shown, if a throttled call refutes a short window that was believed.
    pub(super) fn refutes_short_window(&mut self, sent: Instant) -> Option<f64> {
        let ShortWindow { second, begun } = self.rested.short.take()?;
        let accepted = self.history.accepted_between(begun, sent);
        let is_refuted = accepted < CONFIRMED_BY * SHORT * self.known_limit();
        if is_refuted {
            self.rested.save_something();
        }
        is_refuted.then_some(second)
    }
}

impl ShortWindow {
    /// Begins when the next window does, if the service accepted nothing until then.
    pub(super) fn begin(&mut self, now: Instant) {
        self.begun = now;
    }
}
