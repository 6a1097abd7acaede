//! What holds in a row show, in exact numbers.

use super::super::{Opening, PaceController, PaceStart, RateBounds};
use super::*;
use crate::policy::pace::call_history::CallHistory;
use crate::task::ServiceLimit;
use std::time::Duration;

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

/// A spell of so many seconds in which nothing was accepted.
fn silent(seconds: f64) -> Spell {
    let now = origin();
    Spell::of(&CallHistory::new(now), (now, 0.0), now + Duration::from_secs_f64(seconds))
}

#[test]
fn a_limit_of_a_window_falls_little_where_a_spell_was_long_and_more_in_a_row() {
    for (lasted, at_rest, limit) in
        [(5.0, 1, 98.5), (5.0, 4, 98.5), (4.9, 1, 96.0), (4.9, 2, 90.0), (0.1, 7, 90.0)]
    {
        let (mut controller, _) = met_at(100.0);
        (controller.limit, controller.holds.at_rest) = (Some(100.0), at_rest);
        controller.holds.shown_as_window();
        let found = controller.lowered(&silent(0.0), &silent(lasted));
        assert!((found - limit).abs() < 1e-9, "{found}, not {limit}: {lasted} {at_rest}");
    }
}

#[test]
fn what_was_accepted_for_five_seconds_before_a_climb_is_below_the_limit() {
    for (lasted, from, limit) in
        [(5.0, 104.0, 104.0), (5.0, 0.0, 100.0), (4.9, 104.0, 0.98 * 0.98 * 110.0)]
    {
        let (mut controller, now) = met_at(110.0);
        controller.limit = Some(100.0);
        controller.holds.shown_as_window();
        let phase = Phase::Climbing(Climb::from_limit(from, now));
        let hold = Hold { phase, spell: silent(lasted), proven: None };
        let found = controller.limit_shown(&silent(0.0), &hold);
        assert!((found - limit).abs() < 1e-9, "{found}, not {limit}: {lasted} {from}");
    }
}

#[test]
fn a_step_of_a_climb_needs_four_fifths_of_its_pace_less_a_call() {
    // At 100 a second seven calls in a tenth of one.
    for (calls, is_step) in [(7, true), (6, false)] {
        let (mut controller, now) = met_at(100.0);
        controller.rate = 100.0;
        (0..calls).for_each(|_| controller.history.count_sent(now + Duration::from_millis(50)));
        controller.climb(Climb::to_limit(now), now + Duration::from_millis(100));
        assert_eq!(controller.rate > 100.0, is_step, "{calls}");
    }
}

#[test]
fn a_rest_after_a_hold_forgets_what_a_rough_way_up_knew() {
    let (mut controller, now) = met_at(100.0);
    (controller.hint, controller.is_exact) = (90.0, true);
    controller.rest_for(80.0, 1.0, now);
    assert_eq!((controller.hint, controller.is_exact, controller.limit), (0.0, false, Some(80.0)));
}
