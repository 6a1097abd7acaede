//! What follows from a trial, and from all paces together.

use super::super::phase::Growth;
use super::*;
use crate::policy::pace::limit_trial::{Seen, Trial, TrialKind};

/// Calls a millisecond apart from now on, of which these are throttled at once.
fn send(
    controller: &mut PaceController,
    at: &impl Fn(u64) -> Instant,
    calls: u64,
    throttled: &[u64],
) {
    for call in 1..=calls {
        controller.history.count_sent(at(call));
        if throttled.contains(&call) {
            controller.history.count_throttled(at(call), at(call));
        }
    }
}

fn trial(at: Instant, kind: TrialKind) -> Trial {
    Trial { begun: at, after: at, from: 400.0, kind, seen: Seen::default(), is_doubt: false }
}

const TEST: TrialKind = TrialKind::Test { given: 315.0, chance: 0.25, step: 1 };
/// Three of sixteen, scattered, and not as evenly as a bucket throttles.
const SCATTERED: [u64; 3] = [3, 5, 14];

#[test]
fn hardly_any_throttled_calls_let_the_pace_go_on() {
    for (limit, chance, throttled, rate, share) in [
        (None, 0.0, &[][..], 400.0, 1.0 / 401.0),
        (None, 0.01, &[], 400.0, 0.01),
        // Beside a limit neither the call that began the measurement nor a second one shows chance.
        (Some(90.0), 0.0, &[], 90.0, 0.0),
        (Some(90.0), 0.0, &[200], 90.0, 0.0),
        (Some(90.0), 0.0, &[200, 300], 90.0, 2.0 / 400.0),
    ] {
        let (mut controller, at) = controller(Opening::AtCeiling, 400.0);
        (controller.limit, controller.cost) = (limit, 7);
        controller.chance.set_share(chance);
        send(&mut controller, &at, 400, throttled);
        controller.judge(trial(at(0), TrialKind::Measurement), at(400));
        close(controller.rate, rate);
        close(controller.chance.share(), share);
        assert_eq!(controller.cost, 0);
        assert_eq!(matches!(controller.phase, Phase::Open { .. }), limit.is_none());
        let is_rough = matches!(controller.phase, Phase::Growing(Growth { is_rough: true, .. }));
        assert_eq!(is_rough, limit.is_some());
    }
}

#[test]
fn chance_is_found_at_a_steady_pace_and_with_twice_the_certainty_beside_a_limit() {
    for (limit, raised, is_found) in [
        (None, None, true),
        (Some(500.0), None, false),
        (None, Some(500), false),
        (None, Some(499), true),
    ] {
        let (mut controller, at) = controller(Opening::AtCeiling, 300.0);
        (controller.limit, controller.throttled_at) = (limit, 400.0);
        controller.raised_at = raised.map(&at);
        let test = trial(at(1_980), TEST);
        for call in 1..=16 {
            let sent = at(1_980 + call);
            controller.history.count_sent(sent);
            if SCATTERED.contains(&call) {
                controller.history.count_throttled(sent, sent);
            }
        }
        controller.judge(test, at(2_000));
        assert_eq!(controller.chance.share() > 0.0, is_found, "{limit:?} {raised:?}");
        close(controller.rate, if is_found { 400.0 } else { 300.0 });
        if is_found {
            close(controller.chance.share(), 0.218_75);
            close(controller.chance.conviction(), 2.0);
            assert_eq!(controller.chance_since, at(2_000));
        }
    }
}

#[test]
fn a_limit_that_was_found_is_approached_or_rested_at() {
    let (mut controller, at) = controller(Opening::AtCeiling, 300.0);
    controller.chance.confirm(0.1);
    // Below the limit with what was found before, so that it takes more calls.
    send(&mut controller, &at, 60, &[]);
    controller.cycle = at(7);
    controller.judge(trial(at(0), TEST), at(60));
    assert_eq!((controller.limit, controller.rate), (Some(315.0), 300.0));
    assert_eq!((controller.chance.share(), controller.chance.conviction()), (0.0, 0.0));
    assert_eq!(controller.cycle, at(7));
    let (mut controller, at) = super::controller(Opening::AtCeiling, 315.0);
    send(&mut controller, &at, 30, &[]);
    controller.judge(trial(at(0), TEST), at(30));
    assert_eq!((controller.limit, controller.is_exact), (Some(315.0), false));
    close(controller.rate, RESTING * 315.0);
    // Six of six: nothing is accepted.
    let (mut controller, at) = super::controller(Opening::AtCeiling, 400.0);
    send(&mut controller, &at, 6, &[1, 2, 3, 4, 5, 6]);
    controller.judge(trial(at(0), TrialKind::Measurement), at(6));
    assert!(matches!(controller.phase, Phase::Exhausted { .. }));
}

#[test]
fn a_large_share_is_tested_above_what_was_accepted_unless_calls_are_throttled_evenly() {
    for (throttled, rate) in [
        ([3, 6, 10, 13, 16, 20], 0.95 * 280.0),
        ([1, 2, 6, 11, 12, 20], 1.03 * 280.0),
        // Two rows: a window's share says little of what it accepts.
        ([8, 9, 10, 18, 19, 20], 1.03 * 280.0),
    ] {
        let (mut controller, at) = controller(Opening::AtCeiling, 400.0);
        send(&mut controller, &at, 20, &throttled);
        controller.judge(trial(at(0), TrialKind::Measurement), at(20));
        close(controller.rate, rate);
    }
}

#[test]
fn a_limit_that_was_confirmed_twice_is_tested_first_where_it_is_near() {
    let six = |calls: u64| (1..=6).map(|call| call * calls / 6).collect::<Vec<_>>();
    for (limit, confirmed, calls, given) in [
        (None, 0, 24, 300.0),
        (Some(340.0), 2, 24, 0.98 * 340.0),
        (Some(340.0), 1, 24, 300.0),
        // The pace is more than a fifth above it.
        (Some(333.0), 2, 24, 300.0),
        (Some(400.0), 2, 20, 280.0),
        // It is lower than what was measured.
        (Some(340.0), 2, 40, 340.0),
    ] {
        let (mut controller, at) = controller(Opening::AtCeiling, 400.0);
        (controller.limit, controller.confirmed) = (limit, confirmed);
        send(&mut controller, &at, calls, &six(calls));
        controller.judge(trial(at(0), TrialKind::Measurement), at(calls));
        let Phase::Trying(trial) = controller.phase else { panic!() };
        let TrialKind::Test { given: found, step, .. } = trial.kind else { panic!() };
        close(found, given);
        // They were throttled evenly, as a bucket does it.
        close(controller.rate, 0.95 * given);
        assert_eq!((step, trial.from, trial.begun), (1, 400.0, at(calls)));
        // The last throttled call begins a cycle, and what was accepted until then is a hint.
        let accepted = (calls - 6) as f64;
        assert_eq!((controller.cycle, controller.accepted_before_cycle), (at(calls), accepted));
        close(controller.hint, f64::min(accepted / 0.05, 400.0));
    }
    let tested = |rate: f64, limit: f64, chance: f64, calls: u64, throttled: &[u64]| {
        let (mut controller, at) = controller(Opening::AtCeiling, rate);
        (controller.limit, controller.confirmed) = (Some(limit), 2);
        controller.chance.set_share(chance);
        send(&mut controller, &at, calls, throttled);
        controller.judge(trial(at(0), TrialKind::Measurement), at(calls));
        controller.rate
    };
    // Exactly a fifth above it, and exactly as high as what was measured.
    close(tested(1.2 * 340.0, 340.0, 0.0, 24, &six(24)), 0.95 * 0.75 * 408.0);
    let seven: Vec<u64> = (1..=7).map(|call| 3 * call).collect();
    close(tested(400.0, 367.346_938_775_510_1, 0.2, 25, &seven), 0.95 * 360.0);
    let (mut controller, at) = controller(Opening::AtCeiling, 400.0);
    send(&mut controller, &at, 24, &six(24));
    let first = TrialKind::Test { given: 300.0, chance: 0.25, step: 1 };
    controller.judge(trial(at(0), first), at(24));
    let Phase::Trying(trial) = controller.phase else { panic!() };
    assert!(matches!(trial.kind, TrialKind::Test { step: 2, .. }));
    assert_eq!(controller.hint, 0.0, "a second test gives no hint");
}

#[test]
fn a_row_of_four_first_throttled_calls_may_be_the_end_of_a_window() {
    for (limit, kind, row, listens) in [
        (None, TrialKind::Measurement, 4, true),
        (None, TrialKind::Measurement, 3, false),
        (Some(100.0), TrialKind::Measurement, 4, false),
        (None, TEST, 4, false),
    ] {
        let (mut controller, at) = controller(Opening::AtCeiling, 400.0);
        controller.limit = limit;
        let rows: Vec<u64> = (1..=row).map(|call| 1 + call).collect();
        send(&mut controller, &at, 1 + row, &rows);
        controller.throttled_in_trial(trial(at(1), kind), at(1 + row));
        let is_listening =
            matches!(controller.phase, Phase::Listening(Listening { met: Met::AtCeiling, .. }));
        assert_eq!(is_listening, listens, "{limit:?} {row}");
    }
}

#[test]
fn a_row_exhausts_a_trial_unless_the_share_in_question_explains_it() {
    let half = TrialKind::Test { given: 200.0, chance: 0.5, step: 1 };
    for (kind, chance, row, is_exhausted) in [
        (TrialKind::Measurement, 0.0, 7, true),
        (TrialKind::Measurement, 0.0, 6, false),
        (TrialKind::Measurement, 0.5, 16, false),
        (TrialKind::Measurement, 0.5, 17, true),
        (half, 0.0, 16, false),
        (half, 0.0, 17, true),
    ] {
        let (mut controller, at) = controller(Opening::AtCeiling, 400.0);
        controller.chance.set_share(chance);
        // Many were served before, and the trial has just begun.
        let rows: Vec<u64> = (1..=row).map(|call| 100 + call).collect();
        send(&mut controller, &at, 100 + row, &rows);
        let trial = Trial { after: at(100 + row), ..trial(at(0), kind) };
        controller.throttled_in_trial(trial, at(100 + row));
        let found = matches!(controller.phase, Phase::Exhausted { .. });
        assert_eq!(found, is_exhausted, "{kind:?} {chance} {row}");
    }
}

/// A controller at 10 a second whose calls were throttled half by chance, at ever lower paces from 60
/// on, a moment before that is looked at.
fn throttled_by_chance() -> (PaceController, Instant) {
    let (mut controller, at) = controller(Opening::AtCeiling, 10.0);
    let mut random = fastrand::Rng::with_seed(1);
    let (mut millis, mut now) = (0.0, at(0));
    for (second, pace) in [60.0, 60.0, 40.0, 25.0, 15.0, 15.0, 10.0, 10.0].into_iter().enumerate() {
        while millis < 1_000.0 * (second + 1) as f64 {
            now = at(millis as u64);
            controller.history.count_sent(now);
            if random.f64() < 0.5 {
                controller.history.count_throttled(now, now);
            }
            controller.by_pace.look_at(&controller.history, pace, now);
            millis += 1_000.0 / pace;
        }
    }
    assert!(controller.by_pace.unexplained().is_some());
    // One part more is due a second later.
    for call in 1..=10 {
        now = at(8_000 + 100 * call);
        controller.history.count_sent(now);
        if call % 3 != 0 {
            controller.history.count_throttled(now, now);
        }
    }
    (controller, now)
}

#[test]
fn throttling_that_no_limit_explains_brings_the_highest_pace_back() {
    let (controller, now) = throttled_by_chance();
    let highest = controller.by_pace.unexplained().unwrap().pace;
    let check = |phase: Phase, share: f64, rate: f64, expected: Option<f64>| {
        let mut controller = PaceController { phase, rate, ..controller.clone() };
        controller.chance.set_share(share);
        (controller.limit, controller.is_exact, controller.confirmed) = (Some(8.0), true, 3);
        let is_found = controller.finds_no_limit(now);
        assert_eq!(is_found, expected.is_some(), "{phase:?} {share}");
        if let Some(pace) = expected {
            close(controller.rate, pace);
            let known = (controller.limit, controller.is_exact, controller.confirmed);
            assert_eq!((known, controller.chance_since), ((None, false, 0), now));
            assert!((controller.chance.share() - 0.5).abs() < 0.1);
        } else {
            assert_eq!(controller.limit, Some(8.0));
        }
    };
    let growth = Growth { since: now, is_rough: true, step: 0.1, grown: now, asked: 0 };
    let open = Phase::Open { since: now, was_served: true };
    check(Phase::Growing(growth), 0.0, 10.0, Some(highest));
    check(Phase::Growing(growth), 0.0, 70.0, Some(70.0));
    check(Phase::Growing(growth), 0.5, 10.0, Some(highest));
    check(Phase::Held { since: now, until: now }, 0.0, 10.0, None);
    check(Phase::Trying(trial(now, TrialKind::Measurement)), 0.0, 10.0, None);
    check(Phase::Trying(trial(now, TEST)), 0.0, 10.0, Some(highest));
    // Where as much is put down to chance already, an open pace goes on.
    check(open, 0.5, 10.0, None);
    check(open, 0.1, 10.0, Some(highest));
    let mut looked = controller.clone();
    looked.by_pace.look_at(&controller.history, 10.0, now);
    check(open, 0.5 * looked.by_pace.unexplained().unwrap().share, 10.0, Some(highest));
    let mut bounded = PaceController { phase: open, ..controller.clone() };
    bounded.at_a_time = CallsAtATime::learnt(Some(9), now);
    assert!(!bounded.finds_no_limit(now));
    // Nothing is new a second time.
    let mut again = PaceController { phase: open, ..controller };
    assert!(again.finds_no_limit(now) && !again.finds_no_limit(now));
}

#[test]
fn the_paces_before_it_do_not_end_a_test_while_all_clients_are_slower() {
    for (is_doubt, strays, is_found) in [(true, 0, false), (false, 0, true), (true, 1, true)] {
        let (mut controller, now) = throttled_by_chance();
        controller.phase = Phase::Trying(Trial { is_doubt, ..trial(now, TEST) });
        controller.holds.strays = strays;
        assert_eq!(controller.finds_no_limit(now), is_found, "{is_doubt} {strays}");
    }
}

#[test]
fn a_verdict_of_chance_is_withdrawn_if_more_are_throttled_as_soon_as_the_pace_has_risen() {
    let open = |now: Instant| Phase::Open { since: now, was_served: true };
    for (found, known, millis, is_refuted) in [
        (0.3, 0.3, 1_499, true),
        (0.3, 0.3, 1_500, false),
        (0.3, 0.25, 1_499, true),
        // A fault that had ended meanwhile begins again.
        (0.3, 0.24, 1_499, false),
    ] {
        let (mut controller, now) = throttled_by_chance();
        (controller.phase, controller.chance_since) = (open(now), now);
        controller.chance.confirm(found);
        controller.chance.set_share(known);
        (0..40).for_each(|_| controller.chance.weigh(true, false));
        controller.refute_chance(now + Duration::from_millis(millis));
        assert_eq!(controller.chance.conviction() == 0.0, is_refuted, "{known} {millis}");
        assert_eq!(controller.by_pace.unexplained().is_none(), is_refuted, "{known} {millis}");
    }
    // While a lower pace is tested, more throttled calls refute nothing, and neither do as many as before.
    for (is_open, throttled) in [(false, 40), (true, 0)] {
        let (mut controller, now) = throttled_by_chance();
        controller.phase = if is_open { open(now) } else { Phase::Trying(trial(now, TEST)) };
        controller.chance_since = now;
        controller.chance.confirm(0.3);
        (0..throttled).for_each(|_| controller.chance.weigh(true, false));
        controller.refute_chance(now);
        assert_eq!(controller.chance.conviction(), 2.0, "{throttled}");
    }
}

#[test]
fn a_test_of_what_was_put_down_to_chance_remains_one_at_its_next_pace() {
    for is_doubt in [false, true] {
        let (mut controller, at) = controller(Opening::AtCeiling, 400.0);
        let first = Trial { is_doubt, ..trial(at(0), TEST) };
        controller.phase = Phase::Trying(first);
        controller.try_at(200.0, TEST, Seen::default(), at(1));
        let Phase::Trying(next) = controller.phase else { panic!() };
        assert_eq!(next.is_doubt, is_doubt);
        controller.measure(at(1), at(2));
        let Phase::Trying(next) = controller.phase else { panic!() };
        assert!(!next.is_doubt);
    }
}

#[test]
fn a_large_share_of_calls_that_overtake_one_another_is_no_evidence_at_lower_paces() {
    // Calls a millisecond apart, of which the third and each other one later is throttled.
    for (answers, is_seen) in [(15, true), (17, false)] {
        let (mut controller, at) = controller(Opening::AtCeiling, 400.0);
        (1..=40).for_each(|call| controller.history.count_sent(at(call)));
        for call in (3..=40).step_by(2) {
            controller.history.count_throttled(at(call), at(call + answers));
        }
        // All of them can be judged.
        let now = at(40) + Duration::from_micros(1_100 * answers);
        controller.judge(trial(at(0), TrialKind::Measurement), now);
        let Phase::Trying(trial) = controller.phase else { panic!() };
        assert!(matches!(trial.kind, TrialKind::Test { step: 1, .. }));
        let nothing = format!("{:?}", Seen::default());
        assert_eq!(format!("{:?}", trial.seen) != nothing, is_seen, "{answers}");
    }
}
