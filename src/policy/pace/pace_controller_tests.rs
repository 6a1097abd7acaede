//! Single decisions of the controller; whole runs are in `pace_figures_tests.rs`.

use super::*;

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn controller(ceiling: f64, learnt: Option<f64>) -> (PaceController, Instant) {
    let bounds = RateBounds { least: 1.0, most: ceiling };
    let now = Instant::now();
    let learnt = ServiceLimit { per_second: learnt, at_a_time: None };
    let start = PaceStart { bounds, opening: Opening::AtCeiling, learnt };
    (PaceController::new(start, now), now)
}

#[test]
fn what_was_learnt_is_where_the_pace_begins_unless_it_is_nonsense_or_above_the_ceiling() {
    assert_eq!(controller(400.0, Some(100.0)).0.per_second(), 99.5);
    for nonsense in [0.0, -1.0, f64::NAN, f64::INFINITY, 500.0] {
        assert_eq!(controller(400.0, Some(nonsense)).0.per_second(), 400.0, "{nonsense}");
    }
}

#[test]
fn after_a_hold_the_pace_begins_below_the_level_that_was_throttled() {
    let (mut controller, start) = controller(400.0, None);
    let at = |millis: u64| start + Duration::from_millis(millis);
    (0..40).for_each(|call| controller.sent(at(call)));
    controller.hold(at(20), at(1_040), at(40));
    assert_eq!(controller.next_decision(), Some(at(1_040)));
    // Of 20 calls that were on the wire half are throttled.
    (21..30).for_each(|call| controller.throttled(at(call), at(60)));
    controller.decide(at(1_040));
    assert!(controller.per_second() < 200.0, "{}", controller.per_second());
    assert!(controller.per_second() > 100.0, "{}", controller.per_second());
}

/// Sends 20 calls a second for some seconds, and holds the run at the last one for two seconds.
fn held_after(controller: &mut PaceController, begin: Instant, calls: u32) -> Instant {
    let sent = |call: u32| begin + call * Duration::from_millis(50);
    for call in 0..calls {
        controller.decide(sent(call));
        controller.sent(sent(call));
        if call + 1 < calls {
            controller.served(sent(call), sent(call));
        }
    }
    let (last, until) = (sent(calls - 1), sent(calls - 1) + Duration::from_secs(2));
    controller.hold(last, until, last);
    controller.decide(until);
    until
}

#[test]
fn a_stray_call_whose_answer_asks_for_a_hold_costs_no_more_than_that() {
    let (mut controller, start) = controller(20.0, None);
    let until = held_after(&mut controller, start, 100);
    let pace = controller.per_second();
    assert!((19.0..20.0).contains(&pace), "{pace}");
    // Another one soon afterwards lowers the pace a little: the limit is just below it.
    held_after(&mut controller, until, 10);
    assert!((17.0..19.0).contains(&controller.per_second()), "{}", controller.per_second());
}

#[test]
fn a_hold_that_comes_soon_shows_that_the_pace_is_too_high() {
    let (mut controller, start) = controller(20.0, None);
    held_after(&mut controller, start, 20);
    assert!(controller.per_second() < 10.0, "{}", controller.per_second());
}

#[test]
fn answers_from_before_a_cut_cause_no_other_one() {
    let (mut controller, start) = controller(400.0, Some(100.0));
    let at = |millis: u64| start + Duration::from_millis(millis);
    (0..20).for_each(|call| controller.sent(at(10 * call)));
    controller.throttled(at(190), at(200));
    let cut = controller.per_second();
    (0..3).for_each(|call| controller.throttled(at(10 * call), at(210)));
    assert_eq!(controller.per_second(), cut);
}

#[test]
fn without_a_ceiling_the_first_throttled_calls_give_the_pace_a_level() {
    let (mut controller, start) = controller(f64::INFINITY, None);
    assert_eq!(controller.next_decision(), None);
    for call in 0..1_000_u64 {
        let now = start + Duration::from_millis(2 * call);
        controller.decide(now);
        controller.sent(now);
        match call % 4 {
            0 if call > 500 => controller.served(now, now),
            _ if call > 500 => controller.throttled(now, now),
            _ => controller.served(now, now),
        }
    }
    assert!(controller.per_second() < 500.0, "{}", controller.per_second());
}

#[test]
fn a_search_that_is_throttled_sends_nothing_until_the_calls_on_the_wire_are_answered() {
    let bounds = RateBounds { least: 0.5, most: 1_000.0 };
    let (_, start) = controller(400.0, None);
    let learnt = ServiceLimit::default();
    let mut controller =
        PaceController::new(PaceStart { bounds, opening: Opening::Doubling, learnt }, start);
    let at = |millis: u64| start + Duration::from_millis(millis);
    (0..20).for_each(|call| controller.sent(at(call)));
    (0..10).for_each(|call| controller.served(at(call), at(20)));
    controller.throttled(at(10), at(21));
    assert_eq!(controller.per_second(), 0.5);
    // Some of the others are accepted: it is no window that has ended, and the pace goes on.
    for call in 11..20 {
        let answer = if call % 2 == 0 { PaceController::throttled } else { PaceController::served };
        assert_eq!(controller.per_second(), 0.5);
        answer(&mut controller, at(call), at(30));
    }
    assert!(controller.per_second() > 0.5, "{}", controller.per_second());
}

#[test]
fn where_all_calls_on_the_wire_are_throttled_single_calls_ask_for_the_next_window() {
    let (mut controller, start) = controller(400.0, None);
    let at = |millis: u64| start + Duration::from_millis(millis);
    for call in 0..400 {
        controller.sent(at(call));
        match call {
            0..300 => controller.served(at(call), at(call)),
            _ => controller.throttled(at(call), at(call)),
        }
        controller.decide(at(call));
        if controller.per_second() < 100.0 {
            return assert!(call < 310, "after {call} calls");
        }
    }
    panic!("all 100 calls were sent into a window that was full");
}
