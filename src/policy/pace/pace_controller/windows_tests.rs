//! When windows end, and what they take.

use super::*;
use std::time::Duration;

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
