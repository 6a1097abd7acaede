//! An answer as the engine takes it: judged by the rules of its service.

use crate::policy::{Answer, Body, Response, retry_after};
use crate::service::{Action, SeenAnswer, Service, judge};
use std::time::SystemTime;

/// Judges the answer to an action for an id, for `classify` to decide about.
pub fn judged_answer(
    service: &Service,
    action: &Action,
    id: &str,
    seen: &SeenAnswer,
    now: SystemTime,
) -> Answer {
    let judgement = judge(service, action, id, seen, now);
    let asked = seen.header("Retry-After");
    Answer::Response(Response {
        status: seen.status,
        request_id: judgement.request_id.clone(),
        retry_after: asked.and_then(|value| retry_after(value, seen.header("Date"), now)),
        rate_hint: None,
        body: Body::Judged(Box::new(judgement)),
    })
}
