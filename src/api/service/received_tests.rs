//! A success that is judged as it came is judged as the same one without secrets.

use super::*;
use crate::policy::{Body, Response};
use crate::service::ServiceFile;
use proptest::prelude::*;
use std::time::Duration;

const FILES: [&str; 4] = [
    include_str!("../../../examples/services/vias.toml"),
    include_str!("../../../examples/services/keystone-users.toml"),
    include_str!("../../../examples/services/nova-servers.toml"),
    include_str!("../../../examples/services/generic-rest.toml"),
];
const NOW: SystemTime = SystemTime::UNIX_EPOCH;
const ID: &str = "gate-1";

fn received(status: u16, headers: &[(&str, &str)], body: &str) -> Received {
    let header = |&(name, value): &(&str, &str)| {
        (HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    let headers = headers.iter().map(header).collect();
    Received { status, headers, body: body.into(), missing: None, advice: None }
}

/// Returns what is made of an answer to each action of a file: as it came if that is enough, and
/// without secrets.
fn both(
    file: &str,
    redactor: &Redactor,
    answer: impl Fn() -> Received,
) -> Vec<(Option<Answer>, Answer)> {
    let service = ServiceFile::read(file).unwrap().service;
    let (id, named) = (ID.parse().unwrap(), NamedHeaders::of_service(&service));
    let judge = AnswerJudge { service: &service, named: &named, redactor, now: NOW };
    let each = |action| {
        let plain = judge.plain_success(action, &id, &answer());
        (plain, judged_answer(&service, action, &answer().seen(redactor), NOW))
    };
    service.actions.iter().map(each).collect()
}

#[track_caller]
fn response(redactor: &Redactor, answer: impl Fn() -> Received) -> Response {
    let service = ServiceFile::read(FILES[0]).unwrap().service;
    let (id, named) = (ID.parse().unwrap(), NamedHeaders::of_service(&service));
    let judge = AnswerJudge { service: &service, named: &named, redactor, now: NOW };
    match judge.judge(&service.actions[0], &id, answer()) {
        Answer::Response(response) => response,
        other => panic!("{other:?}"),
    }
}

fn judgement(response: &Response) -> &Judgement {
    match &response.body {
        Body::Judged(judgement) => judgement,
        other => panic!("{other:?}"),
    }
}

fn redactor() -> Redactor {
    let redactor = Redactor::default();
    redactor.learn("token", "MIIF+secret/token==");
    redactor
}

#[test]
fn a_success_with_its_own_id_is_judged_as_it_came() {
    let plain = |file: &str, status, body: &str| {
        let found = both(file, &redactor(), || received(status, &[], body));
        found.iter().all(|(plain, seen)| plain.as_ref() == Some(seen))
    };
    let counted = r#"{"total_count":1,"failed_count":0,"succeed_count":1,"id":"gate-1"}"#;
    assert!(plain(FILES[0], 200, counted));
    assert!(plain(FILES[1], 200, r#"{"user":{"id":"gate-1","enabled":false}}"#));
    assert!(plain(FILES[2], 202, ""));
}

#[test]
fn the_headers_that_tell_something_are_those_that_are_looked_at() {
    let body = r#"{"total_count":1,"failed_count":0,"succeed_count":1}"#;
    let headers = [
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("server", "nginx"),
        ("x-request-id", "r-1 MIIF+secret/token=="),
        ("ratelimit-policy", "\"user\";q=100;w=60"),
    ];
    let found = response(&redactor(), || received(200, &headers, body));
    assert_eq!(found.request_id.as_deref(), Some("r-1 [token]"));
    assert_eq!(found.rate_hint.unwrap().quota.unwrap().limit, 100);
    let date = "Sun, 06 Nov 1994 08:49:57 GMT";
    let waits = [headers[0], ("retry-after", date)];
    let found = response(&redactor(), || received(200, &waits, body));
    assert_eq!(found.retry_after, Some(Duration::from_secs(20)));
}

#[test]
fn no_text_that_is_kept_holds_a_secret() {
    for (status, body) in [
        (200, r#"{"total_count":1,"id":"MIIF+secret/token==","error_list":[]}"#),
        (200, r#"{"total_count":1,"error_list":["MIIF+secret/token=="]}"#),
        (200, r#"{"total_count":1,"request_id":"MIIF+secret/token=="}"#),
        (200, r#"{"error_code":"MIIF+secret/token==","error_msg":"MIIF+secret/token=="}"#),
        (200, r#"{"total_count":1,"total_count":"MIIF+secret/token=="}"#),
        (200, "MIIF+secret/token=="),
        (404, r#"{"error_code":"a","error_msg":"MIIF+secret/token=="}"#),
        (404, r#"{"a":"MIIF+secret/token=="}"#),
    ] {
        let found = format!("{:?}", response(&redactor(), || received(status, &[], body)));
        assert!(!found.contains("MIIF") && found.contains("[token]"), "{body}: {found}");
    }
}

#[test]
fn a_secret_that_is_spelt_as_a_field_hides_no_count() {
    let redactor = redactor();
    redactor.learn("password", "total_count");
    let body = r#"{"total_count":3,"failed_count":1}"#;
    let found = response(&redactor, || received(200, &[], body));
    assert_eq!(judgement(&found).result.total, Some(3));
}

#[test]
fn an_answer_that_broke_off_is_not_judged_as_it_came() {
    let cut = || Received {
        missing: Some("it broke off at MIIF+secret/token==".into()),
        ..received(200, &[], r#"{"total_count":1,"fail"#)
    };
    let found = response(&redactor(), cut);
    assert_eq!(judgement(&found).meaning, None);
    assert_eq!(judgement(&found).error.message, "it broke off at [token]");
}

proptest! {
    #[test]
    fn whatever_is_judged_as_it_came_is_judged_alike_without_secrets(
        file in prop::sample::select(FILES.to_vec()),
        status in prop_oneof![Just(200_u16), Just(202), 200_u16..600],
        fields in prop::collection::vec(prop::sample::select(vec![
            r#""total_count":1"#, r#""total_count":2"#, r#""failed_count":0"#,
            r#""succeed_count":1"#, r#""id":"gate-1""#, r#""id":"gate-2""#, r#""id":7"#,
            r#""error_list":[]"#, r#""error_list":["a"]"#, r#""error_list":null"#,
            r#""error_code":"VIAS.0012""#, r#""message":"locked""#, r#""request_id":"r""#,
            r#""error":{"message":"m"}"#, r#""user":{"id":"gate-1"}"#, r#""x":[{"y":{}}]"#,
        ]), 0..6),
        ends in prop::sample::select(vec![["{", "}"], ["[{", "}]"], ["{", ""], ["", ""], ["\u{feff}{", "} x"]]),
        headers in prop::collection::vec(prop::sample::select(vec![
            ("retry-after", "7"), ("retry-after", "soon"), ("x-request-id", "r-1"), ("server", "x"),
            ("x-ratelimit-limit", "9"), ("x-ratelimit-remaining", "3"), ("content-encoding", "gzip"),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("x-openstack-request-id", "r-2"),
        ]), 0..5),
    ) {
        let body = format!("{}{}{}", ends[0], fields.join(","), ends[1]);
        for (plain, seen) in both(file, &redactor(), || received(status, &headers, &body)) {
            if let Some(plain) = plain {
                prop_assert_eq!(plain, seen, "{} {}", status, body);
            }
        }
    }
}
