//! What a tenth of a second shows of windows that are much shorter than one.

use super::super::phase::{Growth, Rest};
use super::*;

/// What was seen until the calls on the wire were answered.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// How many calls were accepted in the tenth of a second before the first throttled one.
    tenth: u64,
    /// What the second before it has shown.
    second: f64,
    throttled_at: f64,
    limit: Option<f64>,
    /// How many looks in a row were throttled by a single call.
    singles: u32,
    /// How many looks ago a row was, and whether such rows came whole seconds apart.
    had_row: bool,
    is_regular: bool,
    met: Met,
    /// The calls from the first throttled one on: `x` was throttled, `.` accepted.
    calls: &'static str,
}

/// A limit of 200 that was looked at twice, and a pace of 600 that met the end of a window of 40 calls.
const GROWN: Seen = Seen {
    tenth: 40,
    second: 250.0,
    throttled_at: 600.0,
    limit: Some(200.0),
    singles: 2,
    had_row: false,
    is_regular: false,
    met: Met::Growing,
    calls: "xxx.",
};

/// The same that searches.
const SEARCHED: Seen = Seen { limit: None, singles: 0, calls: "xxx...", ..GROWN };

/// The first throttled call is sent at 2 s, and two milliseconds pass from call to call.
fn listening(seen: Seen) -> (PaceController, Listening, impl Fn(u64) -> Instant) {
    let (mut controller, at) = controller(Opening::AtCeiling, 0.001);
    let Seen { second, throttled_at, limit, met, calls, .. } = seen;
    (controller.met, controller.throttled_at, controller.limit) = (second, throttled_at, limit);
    controller.at_a_time = CallsAtATime::learnt(Some(1_000), at(0));
    if seen.had_row {
        controller.windows.closed(0.0, true);
    }
    if seen.is_regular {
        controller.windows.end_regularly();
    }
    (0..seen.singles).for_each(|_| controller.rested.end(true));
    (1..=seen.tenth).for_each(|call| controller.history.count_sent(at(1_900 + 2 * call)));
    let sent: Vec<_> = (0..calls.len() as u64).map(|call| at(2_000 + 2 * call)).collect();
    sent.iter().for_each(|&sent| controller.history.count_sent(sent));
    for (&sent, kind) in sent.iter().zip(calls.chars()) {
        if kind == 'x' {
            controller.history.count_throttled(sent, sent);
        }
    }
    controller.cut_at = at(2_000 + 2 * calls.len() as u64);
    let listening = Listening { since: at(2_000), until: at(2_050), accepted: second, met };
    controller.phase = Phase::Listening(listening);
    (controller, listening, at)
}

#[track_caller]
fn believes(seen: Seen, expected: Option<f64>) {
    let (mut controller, listening, at) = listening(seen);
    let found = controller.believe_short_window(listening, at(2_050));
    let is_close = match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
        (found, expected) => found == expected,
    };
    assert!(is_close, "{seen:?}: {found:?}");
    assert_eq!(controller.rested.short.is_some(), expected.is_some());
}

#[test]
fn the_last_tenth_of_a_second_is_believed_after_a_row_where_looks_throttled_single_calls() {
    believes(GROWN, Some(380.0));
    believes(Seen { throttled_at: 300.0, ..GROWN }, Some(285.0));
    believes(Seen { second: 379.0, ..GROWN }, Some(380.0));
    believes(Seen { second: 0.95 * (40.0 / 0.1), ..GROWN }, None);
    believes(Seen { met: Met::AtRest, ..GROWN }, None);
    believes(Seen { met: Met::AtCeiling, ..GROWN }, None);
    believes(Seen { singles: 1, ..GROWN }, None);
    believes(Seen { singles: 3, had_row: true, ..GROWN }, None);
    believes(Seen { singles: 4, had_row: true, ..GROWN }, Some(380.0));
    believes(Seen { singles: 4, had_row: true, is_regular: true, ..GROWN }, None);
}

#[test]
fn a_row_of_three_ends_a_short_window_and_one_of_two_where_four_accepted_calls_follow() {
    for (calls, is_short) in [
        ("xxx", true),
        ("xxxxxx", true),
        ("xx", false),
        ("xx...", false),
        ("xx....", true),
        ("x......", false),
        // More than one row is what a bucket throttles.
        ("xxx.x", false),
        ("xxx.xxx....", false),
        ("x.x....", false),
    ] {
        believes(Seen { calls, ..GROWN }, is_short.then_some(380.0));
    }
}

#[test]
fn a_search_believes_it_after_a_row_that_three_accepted_calls_follow_and_not_below_100_a_second() {
    for (calls, throttled_at, found) in [
        ("xxx...", 600.0, Some(380.0)),
        ("xxx..", 600.0, None),
        ("xx....", 600.0, None),
        ("xxx.x..", 600.0, None),
        ("xxx...", 100.0, Some(95.0)),
        ("xxx...", 99.9, None),
    ] {
        believes(Seen { calls, throttled_at, second: 50.0, ..SEARCHED }, found);
    }
}

#[test]
fn what_follows_confirms_a_short_window_by_half_of_it_or_refutes_it() {
    for (taken, is_refuted) in [(9, true), (10, false)] {
        let (mut controller, listening, at) = listening(GROWN);
        assert!(controller.believe_short_window(listening, at(2_050)).is_some());
        controller.rested.short.as_mut().unwrap().begin(at(3_000));
        controller.limit = Some(200.0);
        controller.rested.save_nothing();
        (1..=taken).for_each(|call| controller.history.count_sent(at(3_000 + call)));
        // Those before it and after the throttled one do not count.
        controller.history.count_sent(at(3_100));
        let refuted = controller.refutes_short_window(at(3_050));
        assert_eq!(refuted, is_refuted.then_some(250.0), "{taken}");
        assert_eq!(controller.rested.saves_nothing(), !is_refuted);
        assert_eq!(controller.rested.singles() == 0, is_refuted);
        assert_eq!(controller.refutes_short_window(at(3_050)), None);
    }
}

#[test]
fn a_step_too_far_in_a_short_window_is_followed_by_what_its_tenth_has_shown() {
    let (mut controller, heard, at) = listening(Seen { calls: "xx....", ..GROWN });
    controller.end_listening(heard, at(2_050));
    close(controller.rate, 0.99 * 380.0);
    assert!(controller.rested.saves_nothing() && controller.is_windowed);
    // Where the row is no end of a short window, the share is followed that was accepted.
    let (mut controller, heard, at) = listening(Seen { calls: "xx...", ..GROWN });
    controller.end_listening(heard, at(2_050));
    close(controller.rate, 0.99 * 0.75 * 600.0);
    assert!(!controller.rested.saves_nothing());
}

#[test]
fn a_short_window_that_accepts_nothing_is_believed_once_the_next_one_begins() {
    let exhausted = || {
        let (mut controller, heard, at) = listening(Seen { calls: "xxxxxx", ..GROWN });
        controller.end_listening(heard, at(2_050));
        assert!(matches!(controller.phase, Phase::Exhausted { .. }));
        close(controller.met, 380.0);
        (controller, at)
    };
    let (mut controller, at) = exhausted();
    controller.resume(at(2_050), at(2_080), at(2_100));
    close(controller.rate, 0.995 * 380.0);
    assert!(controller.rested.saves_nothing());
    // It begins then: what was accepted before says nothing of it.
    (1..=40).for_each(|call| controller.history.count_sent(at(2_050 + call)));
    assert_eq!(controller.refutes_short_window(at(2_150)), Some(250.0));
    // An exhaustion that lasts longer is the end of a longer window.
    let (mut controller, at) = exhausted();
    controller.resume(at(2_050), at(2_160), at(2_180));
    assert!(controller.rested.short.is_none() && !controller.rested.saves_nothing());
}

#[test]
fn a_call_that_refutes_a_short_window_brings_back_what_the_second_had_shown() {
    for (taken, rate) in [(5, 0.995 * 250.0), (30, RESTING_BELOW)] {
        let (mut controller, heard, at) = listening(GROWN);
        controller.believe_short_window(heard, at(2_050));
        (controller.limit, controller.cycle) = (Some(380.0), at(2_050));
        controller.accepted_before_cycle = controller.history.accepted_until(at(2_050));
        controller.rested.save_nothing();
        (1..=taken).for_each(|call| controller.history.count_sent(at(2_060 + call)));
        controller.history.count_sent(at(2_100));
        controller.history.count_throttled(at(2_100), at(2_100));
        (controller.cut_at, controller.throttled_at) = (at(2_101), 380.0);
        let heard = Listening { since: at(2_100), met: Met::AtRest, ..heard };
        controller.end_listening(heard, at(2_120));
        close(controller.rate, rate);
    }
}

/// What the pace falls to where the tenth of a second, which reaches back to the window before, shows more
/// than the cycle: no lower than a hundredth below the limit.
const RESTING_BELOW: f64 = 0.995 * 0.93 * 380.0;

#[test]
fn a_service_that_saves_nothing_is_not_lowered_below_what_its_last_tenth_of_a_second_accepted() {
    for (saves_nothing, limit) in [(true, 90.0), (false, 50.0)] {
        let (mut controller, at) = controller(Opening::AtCeiling, 0.001);
        controller.at_a_time = CallsAtATime::learnt(Some(1_000), at(0));
        (controller.limit, controller.throttled_at) = (Some(100.0), 100.0);
        if saves_nothing {
            controller.rested.save_nothing();
        }
        controller.cycle = at(1_500);
        controller.accepted_before_cycle = -16.0;
        (1..=9).for_each(|call| controller.history.count_sent(at(1_900 + 10 * call)));
        controller.history.count_sent(at(2_000));
        controller.history.count_throttled(at(2_000), at(2_000));
        controller.cut_at = at(2_010);
        let heard =
            Listening { since: at(2_000), until: at(2_050), accepted: 50.0, met: Met::AtRest };
        controller.end_listening(heard, at(2_050));
        close(controller.limit.unwrap(), limit);
    }
}

#[test]
fn a_short_window_is_in_doubt_until_the_next_look() {
    let (mut controller, heard, at) = listening(GROWN);
    controller.believe_short_window(heard, at(2_050));
    let rest = Rest { since: at(2_050), until: at(3_000), lowered: 0, may_slide: false };
    controller.phase = Phase::Resting(rest);
    controller.end_rest(at(3_000));
    assert!(controller.rested.short.is_none());
    assert!(matches!(controller.phase, Phase::Growing(Growth { .. })));
}
