//! Holds that the service asks for, and where the pace begins after them.

use super::super::phase::{Asking, Climb, RESTING, Rest};
use super::*;

/// Sends calls one after the other, of which the last one is throttled and asks for a hold of so many
/// milliseconds, and lets it end.
fn held(controller: &mut PaceController, at: impl Fn(u64) -> Instant, sent: &[u64], hold: u64) {
    sent.iter().for_each(|&millis| controller.sent(at(millis)));
    let last = *sent.last().unwrap();
    controller.hold(at(last), at(last + hold), at(last));
    controller.decide(at(last + hold));
}

/// Calls that leave every so many milliseconds after `begun`.
fn every(millis: u64, begun: u64, calls: u64) -> Vec<u64> {
    (1..=calls).map(|call| begun + millis * call).collect()
}

#[track_caller]
fn climbing(controller: &PaceController) -> Climb {
    let Phase::Climbing(climb) = controller.phase else { panic!("{:?}", controller.phase) };
    climb
}

#[track_caller]
fn resting(controller: &PaceController) -> Rest {
    let Phase::Resting(rest) = controller.phase else { panic!("{:?}", controller.phase) };
    rest
}

/// A controller that has met a hold at 100 a second, after which the pace climbs from 37.5 on.
fn met() -> (PaceController, impl Fn(u64) -> Instant) {
    let (mut controller, at) = controller(Opening::AtCeiling, 100.0);
    held(&mut controller, &at, &every(10, 0, 20), 1_000);
    (controller, at)
}

#[test]
fn the_first_climb_begins_below_what_calls_on_the_wire_show_or_half() {
    for (accepted, throttled, limit) in [
        (2, 2, 50.0),
        (6, 2, 75.0),
        (40, 1, 90.0),
        (3, 22, 12.5),
        // None was accepted, or one in ten that had overtaken others: a window had taken 20 calls.
        (0, 3, 20.0),
        (2, 18, 20.0),
        (0, 1, 50.0),
        (1, 0, 50.0),
        (2, 0, 90.0),
        (0, 0, 50.0),
    ] {
        let (mut controller, at) = controller(Opening::AtCeiling, 100.0);
        (1..=20).for_each(|call| controller.sent(at(10 * call)));
        controller.sent(at(210));
        let after_it = 211..=210 + accepted + throttled;
        after_it.clone().for_each(|call| controller.sent(at(call)));
        controller.hold(at(210), at(1_210), at(300));
        after_it.skip(accepted as usize).for_each(|call| controller.throttled(at(call), at(300)));
        controller.decide(at(1_210));
        close(controller.limit.unwrap(), limit);
        close(controller.rate, 0.75 * limit);
        close(climbing(&controller).step, 0.05);
    }
}

#[test]
fn a_hold_lasts_as_long_as_the_longest_and_calls_from_before_a_cut_cause_none() {
    let (mut controller, at) = controller(Opening::AtCeiling, f64::INFINITY);
    (1..=40).for_each(|call| controller.history.count_sent(at(10 * call)));
    controller.hold(at(400), at(900), at(400));
    close(controller.throttled_at, 100.0);
    controller.hold(at(390), at(1_100), at(410));
    controller.hold(at(380), at(1_000), at(420));
    let Phase::Held { since, until } = controller.phase else { panic!() };
    assert_eq!((since, until, controller.cut_at), (at(400), at(1_100), at(1_100)));
    assert_eq!(controller.next_decision(), Some(at(1_100)));
    assert_eq!(controller.history.throttled_between(at(0), at(400)), 3.0);
    // An answer from before the hold that comes after its end.
    controller.decide(at(1_100));
    let rate = controller.rate;
    controller.hold(at(395), at(2_000), at(1_200));
    assert_eq!((controller.rate, climbing(&controller).grown), (rate, at(1_100)));
    // A call that is sent as soon as a hold is over.
    let (mut controller, at) = met();
    controller.sent(at(1_200));
    controller.hold(at(1_200), at(3_000), at(1_300));
    assert!(matches!(controller.phase, Phase::Held { since, .. } if since == at(1_200)));
}

#[test]
fn a_climb_takes_steps_that_are_used_and_stays_at_the_ceiling_for_a_while() {
    let (mut controller, at) = met();
    let begun = climbing(&controller).grown;
    close(controller.rate, 37.5);
    // Less than a tenth of a second is no step, and neither is one of which little was used.
    controller.decide(after(begun, 0.099));
    close(controller.rate, 37.5);
    controller.decide(after(begun, 0.101));
    close(controller.rate, 37.5);
    let mut millis = 1_300;
    while controller.rate < controller.bounds.most {
        let before = controller.rate;
        millis += 1;
        controller.decide(at(millis));
        controller.sent(at(millis));
        let step = controller.rate / before;
        assert!(step == 1.0 || (step - 1.05).abs() < 1e-9 || controller.rate == 10_000.0, "{step}");
        // All of this pace is used, whatever it is.
        (0..20).for_each(|_| controller.sent(at(millis)));
    }
    assert_eq!(climbing(&controller).every, 5.0);
    let ceiling = climbing(&controller).grown;
    controller.bounds.most = 100.0;
    controller.rate = 100.0;
    let mut open = 0.0;
    for call in 1..=600 {
        controller.sent(after(ceiling, 0.01 * f64::from(call)));
        controller.decide(after(ceiling, 0.01 * f64::from(call)));
        if matches!(controller.phase, Phase::Open { .. }) {
            open = 0.01 * f64::from(call);
            break;
        }
    }
    close((open * 100.0).round(), 500.0);
    assert!(!controller.holds.are_met() && controller.limit.is_none());
}

#[test]
fn a_second_hold_shows_a_bucket_and_the_pace_rests_forty_times_as_long() {
    for (hold, rests) in [(50, 3_000), (1_000, 40_000), (7_000, 280_000), (10_000, 300_000)] {
        // A bucket of 10 calls that gains 100 a second, at 400 and at 125 a second.
        let (mut controller, at) = controller(Opening::AtCeiling, 400.0);
        let mut sent: Vec<u64> = (1..=13).map(|call| call * 5 / 2).collect();
        sent.push(35);
        (36..=42).for_each(|call| sent.push(call));
        sent.iter().for_each(|&millis| controller.sent(at(millis)));
        controller.hold(at(35), at(1_035), at(45));
        (36..=42)
            .filter(|call| call % 4 != 0)
            .for_each(|call| controller.throttled(at(call), at(50)));
        controller.decide(at(1_035));
        controller.rate = 125.0;
        held(&mut controller, &at, &every(8, 1_035, 51), hold);
        let limit = controller.limit.unwrap();
        assert!((94.0..=103.0).contains(&limit), "{limit}");
        close(controller.rate, RESTING * limit);
        let end = 1_035 + 51 * 8 + hold;
        assert_eq!(resting(&controller).until, at(end + rests));
    }
}

#[test]
fn a_hold_at_rest_lowers_the_limit_and_a_row_of_them_tests_for_chance() {
    let (mut controller, at) = met();
    controller.holds.shown_as_window();
    controller.limit = Some(100.0);
    controller.phase =
        Phase::Resting(Rest { since: at(1_200), until: at(60_000), lowered: 0, may_slide: false });
    controller.rate = 100.0;
    let mut now = 1_200;
    for limit in [96.0, 0.9 * 96.0] {
        held(&mut controller, &at, &every(10, now, 50), 1_000);
        now += 1_500;
        close(controller.limit.unwrap(), limit);
        assert_eq!(resting(&controller).until, at(now + 40_000));
    }
    // 98 calls in the two spells and their holds: that is below any limit.
    held(&mut controller, &at, &every(10, now, 50), 1_000);
    now += 1_500;
    let sustained = 0.95 * 98.0 / 3.0;
    close(controller.limit.unwrap(), sustained);
    // Three times as many calls as a spell has on average.
    let lasts = seconds_between(at(now), resting(&controller).until);
    let calls = 3.0 * (19.0 + 3.0 * 49.0) / 4.0;
    assert!((lasts * sustained - calls).abs() < 0.1, "{lasts} for {calls}");
    // Another hold at that pace: no limit explains it.
    held(&mut controller, &at, &every(40, now, 30), 1_000);
    now += 2_200;
    assert!(matches!(controller.phase, Phase::Open { .. }) && controller.limit.is_none());
    close(controller.rate, 100.0);
    // Their spells are now longer and now shorter.
    for calls in [20, 60, 30, 50].into_iter().cycle().take(20) {
        held(&mut controller, &at, &every(10, now, calls), 1_000);
        now += 10 * calls + 1_000;
        close(controller.rate, 100.0);
        assert!(matches!(controller.phase, Phase::Open { .. }));
    }
    // Then it is tested again.
    held(&mut controller, &at, &every(10, now, 20), 1_000);
    climbing(&controller);
}

fn seconds_between(from: Instant, to: Instant) -> f64 {
    (to - from).as_secs_f64()
}

#[test]
fn a_test_that_no_call_disturbs_is_followed_by_a_quick_climb_and_no_limit_falls_below_it() {
    let (mut controller, at) = met();
    controller.holds.test_at(30.0);
    controller.phase =
        Phase::Resting(Rest { since: at(1_200), until: at(1_300), lowered: 0, may_slide: false });
    controller.rate = 30.0;
    controller.decide(at(1_300));
    close(controller.rate, 31.5);
    close(climbing(&controller).every, 0.1);
    controller.rate = 50.0;
    held(&mut controller, &at, &every(20, 1_300, 3), 1_000);
    close(controller.limit.unwrap(), 30.0);
}

#[test]
fn looks_after_a_rest_are_slow_at_first_and_a_hold_returns_to_the_last_but_one() {
    let (mut controller, at) = met();
    controller.limit = Some(100.0);
    controller.rate = 99.5;
    controller.phase =
        Phase::Resting(Rest { since: at(1_200), until: at(41_200), lowered: 0, may_slide: false });
    controller.decide(at(41_200));
    let mut levels = vec![controller.rate / 99.5];
    let mut now = 41_200;
    while levels.len() < 3 {
        now += 9;
        controller.sent(at(now));
        controller.decide(at(now));
        if controller.rate / 99.5 > *levels.last().unwrap() {
            levels.push(controller.rate / 99.5);
        }
    }
    close(levels[0], 1.02);
    close(levels[1], 1.02 * 1.04);
    close(levels[2], 1.02 * 1.04 * 1.08);
    controller.hold(at(now), at(now + 1_000), at(now));
    controller.decide(at(now + 1_000));
    let limit = controller.limit.unwrap();
    assert!((100.0..=99.5 * levels[1]).contains(&limit), "{limit}");
}

#[test]
fn a_hold_that_was_too_short_changes_nothing() {
    let (mut controller, at) = met();
    let before = controller.rate;
    held(&mut controller, &at, &[1_230], 200);
    assert_eq!((controller.rate, climbing(&controller).grown), (before, at(1_430)));
    controller.limit = Some(80.0);
    let rest = Rest { since: at(1_430), until: at(9_000), lowered: 0, may_slide: false };
    (controller.phase, controller.rate) = (Phase::Resting(rest), 79.0);
    held(&mut controller, &at, &[1_440], 200);
    assert_eq!((resting(&controller).until, controller.rate), (at(9_000), 79.0));
    // One accepted call is a spell.
    held(&mut controller, &at, &[1_650, 1_660], 200);
    assert!(controller.rate < 79.0);
    // A call that is throttled without a hold ends what holds have shown.
    controller.sent(at(1_870));
    controller.throttled(at(1_870), at(1_880));
    assert!(!controller.holds.are_met());
}

#[test]
fn a_pace_that_was_accepted_for_two_seconds_and_ten_calls_is_about_the_limit() {
    // Calls that end at this time, of which the last one and some others are throttled.
    let proven = |calls: u64, others: u64, last: u64| {
        let (mut controller, at) = controller(Opening::AtCeiling, 100.0);
        controller.asking = Some(Asking { pace: 120.0, begun: at(0) });
        let sent = |call: u64| at(last - (calls - call));
        (1..=calls).for_each(|call| controller.history.count_sent(sent(call)));
        for call in 1..=others {
            controller.history.count_throttled(sent(call), sent(call));
        }
        controller.hold(at(last), at(last + 1_000), at(last));
        controller.decide(at(last + 1_000));
        assert_eq!(controller.throttled_at, 120.0);
        matches!(controller.phase, Phase::Resting(_)).then_some(controller.limit.unwrap() / 0.97)
    };
    close(proven(11, 0, 2_000).unwrap(), 5.0);
    assert_eq!(proven(10, 0, 2_000), None);
    assert_eq!(proven(11, 0, 1_999), None);
    // A hundredth of the accepted ones and one more may be throttled.
    close(proven(102, 1, 2_000).unwrap(), 50.0);
    assert_eq!(proven(101, 1, 2_000), None);
    // Five seconds count.
    close(proven(51, 0, 5_500).unwrap(), 10.0);
}

#[test]
fn a_climb_ends_with_a_call_that_is_throttled_without_a_hold() {
    let (mut controller, at) = met();
    controller.sent(at(1_300));
    controller.throttled(at(1_300), at(1_310));
    assert!(!matches!(controller.phase, Phase::Climbing(_)), "{:?}", controller.phase);
}

#[test]
fn a_climb_that_has_passed_a_rough_limit_is_what_the_service_accepts() {
    let (mut controller, at) = met();
    assert_eq!(controller.limit().per_second, Some(50.0));
    controller.phase = Phase::Climbing(Climb { from: 49.0, ..Climb::to_limit(at(2_000)) });
    assert_eq!(controller.limit().per_second, Some(50.0));
    controller.phase = Phase::Climbing(Climb { from: 83.0, ..Climb::to_limit(at(2_000)) });
    assert_eq!(controller.limit().per_second, Some(83.0));
    controller.limit = None;
    assert_eq!(controller.limit().per_second, None);
}
