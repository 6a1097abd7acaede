//! Rests at the limit: how long they last, and what calls show that are throttled meanwhile.

use super::super::phase::{Growth, Rest};
use super::super::windows::FilledWindow;
use super::*;
use crate::policy::pace::limit_trial::TrialKind;

/// A rest at 100 a second since the beginning.
fn resting(lowered: u32, may_slide: bool) -> (PaceController, impl Fn(u64) -> Instant) {
    let (mut controller, at) = controller(Opening::AtCeiling, 99.5);
    let rest = Rest { since: at(0), until: at(600), lowered, may_slide };
    (controller.limit, controller.is_exact) = (Some(100.0), true);
    (controller.phase, controller.throttled_at) = (Phase::Resting(rest), 1.0);
    (controller, at)
}

fn rest_of(controller: &PaceController) -> Rest {
    let Phase::Resting(rest) = controller.phase else { panic!("{:?}", controller.phase) };
    rest
}

#[test]
fn a_rest_lasts_until_the_calls_that_a_look_cost_are_a_small_share() {
    let look = |at: Instant, is_rough| {
        Phase::Growing(Growth { since: at, is_rough, step: 0.02, grown: at, asked: 0 })
    };
    for (opening, is_rough, cost, lasts) in [
        (Opening::AtCeiling, false, 0, 0.6),
        (Opening::AtCeiling, false, 3, 2.5),
        (Opening::AtCeiling, false, 9, 3.0),
        (Opening::AtCeiling, true, 9, 0.6),
        (Opening::Doubling, false, 2, 2.5),
    ] {
        let (mut controller, at) = controller(opening, 102.0);
        (controller.phase, controller.cost) = (look(at(0), is_rough), cost);
        (controller.hint, controller.rested.is_disturbed) = (5.0, true);
        controller.rest(100.0, at(5), at(10));
        close(controller.rate, 99.5);
        assert_eq!((controller.limit, controller.is_exact), (Some(100.0), true));
        assert_eq!((controller.hint, controller.rested.is_disturbed), (0.0, false));
        assert_eq!(controller.cost, if is_rough { 0 } else { cost });
        let rest = rest_of(&controller);
        assert_eq!((rest.since, rest.until), (at(10), after(at(10), lasts)), "{cost}");
        assert_eq!((rest.lowered, rest.may_slide), (0, false));
    }
}

#[test]
fn only_a_rest_at_an_exact_limit_that_was_not_lowered_pays_and_it_never_ends_sooner() {
    for (lowered, is_exact, until, after) in
        [(0, true, 600, 2_500), (0, true, 2_900, 2_900), (1, true, 600, 600), (0, false, 600, 600)]
    {
        let (mut controller, at) = resting(lowered, false);
        let rest = Rest { until: at(until), ..rest_of(&controller) };
        (controller.phase, controller.is_exact, controller.cost) =
            (Phase::Resting(rest), is_exact, 3);
        controller.pay();
        assert_eq!(rest_of(&controller).until, at(after), "{lowered} {is_exact}");
    }
}

/// Throttles a call at each of these seconds, and corrects the limit by the windows they end.
fn end_windows(controller: &mut PaceController, at: &impl Fn(u64) -> Instant, ends: &[u64]) {
    controller.windows.closed(0.0, true);
    for &millis in ends {
        let end = at(millis);
        controller.history.count_sent(end);
        controller.history.count_throttled(end, end);
        let filled = FilledWindow { calls: 101.0, first: end, fell: end };
        controller.windows.fill(Some(filled));
        controller.windows.correct(&controller.history, 100.0, 100.0);
    }
}

#[test]
fn a_look_at_a_window_begins_just_before_one_of_the_next() {
    let irregular: &[u64] = &[100];
    let regular: &[u64] = &[1_000, 2_000, 3_000];
    for (ends, lasted, since, cost, until) in [
        (irregular, 0.0, 150, 0, 1_080),
        (irregular, 0.0, 150, 1, 1_080),
        (irregular, 0.0, 150, 3, 2_080),
        (irregular, 0.0, 150, 4, 2_080),
        (irregular, 0.0, 150, 9, 2_080),
        // Longer windows are let pass for three seconds.
        (irregular, 1.4, 150, 4, 3_080),
        (irregular, 1.4, 150, 9, 3_080),
        (irregular, 0.0, 1_079, 1, 1_080),
        // A rest that begins after that lasts for a second.
        (irregular, 0.0, 1_080, 1, 2_080),
        (regular, 0.0, 3_050, 1, 3_980),
        (regular, 0.0, 3_050, 9, 4_980),
    ] {
        let (mut controller, at) = resting(0, false);
        end_windows(&mut controller, &at, ends);
        controller.windows.closed(lasted, true);
        let rest = Rest { since: at(since), ..rest_of(&controller) };
        (controller.phase, controller.cost) = (Phase::Resting(rest), cost);
        controller.pay();
        assert_eq!(rest_of(&controller).until, at(until), "{ends:?} {lasted} {since} {cost}");
    }
}

#[test]
fn a_pace_that_grew_too_far_counts_the_last_second_for_1300_ms() {
    for limit in [80.0, 200.0] {
        let (mut controller, at) = controller(Opening::AtCeiling, 100.0);
        controller.is_exact = true;
        controller.drain(limit, at(5), at(10));
        close(controller.rate, limit);
        assert_eq!((controller.limit, controller.is_exact), (Some(limit), false));
        assert_eq!((controller.is_windowed, controller.cut_at), (true, at(10)));
        assert_eq!((controller.cycle, rest_of(&controller).until), (at(5), at(1_310)));
    }
}

#[test]
fn a_call_that_was_on_the_wire_when_a_rest_began_only_begins_a_cycle() {
    for (now, lowered) in [(29, 0), (30, 1)] {
        let (mut controller, at) = resting(0, false);
        controller.throttled_at_rest(rest_of(&controller), at(7), at(now));
        assert_eq!((controller.cycle, rest_of(&controller).lowered), (at(7), lowered));
        assert_eq!(controller.rested.is_disturbed, lowered == 1);
    }
}

#[test]
fn what_slides_is_followed_for_half_a_second_and_measured_after_it() {
    for (met, rate) in [(120.0, 119.4), (50.0, 99.5)] {
        let (mut controller, at) = resting(0, true);
        controller.met = met;
        controller.throttled_at_rest(rest_of(&controller), at(400), at(499));
        close(controller.rate, rate);
        assert!(controller.is_exact && controller.is_windowed);
        assert!(!rest_of(&controller).may_slide);
    }
    for (may_slide, is_exact, listens) in
        [(true, true, true), (true, false, true), (false, false, true), (false, true, false)]
    {
        let (mut controller, at) = resting(0, may_slide);
        controller.is_exact = is_exact;
        controller.throttled_at_rest(rest_of(&controller), at(400), at(500));
        let is_listening =
            matches!(controller.phase, Phase::Listening(Listening { met: Met::AtRest, .. }));
        assert_eq!(is_listening, listens, "{may_slide} {is_exact}");
    }
}

/// Calls a millisecond apart from this one on, of which all but the first are throttled.
fn throttle(controller: &mut PaceController, at: &impl Fn(u64) -> Instant, from: u64, row: u64) {
    controller.history.count_sent(at(from));
    for call in from + 1..=from + row {
        controller.history.count_sent(at(call));
        controller.history.count_throttled(at(call), at(call));
    }
}

#[test]
fn a_window_that_throttles_at_its_end_takes_a_call_less() {
    for (limit, chance, row, expected) in [
        (100.0, 0.0, 1, Some(99.0)),
        (100.0, 0.0, 4, Some(99.0)),
        // A row that may be chance is no end of a window.
        (100.0, 0.1, 4, Some(99.0)),
        (100.0, 0.1, 5, None),
        (0.5, 0.0, 1, Some(0.001)),
    ] {
        let (mut controller, at) = resting(0, false);
        controller.windows.closed(0.0, true);
        controller.limit = Some(limit);
        controller.chance.set_share(chance);
        throttle(&mut controller, &at, 100, row);
        controller.throttled_at_rest(rest_of(&controller), at(100 + row), at(100 + row));
        let expected_disturbance = expected.is_none();
        assert_eq!(controller.rested.is_disturbed, expected_disturbance, "{limit} {chance} {row}");
        if let Some(expected) = expected {
            assert_eq!((controller.limit, rest_of(&controller).lowered), (Some(expected), 0));
            close(controller.rate, f64::max(RESTING * (limit - 1.0), 0.001));
        }
    }
}

#[test]
fn where_accepted_calls_lie_between_throttled_ones_others_take_their_part_of_a_limit() {
    // The limit after calls that are 10 ms apart up to this one, of which some are throttled.
    let lowered = |since: u64, last: u64, throttled: &[u64], is_settled: bool| {
        let (mut controller, at) = resting(0, false);
        controller.windows.closed(0.0, true);
        controller.is_settled = is_settled;
        let rest = Rest { since: at(since), ..rest_of(&controller) };
        controller.phase = Phase::Resting(rest);
        for call in (10..=last).step_by(10) {
            controller.history.count_sent(at(call));
            if throttled.contains(&call) {
                controller.history.count_throttled(at(call), at(call));
            }
        }
        controller.throttled_at_rest(rest, at(last), at(last));
        assert_eq!(rest_of(&controller).lowered, 0);
        close(controller.rate, RESTING * controller.limit.unwrap());
        controller.limit.unwrap()
    };
    close(lowered(0, 250, &[50, 150, 250], false), 22.0 / 0.25);
    close(lowered(0, 500, &[50, 60, 150, 250, 500], false), 45.0 / 0.5);
    // Of a longer rest the last half of a second counts.
    close(lowered(0, 1_000, &[40, 400, 600, 800, 990, 1_000], false), 46.0 / 0.5);
    close(lowered(0, 1_000, &[100, 400, 600, 1_000], false), 99.0);
    close(lowered(300, 550, &[310, 400, 550], false), 22.0 / 0.25);
    // Of 50 calls 29 are accepted, which is just enough of a part, and 28.
    let every_other = |calls: u64| (0..calls).map(|call| 1_000 - 20 * call).collect::<Vec<u64>>();
    close(lowered(0, 1_000, &every_other(21), false), 29.0 / 0.5);
    close(lowered(0, 1_000, &every_other(22), false), 99.0);
    // The beginning of a run ends after ten seconds.
    close(lowered(9_400, 9_990, &[9_600, 9_800, 9_990], false), 47.0 / 0.5);
    close(lowered(9_400, 10_000, &[9_600, 9_800, 10_000], false), 99.0);
    for (since, last, throttled, is_settled) in [
        (0, 250, &[50, 250][..], false),
        (0, 250, &[220, 230, 240, 250], false),
        (0, 240, &[50, 150, 240], false),
        (310, 550, &[320, 400, 550], false),
        (0, 250, &[50, 150, 250], true),
    ] {
        close(lowered(since, last, throttled, is_settled), 99.0);
    }
    // No more is accepted than all of the pace.
    close(lowered(0, 500, &[10, 490, 500], false), 99.0);
}

#[test]
fn a_row_of_throttled_calls_exhausts_counted_from_the_last_cut_or_the_beginning_of_the_rest() {
    for (lowered, cut, is_exhausted) in
        [(0, 101, true), (0, 102, false), (1, 102, true), (1, 999, true)]
    {
        let (mut controller, at) = resting(lowered, false);
        controller.cut_at = at(cut);
        throttle(&mut controller, &at, 100, 5);
        controller.throttled_at_rest(rest_of(&controller), at(105), at(105));
        let found = matches!(controller.phase, Phase::Exhausted { .. });
        assert_eq!(found, is_exhausted, "{lowered} {cut}");
        assert_eq!(controller.throttled_at, if found { 99.5 } else { 1.0 });
    }
}

#[test]
fn a_row_since_single_calls_were_accepted_exhausts_a_rest_whose_limit_is_roughly_known() {
    for (resumed, is_exact, is_exhausted) in [
        (Some(101), false, true),
        (Some(102), false, false),
        (None, false, false),
        (Some(101), true, false),
    ] {
        let (mut controller, at) = resting(0, false);
        (controller.cut_at, controller.is_exact) = (at(103), is_exact);
        controller.resumed = resumed.map(|millis| (at(millis), 0.0));
        throttle(&mut controller, &at, 100, 5);
        controller.throttled_at_rest(rest_of(&controller), at(105), at(105));
        let found = matches!(controller.phase, Phase::Exhausted { .. });
        assert_eq!(found, is_exhausted, "{resumed:?} {is_exact}");
    }
}

#[test]
fn a_rest_follows_what_is_accepted_between_throttled_calls_by_a_tenth_at_most() {
    // The limit after so many accepted calls, of which the last is as long after the cycle began.
    let lowered = |lowered: u32, calls: u64, millis: u64| {
        let (mut controller, at) = resting(lowered, false);
        controller.cycle = at(100);
        (1..=calls).for_each(|call| controller.history.count_sent(at(100 + call)));
        let sent = at(100 + millis);
        controller.history.count_sent(sent);
        controller.history.count_throttled(sent, sent);
        controller.throttled_at_rest(rest_of(&controller), sent, sent);
        assert_eq!(rest_of(&controller).lowered, lowered + 1);
        assert_eq!(controller.cycle, if lowered == 0 { sent } else { at(100) });
        assert!(controller.rested.is_disturbed);
        close(controller.rate, controller.limit.unwrap());
        controller.rate
    };
    close(lowered(1, 8, 85), 8.0 / 0.085);
    close(lowered(2, 9, 100), 90.0);
    close(lowered(1, 8, 200), 90.0);
    close(lowered(1, 8, 20), 99.0);
    close(lowered(1, 7, 85), 99.0);
    close(lowered(0, 8, 85), 99.0);
    // After three times it is measured anew, at the pace at which it rested.
    let (mut controller, at) = resting(3, false);
    controller.throttled_at_rest(rest_of(&controller), at(100), at(100));
    let Phase::Trying(trial) = controller.phase else { panic!() };
    assert!(matches!(trial.kind, TrialKind::Measurement));
    assert_eq!((trial.after, controller.rate, controller.throttled_at), (at(100), 99.5, 99.5));
}

#[test]
fn a_rest_ends_with_the_limit_that_its_window_showed_and_counts_as_a_look() {
    let (mut controller, at) = resting(0, false);
    end_windows(&mut controller, &at, &[1_000, 2_000, 3_000]);
    let end = at(4_000);
    controller.history.count_sent(end);
    controller.history.count_throttled(end, end);
    controller.windows.fill(Some(FilledWindow { calls: 99.0, first: end, fell: end }));
    controller.end_rest(at(4_500));
    close(controller.limit.unwrap(), 98.5);
    for look in 2..=20 {
        assert!(controller.windows.are_met(), "{look}");
        (controller.phase, controller.is_exact) = (resting(0, false).0.phase, true);
        controller.end_rest(at(4_500 + look));
    }
    assert!(!controller.windows.are_met());
}

#[test]
fn what_is_known_anew_leaves_no_cost_no_look_and_no_suspicion_behind() {
    let suspicious = || {
        let (mut controller, at) = controller(Opening::AtCeiling, 90.0);
        controller.is_exact = true;
        (controller.cost, controller.unmet) = (5, 3);
        controller.chance.weigh(true, true);
        assert!(controller.chance.is_exceeded());
        (controller, at)
    };
    let (mut approaching, at) = suspicious();
    approaching.approach(100.0, 90.0, at(5), at(9));
    assert!(!approaching.is_exact);
    assert_eq!((approaching.cost, approaching.unmet), (0, 0));
    assert!(!approaching.chance.is_exceeded());
    let (mut going_on, at) = suspicious();
    going_on.go_on(90.0, at(9));
    assert_eq!(going_on.cost, 0);
    assert!(!going_on.chance.is_exceeded());
}
