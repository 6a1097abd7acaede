//! How the bound on calls at a time follows the service.

use super::*;

/// A bound of that many, and a clock.
fn bound(most: u32) -> (CallsAtATime, impl Fn(u64) -> Instant) {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
    let start = Instant::now();
    (CallsAtATime::learnt(Some(most), start), move |millis| start + Duration::from_millis(millis))
}

/// A history of calls that were all served at once, so many a second.
fn served(per_second: u64, at: &impl Fn(u64) -> Instant) -> CallHistory {
    let mut history = CallHistory::new(at(0));
    for call in 0..5 * per_second {
        history.count_sent(at(1_000 * call / per_second));
        history.count_ended(at(1_000 * call / per_second));
    }
    history
}

/// A bound of 20 on trial since the beginning, where the pace was 100 a second.
fn on_trial(at: &impl Fn(u64) -> Instant) -> CallsAtATime {
    let trial = BoundTrial { pace: 100.0, since: at(0), throttled: 0 };
    CallsAtATime { bound: Some(Bound::new(20, Some(trial), at(0))), ..CallsAtATime::default() }
}

#[test]
fn looks_that_cost_nothing_raise_the_bound_faster_and_faster() {
    let (mut calls, at) = bound(20);
    assert_eq!((calls.most(), calls.next_look(0.0)), (Some(20), Some(at(1_000))));
    let history = CallHistory::new(at(0));
    for most in [21, 23, 27, 35] {
        assert_eq!(calls.decide(&history, at(1_000)), None);
        assert_eq!(calls.most(), Some(most));
        (0..3).for_each(|_| calls.sent(most - 1, at(1_000)));
        assert_eq!(calls.decide(&history, at(1_001)), None);
    }
    assert_eq!(calls.known(), Some(35));
}

#[test]
fn a_look_that_is_not_used_changes_nothing() {
    let (mut calls, at) = bound(20);
    let history = CallHistory::new(at(0));
    assert_eq!(calls.decide(&history, at(1_000)), None);
    (0..100).for_each(|_| calls.sent(19, at(1_001)));
    assert_eq!(calls.decide(&history, at(2_000)), None);
    assert_eq!(calls.known(), Some(20));
}

#[test]
fn the_bound_falls_to_what_was_accepted_and_gives_up_where_that_does_not_help() {
    let (mut calls, at) = bound(20);
    assert_eq!(calls.explains((at(0), 20), 100.0, at(0)), Ok(true));
    assert_eq!((calls.most(), calls.next_look(0.0)), (Some(20), Some(at(2_000))));
    assert_eq!(calls.explains((at(10), 14), 100.0, at(10)), Ok(true));
    assert_eq!(calls.most(), Some(20), "one call may have overtaken another");
    assert_eq!(calls.explains((at(10), 14), 100.0, at(10)), Ok(true));
    assert_eq!(calls.most(), Some(14));
    let far_below = calls.explains((at(20), 5), 100.0, at(20));
    assert_eq!(far_below, Ok(false), "a call far below the bound has another reason");
    assert_eq!(calls.explains((at(30), 10), 100.0, at(30)), Ok(true));
    assert_eq!(calls.explains((at(30), 10), 100.0, at(30)), Ok(true));
    assert_eq!(calls.most(), Some(10));
    assert_eq!(calls.explains((at(40), 9), 100.0, at(40)), Ok(true));
    let refuted = BoundChange::Refuted { pace: None };
    assert_eq!(calls.explains((at(40), 9), 100.0, at(40)), Err(refuted));
    assert_eq!(calls.most(), None);
}

#[test]
fn a_single_call_at_a_time_is_a_rate_so_that_the_smallest_bound_is_given_up_below_itself() {
    let (mut calls, at) = bound(2);
    assert_eq!(calls.explains((at(0), 1), 100.0, at(0)), Ok(true));
    let refuted = BoundChange::Refuted { pace: None };
    assert_eq!(calls.explains((at(0), 1), 100.0, at(0)), Err(refuted));
}

#[test]
fn a_bound_on_trial_stays_where_more_is_accepted_than_by_the_pace_before() {
    let (_, at) = bound(20);
    let mut calls = on_trial(&at);
    assert_eq!((calls.most(), calls.known()), (Some(20), None));
    assert_eq!(calls.next_look(0.0), Some(at(1_300)));
    assert_eq!(calls.decide(&served(110, &at), at(1_200)), None);
    assert_eq!(calls.decide(&served(110, &at), at(1_300)), Some(BoundChange::Confirmed));
    assert_eq!(calls.known(), Some(20));
}

#[test]
fn a_bound_on_trial_gives_way_to_a_pace_that_was_as_good() {
    let (_, at) = bound(20);
    let mut calls = on_trial(&at);
    let refuted = BoundChange::Refuted { pace: Some(100.0) };
    assert_eq!(calls.decide(&served(101, &at), at(1_300)), Some(refuted));
    assert_eq!(calls.most(), None);
}

#[test]
fn a_bound_on_trial_gives_way_where_calls_are_throttled_below_it() {
    let (_, at) = bound(20);
    let mut calls = on_trial(&at);
    let earlier = at(0).checked_sub(Duration::from_millis(1)).unwrap();
    (0..9).for_each(|_| assert_eq!(calls.explains((earlier, 18), 100.0, at(1)), Ok(true)));
    (0..2).for_each(|_| assert_eq!(calls.explains((at(1), 18), 100.0, at(2)), Ok(true)));
    let refuted = BoundChange::Refuted { pace: Some(100.0) };
    assert_eq!(calls.explains((at(1), 18), 100.0, at(2)), Err(refuted));
}
