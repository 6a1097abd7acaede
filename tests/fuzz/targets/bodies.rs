//! Bodies of VIAS, its gateway and IAM: read the same in any parts; a condensed copy stays JSON.

#![no_main]

mod common;

#[allow(dead_code, reason = "the library uses the rest")]
#[path = "../../../src/api/body.rs"]
mod body;
#[path = "common/redactor.rs"]
mod redactor;
#[path = "common/text.rs"]
mod text;
#[allow(dead_code, reason = "the library uses the rest")]
#[path = "../../../src/api/wire.rs"]
mod wire;

use batchctl::policy::{self, Answer, Body, Response, classify};
use batchctl::task::{Outcome, TaskId};
use body::BodyBuffer;
use libfuzzer_sys::fuzz_target;
use redactor::Redactor;
use serde::de::IgnoredAny;
use text::json as json_text;

fn kept(bytes: &[u8], verbatim: usize, part: usize) -> Vec<u8> {
    let mut buffer = BodyBuffer::keeping(verbatim);
    for part in bytes.chunks(part) {
        buffer.push(part).expect("no input is that long");
    }
    buffer.bytes().into_owned()
}

fuzz_target!(|data: &[u8]| {
    let (status, rest) = common::choice(data);
    let (part, bytes) = common::choice(rest);
    let status = [200, 201, 202, 299, 400, 401, 403, 404, 409, 429, 500, 503][status % 12];
    let redactor = Redactor::default();
    let cut = (part & 1 == 1).then_some("the answer broke off");
    let body = wire::read_body(status, bytes, cut, &redactor);
    assert_eq!(body, wire::read_body(status, bytes, cut, &redactor));
    let id: TaskId = "gate-1".parse().expect("an id");
    let (request_id, retry_after, rate_hint) = (None, None, None);
    let finding = classify(
        &id,
        &Answer::Response(Response {
            status,
            request_id,
            retry_after,
            rate_hint,
            body: body.clone(),
        }),
    );
    // An error is none of a success, and nothing unreadable is either.
    let is_done = matches!(finding.verdict, policy::Verdict::Done(Outcome::Succeeded));
    assert!(
        !is_done || (status < 300 && matches!(body, Body::Result(_))),
        "{finding:?} of {body:?}"
    );

    let part = 1 + part % 16;
    let condensed = kept(bytes, 16, bytes.len().max(1));
    assert_eq!(condensed, kept(bytes, 16, part));
    assert_eq!(kept(bytes, usize::MAX, part), bytes);
    if serde_json::from_slice::<IgnoredAny>(bytes).is_ok() {
        let copy = serde_json::from_slice::<IgnoredAny>(&condensed);
        assert!(copy.is_ok(), "{}", String::from_utf8_lossy(&condensed));
    }
});
