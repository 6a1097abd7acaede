//! Each step of the controller, in exact numbers.

use super::phase::{Growth, Listening, Met};
use super::*;
use crate::policy::pace::calls_at_a_time::BoundChange;

#[path = "pace_controller_account_tests.rs"]
mod accounts;
#[path = "pace_controller_trials_tests.rs"]
mod after_trials;
#[path = "pace_controller_answers_tests.rs"]
mod answers;
#[path = "pace_controller_first_limit_tests.rs"]
mod first_limit;
#[path = "pace_controller_growth_tests.rs"]
mod grows;
#[path = "pace_controller_heard_tests.rs"]
mod heard;
#[path = "pace_controller_holds_tests.rs"]
mod holds;
#[path = "pace_controller_rests_tests.rs"]
mod rests;
#[path = "pace_controller_second_window_tests.rs"]
mod second_window;
#[path = "pace_controller_short_windows_tests.rs"]
mod short_windows;
#[path = "pace_controller_throttled_tests.rs"]
mod throttled;

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn controller(opening: Opening, rate: f64) -> (PaceController, impl Fn(u64) -> Instant) {
    let start = Instant::now();
    let bounds = RateBounds { least: 0.001, most: 10_000.0 };
    let begin = PaceStart { bounds, opening, learnt: ServiceLimit::default() };
    let controller =
        PaceController { rate, throttled_at: rate, ..PaceController::new(begin, start) };
    (controller, move |millis| start + Duration::from_millis(millis))
}

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
}

#[test]
fn single_calls_ask_after_four_calls_within_20_to_50_ms_and_not_above_the_pace() {
    for (rate, interval) in
        [(400.0, 0.02), (100.0, 0.04), (50.0, 0.05), (10.0, 0.1), (0.1, 10.0), (0.05, 10.0)]
    {
        let (mut controller, at) = controller(Opening::AtCeiling, rate);
        controller.exhaust(at(0));
        close(controller.per_second(), 1.0 / interval);
        assert_eq!(controller.next_decision_on_pace(), Some(after(at(0), interval)));
    }
}

#[test]
fn nothing_is_accepted_after_a_row_that_is_longer_where_less_is_known() {
    for (chance, limit, row) in [
        (0.0, Some(100.0), 5),
        (0.02, Some(100.0), 5),
        (0.02, None, 7),
        (0.021, Some(100.0), 9),
        (0.021, None, 9),
    ] {
        let accepts_nothing = |throttled: u64| {
            let (mut controller, at) = controller(Opening::AtCeiling, 100.0);
            controller.limit = limit;
            (0..=throttled).for_each(|call| controller.history.count_sent(at(call)));
            for call in 1..=throttled {
                controller.history.count_throttled(at(call), at(call));
            }
            controller.accepts_nothing(chance, at(0))
        };
        assert!(accepts_nothing(row) && !accepts_nothing(row - 1), "{chance} {limit:?}");
    }
}

#[test]
fn a_look_exceeds_the_limit_by_a_share_and_a_few_calls_and_a_window_by_hardly_more_than_one() {
    for (limit, is_window, confirmed, unmet, step) in [
        (100.0, false, 0, 0, 0.05),
        (300.0, false, 0, 0, 0.03),
        (100.0, true, 0, 0, 0.015),
        (300.0, true, 0, 0, 0.01),
        (100.0, true, 0, 1, 0.02),
        (100.0, true, 0, 7, 0.6),
        (100.0, true, 1, 7, 0.015),
        (50.0, true, 1, 7, 0.02),
    ] {
        let (mut controller, at) = controller(Opening::AtCeiling, limit);
        (controller.limit, controller.is_exact) = (Some(limit), true);
        (controller.confirmed, controller.unmet) = (confirmed, unmet);
        if is_window {
            controller.windows.closed(0.0, true);
        }
        controller.end_rest(at(5_000));
        close(controller.rate / limit, 1.0 + step);
    }
}

#[test]
fn the_first_look_after_a_rough_way_up_is_half_as_large() {
    let (mut controller, at) = controller(Opening::AtCeiling, 100.0);
    let look_after = |controller: &mut PaceController, is_rough: bool| {
        let growth = Growth { since: at(0), is_rough, step: 0.0, grown: at(0), asked: 0 };
        controller.phase = Phase::Growing(growth);
        controller.rest(100.0, at(1_000), at(1_000));
        controller.end_rest(at(5_000));
        controller.rate
    };
    close(look_after(&mut controller, false), 105.0);
    close(look_after(&mut controller, true), 102.5);
    close(look_after(&mut controller, false), 105.0);
    // A window is looked at by single calls.
    controller.windows.closed(0.0, true);
    controller.confirmed = 1;
    close(look_after(&mut controller, true), 101.5);
}

#[test]
fn chance_is_tested_again_after_200_calls_within_two_to_32_seconds() {
    let doubts = |rate: f64, share: f64, millis: u64| {
        let (mut controller, at) = controller(Opening::AtCeiling, rate);
        controller.chance.set_share(share);
        let is_doubted = controller.doubt_chance(at(millis));
        if is_doubted {
            close(controller.rate, 0.95 * rate * (1.0 - share));
            assert_eq!((controller.throttled_at, controller.chance.share()), (rate, 0.0));
            assert_eq!(controller.chance_since, at(millis));
        }
        is_doubted
    };
    for (rate, millis) in [
        (400.0, 2_000),
        (100.0, 2_000),
        (99.0, 4_000),
        (40.0, 8_000),
        (20.0, 16_000),
        (1.0, 32_000),
    ] {
        assert!(!doubts(rate, 0.2, millis - 1) && doubts(rate, 0.2, millis), "{rate}");
    }
    assert!(!doubts(100.0, 0.03, 9_000) && doubts(100.0, 0.031, 9_000));
}

#[test]
fn a_search_grows_with_three_calls_and_four_fifths_of_its_pace() {
    // The pace after so many calls within so many milliseconds.
    let grown = |opening: Opening, rate: f64, calls: u64, millis: u64, was_served: bool| {
        let (mut controller, at) = controller(opening, rate);
        (1..=calls).for_each(|call| controller.history.count_sent(at(call)));
        controller.search(at(0), was_served, at(millis));
        controller.rate
    };
    let doubling = Opening::Doubling;
    for (rate, calls, millis, expected) in [
        (10.0, 3, 250, 20.0),
        (10.0, 2, 250, 10.0),
        (10.0, 3, 249, 10.0),
        (100.0, 19, 250, 160.0),
        (100.0, 18, 250, 100.0),
        (99.0, 19, 250, 198.0),
    ] {
        close(grown(doubling, rate, calls, millis, true), expected);
        close(grown(doubling, rate, calls, millis, false), rate);
        close(grown(Opening::AtCeiling, rate, calls, millis, true), rate);
    }
    for (millis, begins_anew) in [(3_000, false), (3_001, true)] {
        let (mut controller, at) = controller(doubling, 10.0);
        controller.phase = Phase::Open { since: at(0), was_served: true };
        controller.search(at(0), true, at(millis));
        let Phase::Open { since, was_served } = controller.phase else { panic!() };
        assert_eq!((since == at(millis), !was_served), (begins_anew, begins_anew));
    }
}

#[test]
fn a_bound_on_calls_at_a_time_takes_the_place_of_the_pace() {
    let (ceiling, doubling) = (Opening::AtCeiling, Opening::Doubling);
    for (opening, limit, on_trial, is_listening, rate) in [
        (ceiling, Some(100.0), true, false, 130.0),
        (doubling, Some(100.0), true, true, 130.0),
        (ceiling, Some(100.0), false, false, 10_000.0),
        (ceiling, None, true, false, 10_000.0),
        (doubling, None, true, false, 80.0),
        (doubling, Some(100.0), false, false, 80.0),
        (doubling, Some(100.0), false, true, 90.0),
    ] {
        let (mut controller, at) = controller(opening, 80.0);
        (controller.limit, controller.throttled_at) = (limit, 90.0);
        (controller.is_exact, controller.confirmed) = (true, 3);
        if is_listening {
            let (since, until, met) = (at(0), at(9), Met::Growing);
            controller.phase = Phase::Listening(Listening { since, until, accepted: 0.0, met });
        }
        assert!(controller.follow_bound(BoundChange::Found { on_trial }, at(1)));
        close(controller.rate, rate);
        let known = (controller.limit, controller.is_exact, controller.confirmed);
        assert_eq!(known, (None, false, 0));
    }
    for (opening, rate) in [(ceiling, 10_000.0), (doubling, 80.0)] {
        let (mut controller, at) = controller(opening, 80.0);
        assert!(controller.follow_bound(BoundChange::Confirmed, at(1)));
        close(controller.rate, rate);
        assert!(!controller.follow_bound(BoundChange::Refuted { pace: None }, at(1)));
        assert!(controller.follow_bound(BoundChange::Refuted { pace: Some(50.0) }, at(1)));
        close(controller.limit.unwrap(), 50.0);
    }
}

#[test]
fn what_a_controller_begins_with_is_what_it_tells() {
    for (opening, is_search) in [(Opening::AtCeiling, false), (Opening::Doubling, true)] {
        let (mut controller, at) = controller(opening, 10.0);
        assert_eq!(controller.is_search(), is_search);
        assert!(!controller.is_windowed() && controller.most_at_a_time().is_none());
        controller.is_windowed = true;
        assert!(controller.is_windowed());
        controller.at_a_time = CallsAtATime::learnt(Some(20), at(0));
        assert_eq!(controller.most_at_a_time(), Some(20));
        // A limit that the ceiling keeps to anyway is none.
        let learnt = ServiceLimit { per_second: Some(100.0), at_a_time: None };
        let bounds = RateBounds { least: 1.0, most: 100.0 };
        let controller = PaceController::new(PaceStart { bounds, opening, learnt }, at(0));
        assert_eq!(controller.limit(), ServiceLimit::default());
    }
}

#[test]
fn an_open_pace_is_looked_at_while_it_is_used_and_there_is_something_to_see() {
    let (ceiling, doubling) = (Opening::AtCeiling, Opening::Doubling);
    for (opening, share, sent, is_asking, due) in [
        (doubling, 0.0, None, false, None),
        (doubling, 0.0, Some(9), false, None),
        (doubling, 0.0, Some(10), false, Some(60)),
        (doubling, 0.0, Some(11), false, Some(60)),
        (doubling, 0.0, None, true, Some(20)),
        (ceiling, 0.0, Some(11), false, None),
        (ceiling, 0.1, Some(11), false, Some(60)),
        (ceiling, 0.1, Some(9), false, None),
    ] {
        let (mut controller, at) = controller(opening, 10.0);
        controller.chance.set_share(share);
        controller.decided = at(10);
        if let Some(sent) = sent {
            controller.sent(at(sent));
        }
        controller.asking = is_asking.then(|| Asking { pace: 10.0, begun: at(0) });
        assert_eq!(controller.next_decision(), due.map(&at), "{share} {sent:?} {is_asking}");
    }
}

#[test]
fn a_call_that_ended_is_not_on_the_wire() {
    let (mut controller, at) = controller(Opening::AtCeiling, 10.0);
    (0..3).for_each(|call| controller.sent(at(call)));
    controller.ended(at(5));
    assert_eq!(controller.history.on_the_wire(), 2);
}

#[test]
fn a_served_call_counts_if_it_was_sent_since_the_pace_holds() {
    for (sent, cut, since, counts) in
        [(9, 10, 0, false), (10, 10, 0, true), (15, 10, 16, false), (16, 10, 16, true)]
    {
        let (mut controller, at) = controller(Opening::Doubling, 10.0);
        controller.cut_at = at(cut);
        controller.phase = Phase::Open { since: at(since), was_served: false };
        controller.served(at(sent), at(20));
        let Phase::Open { was_served, .. } = controller.phase else { panic!() };
        assert_eq!(was_served, counts, "{sent} {cut} {since}");
    }
    for (sent, resumes) in [(10, false), (11, true)] {
        let (mut controller, at) = controller(Opening::Doubling, 10.0);
        let (since, next) = (at(10), at(50));
        controller.phase = Phase::Exhausted { since, interval: 0.04, next };
        controller.served(at(sent), at(20));
        let is_exhausted = matches!(controller.phase, Phase::Exhausted { .. });
        assert_eq!(is_exhausted, !resumes, "{sent}");
    }
}

#[test]
fn single_calls_come_when_the_next_one_is_due_and_then_further_apart() {
    let (mut controller, at) = controller(Opening::AtCeiling, 20.0);
    controller.exhaust(at(0));
    close(controller.decide(at(49)), 20.0);
    assert_eq!(controller.decided, at(0), "nothing was due");
    close(controller.decide(at(50)), 16.0);
    assert_eq!(controller.decided, at(50));
    assert_eq!(controller.next_decision_on_pace(), Some(after(at(50), 0.0625)));
}
