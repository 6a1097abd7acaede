//! What holds in a row show, in exact numbers.

use super::super::{Opening, PaceController, PaceStart, RateBounds};
use super::*;
use crate::policy::pace::call_history::CallHistory;
use crate::task::ServiceLimit;

impl super::super::holds::Holds {
    pub(in crate::policy::pace::pace_controller) fn shown_as_window(&mut self) {
        self.shown = Shown::Window;
    }

    pub(in crate::policy::pace::pace_controller) fn test_at(&mut self, sustained: f64) {
        (self.sustained, self.is_test) = (sustained, true);
    }
}

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn origin() -> Instant {
    Instant::now()
}

/// A controller that met its first hold at 100 a second, and now one at this pace.
fn met_at(pace: f64) -> (PaceController, Instant) {
    let now = origin();
    let bounds = RateBounds { least: 0.001, most: 10_000.0 };
    let learnt = ServiceLimit::default();
    let start = PaceStart { bounds, opening: Opening::AtCeiling, learnt };
    let mut controller = PaceController::new(start, now);
    controller.throttled_at = pace;
    let spell = Spell::of(&CallHistory::new(now), (now, 0.0), now);
    controller.holds.first = Some((spell, 100.0));
    (controller, now)
}

#[test]
fn a_hold_at_rest_at_a_pace_that_was_sustained_comes_by_chance() {
    for (pace, at_rest, is_by_chance) in
        [(50.0, 1, true), (50.0, 4, true), (50.0, 0, false), (50.1, 1, false), (49.9, 1, true)]
    {
        let (mut controller, _) = met_at(pace);
        (controller.holds.sustained, controller.holds.at_rest) = (50.0, at_rest);
        assert_eq!(controller.is_by_chance(), is_by_chance, "{pace} {at_rest}");
    }
}

#[test]
fn holds_that_cost_less_than_a_quarter_near_the_first_pace_are_put_down_to_chance_without_a_test() {
    // Calls in a second and a hold: 0.95 of them is what is tried.
    for (pace, sustained, is_tested) in [
        (90.0, 68.0, false),
        (90.0, 67.5, true),
        (90.0, 60.0, true),
        (75.0, 68.0, true),
        (75.1, 68.0, false),
    ] {
        let (mut controller, now) = met_at(pace);
        controller.holds.since_rest = (sustained / 0.95, 1.0);
        controller.holds.spells = (4.0, 80.0);
        controller.test_for_chance(now);
        assert_eq!(controller.holds.is_test, is_tested, "{pace} {sustained}");
        assert_eq!(matches!(controller.phase, Phase::Resting(_)), is_tested);
        assert_eq!(controller.holds.strays, if is_tested { 0 } else { 20 });
        if !is_tested {
            assert_eq!((controller.rate, controller.limit), (100.0, None));
        }
    }
}
