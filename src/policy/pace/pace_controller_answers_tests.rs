//! Which answers and which changes of the pace count, and from when on.

use super::super::phase::Rest;
use super::super::windows::FilledWindow;
use super::*;
use crate::policy::pace::limit_trial::{Observed, Seen, Trial, TrialKind};

#[test]
fn a_throttled_call_counts_if_it_was_sent_since_the_pace_holds_and_more_are_than_by_chance() {
    for (sent, share, counts) in [(9, 0.0, false), (10, 0.0, true), (10, 0.2, false)] {
        let (mut controller, at) = controller(Opening::AtCeiling, 100.0);
        controller.cut_at = at(10);
        controller.chance.set_share(share);
        controller.history.count_sent(at(sent));
        controller.throttled(at(sent), at(20));
        let is_open = matches!(controller.phase, Phase::Open { .. });
        assert_eq!(is_open, !counts, "{sent} {share}");
    }
}

#[test]
fn listening_ends_when_it_has_lasted_long_enough() {
    for (now, is_over) in [(99, false), (100, true)] {
        let (mut controller, at) = controller(Opening::AtCeiling, 1.0);
        controller.at_a_time = CallsAtATime::learnt(Some(1_000), at(0));
        controller.limit = Some(100.0);
        let (since, until) = (at(10), at(100));
        let heard = Listening { since, until, accepted: 90.0, met: Met::AtRest };
        controller.phase = Phase::Listening(heard);
        controller.decide(at(now));
        assert_eq!(!matches!(controller.phase, Phase::Listening(_)), is_over, "{now}");
    }
}

#[test]
fn the_share_of_chance_rises_only_at_a_pace_that_is_not_being_tested() {
    let (_, at) = controller(Opening::AtCeiling, 100.0);
    let (kind, seen) = (TrialKind::Measurement, Seen::default());
    let trial = Trial { begun: at(0), after: at(0), from: 100.0, kind, seen, is_doubt: false };
    let open = Phase::Open { since: at(0), was_served: false };
    for (phase, share) in [(open, 0.204), (Phase::Trying(trial), 0.2)] {
        let (mut controller, at) = controller(Opening::AtCeiling, 100.0);
        controller.phase = phase;
        controller.chance.set_share(0.2);
        controller.history.count_sent(at(5));
        controller.throttled(at(5), at(6));
        close(controller.chance.share(), share);
    }
}

#[test]
fn a_lower_pace_is_a_cut_and_one_that_is_a_twentieth_higher_a_rise() {
    let above = |rate: f64| f64::from_bits(rate.to_bits() + 1);
    for (rate, is_cut, is_raised) in [
        (50.0, true, false),
        (99.9, true, false),
        (100.0, false, false),
        (105.0, false, false),
        (above(105.0), false, true),
        (200.0, false, true),
    ] {
        let (mut controller, at) = controller(Opening::AtCeiling, 100.0);
        controller.is_windowed = true;
        controller.asking = Some(Asking { pace: 9.0, begun: at(0) });
        controller.open(rate, at(7));
        close(controller.rate, rate);
        assert_eq!(controller.cut_at, if is_cut { at(7) } else { at(0) }, "{rate}");
        assert_eq!(controller.raised_at, is_raised.then(|| at(7)), "{rate}");
        assert!(!controller.is_windowed && controller.asking.is_none());
    }
}

#[test]
fn chance_that_several_tests_have_found_is_tested_later_with_what_they_have_seen() {
    for (confirmed, millis, is_doubted) in
        [(1, 1_999, false), (1, 2_000, true), (3, 7_999, false), (3, 8_000, true)]
    {
        let (mut controller, at) = controller(Opening::AtCeiling, 100.0);
        (0..confirmed).for_each(|_| controller.chance.confirm(0.2));
        assert_eq!(controller.doubt_chance(at(millis)), is_doubted, "{confirmed} {millis}");
        if is_doubted {
            let Phase::Trying(trial) = controller.phase else { panic!() };
            let (calls, throttled, rate) = (200.0, 40.0, 100.0);
            let seen = Observed { calls, throttled, rate, irregularity: 0.0, is_scattered: true };
            let expected = format!("{:?}", Seen::default().with(seen));
            assert_eq!(format!("{:?}", trial.seen), expected);
        }
    }
}

#[test]
fn chance_is_tested_below_what_was_accepted_in_the_last_second_if_that_is_less() {
    // Of so many calls in the last second a quarter is accepted, and half is put down to chance.
    for (rate, calls, pace) in [
        (400.0, 400, 0.95 * 100.0),
        (400.0, 44, 0.95 * 11.0),
        // So few accepted calls show nothing.
        (400.0, 40, 0.95 * 200.0),
        (44.0, 44, 0.95 * 11.0),
    ] {
        let (mut controller, at) = controller(Opening::AtCeiling, rate);
        controller.chance.set_share(0.5);
        for call in 1..=calls {
            let sent = at(15_000 + 1_000 * call / calls);
            controller.history.count_sent(sent);
            if call % 4 != 0 {
                controller.history.count_throttled(sent, sent);
            }
        }
        assert!(controller.doubt_chance(at(16_000)), "{rate}");
        close(controller.rate, pace);
        let Phase::Trying(Trial { is_doubt, from, .. }) = controller.phase else { panic!() };
        assert!(is_doubt && from == rate);
    }
}

#[test]
fn clients_test_chance_at_times_that_they_share_however_late_they_began() {
    for (later, known, is_doubted) in [
        (0, 0, false),
        (999, 0, false),
        (1_000, 0, true),
        // One that was found in the same round is not tested, and one of the round before is at once.
        (1_500, 1_000, false),
        (1_500, 999, true),
    ] {
        let (mut controller, at) = controller(Opening::AtCeiling, 100.0);
        controller = controller.testing_since(at(0) - Duration::from_millis(3_000));
        controller.chance.set_share(0.2);
        controller.chance_since = at(known);
        assert_eq!(controller.doubt_chance(at(later)), is_doubted, "{later} {known}");
    }
    let (controller, at) = controller(Opening::AtCeiling, 100.0);
    assert_eq!(controller.testing_since(at(5)).testing_since, at(0), "never later than the run");
}

#[test]
fn sendings_at_the_bound_on_calls_at_a_time_let_it_grow() {
    let (mut controller, at) = controller(Opening::AtCeiling, 100.0);
    controller.at_a_time = CallsAtATime::learnt(Some(2), at(0));
    controller.decide(at(1_000));
    assert_eq!(controller.most_at_a_time(), Some(3));
    (0..5).for_each(|_| controller.sent(at(1_001)));
    controller.decide(at(1_002));
    assert_eq!(controller.most_at_a_time(), Some(5));
}

#[test]
fn a_served_call_weighs_against_chance_and_is_judged_in_a_trial() {
    let (mut controller, at) = controller(Opening::AtCeiling, 100.0);
    controller.chance.set_share(0.2);
    controller.history.count_sent(at(5));
    controller.served(at(5), at(6));
    close(controller.chance.share(), 0.199);
    let (mut controller, at) = super::controller(Opening::AtCeiling, 400.0);
    let (kind, seen) = (TrialKind::Measurement, Seen::default());
    let trial = Trial { begun: at(0), after: at(0), from: 400.0, kind, seen, is_doubt: false };
    controller.phase = Phase::Trying(trial);
    (1..=24).for_each(|call| controller.history.count_sent(at(call)));
    (1..=6).for_each(|call| controller.history.count_throttled(at(4 * call), at(4 * call)));
    controller.served(at(23), at(24));
    let Phase::Trying(trial) = controller.phase else { panic!() };
    assert!(matches!(trial.kind, TrialKind::Test { .. }));
}

#[test]
fn a_row_that_is_throttled_at_rest_shows_a_window() {
    let (mut controller, at) = controller(Opening::AtCeiling, 99.5);
    (controller.limit, controller.is_exact) = (Some(100.0), true);
    let rest = Rest { since: at(500), until: at(2_000), lowered: 0, may_slide: false };
    controller.phase = Phase::Resting(rest);
    let (first, last) = (at(1_000), at(1_010));
    controller.windows.fill(Some(FilledWindow { calls: 99.0, first, fell: last }));
    [first, last].into_iter().for_each(|sent| controller.history.count_sent(sent));
    controller.throttled(first, first);
    assert!(!controller.windows.are_met());
    controller.throttled(last, last);
    assert!(controller.windows.are_met());
}

#[test]
fn a_bound_on_trial_takes_the_place_of_a_limit_that_comes_back_where_it_did_not_help() {
    let (mut controller, at) = controller(Opening::AtCeiling, 80.0);
    controller.history.count_sent(at(0));
    for round in 0..40 {
        // Of ten rounds four have a call that finds three, of which one is served: too little proof
        // of so small a bound.
        let now = |call: u64| at(10 + 30 * round + 10 * call);
        let calls = if round % 10 < 4 { 3 } else { 2 };
        let is_throttled = round % 10 < 3;
        (0..calls).for_each(|call| controller.history.count_sent(now(call)));
        if is_throttled {
            controller.history.count_throttled(now(2), now(2));
        }
        let answered = now(2) + Duration::from_millis(1);
        let served = calls - u64::from(is_throttled);
        (0..served).for_each(|_| controller.history.count_ended(answered));
    }
    controller.limit = Some(100.0);
    controller.chance.set_share(0.2);
    assert!(controller.finds_calls_at_a_time(at(1_300)));
    assert_eq!((controller.most_at_a_time(), controller.limit), (Some(3), None));
    assert_eq!((controller.rate, controller.chance.share()), (130.0, 0.0));
    controller.decide(at(5_000));
    assert_eq!((controller.most_at_a_time(), controller.limit), (None, Some(100.0)));
    close(controller.rate, 99.5);
}
