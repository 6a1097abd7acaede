//! Raises a limit in small steps where each look above it is throttled at once.
//!
//! A service that saves nothing of what was not used throttles the first calls of a look, however little
//! they exceed its limit. Such a look does not show how far the limit is below.

use super::PaceController;
use super::account::CONFIRMED;
use super::short_windows::ShortWindow;

/// By what factor the limit is raised from look to look.
const RAISED: f64 = 1.004;
/// How far it stays below one that was too high: a rest below that throttled calls.
const BELOW_DISTURBED: f64 = 0.993;
/// From how many seconds between two throttled calls on what was accepted meanwhile shows the limit, and
/// which share of it is accepted at least where a service saves what was not used.
const SHOWS_LIMIT: f64 = 1.0;
const ALL_OF_LIMIT: f64 = 0.997;

/// How many looks in a row show that a service saves nothing, in how many seconds each is throttled, and from
/// how many on it does save. What lies between shows neither.
const LOOKS_AT_ONCE: u32 = 3;
const AT_ONCE: f64 = 0.15;
const LATER: f64 = 0.2;

/// What the latest rests and looks say about the limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rested {
    /// Whether the last rest throttled a call.
    pub(super) is_disturbed: bool,
    /// Below which limit a rest did since the service took more than was known; infinite for none.
    disturbed_at: f64,
    /// How many looks in a row were throttled by a single call, and not by a row.
    singles: u32,
    /// How many of them in a row were throttled at once.
    at_once: u32,
    /// The short window that is believed, until a call is throttled or the next look.
    pub(super) short: Option<ShortWindow>,
}

impl Rested {
    pub(super) fn unknown() -> Self {
        Self {
            is_disturbed: false,
            disturbed_at: f64::INFINITY,
            singles: 0,
            at_once: 0,
            short: None,
        }
    }

    /// Takes note that a call was throttled below a limit.
    pub(super) fn disturb(&mut self, limit: f64) {
        (self.is_disturbed, self.disturbed_at) = (true, limit);
    }

    /// Takes note that a rest ends, and whether it followed a single throttled call.
    pub(super) fn end(&mut self, was_single: bool) {
        if was_single {
            self.singles = self.singles.saturating_add(1);
        } else {
            (self.singles, self.at_once) = (0, 0);
        }
    }

    /// Returns how many looks in a row were throttled by a single call.
    pub(super) fn singles(&self) -> u32 {
        self.singles
    }

    /// Takes note that a look was throttled by a single call after so many seconds.
    pub(super) fn count_look(&mut self, looked: f64) {
        match looked {
            ..AT_ONCE => self.at_once = self.at_once.saturating_add(1),
            LATER.. => self.at_once = 0,
            _ => {}
        }
    }

    /// Takes note that the service saves nothing of what was not used.
    pub(super) fn save_nothing(&mut self) {
        self.at_once = LOOKS_AT_ONCE;
    }

    /// Takes note that it does, after all.
    pub(super) fn save_something(&mut self) {
        (self.singles, self.at_once) = (0, 0);
    }

    /// Returns whether the service has shown that it saves nothing of what was not used.
    pub(super) fn saves_nothing(&self) -> bool {
        self.at_once >= LOOKS_AT_ONCE
    }

    /// Takes note that the service took more than the limit that was known.
    pub(super) fn forget(&mut self) {
        self.disturbed_at = f64::INFINITY;
    }

    /// Returns a limit that is a little higher, but lower than one that was too high.
    pub(super) fn raised(&self, limit: f64) -> f64 {
        (RAISED * limit).min(BELOW_DISTURBED * self.disturbed_at).max(limit)
    }
}

impl PaceController {
    /// Returns whether the limit may be too low that a look has met, after so many seconds in which so
    /// many calls a second were accepted: no rest below it throttled a call, and looks at once a single one.
    pub(super) fn seems_too_low(&self, span: f64, mean: f64) -> bool {
        let limit = self.known_limit();
        let is_look = self.throttled_at <= (1.0 + self.look()) * limit + 1e-9;
        let is_open = span < SHOWS_LIMIT || mean < ALL_OF_LIMIT * limit;
        let is_single = self.rested.singles() > 0 && !self.rested.is_disturbed;
        is_look && is_open && is_single && self.confirmed >= CONFIRMED
    }
}

#[cfg(test)]
mod tests {
    use super::Rested;

    #[test]
    fn a_limit_is_raised_by_small_steps_and_stays_below_one_that_was_too_high() {
        let mut rested = Rested::unknown();
        assert_eq!(rested.raised(100.0), 100.4);
        rested.disturb(101.0);
        assert!(rested.is_disturbed);
        assert_eq!(rested.raised(100.0), 0.993 * 101.0);
        assert_eq!(rested.raised(100.5), 100.5);
        rested.forget();
        assert_eq!(rested.raised(100.5), 1.004 * 100.5);
    }

    #[test]
    fn three_looks_that_are_throttled_at_once_show_that_nothing_is_saved_until_one_lasts_or_meets_a_row()
     {
        let shown = |looks: &[f64]| {
            let mut rested = Rested::unknown();
            rested.end(true);
            looks.iter().for_each(|&looked| rested.count_look(looked));
            rested
        };
        assert!(!shown(&[0.1, 0.1]).saves_nothing());
        assert!(shown(&[0.1, 0.1, 0.149]).saves_nothing());
        assert!(!shown(&[0.1, 0.1, 0.15]).saves_nothing());
        assert!(shown(&[0.15, 0.1, 0.1, 0.199, 0.1]).saves_nothing());
        assert!(!shown(&[0.1, 0.1, 0.1, 0.2]).saves_nothing());
        assert!(!shown(&[0.1, 0.2, 0.1, 0.1]).saves_nothing());
        let mut rested = shown(&[0.1, 0.1, 0.1]);
        rested.end(true);
        assert!(rested.saves_nothing());
        rested.end(false);
        assert!(!rested.saves_nothing());
    }
}
