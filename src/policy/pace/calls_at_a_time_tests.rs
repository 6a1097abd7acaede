//! Evidence for a limit on calls at a time, and how the bound follows it.

use super::*;

/// Calls at these levels, of which those at the limit or above it are throttled.
fn limited(levels: impl Iterator<Item = usize>, limit: usize) -> Vec<(usize, bool)> {
    levels.map(|level| (level, level >= limit)).collect()
}

#[test]
fn a_limit_tells_throttled_calls_from_served_ones() {
    let levels = (0..60).map(|call| [17, 18, 19, 20][call % 4]);
    assert_eq!(limit_in(&limited(levels, 20)), Some(20));
}

#[test]
fn one_call_in_ten_may_contradict_because_calls_overtake_one_another() {
    let levels = (0..60).map(|call| [17, 18, 19, 20][call % 4]);
    let mut calls = limited(levels, 20);
    calls.push((18, true));
    assert_eq!(limit_in(&calls), Some(20));
    calls.extend([(17, true), (18, true), (19, true)]);
    assert_eq!(limit_in(&calls), None);
}

#[test]
fn a_call_may_find_the_limit_and_be_served_because_an_answer_is_on_its_way() {
    let mut calls = limited((0..60).map(|call| [17, 18, 19, 20][call % 4]), 20);
    calls.extend([(20, false); 7]);
    assert_eq!(limit_in(&calls), Some(20));
    calls.extend([(20, false); 7]);
    assert_eq!(limit_in(&calls), None);
}

#[test]
fn a_few_calls_on_the_wire_part_calls_by_the_rate_too() {
    let mut calls = limited((0..60).map(|call| [1, 2, 1, 3][call % 4]), 3);
    assert_eq!(limit_in(&calls), Some(3));
    calls.extend([(3, false); 2]);
    assert_eq!(limit_in(&calls), None);
}

#[test]
fn throttling_at_every_level_is_no_limit_on_calls_at_a_time() {
    let by_rate: Vec<_> = (0..200).map(|call| (5 + call % 3, call % 4 == 0)).collect();
    assert_eq!(limit_in(&by_rate), None);
}

#[test]
fn a_window_that_ends_is_no_limit_on_calls_at_a_time() {
    let served = (0..300).map(|call| (call.min(8), false));
    let throttled = (0..40).map(|_| (8, true));
    assert_eq!(limit_in(&served.chain(throttled).collect::<Vec<_>>()), None);
}

/// A bound of that many, and a clock.
fn bound(most: u32) -> (CallsAtATime, impl Fn(u64) -> Instant) {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
    let start = Instant::now();
    (CallsAtATime::learnt(Some(most), start), move |millis| start + Duration::from_millis(millis))
}

#[test]
fn looks_that_cost_nothing_raise_the_bound_faster_and_faster() {
    let (mut calls, at) = bound(20);
    assert_eq!((calls.most(), calls.next_look()), (Some(20), Some(at(1_000))));
    for most in [21, 23, 27, 35] {
        calls.decide(at(1_000), at(1_000));
        assert_eq!(calls.most(), Some(most));
        (0..3).for_each(|_| calls.sent(most - 1, at(1_000)));
        calls.decide(at(1_001), at(1_001));
    }
    assert_eq!(calls.known(), Some(35));
}

#[test]
fn a_look_that_is_not_used_changes_nothing() {
    let (mut calls, at) = bound(20);
    calls.decide(at(1_000), at(1_000));
    (0..100).for_each(|_| calls.sent(19, at(1_001)));
    calls.decide(at(2_000), at(2_000));
    assert_eq!(calls.known(), Some(20));
}

#[test]
fn the_bound_falls_to_what_was_accepted_and_gives_up_where_that_does_not_help() {
    let (mut calls, at) = bound(20);
    assert!(calls.explains(20, 100.0, at(0)));
    assert_eq!((calls.most(), calls.next_look()), (Some(20), Some(at(2_000))));
    assert!(calls.explains(14, 100.0, at(10)));
    assert_eq!(calls.most(), Some(20), "one call may have overtaken another");
    assert!(calls.explains(14, 100.0, at(10)));
    assert_eq!(calls.most(), Some(14));
    assert!(!calls.explains(5, 100.0, at(20)), "a call far below the bound has another reason");
    assert!(calls.explains(10, 100.0, at(30)));
    assert!(calls.explains(10, 100.0, at(30)));
    assert_eq!(calls.most(), Some(10));
    assert!(calls.explains(9, 100.0, at(40)));
    assert!(!calls.explains(9, 100.0, at(40)));
    assert_eq!(calls.most(), None);
}
