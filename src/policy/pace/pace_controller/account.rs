//! The account of throttled calls at a low limit, where each one is a share of all calls: it makes rests
//! longer and single calls rarer. It never keeps the pace from falling.

use super::PaceController;
use super::exhaustion::SHORT_WINDOW;
use super::phase::LONGEST_REST;
use super::resting::COST_OF_SEARCHING;
use crate::policy::pace::call_history::{before, seconds, whole};
use std::time::Instant;

/// The share of all calls since the beginning that may be throttled before a look waits for more.
const AFFORDED: f64 = 0.015;
const AFFORDED_BY_SEARCH: f64 = 0.0085;
const AFFORDED_BY_FAST_SEARCH: f64 = 0.01;
/// From this limit on looks that come often enough to follow one that doubles are paid for, and from
/// one that is so many times as high on a search is, too.
pub(super) const PAYS_FOR_LOOKS: f64 = 67.0;
const PAYS_FOR_SEARCH: f64 = 2.2 * PAYS_FOR_LOOKS;
/// The longest rest for it, in seconds; and that of a faster search, at least and at most. A look that fills a
/// window takes a second of its own, so that the rest before it is shorter by that.
const LONGEST_DEBT: f64 = 30.0;
const FEWEST_SECONDS: f64 = 2.0;
const MOST_SECONDS: f64 = 4.0;
const MOST_SECONDS_BETWEEN_WINDOWS: f64 = 3.0;
/// How often growth must have been throttled for the limit to be known.
pub(super) const CONFIRMED: u32 = 2;
/// How many accepted calls pay for one that asks whether a window has ended, and how long it waits
/// for as many at most, in seconds; and the same of fewer calls.
const CALLS_OF_PROBE: f64 = 10.0;
const SHORT_WAIT: f64 = 0.1;
const FEWEST_CALLS_OF_PROBE: f64 = 4.0;
const LONGEST_WAIT: f64 = 0.2;
/// How many seconds without another throttled call precede the end of a window of a second.
const OPEN_WINDOW: f64 = 0.9;

impl PaceController {
    /// Returns how many seconds it is until another throttled call is a small share of all, where a
    /// limit is known that is too low to pay for looks that come often. The lower it is, the longer.
    pub(super) fn in_debt_for(&self) -> f64 {
        let limit = self.known_limit();
        let share = match (self.is_search(), limit) {
            _ if self.confirmed < CONFIRMED => return 0.0,
            (false, ..PAYS_FOR_LOOKS) => AFFORDED,
            (true, ..PAYS_FOR_LOOKS) => AFFORDED_BY_SEARCH,
            (true, ..PAYS_FOR_SEARCH) => AFFORDED_BY_FAST_SEARCH,
            _ => return 0.0,
        };
        let (calls, throttled) = self.history.in_all();
        let most = if limit < PAYS_FOR_LOOKS {
            (LONGEST_REST * (PAYS_FOR_LOOKS / limit).powi(2)).min(LONGEST_DEBT)
        } else {
            // For as long as the last look has cost, so that a doubled limit is still followed.
            let most = match self.windows.is_filled() {
                true => MOST_SECONDS_BETWEEN_WINDOWS,
                false => MOST_SECONDS,
            };
            (f64::from(self.cost) / (COST_OF_SEARCHING * limit)).clamp(FEWEST_SECONDS, most)
        };
        (((throttled + 1.0) / share - calls) / limit).clamp(0.0, most)
    }

    /// Returns how many seconds a single call waits that asks whether a window has ended: the time of
    /// some accepted ones, if all that came before were.
    pub(super) fn paid_probe(&self, now: Instant) -> f64 {
        if seconds(self.begun, now) < SHORT_WINDOW {
            return 0.0;
        }
        let begun = before(now, OPEN_WINDOW);
        let throttled = self.history.throttled_between(begun, now);
        if throttled < 1.0 || !self.history.ends_with_throttled(whole(throttled), begun) {
            return 0.0;
        }
        let accepted = self.history.accepted_between(begun, now).max(1.0);
        let of_many = (CALLS_OF_PROBE / accepted).min(SHORT_WAIT);
        of_many.max(FEWEST_CALLS_OF_PROBE / accepted).min(LONGEST_WAIT)
    }
}
