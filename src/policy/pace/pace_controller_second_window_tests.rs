//! The second window of a run, filled as fast as the first one.

use super::super::phase::{Asking, Filling, Growth};
use super::*;

/// A run of which 100 calls were accepted in 0.1 s, and those after it throttled. `last` is one of these, and
/// `sent` the one that was accepted again.
fn met(last: u64, sent: u64) -> (PaceController, impl Fn(u64) -> Instant) {
    let (mut controller, at) = controller(Opening::AtCeiling, 1_000.0);
    let calls = (1..=109).chain([last, sent]);
    for call in calls {
        controller.history.count_sent(at(call));
    }
    for call in (101..=109).chain([last]) {
        controller.history.count_throttled(at(call), at(call));
    }
    controller.resume(at(110), at(sent), at(sent));
    (controller, at)
}

#[test]
fn the_second_window_is_filled_as_fast_as_the_first_one_and_slowly_at_first() {
    let (mut controller, at) = met(360, 400);
    close(controller.known_limit(), 0.995 * 101.0);
    // It ended between 360 and 400 ms.
    let Filling { pace, shown } = controller.filling.unwrap();
    close(pace, 101.0 / 0.4);
    close(shown, 101.0 / 0.38);
    close(controller.rate, 1.5 * 101.0);
    controller.decide(at(450));
    close(controller.rate, 101.0 / 0.4);
    // A first window that was nearly a second is not filled faster than it was.
    let (controller, _) = met(770, 790);
    close(controller.rate, 101.0 / 0.79);
}

#[test]
fn only_a_row_that_ends_in_the_first_seconds_tenths_is_that_of_a_first_window() {
    for (sent, is_filling) in [(249, false), (250, true), (799, true), (800, false)] {
        assert_eq!(met(sent - 20, sent).0.filling.is_some(), is_filling, "{sent}");
    }
    // However soon single calls were accepted again: nothing slides within its first second.
    let (controller, _) = met(380, 400);
    assert!(controller.windows.are_seconds());
    let (mut controller, at) = met(380, 400);
    controller.resume(at(410), at(500), at(500));
    assert!(controller.filling.is_none(), "only once");
}

#[test]
fn throttled_calls_among_accepted_ones_are_no_end_of_a_window() {
    let groups = |ends: &[u64]| {
        let (mut controller, at) = controller(Opening::AtCeiling, 1_000.0);
        (1..=300).for_each(|call| controller.history.count_sent(at(call)));
        ends.iter().for_each(|&call| controller.history.count_throttled(at(call), at(call)));
        controller.is_first_window(0.4, at(400))
    };
    assert!(groups(&[290, 291, 292]) && groups(&[280, 290, 291]));
    assert!(!groups(&[270, 280, 290, 291]));
}

/// A second window that has taken so many calls since it began at 400 ms, asked after the last of them.
fn filled(calls: u64) -> (PaceController, impl Fn(u64) -> Instant) {
    let (mut controller, at) = met(360, 400);
    (1..=calls).for_each(|call| controller.history.count_sent(at(400 + 4 * call)));
    controller.decide(at(401 + 4 * calls));
    (controller, at)
}

#[test]
fn a_window_that_takes_more_than_the_first_one_is_shorter_than_a_second() {
    // Two calls above 1.01 of the limit.
    let (controller, _) = filled(102);
    assert!(controller.filling.is_some() && controller.asking.is_some());
    let (controller, _) = filled(103);
    let Phase::Growing(Growth { is_rough, .. }) = controller.phase else { panic!() };
    assert!(is_rough && !controller.is_exact);
    close(controller.rate, 101.0 / 0.38);
    close(controller.known_limit(), 101.0 / 0.38);
    assert!(controller.filling.is_none());
}

#[test]
fn a_window_that_takes_no_more_is_one_of_a_second_and_its_end_is_known() {
    let (mut controller, at) = filled(102);
    let Some(Asking { begun, .. }) = controller.asking else { panic!() };
    assert_eq!(begun, at(400));
    controller.history.count_sent(at(811));
    controller.throttled(at(811), at(820));
    let Phase::Listening(Listening { until, .. }) = controller.phase else { panic!() };
    assert_eq!(until, after(at(1_400), 0.005));
    close(controller.known_limit(), 102.0);
}

#[test]
fn a_call_that_is_throttled_before_it_is_full_shows_what_slides() {
    let (mut controller, at) = met(360, 400);
    controller.history.count_sent(at(410));
    controller.throttled(at(410), at(420));
    assert!(matches!(controller.phase, Phase::Resting(_)) && controller.is_windowed);
    close(controller.rate, 0.995 * 0.995 * 101.0);
    assert!(controller.is_exact && controller.filling.is_none());
}

#[test]
fn a_run_that_sends_too_little_to_fill_it_rests_at_what_the_first_one_took() {
    for (millis, is_over) in [(1_399, false), (1_401, true)] {
        let (mut controller, at) = met(360, 400);
        controller.history.count_sent(at(millis - 1));
        controller.decide(at(millis));
        assert_eq!(controller.filling.is_none(), is_over, "{millis}");
        assert_eq!(matches!(controller.phase, Phase::Resting(_)), is_over);
        close(controller.known_limit(), 0.995 * 101.0);
    }
}
