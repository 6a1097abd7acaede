//! The file of VIAS decides as the built-in service does: the same verdicts, counts and words.

use super::judged_answer;
use crate::api::redactor::Redactor;
use crate::api::wire::read_body;
use crate::policy::{
    Answer, Body, Finding, Response, ServiceError, Verdict, classify, retry_after,
};
use crate::service::{SeenAnswer, Service, ServiceFile, VIAS};
use crate::task::TaskId;
use std::time::{Duration, SystemTime};

const ID: &str = "0d47bbf52962414bb7ae27fb6ea24230";
const NOW: SystemTime = SystemTime::UNIX_EPOCH;

/// Every status that either treats by itself, with its neighbours.
const STATUSES: [u16; 36] = [
    200, 201, 204, 299, 300, 302, 307, 399, 400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 418,
    421, 422, 425, 426, 429, 451, 499, 500, 501, 502, 503, 504, 505, 506, 511, 512, 599,
];

/// Codes of the service, its gateway and IAM, and such that only resemble them.
const CODES: [&str; 24] = [
    "",
    "VIAS.00010009",
    "VIAS.00010012",
    "VIAS.00010016",
    "VIAS.00010020",
    "VIAS.00010023",
    "VIAS.00010037",
    "VIAS.0010046",
    "VIAS.00010047",
    "VIAS.00010048",
    "VIAS.00010050",
    "VIAS.00010051",
    "VIAS.00010099",
    "APIGW.0301",
    "APIGW.0307",
    "APIGW.0308",
    "APIG.0308",
    "APIC.0101",
    "APIGW.0201",
    "IAM.0012",
    "APIGW.0012",
    "VIAS.0308",
    "OTHER.0023",
    "VIAS.x",
];

fn vias() -> Service {
    ServiceFile::read(VIAS.1).unwrap().service
}

/// Returns what the built-in service and its file make of one answer.
fn both(service: &Service, status: u16, wait: Option<&str>, body: &str) -> [Finding; 2] {
    let id: TaskId = ID.parse().unwrap();
    let read = match status {
        300..400 => Body::Error(ServiceError::redirected(status, None)),
        _ => read_body(status, body.as_bytes(), None, &Redactor::default()),
    };
    let retry_after = wait.and_then(|wait| retry_after(wait, None, NOW));
    let built_in = Response { status, request_id: None, retry_after, rate_hint: None, body: read };
    let headers = wait.map(|wait| ("Retry-After".to_owned(), wait.to_owned()));
    let seen = SeenAnswer::new(status, headers.into_iter().collect(), body.as_bytes());
    let by_file = judged_answer(service, service.action("start").unwrap(), &seen, NOW);
    [classify(&id, &Answer::Response(built_in)), classify(&id, &by_file)]
}

#[test]
fn every_status_with_every_code_is_decided_alike() {
    let service = vias();
    // A code in the body of a redirect counts where a file says so, and for VIAS it does not.
    for status in STATUSES.into_iter().filter(|status| !(300..400).contains(status)) {
        for code in CODES {
            for wait in [None, Some("7"), Some("soon")] {
                for message in ["some words", "policy user over ratelimit,limit:200,time:5 minute"]
                {
                    let body = format!(
                        r#"{{"error_code":"{code}","error_msg":"{message}","detail":"more",
                            "reason":"a","advice":""}}"#
                    );
                    let [built_in, by_file] = both(&service, status, wait, &body);
                    assert_eq!(built_in, by_file, "{status} {code} {wait:?} {message}");
                }
            }
        }
    }
}

#[test]
fn the_gateways_wait_is_read_from_its_message() {
    let message = "policy user over ratelimit,limit:200,time:5 minute";
    let body = format!(r#"{{"error_code":"APIGW.0308","error_msg":"{message}"}}"#);
    for found in both(&vias(), 429, None, &body) {
        assert_eq!(found.verdict, Verdict::Throttled { hold: Some(Duration::from_secs(300)) });
    }
}

#[test]
fn every_answer_with_counts_is_decided_alike() {
    let service = vias();
    let counts = ["", r#""total_count":3,"#, r#""total_count":-1,"#, r#""total_count":7,"#];
    let failed = ["", r#""failed_count":0,"#, r#""failed_count":1,"#, r#""failed_count":3,"#];
    let succeeded = ["", r#""succeed_count":3,"#, r#""succeed_count":2,"#, r#""succeed_count":0,"#];
    let ids = ["", r#""id":"0d47bbf52962414bb7ae27fb6ea24230","#, r#""id":"another","#];
    for status in [200, 201, 202, 299] {
        for total in counts {
            for failed in failed {
                for succeeded in succeeded {
                    for id in ids {
                        let body =
                            format!(r#"{{{total}{failed}{succeeded}{id}"error_list":["a"]}}"#);
                        let [built_in, by_file] = both(&service, status, None, &body);
                        assert_eq!(built_in, by_file, "{body}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_no_json_is_decided_alike() {
    let service = vias();
    for status in 200..600 {
        for body in ["", "<html>", "[]", "{}", "null", "{\"total_count\":1,\"total_count\":2}", "{"]
        {
            let [built_in, by_file] = both(&service, status, None, body);
            assert_eq!(built_in, by_file, "{status} {body}");
        }
    }
}
