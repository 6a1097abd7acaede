//! The table of answers and their verdicts.

use super::*;
use crate::policy::{ActionResult, AnswerMeaning, Judgement};

const ID: &str = "0d47bbf52962414bb7ae27fb6ea24230";

fn id() -> TaskId {
    ID.parse().unwrap()
}

fn response(status: u16, body: Body) -> Response {
    Response { status, request_id: None, retry_after: None, rate_hint: None, body }
}

fn error(code: &str, message: &str) -> Body {
    Body::Error(ServiceError {
        code: code.into(),
        message: message.into(),
        ..ServiceError::default()
    })
}

fn result(total: i64, failed: i64, succeeded: i64) -> ActionResult {
    ActionResult {
        id: Some(ID.into()),
        total: Some(total),
        failed: Some(failed),
        succeeded: Some(succeeded),
        error_list: Vec::new(),
    }
}

fn check(status: u16, body: Body, verdict: Verdict, kind: Option<FailureKind>) {
    let answer = Answer::Response(response(status, body));
    let finding = classify(&id(), &answer);
    assert_eq!(finding.verdict, verdict, "{answer:?}");
    assert_eq!(finding.failure.map(|failure| failure.kind), kind, "{answer:?}");
}

fn check_error(status: u16, code: &str, verdict: Verdict, kind: FailureKind) {
    check(status, error(code, "some words"), verdict, Some(kind));
}

#[test]
fn a_200_settles_from_counts_that_add_up() {
    use FailureKind::Service;
    let done = Verdict::Done;
    check(200, Body::Result(result(3, 0, 3)), done(Outcome::Succeeded), None);
    check(200, Body::Result(result(0, 0, 0)), done(Outcome::Succeeded), None);
    check(200, Body::Result(result(3, 1, 2)), done(Outcome::Partial), Some(Service));
    check(200, Body::Result(result(3, 3, 0)), done(Outcome::Failed), Some(Service));
}

#[test]
fn an_untrustworthy_200_is_in_doubt() {
    let doubtful = |body| check(200, body, Verdict::InDoubt, Some(FailureKind::Body));
    doubtful(Body::Result(result(3, 1, 1)));
    doubtful(Body::Result(result(3, -1, 4)));
    doubtful(Body::Result(result(i64::MAX, i64::MAX, i64::MAX)));
    doubtful(Body::Result(ActionResult::default()));
    doubtful(Body::Result(ActionResult { id: Some("someone-else".into()), ..result(3, 0, 3) }));
    doubtful(Body::Unreadable("the answer is HTML".into()));
    doubtful(error("VIAS.00010001", "an error inside a 200"));
}

#[test]
fn an_action_result_says_what_failed_or_why_it_is_doubted() {
    let message = |body: ActionResult| {
        let finding = classify(&id(), &Answer::Response(response(200, Body::Result(body))));
        finding.failure.unwrap().message
    };
    let counts = |total, failed, succeeded| ActionResult {
        total,
        failed,
        succeeded,
        ..ActionResult::default()
    };
    for (body, expected) in [
        (result(3, 3, 0), "all sub-tasks failed"),
        (result(3, 2, 1), "some sub-tasks failed"),
        (counts(None, None, None), "the answer lacks its counts"),
        (counts(Some(3), None, None), "the answer lacks its counts"),
        (counts(Some(2), None, Some(3)), "the counts of the answer contradict each other"),
        (counts(Some(3), Some(-1), Some(4)), "the counts of the answer contradict each other"),
        (result(3, 1, 1), "the counts do not add up: total 3, failed 1, succeeded 1"),
        (
            ActionResult { id: Some("gate2".into()), ..result(3, 0, 3) },
            "the answer is for another id: gate2",
        ),
    ] {
        assert_eq!(message(body.clone()), expected, "{body:?}");
    }
}

#[test]
fn one_missing_count_follows_from_the_other_two() {
    let done = Verdict::Done(Outcome::Succeeded);
    for missing in 0..3 {
        let mut body = result(3, 0, 3);
        match missing {
            0 => body.total = None,
            1 => body.failed = None,
            _ => body.succeeded = None,
        }
        check(200, Body::Result(body), done, None);
    }
    let impossible = ActionResult { failed: None, ..result(2, 0, 3) };
    check(200, Body::Result(impossible), Verdict::InDoubt, Some(FailureKind::Body));
}

#[test]
fn an_answer_without_an_id_is_believed() {
    let body = ActionResult { id: None, ..result(2, 0, 2) };
    check(200, Body::Result(body), Verdict::Done(Outcome::Succeeded), None);
}

#[test]
fn the_status_and_the_last_four_digits_decide_error_answers() {
    use FailureKind::*;
    let throttled = Verdict::Throttled { hold: None };
    check_error(400, "VIAS.00010001", Verdict::Refused, Refused);
    check_error(400, "APIGW.0201", Verdict::Refused, Refused);
    check_error(401, "APIGW.0301", Verdict::Unauthorised, Auth);
    check_error(401, "APIG.0307", Verdict::Unauthorised, Auth);
    check_error(401, "VIAS.00010005", Verdict::Unauthorised, Auth);
    check_error(401, "401", Verdict::Unauthorised, Auth);
    check(401, super::Body::Unreadable("<html>".into()), Verdict::Unauthorised, Some(Auth));
    check_error(403, "APIGW.0302", Verdict::Refused, Auth);
    check_error(404, "APIGW.0101", Verdict::Refused, Refused);
    check_error(408, "", Verdict::Transient, Service);
    check_error(421, "", Verdict::Transient, Service);
    check_error(425, "", Verdict::Transient, Service);
    check_error(429, "APIG.0308", throttled, Throttled);
    check_error(429, "", throttled, Throttled);
    check_error(494, "APIGW.0201", Verdict::Refused, Refused);
    check_error(500, "VIAS.00010006", Verdict::InDoubt, Service);
    check_error(500, "VIAS.00010009", Verdict::Transient, Service);
    check_error(500, "VIAS.00010012", Verdict::Refused, Refused);
    check_error(500, "VIAS.00010016", Verdict::Transient, Service);
    check_error(500, "VIAS.00010020", Verdict::Transient, Service);
    check_error(500, "VIAS.00010023", Verdict::Unauthorised, Auth);
    check_error(500, "VIAS.00010037", Verdict::Transient, Service);
    for code in ["0010046", "0010047", "0010048", "00010050", "00010051"] {
        for status in [400, 403, 500, 503] {
            let kind = if status == 403 { Auth } else { Refused };
            check_error(status, &format!("VIAS.{code}"), Verdict::Refused, kind);
        }
        check_error(500, &format!("OTHER.{code}"), Verdict::InDoubt, Service);
    }
    // The service's own codes decide nothing in the name of another.
    for suffix in ["0009", "0012", "0016", "0020", "0023", "0037"] {
        check_error(500, &format!("OTHER.0001{suffix}"), Verdict::InDoubt, Service);
    }
    check_error(500, "", Verdict::InDoubt, Service);
    check_error(501, "", Verdict::Refused, Refused);
    check_error(505, "", Verdict::Refused, Refused);
    check_error(511, "", Verdict::Transient, Service);
    check_error(101, "", Verdict::InDoubt, Service);
    check_error(502, "APIGW.0201", Verdict::InDoubt, Service);
    check_error(503, "APIGW.0201", throttled, Throttled);
    check_error(503, "", Verdict::Transient, Service);
    check_error(504, "APIGW.0201", Verdict::InDoubt, Timeout);
    check_error(307, "", Verdict::Refused, Refused);
}

#[test]
fn a_refusal_with_a_known_cause_gets_advice_where_the_service_gives_none() {
    let advice = |given: &str| {
        let body = Body::Error(ServiceError {
            code: "VIAS.0010048".into(),
            advice: given.into(),
            ..ServiceError::default()
        });
        classify(&id(), &Answer::Response(response(400, body))).failure.unwrap().advice
    };
    assert!(advice("").contains("larger quota"), "{}", advice(""));
    assert_eq!(advice("Ask us."), "Ask us.");
}

#[test]
fn the_header_wins_over_the_message() {
    let words = "policy user over ratelimit,limit:200,time:5 minute";
    let mut throttle = response(429, error("APIGW.0308", words));
    let hold = |response: &Response| {
        let verdict = classify(&id(), &Answer::Response(response.clone())).verdict;
        let Verdict::Throttled { hold } = verdict else { panic!("{verdict:?}") };
        hold
    };
    assert_eq!(hold(&throttle), Some(Duration::from_secs(300)));
    throttle.retry_after = Some(Duration::from_secs(7));
    assert_eq!(hold(&throttle), Some(Duration::from_secs(7)));
}

#[test]
fn an_attempt_without_a_response_is_in_doubt_unless_it_never_left() {
    let gone = |delivery| {
        let answer = Answer::NoResponse(NoResponse {
            kind: FailureKind::Reset,
            delivery,
            message: "connection reset".into(),
        });
        classify(&id(), &answer).verdict
    };
    assert_eq!(gone(Delivery::NeverLeft), Verdict::NeverLeft);
    assert_eq!(gone(Delivery::Possible), Verdict::InDoubt);
}

#[test]
fn a_panic_has_a_verdict_of_its_own() {
    let finding = classify(&id(), &Answer::Panicked("index out of bounds".into()));
    assert_eq!(finding.verdict, Verdict::Panicked);
    assert_eq!(finding.failure.unwrap().message, "the call panicked: index out of bounds");
}

#[test]
fn a_refusal_without_a_message_gets_one() {
    let answer = Answer::Response(response(400, error("", "")));
    let failure = classify(&id(), &answer).failure.unwrap();
    assert_eq!(failure.message, "status 400 without an error message");
}

#[test]
fn an_unreadable_list_is_never_in_doubt() {
    let check = |answer: Answer, expected: Verdict| {
        assert_eq!(classify_read(&answer).verdict, expected, "{answer:?}");
    };
    let response = |status, body| {
        Answer::Response(Response {
            status,
            request_id: None,
            retry_after: None,
            rate_hint: None,
            body,
        })
    };
    let error = |code: &str| {
        Body::Error(ServiceError { code: code.into(), message: "m".into(), ..Default::default() })
    };
    check(response(200, Body::Unreadable("<html>".into())), Verdict::Transient);
    check(response(200, error("VIAS.00010001")), Verdict::Transient);
    check(response(429, error("APIGW.0308")), Verdict::Throttled { hold: None });
    check(response(401, error("APIGW.0301")), Verdict::Unauthorised);
    check(response(400, error("VIAS.00010001")), Verdict::Refused);
}

#[test]
fn a_judgement_by_rules_is_decided_by_its_meaning() {
    use AnswerMeaning::{
        Done, Gone, InDoubt, Refused, Throttled, Transient, Unauthorised, Unchanged,
    };
    let wait = Some(Duration::from_secs(7));
    let judged =
        |meaning| Body::Judged(Box::new(Judgement { meaning, wait, ..Judgement::default() }));
    let held = Verdict::Throttled { hold: wait };
    for (meaning, verdict, kind) in [
        (Done, Verdict::Done(Outcome::Succeeded), None),
        (Unchanged, Verdict::Done(Outcome::Unchanged), None),
        (Gone, Verdict::Refused, Some(FailureKind::Refused)),
        (Refused, Verdict::Refused, Some(FailureKind::Refused)),
        (Throttled, held, Some(FailureKind::Throttled)),
        (Unauthorised, Verdict::Unauthorised, Some(FailureKind::Auth)),
        (Transient, Verdict::Transient, Some(FailureKind::Service)),
        (InDoubt, Verdict::InDoubt, Some(FailureKind::Service)),
    ] {
        check(409, judged(Some(meaning)), verdict, kind);
    }
    check(409, judged(None), Verdict::InDoubt, Some(FailureKind::Service));
    check(200, judged(None), Verdict::InDoubt, Some(FailureKind::Body));
    let gone = Judgement { meaning: Some(Gone), leads_to_gone: true, ..Judgement::default() };
    check(404, Body::Judged(Box::new(gone)), Verdict::Done(Outcome::Unchanged), None);
    let distrust = Some("the answer is for another id: 43".to_owned());
    let other = Judgement { meaning: Some(Done), distrust, ..Judgement::default() };
    check(200, Body::Judged(Box::new(other)), Verdict::InDoubt, Some(FailureKind::Body));
}

#[test]
fn counts_of_an_answer_for_another_id_are_shown_and_not_believed() {
    let counted = Judgement {
        meaning: Some(AnswerMeaning::Counted),
        result: ActionResult { id: Some("another".into()), ..result(3, 0, 3) },
        ..Judgement::default()
    };
    let built_in =
        classify(&id(), &Answer::Response(response(200, Body::Result(counted.result.clone()))));
    let by_file =
        classify(&id(), &Answer::Response(response(200, Body::Judged(Box::new(counted)))));
    assert_eq!(built_in, by_file);
    assert!(by_file.counts.is_some());
}

#[test]
fn no_rule_is_for_what_the_next_proxy_asks() {
    for meaning in [None, Some(AnswerMeaning::Done), Some(AnswerMeaning::Refused)] {
        let judged = Judgement { meaning, ..Judgement::default() };
        let answer = Answer::Response(response(407, Body::Judged(Box::new(judged))));
        assert_eq!(classify(&id(), &answer).verdict, Verdict::ProxyRefused);
        assert_eq!(classify_read(&answer).verdict, Verdict::ProxyRefused);
    }
}

#[test]
fn what_is_gone_after_a_doubted_deletion_was_deleted() {
    let again = |status, code| {
        let answer = Answer::Response(response(status, error(code, "")));
        classify_repeated_deletion(&id(), &answer)
    };
    let deleted =
        Finding { verdict: Verdict::Done(Outcome::Succeeded), counts: None, failure: None };
    for code in ["VIAS.00010007", "VIAS.00010008"] {
        let first = classify(&id(), &Answer::Response(response(400, error(code, ""))));
        assert_eq!(first.verdict, Verdict::Refused);
        assert_eq!(again(400, code), deleted, "{code}");
    }
    // Another refusal, another author of the same number, and no refusal at all.
    for (status, code) in [(400, "VIAS.00010012"), (400, "APIGW.0007"), (500, "VIAS.00010007")] {
        assert_ne!(again(status, code), deleted, "{code}");
    }
}

#[test]
fn a_response_alone_has_a_status_and_a_wait() {
    let retry_after = Some(Duration::from_secs(7));
    let answer = Answer::Response(Response { retry_after, ..response(429, error("", "")) });
    assert_eq!((answer.status(), answer.retry_after()), (Some(429), retry_after));
    let answer = Answer::Panicked("a defect".into());
    assert_eq!((answer.status(), answer.retry_after()), (None, None));
}
