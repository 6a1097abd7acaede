//! When windows end, and what they take.

use super::*;
use std::time::Duration;

impl Windows {
    pub(in crate::policy::pace::pace_controller) fn end_regularly(&mut self) {
        self.regular = REGULAR;
    }
}

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn origin() -> Instant {
    Instant::now()
}

/// Fills windows of a second with 100 calls each, of 103 that are sent, in the seconds with a look.
fn looked_at(looks: &[u64]) -> (Windows, f64, Instant) {
    let start = origin();
    let mut history = CallHistory::new(start);
    let (mut windows, mut limit) = (Windows::unknown(), 103.0);
    for second in 0..*looks.last().unwrap() + 1 {
        let is_look = looks.contains(&second);
        let sent = |call: u64| start + Duration::from_micros(1_000_000 * second + 9_700 * call);
        for call in 0..if is_look { 103 } else { 99 } {
            history.count_sent(sent(call));
            if call >= 100 {
                history.count_throttled(sent(call), sent(call));
            }
        }
        if is_look {
            let filled = FilledWindow { calls: 102.0, first: sent(100), fell: sent(102) };
            windows.fill(Some(filled));
            windows.believe(&history);
            limit = windows.correct(&history, 103.0, limit);
        }
    }
    (windows, limit, start)
}

#[test]
fn a_row_of_throttled_calls_is_the_end_of_a_window() {
    assert!(!Windows::unknown().are_met());
    assert!(looked_at(&[0]).0.are_seconds());
}

#[test]
fn windows_that_end_whole_seconds_apart_take_what_was_sent_but_for_the_row() {
    let (windows, limit, _) = looked_at(&[0, 2, 3]);
    assert!(windows.are_regular());
    assert_eq!(limit, 99.5);
    let (windows, limit, _) = looked_at(&[0]);
    assert!(!windows.are_regular());
    assert_eq!(limit, 103.0);
}

#[test]
fn a_look_begins_just_before_a_window() {
    let (windows, _, start) = looked_at(&[0, 2, 3]);
    // The last window ended after 3.99 s, and this call was throttled within the next one.
    let last = start + Duration::from_millis(4_500);
    let look = seconds(start, windows.look_after(last, 1.0));
    assert!((5.9..6.0).contains(&look), "{look}");
}

/// Windows that were met, of which the last one throttled calls when `ended` says.
fn met(ended: Option<Instant>, regular: u32) -> Windows {
    Windows { looks_since_row: 0, is_long: false, filled: None, ended, regular, full_rests: 0 }
}

#[test]
fn windows_are_met_for_twenty_looks_and_two_whole_seconds_apart_are_regular() {
    let (mut windows, mut looks) = (met(None, 0), 0);
    while windows.are_met() {
        windows.count_look();
        looks += 1;
    }
    assert_eq!(looks, 20);
    let regular = [0, 1, 2, 3].map(|regular| met(None, regular).are_regular());
    assert_eq!(regular, [false, false, true, true]);
}

#[test]
fn windows_are_long_for_good_once_nothing_was_accepted_for_longer_than_a_second_takes() {
    let mut windows = Windows::unknown();
    windows.closed(LONG_WINDOW, false);
    assert!(!windows.are_met());
    windows.closed(LONG_WINDOW, true);
    assert!(windows.are_met() && windows.are_seconds());
    for lasted in [1.36, 1.36, 1.0] {
        windows.closed(lasted, false);
        assert!(windows.are_met() && !windows.are_seconds());
    }
}

#[test]
fn two_calls_in_a_row_from_the_first_one_of_the_look_are_believed() {
    let start = origin();
    let at = |millis: u64| start + Duration::from_millis(millis);
    let believes = |throttled: &[u64], first: Option<u64>| {
        let mut history = CallHistory::new(start);
        (98..=101).for_each(|call| history.count_sent(at(10 * call)));
        for &millis in throttled {
            history.count_throttled(at(millis), at(millis));
        }
        let filled = |first| FilledWindow { calls: 99.0, first: at(first), fell: at(1_010) };
        let mut windows = Windows::unknown();
        windows.fill(first.map(filled));
        windows.believe(&history);
        windows.are_met()
    };
    assert!(believes(&[1_000, 1_010], Some(1_000)));
    assert!(!believes(&[1_000, 1_010], None));
    assert!(!believes(&[1_000, 1_010], Some(1_010)));
    assert!(!believes(&[1_010], Some(1_010)));
    assert!(!believes(&[990, 1_010], Some(990)));
}

#[test]
fn a_window_corrects_the_limit_if_it_is_regular_or_ended_before_the_pace_fell() {
    let start = origin();
    let at = |millis: u64| start + Duration::from_millis(millis);
    // Calls were throttled after 10 s and 10 ms later; limit and pace are 100 a second.
    let correct = |mut windows: Windows, calls: f64, fell: u64, others: &[u64], late: u64| {
        let mut history = CallHistory::new(start);
        for millis in [9_990, 10_000, 10_010].into_iter().chain(others.iter().copied()) {
            history.count_sent(at(millis));
        }
        for millis in [10_000, 10_010] {
            history.count_throttled(at(millis), at(millis));
        }
        if late > 0 {
            history.count_throttled(at(late), at(late));
        }
        windows.fill(Some(FilledWindow { calls, first: at(10_000), fell: at(fell) }));
        let limit = windows.correct(&history, 100.0, 100.0);
        assert!(windows.filled.is_none());
        (limit, windows.regular, windows.ended)
    };
    let last = Some(at(10_010));
    // Whole seconds apart, within 2 ms and the time of two calls.
    for (ended, limit, regular) in [
        (9_010, 97.5, 4),
        (7_010, 97.5, 4),
        (8_989, 97.5, 4),
        (8_987, 100.0, 0),
        (9_031, 97.5, 4),
        (9_033, 100.0, 0),
        (8_500, 100.0, 0),
    ] {
        let windows = met(Some(at(ended)), 3);
        assert_eq!(correct(windows, 99.0, 10_010, &[], 0), (limit, regular, last), "{ended}");
    }
    let first = || met(None, 0);
    assert_eq!(correct(first(), 99.0, 10_010, &[], 0), (100.0, 0, last));
    // One that was accepted before the pace fell shows that it had ended.
    assert_eq!(correct(first(), 99.0, 10_020, &[10_020], 0), (97.5, 0, last));
    assert_eq!(correct(first(), 99.0, 10_020, &[10_021], 0), (100.0, 0, last));
    assert_eq!(correct(first(), 99.0, 10_005, &[10_020], 0), (100.0, 0, last));
    // It corrects by a twentieth at most, and never upwards.
    let whole = || met(Some(at(9_010)), 0);
    assert_eq!(correct(whole(), 90.0, 10_010, &[], 0), (95.0, 1, last));
    assert_eq!(correct(whole(), 102.0, 10_010, &[], 0), (100.0, 1, last));
    // Calls that were on the wire when the pace fell belong to it for a tenth of a second.
    let late = Some(at(10_110));
    assert_eq!(correct(whole(), 99.0, 10_010, &[10_110], 10_110), (100.0, 0, late));
    assert_eq!(correct(whole(), 99.0, 10_010, &[10_111], 10_111), (97.5, 1, last));
    // Nothing is known of windows that were not met.
    let unmet = Windows { looks_since_row: ROWS_REMEMBERED, ..whole() };
    assert_eq!(correct(unmet, 99.0, 10_010, &[], 0), (100.0, 0, Some(at(9_010))));
    let mut unfilled = whole();
    assert_eq!(unfilled.correct(&CallHistory::new(start), 100.0, 100.0), 100.0);
}

#[test]
fn a_correction_that_late_timers_explain_is_believed_by_half() {
    let start = origin();
    let end = start + Duration::from_secs(10);
    let mut history = CallHistory::new(start);
    history.count_sent(end);
    history.count_throttled(end, end);
    for (limit, found, corrected) in [
        (1_000.0, 999.0, 999.5),
        (1_000.0, 992.0, 996.0),
        (1_000.0, 991.5, 991.5),
        (1_000.0, 949.0, 950.0),
        (1_000.0, 1_001.0, 1_000.0),
        (134.0, 133.0, 133.5),
        (133.0, 132.0, 132.0),
    ] {
        let mut windows = met(Some(start + Duration::from_secs(9)), 0);
        windows.fill(Some(FilledWindow { calls: found + 0.5, first: end, fell: end }));
        assert_eq!(windows.correct(&history, limit, limit), corrected, "{limit} {found}");
    }
}

#[test]
fn windows_whose_ends_are_off_by_just_what_timers_may_be_are_not_regular() {
    let start = origin();
    let at = |millis: u64| start + Duration::from_millis(millis);
    let mut history = CallHistory::new(start);
    history.count_sent(at(10_250));
    history.count_throttled(at(10_250), at(10_250));
    for (pace, regular) in [(8.064_516_129_032_258, 0), (8.0, 1)] {
        let mut windows = met(Some(at(9_000)), 0);
        windows.fill(Some(FilledWindow { calls: 9.0, first: at(10_250), fell: at(10_250) }));
        windows.correct(&history, pace, 8.0);
        assert_eq!(windows.regular, regular, "{pace}");
    }
}

#[test]
fn a_look_begins_20_ms_before_a_window_that_follows_the_last_throttled_call() {
    let start = origin();
    let at = |millis: u64| start + Duration::from_millis(millis);
    for (ended, regular, last, windows, expected) in [
        (Some(3_000), 1, 4_500, 1.0, 5_980),
        (Some(3_000), 1, 4_500, 2.0, 6_980),
        (Some(3_000), 1, 4_050, 1.0, 4_980),
        (Some(3_000), 1, 3_050, 1.0, 3_980),
        (Some(3_000), 0, 4_500, 1.0, 5_480),
        // A window that was asked is known to end later.
        (Some(5_000), 1, 4_500, 1.0, 5_980),
        (Some(5_000), 0, 4_500, 1.0, 5_480),
        (None, 1, 4_500, 1.0, 5_480),
    ] {
        let look = met(ended.map(at), regular).look_after(at(last), windows);
        assert_eq!(look, at(expected), "{ended:?} {regular} {last} {windows}");
    }
    for (before, regular) in [(0, 1), (1, 1), (2, 2)] {
        let mut windows = met(None, before);
        windows.ends_at(at(5_000));
        assert_eq!((windows.ended, windows.regular), (Some(at(5_000)), regular));
    }
    for (now, expected) in [(1_000, 1_000), (1_979, 1_000), (1_980, 2_000), (2_500, 2_000)] {
        assert_eq!(Windows::begun(at(980), at(now)), at(expected));
    }
}

#[test]
fn two_looks_in_a_row_that_are_throttled_before_their_window_show_that_rests_fill_them() {
    let are_filled = |looked: &[f64]| {
        let mut windows = met(None, 0);
        let shown = looked.iter().map(|&looked| windows.are_filled_by_rests(looked));
        shown.last().unwrap()
    };
    assert!(!are_filled(&[0.01]));
    assert!(are_filled(&[0.01, 0.019]));
    assert!(are_filled(&[0.5, 0.0, 0.0, 0.0]));
    assert!(!are_filled(&[0.01, 0.02]));
    assert!(!are_filled(&[0.01, 0.02, 0.01]));
}
