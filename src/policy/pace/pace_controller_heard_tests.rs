//! What the calls on the wire show, and the way back from an exhaustion.

use super::super::phase::{Rest, TOO_FAR};
use super::*;
use crate::policy::pace::limit_trial::TrialKind;

#[test]
fn answers_are_waited_for_three_times_as_long_as_they_take_within_bounds() {
    for (answers, lasts) in [(0, 10), (20, 66), (100, 300)] {
        let (mut controller, at) = controller(Opening::AtCeiling, 70.0);
        (1..=100).for_each(|call| controller.history.count_sent(at(10 * call)));
        controller.history.count_throttled(at(1_000 - answers), at(1_000));
        controller.throttled_at = 1.0;
        controller.listen(Met::AtRest, at(500), at(1_000));
        let Phase::Listening(heard) = controller.phase else { panic!() };
        let lasted = heard.until - at(1_000);
        assert_eq!(lasted.as_micros(), 1_000 * lasts, "{answers}");
        assert_eq!((heard.since, heard.met), (at(500), Met::AtRest));
        // No more than the pace.
        assert_eq!((heard.accepted, controller.met), (70.0, 70.0));
        assert_eq!((controller.throttled_at, controller.rate), (70.0, 0.001));
    }
}

/// A pace of 100 a second that listens since a call that was throttled after two seconds; so many
/// calls were sent after it, of which some were throttled.
fn listening(
    met: Met,
    accepted: f64,
    (calls, throttled): (u64, u64),
) -> (PaceController, Listening, impl Fn(u64) -> Instant) {
    let (mut controller, at) = controller(Opening::AtCeiling, 0.001);
    controller.throttled_at = 100.0;
    controller.at_a_time = CallsAtATime::learnt(Some(1_000), at(0));
    controller.cut_at = at(2_500);
    let heard = Listening { since: at(2_000), until: at(2_600), accepted, met };
    controller.phase = Phase::Listening(heard);
    controller.confirmed = 3;
    controller.raised_at = Some(at(7));
    // Those at the edges do not count.
    let sent = [0].into_iter().chain(1..=calls).chain([501]);
    sent.for_each(|call| controller.history.count_sent(at(2_000 + call)));
    for call in [0].into_iter().chain(1..=throttled).chain([501]) {
        controller.history.count_throttled(at(2_000 + call), at(2_000 + call));
    }
    (controller, heard, at)
}

#[test]
fn a_limit_that_was_roughly_known_falls_to_what_its_cycle_accepted() {
    for (millis, accepted, is_window, is_single, limit, is_exact) in [
        (500, 30, false, true, 60.0, true),
        (500, 10, false, true, 40.0, true),
        (500, 70, false, true, 99.0, true),
        (300, 25, false, true, 25.0 / 0.3, true),
        (299, 25, false, true, 93.0, false),
        (299, 25, false, false, 25.0 / 0.299, false),
        (100, 7, false, false, 80.0, false),
        (100, 9, false, false, 90.0, false),
        (100, 8, false, false, 80.0, false),
        (99, 8, false, false, 90.0, false),
        (100, 3, false, false, 80.0, false),
        (100, 2, false, false, 90.0, false),
        (800, 70, false, true, 87.5, true),
        (800, 70, true, true, 70.0, true),
        (799, 70, true, true, 70.0 / 0.799, true),
        (1_149, 70, true, true, 70.0, true),
        (1_150, 70, true, true, 70.0 / 1.15, true),
    ] {
        let throttled = u64::from(!is_single);
        let (mut controller, heard, at) = listening(Met::AtRest, 0.0, (2, throttled));
        (controller.limit, controller.cycle) = (Some(100.0), at(2_000 - millis));
        controller.accepted_before_cycle = -(accepted as f64);
        if is_window {
            controller.windows.closed(0.0, true);
        }
        controller.end_listening(heard, at(2_600));
        let told = format!("{millis} {accepted} {is_window} {is_single}");
        let found = controller.limit.unwrap();
        assert!((found - limit).abs() < 1e-9, "{told}: {found}");
        close(controller.rate, RESTING * limit);
        assert_eq!(controller.is_exact, is_exact, "{told}");
        // A cycle that was too short goes on.
        let cycle = if is_exact { at(2_000) } else { at(2_000 - millis) };
        assert_eq!((controller.cycle, controller.accepted_before_cycle == 0.0), (cycle, is_exact));
        assert_eq!((controller.confirmed, controller.raised_at), (0, Some(at(7))));
        assert_eq!(controller.cut_at, at(2_600), "it is below the pace that was throttled");
    }
}

#[test]
fn a_search_that_went_too_far_follows_what_its_last_second_or_a_share_of_its_pace_was() {
    // The limit that was known, the calls with the throttled ones, what was accepted in the last
    // second, and those sent in its last tenth.
    for (known, calls, accepted, latest, is_window, limit, is_exact) in [
        (None, (3, 1), 50.0, 0, false, 66.0, false),
        (None, (3, 3), 50.0, 0, false, 42.5, false),
        (None, (4, 3), 50.0, 0, false, 49.5, false),
        (None, (10, 8), 50.0, 0, false, 49.5, false),
        (Some(100.0), (3, 3), 50.0, 0, false, 49.5, false),
        (Some(100.0), (5, 1), 50.0, 0, false, 79.2, true),
        (Some(100.0), (4, 1), 50.0, 0, false, 74.25, true),
        (Some(100.0), (3, 1), 50.0, 0, false, 66.0, false),
        (Some(70.0), (5, 1), 50.0, 0, false, 79.2, false),
        (Some(73.0), (5, 1), 50.0, 0, false, 79.2, true),
        // A tenth above it is no more near.
        (Some(50.0), (20, 9), 10.0, 0, false, 0.99 * 55.0, false),
        // Where most were accepted, the latest pace counts.
        (Some(100.0), (5, 0), 50.0, 6, false, 59.4, true),
        (Some(100.0), (5, 0), 50.0, 15, false, 99.0, true),
        (Some(100.0), (20, 3), 50.0, 6, false, 0.99 * 85.0, true),
        (Some(100.0), (20, 1), 10.0, 6, false, 0.99 * 57.0, true),
        (Some(100.0), (0, 0), 50.0, 6, false, 49.5, false),
        // A window takes what it took.
        (Some(100.0), (5, 1), 50.0, 0, true, 49.5, true),
    ] {
        let (mut controller, heard, at) = listening(Met::Growing, accepted, calls);
        controller.limit = known;
        let mut history = CallHistory::new(at(0));
        if latest > 0 {
            history.count_sent(at(1_900));
            (1..latest).for_each(|_| history.count_sent(at(1_950)));
            // The throttled call itself is one of the latest.
            history.count_sent(at(2_000));
            for call in 1..=calls.0 {
                history.count_sent(at(2_000 + call));
                if call <= calls.1 {
                    history.count_throttled(at(2_000 + call), at(2_000 + call));
                }
            }
            controller.history = history;
        }
        if is_window {
            controller.windows.closed(0.0, true);
        }
        controller.end_listening(heard, at(2_600));
        let told = format!("{known:?} {calls:?} {accepted} {latest} {is_window}");
        let found = controller.limit.unwrap();
        assert!((found - limit).abs() < 1e-9, "{told}: {found}");
        assert_eq!((controller.is_exact, controller.is_windowed), (is_exact, true), "{told}");
        assert_eq!(controller.raised_at, Some(at(7)));
    }
}

#[test]
fn four_calls_of_which_at_most_a_tenth_is_accepted_exhaust() {
    for (met, calls, is_exhausted) in [
        (Met::Growing, (4, 4), true),
        (Met::Growing, (3, 3), false),
        (Met::AtRest, (10, 9), true),
        (Met::AtRest, (10, 8), false),
        (Met::AtCeiling, (20, 18), true),
        (Met::AtCeiling, (20, 17), false),
        (Met::Window, (4, 4), false),
    ] {
        let (mut controller, heard, at) = listening(met, 50.0, calls);
        controller.limit = Some(80.0);
        // A run that has just begun asks as often as it likes.
        controller.begun = at(2_400);
        controller.end_listening(heard, at(2_600));
        let found = matches!(controller.phase, Phase::Exhausted { .. });
        assert_eq!(found, is_exhausted, "{met:?} {calls:?}");
        assert_eq!(controller.confirmed, if met == Met::Window { 3 } else { 0 });
        if found {
            // Four calls at the pace at which they were throttled.
            close(controller.rate, 25.0);
        }
    }
}

#[test]
fn a_window_takes_what_it_took_in_a_second_though_little_was_sent_after_a_pace_too_high() {
    for (millis, is_window, limit) in
        [(500, true, 80.0), (500, false, 60.0), (999, true, 80.0), (1_200, true, 50.0)]
    {
        let (mut controller, heard, at) = listening(Met::AtRest, 50.0, (0, 0));
        (controller.limit, controller.cycle) = (Some(100.0), at(2_000 - millis));
        let accepted = if millis < 1_000 { 30 } else { 60 };
        controller.windows.closed(0.0, is_window);
        // Eighty calls were accepted in the last second, and so many of them since the cycle began.
        controller.history = CallHistory::new(at(0));
        (1_001..=1_080).for_each(|millis| controller.history.count_sent(at(millis)));
        controller.accepted_before_cycle = f64::from(80 - accepted);
        controller.end_listening(heard, at(2_600));
        close(controller.limit.unwrap(), limit);
    }
}

#[test]
fn a_row_that_the_fall_of_the_pace_parts_exhausts_where_the_limit_is_roughly_known() {
    // How many calls, and how many of them were throttled, after and before one that was, too; when a
    // window began, and whether the limit is exact.
    for (calls, resumed, is_exact, is_exhausted) in [
        ((3, 3), Some(1_999), false, true),
        ((3, 3), Some(2_001), false, false),
        ((3, 3), None, false, false),
        ((3, 3), Some(1_999), true, false),
        ((2, 2), Some(1_999), false, false),
        ((4, 3), Some(1_999), false, false),
    ] {
        let (mut controller, heard, at) = listening(Met::AtRest, 50.0, calls);
        (controller.limit, controller.is_exact) = (Some(100.0), is_exact);
        controller.resumed = resumed.map(|millis| (at(millis), 0.0));
        controller.end_listening(heard, at(2_600));
        let found = matches!(controller.phase, Phase::Exhausted { .. });
        assert_eq!(found, is_exhausted, "{calls:?} {resumed:?} {is_exact}");
    }
}

#[test]
fn what_was_heard_at_the_ceiling_is_measured_at_once_and_a_full_window_is_rested_at() {
    let (mut controller, heard, at) = listening(Met::AtCeiling, 50.0, (3, 1));
    controller.end_listening(heard, at(2_600));
    let Phase::Trying(trial) = controller.phase else { panic!() };
    assert!(matches!(trial.kind, TrialKind::Measurement));
    assert_eq!((trial.after, controller.rate), (at(2_000), 100.0));
    let (mut controller, heard, at) = listening(Met::AtCeiling, 50.0, (24, 6));
    controller.end_listening(heard, at(2_600));
    let Phase::Trying(trial) = controller.phase else { panic!() };
    assert!(matches!(trial.kind, TrialKind::Test { step: 1, .. }));
    let (mut controller, heard, at) = listening(Met::Window, 50.0, (3, 1));
    controller.limit = Some(80.0);
    controller.end_listening(heard, at(2_600));
    assert_eq!((controller.limit, controller.cycle), (Some(80.0), at(2_000)));
    close(controller.rate, RESTING * 80.0);
}

#[test]
fn listening_ends_with_the_last_call_on_the_wire_except_for_a_window() {
    for (met, ended, is_over) in
        [(Met::AtRest, 1, false), (Met::AtRest, 2, true), (Met::Window, 2, false)]
    {
        let (mut controller, heard, at) = listening(met, 50.0, (3, 1));
        controller.limit = Some(80.0);
        (0..ended).for_each(|_| controller.history.count_ended(at(2_100)));
        controller.hear(heard, at(2_200));
        let listens = matches!(controller.phase, Phase::Listening(_));
        assert_eq!(listens, !is_over, "{met:?} {ended}");
    }
}

#[test]
fn a_limit_on_calls_at_a_time_explains_what_was_heard() {
    let (mut controller, at) = controller(Opening::AtCeiling, 100.0);
    controller.history.count_sent(at(0));
    for round in 0..20 {
        let now = |call: u64| at(10 + 30 * round + 10 * call);
        (0..3).for_each(|call| controller.history.count_sent(now(call)));
        controller.history.count_throttled(now(2), now(2));
        (0..2).for_each(|_| controller.history.count_ended(now(2) + Duration::from_millis(1)));
    }
    let heard = Listening { since: at(600), until: at(690), accepted: 9.0, met: Met::AtRest };
    controller.phase = Phase::Listening(heard);
    controller.confirmed = 3;
    controller.end_listening(heard, at(700));
    assert_eq!(controller.most_at_a_time(), Some(3));
    assert!(matches!(controller.phase, Phase::Open { .. }));
}

/// A controller that is exhausted since this many milliseconds before 5 s, when a call is accepted that
/// was sent 10 ms before. A hundred were accepted: in the first second, and 25 after 4.3 s.
fn exhausted(lasted: u64) -> (PaceController, impl Fn(u64) -> Instant, Instant) {
    let (mut controller, at) = controller(Opening::AtCeiling, 20.0);
    (1..=75).for_each(|call| controller.history.count_sent(at(10 * call)));
    (1..=25).for_each(|call| controller.history.count_sent(at(4_300 + call)));
    controller.history.count_sent(at(4_500));
    controller.history.count_throttled(at(4_500), at(4_500));
    controller.throttled_at = 1_000.0;
    (controller.met, controller.hint, controller.confirmed) = (7.0, 5.0, 4);
    let since = at(5_000 - lasted);
    (controller, at, since)
}

#[test]
fn the_limit_is_what_was_accepted_from_one_end_of_an_exhaustion_to_the_next() {
    // How long it lasted, when the one before ended, with what was accepted by then.
    for (lasted, resumed, found) in [
        (1_001, Some((3_000, 40.0)), 30.0),
        (1_000, Some((3_000, 40.0)), 25.0),
        // A whole window is its limit, and of everything else a little less is believed.
        (500, Some((4_200, 60.0)), 40.0 / 0.995),
        (500, Some((4_201, 60.0)), 25.0),
        (500, Some((3_851, 60.0)), 40.0 / 0.995),
        (1_000, Some((3_900, 60.0)), 40.0 / 0.995),
        (1_001, Some((3_900, 60.0)), 40.0 / 1.1),
        (500, Some((3_850, 60.0)), 25.0),
        (1_001, None, 20.0),
        (1_350, None, 20.0),
        (1_351, None, 20.0),
        (1_000, None, 25.0),
        (100, None, 25.0),
    ] {
        let (mut controller, at, since) = exhausted(lasted);
        controller.resumed = resumed.map(|(millis, accepted)| (at(millis), accepted));
        controller.resume(since, at(4_990), at(5_000));
        let told = format!("{lasted} {resumed:?}");
        let limit = controller.limit.unwrap();
        assert!((limit - 0.995 * found).abs() < 1e-9, "{told}: {limit}");
        close(controller.rate, RESTING * limit);
        assert_eq!(controller.resumed, Some((at(5_000), 100.0)), "{told}");
        assert_eq!((controller.is_exact, controller.confirmed), (true, 0), "{told}");
        let Phase::Resting(Rest { may_slide, .. }) = controller.phase else { panic!() };
        assert!(may_slide && controller.windows.are_met());
        assert_eq!(controller.windows.are_seconds(), lasted <= 1_350);
    }
}

#[test]
fn a_run_that_has_just_begun_takes_its_window_for_a_short_one() {
    // One look that it does not fill makes its limit history, where it may be shorter than a second.
    for (sent, found, unmet) in
        [(249, 10.0 / 0.249, 1), (250, 10.0, 1), (799, 10.0, 1), (800, 10.0, 0)]
    {
        let (mut controller, at) = controller(Opening::AtCeiling, 1_000.0);
        (1..=10).for_each(|call| controller.history.count_sent(at(call)));
        controller.resume(at(100), at(sent), at(sent));
        close(controller.limit.unwrap(), 0.995 * found);
        assert_eq!(controller.unmet, unmet, "{sent}");
        controller.resume(at(700), at(sent + 1_000), at(sent + 1_000));
        assert_eq!(controller.unmet, 0, "only of the first one");
    }
}

#[test]
fn a_limit_that_was_known_is_not_raised_by_a_brief_exhaustion() {
    for (limit, is_exact, lasted, found, confirmed) in [
        (15.0, true, 499, 15.0, 4),
        (15.0, true, 500, 25.0, 0),
        (15.0, false, 499, 25.0, 0),
        (50.0, true, 499, 25.0, 4),
    ] {
        let (mut controller, at, since) = exhausted(lasted);
        (controller.limit, controller.is_exact) = (Some(limit), is_exact);
        controller.resume(since, at(4_990), at(5_000));
        close(controller.limit.unwrap(), 0.995 * found);
        assert_eq!(controller.confirmed, confirmed);
    }
    // Nor is the pace at which it was throttled exceeded.
    let (mut controller, at, since) = exhausted(499);
    controller.throttled_at = 20.0;
    controller.resume(since, at(4_990), at(5_000));
    close(controller.limit.unwrap(), 0.995 * 20.0);
    // Then a whole window is not the limit, either.
    for (throttled_at, limit) in [(40.0, 40.0), (39.0, 0.995 * 39.0)] {
        let (mut controller, at, since) = exhausted(500);
        (controller.throttled_at, controller.resumed) = (throttled_at, Some((at(4_000), 60.0)));
        controller.resume(since, at(4_990), at(5_000));
        close(controller.limit.unwrap(), limit);
    }
}

#[test]
fn single_calls_that_are_accepted_whole_seconds_apart_show_windows() {
    for (before, are_met) in [
        (799, false),
        (800, true),
        (1_149, true),
        (1_150, false),
        (1_799, false),
        (1_801, true),
        (3_149, true),
        (3_150, false),
        (4_000, false),
    ] {
        let (mut controller, at, since) = exhausted(50);
        controller.throttled_at = 25.0;
        controller.resumed = Some((at(5_000 - before), 75.0));
        controller.resume(since, at(4_990), at(5_000));
        assert_eq!(controller.windows.are_met(), are_met, "{before}");
    }
}

#[test]
fn what_slides_accepts_again_at_once_where_the_pace_was_far_too_high() {
    let above = |rate: f64| f64::from_bits(rate.to_bits() + 1);
    let far = TOO_FAR * 25.0;
    for (lasted, throttled_at, met, slides, rate) in [
        (99, above(far), 7.0, true, 0.995 * 25.0),
        (99, above(far), 30.0, true, 0.995 * 30.0),
        (99, far, 30.0, false, RESTING * 25.0),
        (100, above(far), 30.0, false, RESTING * 25.0),
    ] {
        let (mut controller, at, since) = exhausted(lasted);
        (controller.throttled_at, controller.met) = (throttled_at, met);
        controller.resumed = Some((at(4_000), 75.0));
        controller.resume(since, at(4_990), at(5_000));
        close(controller.rate, rate);
        assert_eq!((controller.is_windowed, controller.hint), (slides, 0.0));
        let Phase::Resting(Rest { may_slide, .. }) = controller.phase else { panic!() };
        assert_eq!(may_slide, lasted == 100);
        assert_eq!(controller.is_exact, !slides);
        // Two ends that a second lies between are those of windows.
        assert_eq!(controller.windows.are_met(), !slides);
    }
    // Of a first short window only the end was seen.
    for resumed in [true, false] {
        let (mut controller, at, since) = exhausted(50);
        controller.throttled_at = 25.0;
        controller.resumed = resumed.then(|| (at(3_000), 50.0));
        controller.resume(since, at(4_990), at(5_000));
        assert_eq!(controller.is_exact, resumed);
        assert_eq!(controller.windows.are_met(), resumed);
    }
}

/// A pace of 400 a second that has just outgrown a limit. The call that was throttled was sent after two
/// seconds, and so many followed it until its answer came.
fn outgrown(
    limit: Option<f64>,
    answers: u64,
    followed: u64,
) -> (PaceController, impl Fn(u64) -> Instant) {
    let (mut controller, at) = controller(Opening::Doubling, 400.0);
    controller.limit = limit;
    controller.history.count_sent(at(2_000));
    let next = |call: u64| at(2_000) + Duration::from_micros(100 * call);
    (1..=followed).for_each(|call| controller.history.count_sent(next(call)));
    controller.history.count_throttled(at(2_000), at(2_000 + answers));
    controller.listen(Met::Growing, at(2_000), at(2_000 + answers));
    (controller, at)
}

fn met(controller: &PaceController) -> Option<(Met, f64)> {
    let Phase::Listening(Listening { met, .. }) = controller.phase else { return None };
    Some((met, controller.rate))
}

#[test]
fn a_pace_that_is_far_too_high_goes_on_until_enough_calls_show_what_throttles_them() {
    // The limit, how many milliseconds the answer took, and how many calls followed until then.
    for (limit, answers, followed, goes_on) in [
        (None, 2, 0, true),
        (None, 2, 3, true),
        (None, 2, 4, false),
        (Some(266.0), 2, 0, true),
        (Some(267.0), 2, 0, false),
        (None, 9, 0, true),
        (None, 10, 0, false),
    ] {
        let (controller, _) = outgrown(limit, answers, followed);
        let expected = if goes_on { (Met::SendingOn, 400.0) } else { (Met::Growing, 0.001) };
        assert_eq!(met(&controller), Some(expected), "{limit:?} {answers} {followed}");
    }
}

#[test]
fn it_stops_with_the_fourth_call_or_after_25_milliseconds() {
    let (mut controller, at) = outgrown(None, 2, 0);
    for call in 1..=4 {
        assert_eq!(met(&controller), Some((Met::SendingOn, 400.0)));
        controller.sent(at(2_002 + call));
        controller.throttled(at(2_002 + call), at(2_003 + call));
    }
    // All of them were throttled, so that nothing is accepted.
    assert!(matches!(controller.phase, Phase::Exhausted { .. }), "{:?}", controller.phase);

    let (mut controller, at) = outgrown(None, 2, 0);
    assert_eq!(controller.next_decision(), Some(at(2_027)));
    controller.decide(at(2_026));
    assert_eq!(met(&controller), Some((Met::SendingOn, 400.0)));
    controller.decide(at(2_027));
    assert_eq!(met(&controller), Some((Met::SentOn, 0.001)));
}
