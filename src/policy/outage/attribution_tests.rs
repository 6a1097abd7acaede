//! When a failure is explained, and whose it is.

use super::*;
use crate::policy::Verdict;
use crate::task::Outcome;
use std::time::Instant;

#[test]
fn a_later_served_call_explains_a_failure() {
    let (mut breaker, mut suspects) = (Breaker::new(), SuspectQueue::default());
    let now = origin();
    (1..=4).for_each(|number| breaker.begin(number));
    for number in [3, 1] {
        breaker.completed(number, Health::Away, now, 0.0);
        suspects.insert(number, number);
    }
    assert_eq!(suspects.explained(&breaker), []);
    breaker.completed(2, Health::Served, now, 0.0);
    assert_eq!(suspects.explained(&breaker), [(Attribution::Task, 1)]);
    breaker.completed(4, Health::Served, now, 0.0);
    assert_eq!(suspects.explained(&breaker), [(Attribution::Task, 3)]);
    assert!(suspects.is_empty());
}

#[test]
fn once_the_breaker_opens_all_failures_belong_to_the_service() {
    let (mut breaker, mut suspects) = (Breaker::new(), SuspectQueue::default());
    let now = origin();
    for number in 1..=25 {
        breaker.begin(number);
        breaker.completed(number, Health::Away, now, 0.0);
        suspects.insert(number, ());
    }
    assert_eq!(suspects.len(), 25);
    let explained = suspects.explained(&breaker);
    assert_eq!(explained, vec![(Attribution::Service, ()); 25]);
}

#[test]
fn suspects_that_are_dropped_are_not_taken_out_later() {
    let mut suspects = SuspectQueue::default();
    assert!(suspects.is_empty());
    (1..=4).for_each(|number| suspects.insert(number, number));
    suspects.retain(|number| number % 2 == 0);
    assert_eq!((suspects.len(), suspects.is_empty()), (2, false));
    assert_eq!(suspects.take_all(), [2, 4]);
    assert!(suspects.is_empty());
}

#[test]
fn without_a_witness_a_service_that_was_reached_before_is_away() {
    let mut breaker = Breaker::new();
    let attribution = |breaker: &Breaker, verdict| breaker.attribute_without_witness(verdict);
    assert_eq!(attribution(&breaker, Verdict::NeverLeft), Attribution::Presumed);
    assert_eq!(attribution(&breaker, Verdict::InDoubt), Attribution::Presumed);
    breaker.begin(1);
    breaker.completed(1, Health::Served, origin(), 0.0);
    assert_eq!(attribution(&breaker, Verdict::NeverLeft), Attribution::Service);
    assert_eq!(attribution(&breaker, Verdict::InDoubt), Attribution::Presumed);
    assert_eq!(attribution(&breaker, Verdict::Transient), Attribution::Presumed);
    assert_eq!(attribution(&breaker, Verdict::Done(Outcome::Failed)), Attribution::Presumed);
}

#[test]
fn a_task_that_failed_by_itself_or_in_two_outages_is_not_a_witness() {
    let check = |attributions: &[(Attribution, u32)], expected: Health| {
        let trust =
            attributions.iter().fold(WitnessTrust::default(), |trust, &(attribution, outage)| {
                trust.after(attribution, outage)
            });
        assert_eq!(trust.health_signal(Health::Away), expected, "{attributions:?}");
        assert_eq!(trust.health_signal(Health::Served), Health::Served);
    };
    check(&[], Health::Away);
    check(&[(Attribution::Presumed, 0), (Attribution::Unknown, 0)], Health::Away);
    check(&[(Attribution::Task, 0)], Health::Unknown);
    check(&[(Attribution::Task, 0), (Attribution::Service, 1)], Health::Unknown);
    check(&[(Attribution::Service, 1), (Attribution::Service, 1)], Health::Away);
    check(&[(Attribution::Service, 1), (Attribution::Service, 2)], Health::Unknown);
}

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn origin() -> Instant {
    Instant::now()
}
