//! What follows a call that is throttled in the open or while the pace grows.

use super::super::phase::TOO_FAR;
use super::super::windows::FilledWindow;
use super::*;
use crate::policy::pace::limit_trial::TrialKind;

fn is_measured(controller: &PaceController) -> bool {
    matches!(controller.phase, Phase::Trying(trial) if matches!(trial.kind, TrialKind::Measurement))
}

fn listens(controller: &PaceController, as_met: Met) -> bool {
    matches!(controller.phase, Phase::Listening(Listening { met, .. }) if met == as_met)
}

#[test]
fn a_first_throttled_call_is_measured_or_heard_out_where_the_pace_has_just_grown() {
    let (ceiling, doubling) = (Opening::AtCeiling, Opening::Doubling);
    for (opening, grown, chance, answers, listens_for) in [
        (ceiling, None, 0.0, 40, false),
        (ceiling, Some(7_001), 0.0, 40, true),
        (ceiling, Some(7_000), 0.0, 40, false),
        // Less than four calls on the wire show nothing.
        (ceiling, Some(7_001), 0.0, 36, false),
        (ceiling, Some(7_001), 0.1, 40, false),
        (doubling, None, 0.0, 0, true),
        (doubling, None, 0.1, 0, false),
    ] {
        let (mut controller, at) = controller(opening, 100.0);
        controller.throttled_at = 1.0;
        controller.grown_at = grown.map(&at);
        controller.chance.set_share(chance);
        (1..=50).for_each(|call| controller.history.count_sent(at(9_000 + 20 * call)));
        controller.history.count_sent(at(10_000 - answers));
        controller.history.count_throttled(at(10_000 - answers), at(10_000));
        controller.throttled_in_the_open(at(10_000), at(10_000));
        let told = format!("{opening:?} {grown:?} {chance} {answers}");
        assert_eq!(listens(&controller, Met::Growing), listens_for, "{told}");
        assert_eq!(is_measured(&controller), !listens_for, "{told}");
        assert_eq!(controller.throttled_at, 100.0);
        // A search believes nearly what it had reached before its last step.
        close(controller.hint, if listens_for { 56.25 } else { 50.0 });
    }
}

#[test]
fn four_calls_on_the_wire_show_what_throttles_them() {
    let least = 4.0 / (1.1 * 0.04);
    for (rate, is_heard) in [(least, true), (0.999 * least, false)] {
        let (mut controller, at) = controller(Opening::AtCeiling, rate);
        controller.grown_at = Some(at(900));
        controller.history.count_sent(at(960));
        controller.history.count_throttled(at(960), at(1_000));
        controller.throttled_in_the_open(at(960), at(1_000));
        assert_eq!(listens(&controller, Met::Growing), is_heard, "{rate}");
    }
}

#[test]
fn a_hint_of_the_open_is_no_more_than_the_pace() {
    let (mut controller, at) = controller(Opening::Doubling, 100.0);
    (1..=200).for_each(|call| controller.history.count_sent(at(5 * call)));
    controller.throttled_in_the_open(at(1_000), at(1_000));
    close(controller.hint, 100.0);
}

/// A pace that grows above 100 a second: so many calls were accepted in the first second, in most of
/// the next, and in its last tenth; then one is throttled.
fn grown(rate: f64, calls: [u64; 3]) -> (PaceController, impl Fn(u64) -> Instant) {
    let (mut controller, at) = controller(Opening::AtCeiling, rate);
    (controller.limit, controller.is_exact) = (Some(100.0), true);
    for (begin, millis, calls) in
        [(0, 1_000, calls[0]), (1_000, 900, calls[1]), (1_900, 100, calls[2])]
    {
        for call in 1..=calls {
            let sent = at(begin) + Duration::from_micros(millis * 1_000 * call / (calls + 1));
            controller.history.count_sent(sent);
        }
    }
    controller.history.count_sent(at(2_000));
    controller.history.count_throttled(at(2_000), at(2_000));
    (controller, at)
}

#[test]
fn the_limit_that_a_look_shows_is_the_mean_of_its_cycle_and_a_little_less_than_its_last_second() {
    let (long, short) = (0, 1_001);
    for (rate, calls, cycle, is_disturbed, expected) in [
        // The mean is 98.5, and the last second 101, which may be that of a window.
        (105.0, [96, 91, 10], long, false, 0.993 * 101.0),
        // A second beyond 102 % of the limit is none of a window.
        (105.0, [94, 93, 10], long, false, 99.9),
        (105.0, [94, 93, 10], long, true, 99.5),
        (105.0, [94, 92, 10], long, false, 0.993 * 102.0),
        (105.0, [100, 90, 11], long, false, 100.5),
        (105.0, [106, 93, 10], long, false, 104.5),
        // Never above the pace.
        (105.0, [118, 93, 10], long, false, 105.0),
        (101.5, [106, 93, 10], long, false, 101.5),
        // After a short cycle it stays.
        (105.0, [90, 91, 10], short, false, 100.0),
    ] {
        let (mut controller, at) = grown(rate, calls);
        (controller.cycle, controller.rested.is_disturbed) = (at(cycle), is_disturbed);
        controller.accepted_before_cycle = controller.history.accepted_until(at(cycle));
        controller.confirmed = 4;
        controller.throttled_while_growing(at(1_950), false, at(2_000), at(2_001));
        let told = format!("{rate} {calls:?} {cycle} {is_disturbed}");
        assert!((controller.limit.unwrap() - expected).abs() < 1e-9, "{told}: {controller:?}");
        close(controller.rate, RESTING * expected);
        assert!(controller.is_windowed && controller.is_exact);
        assert_eq!((controller.confirmed, controller.throttled_at), (5, rate));
        close(controller.met, f64::min((calls[1] + calls[2]) as f64, rate));
    }
}

#[test]
fn a_limit_is_raised_where_looks_are_throttled_at_once_by_single_calls_and_rests_by_none() {
    let (long, short, raised) = (0, 1_001, 100.4);
    for (rate, calls, cycle, (confirmed, is_disturbed, was_single), expected) in [
        (105.0, [90, 91, 10], short, (2, false, true), raised),
        (105.0, [90, 91, 10], short, (1, false, true), 100.0),
        (105.0, [90, 91, 10], short, (2, true, true), 100.0),
        (105.0, [90, 91, 10], short, (2, false, false), 100.0),
        // Beyond a look the pace has grown.
        (105.1, [90, 91, 10], short, (2, false, true), 100.0),
        // The mean of two seconds is 99, and 100.
        (105.0, [98, 89, 11], long, (2, false, true), raised),
        (105.0, [98, 89, 11], long, (2, false, false), 99.9),
        (105.0, [100, 89, 11], long, (2, false, true), 100.0),
    ] {
        let (mut controller, at) = grown(rate, calls);
        controller.cycle = at(cycle);
        controller.accepted_before_cycle = controller.history.accepted_until(at(cycle));
        (controller.confirmed, controller.rested.is_disturbed) = (confirmed, is_disturbed);
        controller.rested.end(was_single);
        controller.throttled_while_growing(at(1_950), false, at(2_000), at(2_001));
        let told = format!("{rate} {calls:?} {cycle} {confirmed} {is_disturbed} {was_single}");
        assert!((controller.limit.unwrap() - expected).abs() < 1e-9, "{told}: {controller:?}");
    }
}

#[test]
fn a_look_at_a_window_counts_its_second_once_it_has_taken_nearly_one() {
    for (since, expected) in [(1_100, 101.0), (1_101, 100.0)] {
        let (mut controller, at) = grown(105.0, [90, 91, 10]);
        controller.windows.closed(0.0, true);
        controller.throttled_while_growing(at(since), false, at(2_000), at(2_000));
        close(controller.limit.unwrap(), expected);
        // Only then is it one that was filled, so that it may be corrected.
        let filled = controller.windows.correct(&controller.history, 100.0, 100.0);
        assert!(!controller.windows.are_regular());
        assert_eq!(filled, 100.0);
        controller.history.count_sent(at(3_000));
        controller.history.count_throttled(at(3_000), at(3_000));
        let next = FilledWindow { calls: 99.0, first: at(3_000), fell: at(3_000) };
        controller.windows.fill(Some(next));
        let corrected = controller.windows.correct(&controller.history, 100.0, 100.0);
        assert_eq!(corrected, if since == 1_100 { 98.5 } else { 100.0 });
    }
}

#[test]
fn a_limit_that_was_roughly_known_is_the_mean_of_cycle_and_second_or_nearly_the_latest_pace() {
    for (calls, cycle, is_window, expected) in [
        ([100, 100, 5], 0, false, (102.5 + 105.0) / 2.0),
        ([100, 100, 5], 1_701, false, 105.0),
        ([100, 88, 11], 0, false, 0.93 * 120.0),
        ([100, 88, 11], 1_701, false, 0.93 * 120.0),
        ([100, 88, 11], 0, true, 99.0),
        ([60, 60, 5], 0, false, 98.0),
        // The pace bounds what its latest tenth shows.
        ([60, 60, 14], 0, false, 0.93 * 125.0),
    ] {
        let (mut controller, at) = grown(125.0, calls);
        controller.cycle = at(cycle);
        controller.accepted_before_cycle = controller.history.accepted_until(at(cycle));
        if is_window {
            controller.windows.closed(0.0, true);
        }
        controller.throttled_while_growing(at(1_000), true, at(2_000), at(2_000));
        let found = controller.limit.unwrap();
        assert!((found - expected).abs() < 1e-9, "{calls:?} {cycle}: {found}");
    }
}

#[test]
fn a_pace_far_above_the_limit_has_grown_too_far() {
    let above = |rate: f64| f64::from_bits(rate.to_bits() + 1);
    for (rate, is_rough, calls, is_far) in [
        (TOO_FAR * 100.0, false, [90, 90, 9], false),
        (above(TOO_FAR * 100.0), false, [90, 90, 9], true),
        (1.3 * 100.0, true, [60, 60, 9], false),
        (above(1.3 * 100.0), true, [60, 60, 9], true),
        // What was accepted in the last second counts, too.
        (1.3 * 120.0, true, [60, 110, 10], false),
        (above(1.3 * 120.0), true, [60, 110, 10], true),
    ] {
        let (mut controller, at) = grown(rate, calls);
        (controller.confirmed, controller.hint) = (3, 7.0);
        controller.throttled_while_growing(at(1_000), is_rough, at(2_000), at(2_000));
        assert_eq!(listens(&controller, Met::Growing), is_far, "{rate} {is_rough}");
        if is_far {
            assert_eq!((controller.confirmed, controller.hint), (0, 0.0));
        }
    }
}

#[test]
fn a_window_that_is_asked_shows_its_limit_and_the_next_one_is_waited_for() {
    for (begun, now, confirmed, limit, until) in [
        // From the beginning of the window on, 90 calls or 100 were accepted.
        (1_100, 2_000, 0, 98.0, 2_105),
        (1_000, 2_000, 3, 100.0, 2_005),
        (1_000, 2_010, 1, 100.0, 2_010),
    ] {
        let (mut controller, at) = controller(Opening::AtCeiling, 50.0);
        (controller.limit, controller.confirmed) = (Some(100.0), confirmed);
        controller.windows.closed(0.0, true);
        for end in [100, 1_100, 2_100].map(&at) {
            controller.windows.fill(Some(FilledWindow { calls: 99.0, first: end, fell: end }));
            let mut history = CallHistory::new(at(0));
            history.count_sent(end);
            history.count_throttled(end, end);
            controller.windows.correct(&history, 100.0, 100.0);
        }
        assert!(controller.windows.are_regular());
        (1..=200).for_each(|call| controller.history.count_sent(at(10 * call)));
        controller.asking = Some(Asking { pace: 120.0, begun: at(begun) });
        controller.throttled_while_growing(at(900), false, at(2_000), at(now));
        let Phase::Listening(heard) = controller.phase else { panic!() };
        assert_eq!((heard.since, heard.until, heard.met), (at(2_000), at(until), Met::Window));
        assert_eq!((heard.accepted, controller.limit), (limit, Some(limit)));
        assert_eq!((controller.is_exact, controller.confirmed), (true, confirmed.max(1)));
        assert_eq!((controller.throttled_at, controller.rate), (120.0, 0.001));
    }
}

#[test]
fn a_window_that_was_asked_and_took_just_what_was_known_is_waited_for_though_its_end_is_not() {
    for (accepted, limit) in
        [(97, None), (98, Some(100.0)), (100, Some(100.0)), (102, Some(102.0)), (103, None)]
    {
        let (mut controller, at) = controller(Opening::AtCeiling, 150.0);
        (controller.limit, controller.confirmed) = (Some(100.0), 2);
        controller.windows.closed(0.0, true);
        assert!(!controller.windows.are_regular());
        (0..accepted).for_each(|call| controller.history.count_sent(at(1_000 + 5 * call)));
        controller.history.count_sent(at(1_600));
        controller.history.count_throttled(at(1_600), at(1_610));
        controller.asking = Some(Asking { pace: 150.0, begun: at(900) });
        controller.throttled_while_growing(at(800), false, at(1_600), at(1_610));
        let told = format!("{accepted}");
        assert_eq!(listens(&controller, Met::Window), limit.is_some(), "{told}");
        assert_eq!(listens(&controller, Met::Growing), limit.is_none(), "{told}");
        assert_eq!(controller.limit, limit.or(Some(100.0)), "{told}");
        if limit.is_some() {
            let Phase::Listening(heard) = controller.phase else { panic!() };
            assert_eq!(heard.until, at(1_905), "{told}");
            // The next look fills the window after the next one.
            controller.end_listening(heard, at(1_905));
            let Phase::Resting(rest) = controller.phase else { panic!() };
            assert_eq!(rest.until, at(2_880), "{told}");
        }
    }
}

#[test]
fn a_window_that_rests_fill_lowers_its_limit_to_what_its_last_second_took() {
    for (looks, calls, limit) in
        [(1, 100, 105.0), (2, 100, 0.985 * 105.0), (2, 104, 104.0), (2, 200, 105.0)]
    {
        let (mut controller, at) = controller(Opening::AtCeiling, 106.0);
        controller.limit = Some(105.0);
        controller.windows.closed(0.0, true);
        let spacing = 1_000_000 / calls;
        (0..2 * calls)
            .map(|call| at(0) + Duration::from_micros(spacing * call + 500))
            .for_each(|sent| controller.history.count_sent(sent));
        controller.history.count_sent(at(2_000));
        controller.history.count_throttled(at(2_000), at(2_000));
        for _ in 1..looks {
            controller.windows.are_filled_by_rests(0.01);
        }
        controller.throttled_while_growing(at(1_990), false, at(2_000), at(2_000));
        close(controller.limit.unwrap(), limit);
    }
}

#[test]
fn neither_a_rough_way_nor_a_service_without_windows_shows_that_rests_fill_them() {
    for (is_rough, are_met) in [(true, true), (false, false)] {
        let (mut controller, at) = controller(Opening::AtCeiling, 101.0);
        controller.limit = Some(100.0);
        if are_met {
            controller.windows.closed(0.0, true);
        }
        controller.history.count_sent(at(2_000));
        controller.history.count_throttled(at(2_000), at(2_000));
        controller.throttled_while_growing(at(1_990), is_rough, at(2_000), at(2_000));
        assert!(!controller.windows.are_filled_by_rests(0.01), "{is_rough} {are_met}");
    }
}

#[test]
fn a_second_call_that_is_throttled_shows_that_nothing_is_saved_from_100_a_second_on() {
    for (accepted, rate, saves_nothing) in
        [(1, 100.0, true), (1, 99.0, false), (2, 100.0, false), (0, 1_000.0, true)]
    {
        let (mut controller, at) = controller(Opening::AtCeiling, rate);
        (0..=accepted).for_each(|call| controller.history.count_sent(at(10 * call)));
        controller.history.count_throttled(at(10 * accepted), at(10 * accepted));
        controller.throttled_in_the_open(at(10 * accepted), at(10 * accepted));
        assert_eq!(controller.rested.saves_nothing(), saves_nothing, "{accepted} at {rate}");
    }
}
