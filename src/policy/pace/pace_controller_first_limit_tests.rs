//! The first limit of a run, which is known badly until looks have met it twice.

use super::super::phase::{Growth, Rest};
use super::*;

/// A pace at which so many calls were accepted in the second before 2 s, when one is throttled. The limit was
/// found to be 100 a second.
fn near(opening: Opening, rate: f64, accepted: u64) -> (PaceController, impl Fn(u64) -> Instant) {
    let (mut controller, at) = controller(opening, rate);
    (controller.limit, controller.is_exact) = (Some(100.0), true);
    for call in 1..=accepted {
        let sent = at(1_000) + Duration::from_micros(1_000_000 * call / (accepted + 1));
        controller.history.count_sent(sent);
    }
    controller.history.count_sent(at(2_000));
    controller.history.count_throttled(at(2_000), at(2_020));
    controller.cost = 1;
    (controller, at)
}

fn is_heard_out(controller: &PaceController) -> bool {
    matches!(controller.phase, Phase::Listening(Listening { met: Met::FirstLimit, .. }))
}

fn throttle(controller: &mut PaceController, at: &impl Fn(u64) -> Instant, is_rough: bool) {
    let growth = Growth { since: at(1_900), is_rough, step: 0.0, grown: at(1_900), asked: 0 };
    controller.phase = Phase::Growing(growth);
    controller.throttled_while_growing(at(1_900), is_rough, at(2_000), at(2_020));
}

#[test]
fn a_search_hears_out_what_throttles_it_above_all_that_was_accepted_in_a_second() {
    let (search, below) = (Opening::Doubling, Opening::AtCeiling);
    for (opening, rate, (is_settled, saves_nothing, has_windows), is_heard) in [
        (search, 122.0, (false, false, false), true),
        (search, 121.0, (false, false, false), false),
        (below, 122.0, (false, false, false), false),
        (search, 122.0, (true, false, false), false),
        (search, 122.0, (false, true, false), false),
        (search, 122.0, (false, false, true), false),
    ] {
        let (mut controller, at) = near(opening, rate, 110);
        controller.is_settled = is_settled;
        if saves_nothing {
            controller.rested.save_nothing();
        }
        if has_windows {
            controller.windows.closed(0.5, true);
        }
        throttle(&mut controller, &at, true);
        let told = format!("{opening:?} {rate} {is_settled} {saves_nothing} {has_windows}");
        assert_eq!(is_heard_out(&controller), is_heard, "{told}");
    }
}

#[test]
fn a_look_is_heard_out_in_the_first_two_seconds_after_a_window_until_one_more_has_met_the_limit() {
    for (resumed, confirmed, has_windows, is_heard) in [
        (Some(1), 0, true, true),
        (Some(0), 0, true, false),
        (None, 0, true, false),
        (Some(1), 0, false, false),
        // It is the second one in a row.
        (Some(1), 1, true, false),
    ] {
        let (mut controller, at) = near(Opening::AtCeiling, 101.5, 100);
        controller.resumed = resumed.map(|millis| (at(millis), 0.0));
        controller.confirmed = confirmed;
        if has_windows {
            controller.windows.closed(0.5, true);
        }
        throttle(&mut controller, &at, false);
        assert_eq!(is_heard_out(&controller), is_heard, "{resumed:?} {confirmed} {has_windows}");
        assert_eq!(controller.is_settled, confirmed == 1);
        // The limit stays known meanwhile.
        assert!(controller.is_exact && controller.known_limit() >= 99.9);
    }
}

#[test]
fn a_pace_that_a_search_had_passed_shows_no_more_than_the_last_second_did() {
    for (opening, is_settled, hint, limit) in [
        // 88 calls in the last second but its last tenth, and 11 in that, are 99; the mean of two seconds is 99.5.
        (Opening::Doubling, false, 122.0, 99.25),
        (Opening::Doubling, false, 121.0, 0.93 * 120.0),
        (Opening::Doubling, true, 122.0, 0.93 * 120.0),
        (Opening::AtCeiling, false, 122.0, 0.93 * 120.0),
    ] {
        let (mut controller, at) = controller(opening, 125.0);
        (controller.limit, controller.hint) = (Some(100.0), hint);
        controller.is_settled = is_settled;
        for (begin, millis, calls) in [(0, 1_000, 100), (1_000, 900, 88), (1_900, 100, 11)] {
            for call in 1..=calls {
                let sent = at(begin) + Duration::from_micros(millis * 1_000 * call / (calls + 1));
                controller.history.count_sent(sent);
            }
        }
        controller.history.count_sent(at(2_000));
        controller.history.count_throttled(at(2_000), at(2_020));
        controller.cycle = at(0);
        throttle(&mut controller, &at, true);
        close(controller.known_limit(), limit);
    }
}

/// A search that hears out a call which was throttled at 122 a second, with so many more on the wire.
fn heard_out(calls: u64, throttled: u64) -> (PaceController, impl Fn(u64) -> Instant) {
    let (mut controller, at) = near(Opening::Doubling, 122.0, 110);
    (1..=calls).for_each(|call| controller.history.count_sent(at(2_000 + 5 * call)));
    throttle(&mut controller, &at, true);
    for call in 1..=throttled {
        controller.history.count_throttled(at(2_000 + 5 * call), at(2_030));
    }
    (controller, at)
}

fn end(controller: &mut PaceController, now: Instant) {
    let Phase::Listening(listening) = controller.phase else { panic!() };
    controller.end_listening(listening, now);
}

#[test]
fn the_pace_rests_at_what_was_found_unless_all_calls_on_the_wire_were_throttled() {
    for (calls, throttled, is_exhausted) in
        [(0, 0, false), (1, 0, false), (2, 1, false), (1, 1, true), (2, 2, true)]
    {
        let (mut controller, at) = heard_out(calls, throttled);
        (controller.cost, controller.raised_at) = (3, Some(at(7)));
        let limit = controller.known_limit();
        end(&mut controller, at(2_050));
        let told = format!("{calls} {throttled}");
        assert_eq!(matches!(controller.phase, Phase::Exhausted { .. }), is_exhausted, "{told}");
        assert_eq!(matches!(controller.phase, Phase::Resting(_)), !is_exhausted, "{told}");
        close(controller.known_limit(), limit);
        assert_eq!((controller.is_exact, controller.confirmed), (true, 1));
        if !is_exhausted {
            // It goes on to pay for what the look has cost.
            assert!(controller.is_windowed && controller.cost == 3);
            assert_eq!(controller.raised_at, Some(at(7)));
            close(controller.rate, RESTING * limit);
        }
    }
}

#[test]
fn a_window_that_fills_within_a_second_of_its_begin_has_shown_its_limit_to_the_call() {
    for (resumed, before, has_windows, is_long, limit) in [
        // It took the single call that asked, and 110 more.
        (1_031, 0.0, true, false, Some(111.0)),
        // What the last second has taken is more.
        (1_080, 40.0, true, false, Some(110.0)),
        (1_030, 0.0, true, false, None),
        (1_031, 0.0, false, false, None),
        (1_031, 0.0, true, true, None),
    ] {
        let (mut controller, at) = heard_out(1, 1);
        controller.resumed = Some((at(resumed), before));
        if has_windows {
            controller.windows.closed(if is_long { 2.0 } else { 0.5 }, true);
        }
        let known = controller.known_limit();
        end(&mut controller, at(2_050));
        let told = format!("{resumed} {before} {has_windows} {is_long}");
        let heard = match controller.phase {
            Phase::Listening(Listening { met: Met::Window, until, .. }) => Some(until),
            _ => None,
        };
        let until = after(at(resumed), 1.005).max(at(2_050));
        assert_eq!(heard, limit.map(|_| until), "{told}");
        close(controller.known_limit(), limit.unwrap_or(known));
        assert!(controller.is_exact, "{told}");
    }
    // Less than four fifths of what is known are no window's.
    for (known, is_window) in [(138.7, true), (138.8, false)] {
        let (mut controller, at) = heard_out(1, 1);
        controller.resumed = Some((at(1_031), 0.0));
        controller.windows.closed(0.5, true);
        controller.limit = Some(known);
        end(&mut controller, at(2_050));
        assert_eq!(matches!(controller.phase, Phase::Listening(_)), is_window, "{known}");
    }
}

#[test]
fn single_calls_that_are_accepted_soon_after_a_short_row_leave_the_limit_as_it_is() {
    for (row, has_windows, is_exact, lasted, stays) in [
        (2, false, true, 99, true),
        (3, false, true, 99, false),
        (4, true, true, 99, true),
        (5, true, true, 99, false),
        (2, false, false, 99, false),
        (2, false, true, 100, false),
    ] {
        let (mut controller, at) = controller(Opening::Doubling, 100.0);
        (1..=50).for_each(|call| controller.history.count_sent(at(20 * call)));
        for call in 1..=row {
            controller.history.count_sent(at(1_000 + call));
            controller.history.count_throttled(at(1_000 + call), at(1_010));
        }
        (controller.limit, controller.is_exact) = (Some(70.0), is_exact);
        if has_windows {
            controller.windows.closed(0.5, true);
        }
        let sent = at(1_010 + lasted);
        controller.history.count_sent(sent);
        controller.resume(at(1_010), sent, sent);
        let told = format!("{row} {has_windows} {is_exact} {lasted}");
        assert_eq!(controller.resumed.is_none(), stays, "{told}");
        if stays {
            let Phase::Resting(Rest { since, .. }) = controller.phase else { panic!() };
            assert_eq!((since, controller.limit), (sent, Some(70.0)), "{told}");
        }
    }
}

#[test]
fn a_row_of_one_to_three_calls_is_enough_where_more_are_never_on_the_wire() {
    // Answers are there within 22 ms.
    for (limit, calls, throttled, is_enough) in [
        (100.0, 1, 1, true),
        (100.0, 3, 3, true),
        (100.0, 2, 1, false),
        (100.0, 0, 0, false),
        (46.0, 1, 1, true),
        (45.0, 1, 1, false),
        (181.0, 3, 3, true),
        (183.0, 3, 3, false),
    ] {
        let (mut controller, at) = near(Opening::Doubling, 1.5 * limit, 0);
        controller.limit = Some(limit);
        (1..=calls).for_each(|call| controller.history.count_sent(at(2_000 + call)));
        controller.listen(Met::Growing, at(2_000), at(2_020));
        for call in 1..=throttled {
            controller.history.count_throttled(at(2_000 + call), at(2_020 + call));
        }
        let Phase::Listening(listening) = controller.phase else { panic!() };
        // What the last second has shown is just that limit.
        controller.end_listening(Listening { accepted: limit / 0.99, ..listening }, at(2_050));
        assert_eq!(controller.is_exact, is_enough, "{limit} {calls} {throttled}");
        assert!((controller.known_limit() - limit).abs() < 1e-6, "{limit} {calls}");
    }
}
