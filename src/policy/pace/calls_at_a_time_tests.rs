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

#[test]
fn a_look_rises_with_three_calls_whose_answers_would_be_there() {
    let (mut calls, at) = bound(20);
    let history = CallHistory::new(at(0));
    calls.decide(&history, at(999));
    assert_eq!(calls.most(), Some(20), "it rests");
    calls.decide(&history, at(1_000));
    assert_eq!(calls.most(), Some(21));
    (0..2).for_each(|_| calls.sent(20, at(1_000)));
    calls.decide(&history, at(1_001));
    assert_eq!(calls.known(), Some(20), "two are too few");
    calls.sent(20, at(1_002));
    calls.decide(&history, at(1_002));
    assert_eq!(calls.known(), Some(20), "its answer is not there");
    // A fourth call changes nothing.
    calls.sent(20, at(1_003));
    calls.decide(&history, at(1_003));
    assert_eq!((calls.known(), calls.most()), (Some(21), Some(23)));
}

#[test]
fn a_bound_on_trial_has_to_be_a_fiftieth_better() {
    let (_, at) = bound(20);
    // The pace, from when to when accepted calls count, and how many are enough.
    for (pace, begun, end, enough) in [(100.0, 300, 1_300, 102), (10.0, 300, 3_300, 31)] {
        let found = |accepted: u64| {
            let mut calls = on_trial(&at);
            calls.bound.as_mut().unwrap().trial.as_mut().unwrap().pace = pace;
            let mut history = CallHistory::new(at(0));
            // One too early does not count, and the others come in the last moment.
            history.count_sent(at(begun));
            (0..accepted).for_each(|_| history.count_sent(at(end)));
            assert_eq!(calls.decide(&history, at(end - 1)), None);
            calls.decide(&history, at(end)).unwrap()
        };
        assert_eq!(found(enough), BoundChange::Confirmed);
        assert_eq!(found(enough - 1), BoundChange::Refuted { pace: Some(pace) });
    }
}

#[test]
fn calls_sent_as_a_trial_begins_count_and_those_at_its_bound_do_not() {
    let (_, at) = bound(20);
    let mut calls = on_trial(&at);
    (0..9).for_each(|_| assert_eq!(calls.explains((at(1), 20), 100.0, at(1)), Ok(true)));
    (0..2).for_each(|_| assert_eq!(calls.explains((at(0), 19), 100.0, at(1)), Ok(true)));
    let refuted = BoundChange::Refuted { pace: Some(100.0) };
    assert_eq!(calls.explains((at(0), 19), 100.0, at(1)), Err(refuted));
}

#[test]
fn a_bound_is_given_up_below_half_of_the_last_one_at_which_calls_were_throttled() {
    let check = |most: usize, level: usize, is_refuted: bool| {
        let (mut calls, at) = bound(20);
        calls.bound.as_mut().unwrap().most = most;
        for level in [most, most / 2 + 2, most / 2 + 2, level] {
            assert_eq!(calls.explains((at(0), level), 100.0, at(0)), Ok(true));
        }
        assert_eq!(calls.explains((at(0), level), 100.0, at(0)).is_err(), is_refuted);
    };
    check(35, 18, false);
    check(35, 17, true);
    check(36, 18, false);
}

#[test]
fn throttled_calls_let_the_bound_rest_until_the_next_look_costs_a_share_of_them() {
    for (per_second, rest) in [(10.0, 10_000), (50.0, 4_000), (100.0, 2_000), (1_000.0, 1_000)] {
        let (mut calls, at) = bound(20);
        assert_eq!(calls.explains((at(0), 20), per_second, at(5)), Ok(true));
        assert_eq!(calls.next_look(0.0), Some(at(5 + rest)));
    }
}

#[test]
fn each_bound_that_did_not_help_is_distrusted_twice_as_long_up_to_ten_minutes() {
    for (refuted, seconds, next) in
        [(0, 30, 1), (1, 60, 2), (2, 120, 3), (3, 240, 4), (4, 480, 5), (5, 600, 5)]
    {
        let (mut calls, at) = bound(20);
        calls.refuted = refuted;
        assert_eq!(calls.refute(at(0)), BoundChange::Refuted { pace: None });
        assert_eq!(calls.distrusted_until, Some(at(1_000 * seconds)));
        assert_eq!((calls.refuted, calls.most()), (next, None));
    }
}

/// Calls 10 ms apart that find one, two and three on the wire, of which the third is throttled.
fn limited_to_three(at: &impl Fn(u64) -> Instant) -> CallHistory {
    let mut history = CallHistory::new(at(0));
    history.count_sent(at(0));
    for round in 0..20 {
        let now = |call: u64| at(10 + 30 * round + 10 * call);
        (0..3).for_each(|call| history.count_sent(now(call)));
        history.count_throttled(now(2), now(2));
        (0..2).for_each(|_| history.count_ended(now(2) + Duration::from_millis(1)));
    }
    history
}

#[test]
fn a_search_finds_a_limit_unless_there_is_a_bound_or_one_was_distrusted_or_just_searched() {
    let (with_bound, at) = bound(20);
    let history = limited_to_three(&at);
    let found = Some(BoundChange::Found { on_trial: false });
    let check = |calls: CallsAtATime, expected| {
        let mut calls = calls;
        assert_eq!(calls.search(&history, None, at(700)), expected, "{calls:?}");
        assert!(expected.is_none() || calls.most() == Some(3));
    };
    let new = CallsAtATime::default();
    check(new, found);
    check(with_bound, None);
    for (until, expected) in [(701, None), (700, found), (699, found)] {
        check(CallsAtATime { distrusted_until: Some(at(until)), ..new }, expected);
    }
    for (searched, expected) in [(700, None), (681, None), (680, found), (600, found)] {
        check(CallsAtATime { searched: Some(at(searched)), ..new }, expected);
    }
}

#[test]
fn a_served_call_is_worth_a_search_up_to_the_fortieth_after_a_throttled_one() {
    let (mut with_bound, at) = bound(20);
    assert!(!with_bound.served());
    let mut calls = CallsAtATime::default();
    for _ in 0..2 {
        (0..40).for_each(|_| assert!(calls.served()));
        assert!(!calls.served());
        assert_eq!(calls.explains((at(0), 9), 100.0, at(0)), Ok(false));
    }
}

#[test]
fn a_rest_that_is_over_forgets_calls_that_were_throttled_below_the_bound() {
    let (mut calls, at) = bound(20);
    assert_eq!(calls.explains((at(0), 14), 100.0, at(10)), Ok(true));
    assert_eq!(calls.decide(&CallHistory::new(at(0)), at(2_010)), None);
    assert_eq!(calls.explains((at(2_020), 14), 100.0, at(2_020)), Ok(true));
    assert_eq!(calls.known(), Some(20));
    assert_eq!(calls.explains((at(2_030), 14), 100.0, at(2_030)), Ok(true));
    assert_eq!(calls.known(), Some(14));
}

#[test]
fn a_search_without_a_finding_is_remembered_too() {
    let (_, at) = bound(20);
    let mut calls = CallsAtATime::default();
    assert_eq!(calls.search(&CallHistory::new(at(0)), None, at(5)), None);
    assert_eq!(calls.searched, Some(at(5)));
}
