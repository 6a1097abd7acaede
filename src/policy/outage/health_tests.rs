//! Which answers show that the service works, and which that it is away.

use super::*;
use crate::policy::simulation::{done, refused, status};

fn check(answer: &Answer, expected: Health) {
    let id = "0d47bbf52962414bb7ae27fb6ea24230".parse().unwrap();
    let verdict = crate::policy::classify(&id, answer).verdict;
    assert_eq!(Health::from_answer(answer, verdict), expected, "{verdict:?} {answer:?}");
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
fn a_service_that_answers_by_itself_works_even_if_it_refuses() {
    check(&done(), Health::Served);
    check(&status(400), Health::Served);
    check(&status(401), Health::Served);
    check(&status(404), Health::Served);
    check(&status(307), Health::Served);
    // A 200 without counts is in doubt for its task, but the service sent it.
    check(&status(200), Health::Served);
    check(&error(500, "VIAS.00010012"), Health::Served);
    check(&error(500, "VIAS.00010023"), Health::Served);
}

#[test]
fn an_unreachable_or_failing_service_is_away() {
    check(&refused(), Health::Away);
    for http_status in [408, 500, 502, 503, 504, 599] {
        check(&status(http_status), Health::Away);
    }
    check(&error(500, "VIAS.00010016"), Health::Away);
    check(&error(503, "APIGW.0201"), Health::Away);
    let timed_out = Answer::NoResponse(crate::policy::NoResponse::timed_out(
        std::time::Duration::from_secs(60),
    ));
    check(&timed_out, Health::Away);
}

#[test]
fn throttling_and_faults_on_this_side_are_no_evidence() {
    check(&status(429), Health::Unknown);
    check(&error(400, "APIGW.0308"), Health::Unknown);
    check(&Answer::Panicked("index out of bounds".into()), Health::Unknown);
}
