//! What the rules of files make of answers.

use super::*;
use crate::service::ServiceFile;
use proptest::prelude::*;

const SHOP: &str = r#"format = 1
endpoint = "https://shop.example.com"
auth = "bearer"
answer = [
  { status = "200..299", json = { "/ok" = false }, means = "refused" },
  { status = "200..299", means = "done" },
  { status = 409, code = "ALREADY", means = "unchanged" },
  { status = 409, text = "(?i)locked", means = "transient" },
  { status = [404, 422], means = "refused", advice = "Look whether it exists." },
  { status = 429, means = "throttled", wait = ["header Retry-After", "json /wait", "text in (?<wait>[0-9]+) (?<unit>[a-z]+)"] },
  { status = 503, asks_to_wait = true, means = "throttled" },
]
error = { within = ["", "/*"], code = "/code", message = ["/message", "/detail"], list = "/errors" }
request_id = ["header X-Request-Id", "json /request"]
[action.on]
method = "POST"
path = "/things/{id}/on"
answer_id = "/id"
"#;

#[track_caller]
fn judged(status: u16, headers: &[(&str, &str)], body: &str) -> Judgement {
    let service = ServiceFile::read(SHOP).unwrap().service;
    let headers = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    let answer = SeenAnswer::new(status, headers.collect(), body.as_bytes());
    judge(&service, &service.actions[0], &answer, SystemTime::UNIX_EPOCH)
}

#[track_caller]
fn check(status: u16, body: &str, expected: Option<AnswerMeaning>, line: Option<u64>) {
    let found = judged(status, &[], body);
    assert_eq!((found.meaning, found.rule), (expected, line), "{status} {body}");
}

#[test]
fn the_first_rule_that_matches_counts() {
    use AnswerMeaning::{Done, Refused, Transient, Unchanged};
    check(200, r#"{"ok":false}"#, Some(Refused), Some(5));
    check(200, r#"{"ok":true}"#, Some(Done), Some(6));
    check(204, "", Some(Done), Some(6));
    check(409, r#"{"code":"ALREADY"}"#, Some(Unchanged), Some(7));
    check(409, r#"{"error":{"code":"ALREADY"}}"#, Some(Unchanged), Some(7));
    check(409, r#"{"message":"it is Locked"}"#, Some(Transient), Some(8));
    check(409, "locked by another", Some(Transient), Some(8));
    check(422, "", Some(Refused), Some(9));
}

#[test]
fn what_matches_no_rule_is_in_doubt() {
    for (status, body) in [(409, "{}"), (500, ""), (302, ""), (418, "tea"), (503, "")] {
        check(status, body, None, None);
    }
    // A gateway's page is not the service's word that something was done.
    check(200, "<html>welcome</html>", None, None);
}

#[test]
fn a_good_meaning_needs_an_answer_of_its_own_that_says_one_thing() {
    let distrusted = |body: &str| judged(200, &[], body).distrusted("42");
    assert_eq!(distrusted(r#"{"id":"42"}"#), None);
    assert_eq!(distrusted(r#"{"id":42}"#), None);
    assert_eq!(distrusted("{}"), None);
    assert_eq!(distrusted(r#"{"id":"43"}"#).unwrap(), "the answer is for another id: 43");
    assert_eq!(distrusted(r#"{"id":"43","id":"42"}"#).unwrap(), {
        r#"no JSON is `{"id":"43","id":"42"}` (duplicate field `id`)"#
    });
    let encoded = judged(200, &[("Content-Encoding", "gzip")], "packed");
    assert_eq!(encoded.meaning, None);
    let announced = judged(200, &[("Content-Encoding", "gzip")], "{}");
    assert_eq!(announced.meaning, Some(AnswerMeaning::Done));
}

#[test]
fn the_first_wait_that_is_a_time_counts() {
    let wait = |headers: &[(&str, &str)], body: &str| judged(429, headers, body).wait;
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(wait(&[("retry-after", "7")], r#"{"wait":9}"#), seconds(7));
    assert_eq!(wait(&[("retry-after", "soon")], r#"{"wait":9}"#), seconds(9));
    assert_eq!(wait(&[], r#"{"message":"again in 2 minutes"}"#), seconds(120));
    assert_eq!(wait(&[], "again in 3 s"), seconds(3));
    assert_eq!(wait(&[], "again in 250 ms"), Some(Duration::from_millis(250)));
    assert_eq!(wait(&[], "again in 2 fortnights"), None);
    assert_eq!(wait(&[], ""), None);
    assert_eq!(judged(503, &[("Retry-After", "4")], "").meaning, Some(AnswerMeaning::Throttled));
}

#[test]
fn texts_of_an_error_are_the_services_own_unless_a_rule_knows_better() {
    let body = r#"{"error":{"code":7,"detail":"gone","errors":["a",{"b":1}]},"request":"r-1"}"#;
    let found = judged(404, &[], body);
    assert_eq!((found.error.code.as_str(), found.error.message.as_str()), ("7", "gone"));
    assert_eq!(found.error.advice, "Look whether it exists.");
    assert_eq!(found.result.error_list, ["a", r#"{"b":1}"#]);
    assert_eq!(found.request_id.as_deref(), Some("r-1"));
    let found = judged(404, &[("X-Request-Id", "h-1")], body);
    assert_eq!(found.request_id.as_deref(), Some("h-1"));
}

proptest! {
    /// Answers of some names, nested as deep as a service's file may look.
    #[test]
    fn no_error_is_missed_by_the_look_at_the_names(
        within in prop::sample::subsequence(vec!["''", "'/*'", "'/a'", "'/a/*'", "'/a/b'"], 1..=5),
        code in prop::sample::select(vec!["/c", "/a/c", ""]),
        body in r#"\{"(a|b|c|m)":("x"|""|1|\{"(a|b|c|m)":("x"|""|\{"(c|m|b)":"x"\})\}),"(c|m|z)":("x"|null)\}"#,
    ) {
        let error = format!("within = [{}], code = '{code}', message = '/m'", within.join(", "));
        let old = SHOP.lines().find(|line| line.starts_with("error = ")).unwrap();
        let file = SHOP.replace(old, &format!("error = {{ {error} }}"));
        let errors = ServiceFile::read(&file).unwrap().service.errors;
        let json: Value = serde_json::from_str(&body).unwrap();
        prop_assert!(errors.may_be_in(&json) || place_of_error(&errors, &json).is_none());
    }
}

#[test]
fn the_look_at_the_names_tells_of_a_plain_success_that_there_is_no_error() {
    let errors = ServiceFile::read(SHOP).unwrap().service.errors;
    let may_be_in = |json| errors.may_be_in(&json);
    assert!(!may_be_in(serde_json::json!({"id": "a", "total": 1, "list": []})));
    assert!(may_be_in(serde_json::json!({"id": "a", "more": {}})));
    assert!(may_be_in(serde_json::json!({"message": 7})));
    assert!(may_be_in(serde_json::json!(["no object"])));
}
