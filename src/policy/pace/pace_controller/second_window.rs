//! The second window of a run, which shows whether windows are shorter than a second.
//!
//! A run that was throttled in a row and is accepted again within its first second has met the end of a window:
//! of a shorter one, or of one of a second that had begun before the run. Until as much time has passed again, the
//! second window takes what the first one did in either case. So the run fills it as fast, and then asks
//! with two calls whether it takes more. A window of a second throttles them, has been used up, and its end
//! is known. A shorter one has ended by then, and what it takes a second is that much more.

use super::PaceController;
use super::exhaustion::{SHORT_WINDOW, SHORTER_WINDOW};
use super::growth::LOOK_AT_WINDOW;
use super::phase::{Filling, Growth, Phase};
use super::windows::BEFORE_WINDOW;
use crate::policy::pace::call_history::{before, seconds};
use std::time::Instant;

/// For how many seconds the pace stays near the limit of a window of a second, as a share of that: what slides
/// throttles more as soon as it accepts calls again, and these cost little.
const SLOWLY: f64 = 0.05;
const SLOW_PACE: f64 = 1.5;
/// How many groups of throttled calls a first window ends with: the last calls may change places on their way.
const GROUPS: f64 = 2.0;

impl PaceController {
    /// Returns whether a run that is accepted again after so many seconds has met the end of its first window.
    pub(super) fn is_first_window(&self, passed: f64, sent: Instant) -> bool {
        (SHORT_WINDOW..SHORTER_WINDOW).contains(&passed)
            && self.history.groups(self.begun, sent).count() <= GROUPS
    }

    /// Begins to fill the second window, after a first one that took so many calls. It ended after so many
    /// seconds at most, and probably after `end`.
    pub(super) fn begin_second_window(&mut self, calls: f64, most: f64, end: f64, now: Instant) {
        let filling = Filling { pace: calls / most, shown: calls / end };
        let since = before(now, BEFORE_WINDOW);
        let growth = Growth { since, is_rough: false, step: 0.0, grown: now, asked: 0 };
        self.enter(Phase::Growing(growth), filling.pace.min(SLOW_PACE * calls), now);
        self.filling = Some(filling);
    }

    /// Goes on while the second window fills, and decides once it has taken more than the first one.
    pub(super) fn fill_second_window(&mut self, growth: Growth, filling: Filling, now: Instant) {
        let Filling { pace, shown } = filling;
        if matches!(self.phase, Phase::Growing(Growth { asked: 1.., .. })) {
            return self.approach(shown, shown, now, now);
        }
        if seconds(growth.since, now) >= LOOK_AT_WINDOW {
            // Too few calls were sent to fill it.
            return self.rest(self.known_limit(), now, now);
        }
        if seconds(growth.grown, now) >= SLOWLY {
            self.set_rate(pace);
        }
    }
}
