//! What an answer says of the service, and when a failure is explained.

use super::*;
use crate::policy::simulation::done;
use crate::policy::simulation::refused;
use crate::policy::simulation::status;
use crate::task::FailureKind;
use crate::task::Outcome;
use std::time::Instant;

fn check(answer: &Answer, expected: Health) {
    let id = "0d47bbf52962414bb7ae27fb6ea24230".parse().unwrap();
    let verdict = crate::policy::classify(&id, answer).verdict;
    assert_eq!(Health::of(answer, verdict), expected, "{verdict:?} {answer:?}");
}

fn error(http_status: u16, code: &str) -> Answer {
    let mut answer = status(http_status);
    if let Answer::Response(response) = &mut answer {
        let error = crate::policy::ServiceError { code: code.into(), ..Default::default() };
        response.body = crate::policy::Body::Error(error);
    }
    answer
}

#[test]
fn a_service_that_answers_for_itself_works_whatever_it_says() {
    check(&done(), Health::Served);
    check(&status(400), Health::Served);
    check(&status(401), Health::Served);
    check(&status(404), Health::Served);
    check(&status(307), Health::Served);
    // A 200 without counts is in doubt for its task, and yet the service sent it.
    check(&status(200), Health::Served);
    check(&error(500, "VIAS.00010012"), Health::Served);
    check(&error(500, "VIAS.00010023"), Health::Served);
}

#[test]
fn a_service_that_is_not_reached_or_cannot_work_is_away() {
    check(&refused(), Health::Away);
    for http_status in [408, 500, 502, 503, 504, 599] {
        check(&status(http_status), Health::Away);
    }
    check(&error(500, "VIAS.00010016"), Health::Away);
    check(&error(503, "APIGW.0201"), Health::Away);
    let timed_out = Answer::NoResponse(crate::policy::NoResponse {
        kind: FailureKind::Timeout,
        delivery: crate::policy::Delivery::Possible,
        message: "no answer within 60s".into(),
    });
    check(&timed_out, Health::Away);
}

#[test]
fn throttling_and_faults_of_this_side_say_nothing() {
    check(&status(429), Health::Unsaid);
    check(&error(400, "APIGW.0308"), Health::Unsaid);
    check(&Answer::Panicked("index out of bounds".into()), Health::Unsaid);
}

#[test]
fn a_failure_is_explained_once_a_later_call_is_served() {
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
fn once_the_breaker_opens_all_failures_are_the_services() {
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
fn what_failed_by_itself_or_in_two_outages_is_no_witness() {
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
    check(&[(Attribution::Task, 0)], Health::Unsaid);
    check(&[(Attribution::Task, 0), (Attribution::Service, 1)], Health::Unsaid);
    check(&[(Attribution::Service, 1), (Attribution::Service, 1)], Health::Away);
    check(&[(Attribution::Service, 1), (Attribution::Service, 2)], Health::Unsaid);
}

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn origin() -> Instant {
    Instant::now()
}
