//! How the pace grows: towards a limit that is roughly known, above one that is known, and by asking.

use super::super::phase::{Growth, Rest};
use super::*;

fn way_up(controller: &PaceController) -> Growth {
    let Phase::Growing(growth) = controller.phase else { panic!("{:?}", controller.phase) };
    growth
}

/// Lets so many calls be accepted in the last tenth of a second before then.
fn accept(controller: &mut PaceController, calls: u64, to: Instant) {
    for call in 0..calls {
        controller.history.count_sent(to - Duration::from_micros(100 * (calls - 1 - call)));
    }
}

#[test]
fn a_rest_at_a_rough_limit_ends_with_the_way_to_it() {
    let (mut controller, at) = controller(Opening::AtCeiling, 90.0);
    (controller.limit, controller.cycle) = (Some(100.0), at(7));
    let rest = Rest { since: at(0), until: at(600), lowered: 1, may_slide: false };
    controller.phase = Phase::Resting(rest);
    controller.end_rest(at(600));
    let growth = way_up(&controller);
    assert_eq!((growth.is_rough, growth.since, growth.grown), (true, at(600), at(600)));
    assert_eq!((controller.limit, controller.rate, controller.cycle), (Some(100.0), 90.0, at(7)));
    // The cost of a look begins with it.
    controller.phase = Phase::Resting(rest);
    (controller.is_exact, controller.cost) = (true, 5);
    controller.end_rest(at(700));
    assert_eq!((way_up(&controller).is_rough, controller.cost), (false, 0));
    close(controller.rate, 105.0);
}

#[test]
fn the_steps_towards_a_rough_limit_are_large_far_below_it_small_near_it_and_then_grow() {
    for (rate, limit, hint, step, next, next_step, known) in [
        (80.0, 100.0, 100.0, 0.05, 92.0, 0.12, 100.0),
        // A large step ends at the level that was accepted once.
        (90.0, 100.0, 100.0, 0.05, 100.0, 0.12, 100.0),
        (93.0, 100.0, 100.0, 0.05, 93.8, 0.008, 100.0),
        (90.0, 100.0, 0.0, 0.05, 90.8, 0.008, 100.0),
        (102.9, 100.0, 0.0, 0.05, 103.7, 0.008, 100.0),
        (103.0, 100.0, 0.0, 0.05, 111.0, 0.08, 100.0),
        (103.0, 100.0, 110.0, 0.05, 103.8, 0.008, 100.0),
        // Twice the limit that was known makes it history.
        (18.0, 10.0, 0.0, 0.3, 22.8, 0.3, 18.0),
        (14.0, 10.0, 0.0, 0.3, 18.8, 0.48, 10.0),
        (18.0, 10.0, 0.0, 0.125, 20.0, 0.2, 10.0),
        // No step is larger than a part of the pace.
        (15.0, 10.0, 0.0, 9.0, 24.0, 0.3, 15.0),
    ] {
        let (mut controller, at) = controller(Opening::AtCeiling, rate);
        (controller.limit, controller.hint) = (Some(limit), hint);
        controller.is_exact = true;
        accept(&mut controller, 50, at(100));
        let (since, grown) = (at(0), at(0));
        controller.grow(Growth { since, is_rough: true, step, grown, asked: 1 }, at(100));
        let told = format!("{rate} {limit} {hint} {step}");
        assert!((controller.rate - next).abs() < 1e-9, "{told}: {}", controller.rate);
        let growth = way_up(&controller);
        assert!((growth.step - next_step).abs() < 1e-9, "{told}: {growth:?}");
        assert_eq!((growth.since, growth.grown, growth.asked), (at(0), at(100), 1));
        assert_eq!((growth.is_rough, controller.limit), (true, Some(known)), "{told}");
        assert_eq!(controller.is_exact, known == limit, "{told}");
    }
}

#[test]
fn steps_near_a_limit_are_twice_as_large_where_the_service_saves_nothing() {
    for (rate, step, next) in [(95.0, 0.016, 96.6), (103.0, 0.08, 111.0)] {
        let (mut controller, at) = controller(Opening::AtCeiling, rate);
        controller.limit = Some(100.0);
        controller.rested.save_nothing();
        accept(&mut controller, 50, at(100));
        let (since, grown) = (at(0), at(0));
        controller.grow(Growth { since, is_rough: true, step: 0.05, grown, asked: 0 }, at(100));
        close(way_up(&controller).step, step);
        close(controller.rate, next);
    }
}

#[test]
fn a_pace_that_was_used_for_a_second_at_its_ceiling_has_no_limit() {
    for (opening, most, rate, tried, is_open) in [
        (Opening::AtCeiling, 102.0, 102.0, 1_020, true),
        (Opening::AtCeiling, 102.0, 102.0, 1_019, false),
        (Opening::AtCeiling, 102.0, 90.0, 1_020, false),
        (Opening::AtCeiling, 115.0, 102.0, 1_020, false),
        (Opening::Doubling, 102.0, 102.0, 1_020, false),
        // A low one is believed at once.
        (Opening::AtCeiling, 66.9, 60.0, 100, true),
        (Opening::AtCeiling, 67.0, 60.0, 100, false),
    ] {
        let (mut controller, at) = controller(opening, rate);
        (controller.limit, controller.hint, controller.bounds.most) = (Some(100.0), 110.0, most);
        let now = at(tried);
        (0..110).for_each(|call| controller.history.count_sent(at(10 * call)));
        let before = Growth { since: at(0), is_rough: true, step: 0.1, grown: at(0), asked: 0 };
        controller.phase = Phase::Growing(before);
        controller.grow(before, now);
        let told = format!("{opening:?} {most} {rate} {tried}");
        assert_eq!(matches!(controller.phase, Phase::Open { .. }), is_open, "{told}");
        let expected = if is_open { (None, Some(now)) } else { (Some(100.0), None) };
        assert_eq!((controller.limit, controller.grown_at), expected, "{told}");
        // It stays there until that is shown, and goes there first.
        let stays = rate >= most && tried < 1_020;
        assert_eq!(!is_open && way_up(&controller).grown == at(0), stays, "{told}");
        assert!(controller.rate <= most && controller.rate >= rate, "{told}");
    }
}

#[test]
fn a_pace_grows_after_a_tenth_of_a_second_of_which_it_used_four_fifths() {
    for (is_rough, rate, calls, millis, grows) in [
        (true, 100.0, 7, 100, true),
        (true, 100.0, 6, 100, false),
        (true, 100.0, 50, 99, false),
        (false, 110.0, 8, 100, true),
        (false, 110.0, 7, 100, false),
        (false, 110.0, 50, 99, false),
        // Of a longer step its last second counts.
        (true, 100.0, 79, 2_000, true),
        (true, 100.0, 78, 2_000, false),
    ] {
        let (mut controller, at) = controller(Opening::AtCeiling, rate);
        controller.limit = Some(100.0);
        accept(&mut controller, calls, at(millis));
        let (since, grown) = (at(0), at(0));
        let before = Growth { since, is_rough, step: 0.01, grown, asked: 0 };
        controller.phase = Phase::Growing(before);
        controller.grow(before, at(millis));
        assert_eq!(controller.rate > rate, grows, "{is_rough} {calls} {millis}");
        if grows && !is_rough {
            // Beyond a look the steps are at least two and a half of its own.
            close(controller.rate, rate + 5.0);
            assert_eq!((controller.limit, controller.is_exact), (Some(100.0), false));
        }
    }
}

#[test]
fn a_look_is_accepted_once_its_cycle_and_its_last_second_show_more_than_the_limit() {
    // The limit, since when the cycle lasts, how many were accepted in it before the last second and
    // in that, and how long the look took.
    for (limit, cycle, calls, millis, grows) in [
        (100.0, 1_000, (0, 102), 600, true),
        (100.0, 1_000, (0, 102), 599, false),
        (100.0, 1_000, (0, 101), 600, false),
        (100.0, 0, (101, 101), 600, true),
        // A thousandth more is not enough.
        (100.899_100_899_100_92, 0, (103, 101), 600, false),
        (100.0, 0, (102, 100), 600, false),
        (100.0, 0, (100, 101), 600, false),
        (3_000.0, 1_000, (0, 3_004), 600, true),
        (3_000.0, 1_000, (0, 3_003), 600, false),
    ] {
        let (mut controller, at) = controller(Opening::AtCeiling, 1.0);
        (controller.limit, controller.is_exact) = (Some(limit), true);
        controller.rate = limit * (1.02 + f64::min(3.0 / limit, 0.03));
        let rate = controller.rate;
        controller.cycle = at(cycle);
        for (begin, calls) in [(0, calls.0), (1_000, calls.1)] {
            for call in 1..=calls {
                let later = Duration::from_micros(1_000_000 * call / calls);
                controller.history.count_sent(at(begin) + later);
            }
        }
        let step = rate / limit - 1.0;
        let since = at(2_000 - millis);
        let before = Growth { since, is_rough: false, step, grown: since, asked: 0 };
        controller.phase = Phase::Growing(before);
        controller.grow(before, at(2_000));
        assert_eq!(controller.rate > rate, grows, "{limit} {cycle} {calls:?} {millis}");
        if grows {
            close(controller.limit.unwrap(), f64::midpoint(limit, rate));
            close(controller.rate, rate + 2.5 * step * limit);
            assert!(!controller.is_exact && !way_up(&controller).is_rough);
        } else {
            assert_eq!((controller.limit, controller.is_exact), (Some(limit), true));
        }
    }
}

#[test]
fn a_long_look_shows_a_higher_limit_though_little_was_used_before_it() {
    for (since, grows) in [(2_001, false), (2_000, true)] {
        let (mut controller, at) = controller(Opening::AtCeiling, 102.0);
        (controller.limit, controller.is_exact, controller.cycle) = (Some(100.0), true, at(0));
        (1..=102).for_each(|call| controller.history.count_sent(at(6_000 + 9 * call)));
        let since = at(since);
        let look = Growth { since, is_rough: false, step: 0.02, grown: since, asked: 0 };
        controller.phase = Phase::Growing(look);
        // Below this limit a rest throttled a call: the service takes more than that now.
        controller.rested.disturb(101.0);
        controller.grow(look, at(7_000));
        assert_eq!((controller.rate > 102.0, controller.is_exact), (grows, !grows));
        close(controller.rested.raised(100.0), if grows { 100.4 } else { 0.993 * 101.0 });
    }
}

#[test]
fn a_look_at_windows_takes_one_of_them_and_moves_a_limit_that_none_has_met() {
    for (answers, millis, confirmed, grows) in [
        (0, 1_020, 0, true),
        (0, 1_019, 0, false),
        (100, 1_131, 0, true),
        (100, 1_129, 0, false),
        (0, 1_020, 1, true),
    ] {
        let (mut controller, at) = controller(Opening::AtCeiling, 101.5);
        (controller.limit, controller.is_exact) = (Some(100.0), true);
        (controller.confirmed, controller.unmet) = (confirmed, 0);
        controller.windows.closed(0.0, true);
        controller.history.count_throttled(at(0), at(answers));
        let now = at(2_000 + millis);
        for call in 0..200 {
            controller.history.count_sent(now - Duration::from_millis(5 * (199 - call)));
        }
        let since = at(2_000);
        let before = Growth { since, is_rough: false, step: 0.015, grown: since, asked: 0 };
        controller.phase = Phase::Growing(before);
        controller.grow(before, now);
        assert_eq!(controller.rate > 101.5, grows, "{answers} {millis} {confirmed}");
        if grows && confirmed == 0 {
            assert_eq!((controller.limit, controller.unmet), (Some(101.5), 1));
            // The next look is twice as far above it.
            close(controller.rate, 1.02 * 101.5);
            let growth = way_up(&controller);
            assert_eq!((growth.since, growth.step, growth.is_rough), (now, 0.0, false));
        } else if grows {
            close(controller.rate, 101.5 + 2.5 * 0.02 * 100.0);
            assert_eq!((controller.limit, controller.unmet), (Some(100.75), 0));
        }
    }
}

#[test]
fn a_look_at_regular_windows_exceeds_their_limit_by_a_call_though_timers_are_4_ms_late() {
    for (limit, is_regular, calls) in [
        (100.0, true, 1.5),
        (125.0, true, 1.5),
        (200.0, true, 1.8),
        (1_000.0, true, 5.0),
        (1_000.0, false, 1.5),
    ] {
        let (mut controller, _) = controller(Opening::AtCeiling, limit);
        (controller.limit, controller.confirmed) = (Some(limit), 1);
        controller.windows.closed(0.0, true);
        if is_regular {
            controller.windows.end_regularly();
        }
        close(controller.look() * limit, calls);
    }
}

#[test]
fn a_limit_that_two_whole_windows_have_not_met_is_history() {
    for (unmet, limit, is_regular, is_history) in [
        (1, 100.0, true, false),
        (2, 100.0, true, true),
        (3, 100.0, true, true),
        (1, 100.0, false, false),
        (2, 100.0, false, true),
        (2, 67.0, false, true),
        // Where a throttled call costs more, it must be known when the windows end.
        (2, 66.0, false, false),
        (2, 66.0, true, true),
    ] {
        let (mut controller, at) = controller(Opening::AtCeiling, 104.0);
        (controller.limit, controller.is_exact, controller.unmet) = (Some(limit), true, unmet);
        controller.windows.closed(0.0, true);
        if is_regular {
            controller.windows.end_regularly();
        }
        accept(&mut controller, 200, at(3_020));
        let since = at(2_000);
        let look = controller.look();
        controller.rate = (1.0 + look) * limit;
        let before = Growth { since, is_rough: false, step: look, grown: since, asked: 2 };
        controller.grow(before, at(3_020));
        let told = format!("{unmet} {limit} {is_regular}");
        assert_eq!(controller.is_exact, !is_history, "{told}");
        if is_history {
            // It grows beyond a look at once, and the limit lies between the two levels.
            close(controller.rate, (1.0 + look) * limit + 2.5 * limit * look.max(0.02));
            close(controller.limit.unwrap(), limit + 0.5 * limit * look);
        } else {
            assert_eq!(controller.unmet, unmet + 1, "{told}");
        }
    }
}

/// A pace of 110 a second above a window's limit of 100, 980 ms after a look at it began, where so many
/// calls were accepted since the window did.
fn asks(accepted: u64, before: Growth) -> (PaceController, Growth, Instant) {
    let (mut controller, at) = controller(Opening::AtCeiling, 110.0);
    let now = at(980);
    (controller.limit, controller.confirmed) = (Some(100.0), 1);
    controller.windows.closed(0.0, true);
    // One too early does not count.
    controller.history.count_sent(at(20));
    (0..accepted).for_each(|call| controller.history.count_sent(at(30 + 9 * call.min(105))));
    let growth = Growth { since: at(0), grown: at(979), ..before };
    controller.phase = Phase::Growing(growth);
    (controller, growth, now)
}

#[test]
fn a_window_is_asked_with_two_calls_above_its_levels() {
    let (_, at) = controller(Opening::AtCeiling, 1.0);
    let of = |asked| Growth { since: at(0), is_rough: false, step: 0.02, grown: at(1), asked };
    for (asked, accepted, was_asking, rate, is_asking, asked_then) in [
        // There is room for a whole tick at much more than the pace.
        (0, 94, false, 110.0, false, 0),
        (0, 95, false, 110.0, true, 0),
        (0, 100, false, 60.0, true, 0),
        (0, 101, true, 110.0, true, 0),
        (0, 102, true, 100.0, true, 0),
        (0, 102, false, 20.0, true, 0),
        (0, 103, false, 110.0, false, 1),
        (0, 103, true, 110.0, false, 1),
        (1, 121, true, 100.0, true, 1),
        (1, 122, true, 110.0, false, 2),
        (2, 103, false, 110.0, false, 2),
    ] {
        let (mut controller, growth, now) = asks(accepted, of(asked));
        if was_asking {
            controller.asking = Some(Asking { pace: 110.0, begun: at(0) });
            controller.rate = 33.0;
        }
        controller.grow(growth, now);
        let told = format!("{asked} {accepted} {was_asking}");
        assert!((controller.rate - rate).abs() < 1e-9, "{told}: {}", controller.rate);
        assert_eq!(controller.asking.is_some(), is_asking, "{told}");
        assert_eq!(way_up(&controller).asked, asked_then, "{told}");
        assert_eq!(way_up(&controller).grown, growth.grown, "{told}: it is not due");
        if let Some(asking) = controller.asking {
            let begun = growth.since + Duration::from_millis(20);
            assert_eq!((asking.pace, asking.begun), (110.0, begun));
        }
    }
    // Neither a rough way, nor a first look, nor a long window is asked.
    let (mut controller, growth, now) = asks(100, Growth { is_rough: true, ..of(0) });
    controller.grow(growth, now);
    assert!(controller.asking.is_none());
    let (mut controller, growth, now) = asks(100, of(0));
    controller.grow(Growth { grown: growth.since, ..growth }, now);
    assert!(controller.asking.is_none());
    let (mut controller, growth, now) = asks(100, of(0));
    controller.windows.closed(2.0, true);
    controller.grow(growth, now);
    assert!(controller.asking.is_none());
    // Nor one in which just the largest step has room.
    let (mut controller, growth, now) = asks(95, of(0));
    controller.rate = 100.0;
    controller.grow(growth, now);
    assert!(controller.asking.is_none());
    // With the answer to its last call its limit is known, and not without it.
    let (mut controller, growth, now) = asks(102, of(0));
    controller.history.count_sent(now);
    controller.grow(growth, now);
    assert_eq!(way_up(&controller).asked, 1);
    let (mut controller, growth, now) = asks(103, of(0));
    controller.history.count_sent(now);
    controller.history.count_throttled(growth.since, growth.since + Duration::from_millis(20));
    controller.grow(growth, now);
    assert_eq!((controller.rate, controller.asking.is_some()), (0.001, true));
    assert_eq!(way_up(&controller).asked, 0);
}

#[test]
fn a_window_is_asked_once_at_the_ceiling_before_its_limit_is_forgotten() {
    let (_, at) = controller(Opening::AtCeiling, 1.0);
    // Above a ceiling of 103 or 122 a second a window takes no more, so that nothing is to be asked.
    for (asked, most, is_seconds, is_asked) in [
        (0, 103.1, true, true),
        (0, 103.0, true, false),
        (0, 103.1, false, false),
        (1, 122.1, true, false),
        (2, 122.1, true, false),
    ] {
        let (mut controller, _) = controller(Opening::AtCeiling, most);
        (controller.limit, controller.bounds.most) = (Some(100.0), most);
        controller.windows.closed(if is_seconds { 0.0 } else { 2.0 }, true);
        controller.confirmed = 1;
        let growth = Growth { since: at(0), is_rough: false, step: 0.2, grown: at(1_000), asked };
        let told = format!("{asked} {most} {is_seconds}");
        assert_eq!(controller.question(growth).is_some(), is_asked, "{told}");
        let now = at(2_020);
        (0..110).for_each(|call| controller.history.count_sent(at(1_100 + 8 * call)));
        controller.phase = Phase::Growing(growth);
        controller.grow(growth, now);
        assert_eq!(matches!(controller.phase, Phase::Open { .. }), !is_asked, "{told}");
    }
    // Below the ceiling the second question is asked, too.
    let (mut controller, _) = controller(Opening::AtCeiling, 110.0);
    (controller.limit, controller.bounds.most) = (Some(100.0), 122.1);
    controller.windows.closed(0.0, true);
    let growth = Growth { since: at(0), is_rough: false, step: 0.2, grown: at(1), asked: 1 };
    assert!(controller.question(growth).is_some());
    controller.bounds.most = 122.0;
    assert!(controller.question(growth).is_none());
}

#[test]
fn a_pace_at_the_edge_of_a_look_is_one() {
    for (more, grows) in [(1e-9, false), (2e-9, true)] {
        let (mut controller, at) = controller(Opening::AtCeiling, 1.05 * 100.0 + more);
        let rate = controller.rate;
        controller.limit = Some(100.0);
        accept(&mut controller, 50, at(100));
        let (since, grown) = (at(0), at(0));
        let before = Growth { since, is_rough: false, step: 0.05, grown, asked: 0 };
        controller.phase = Phase::Growing(before);
        controller.grow(before, at(100));
        assert_eq!(controller.rate > rate, grows, "{more}");
    }
}
