//! Decides what an answer means for its task.
//!
//! Uses the HTTP status and the last four digits of the error code, because the prefixes differ
//! between the gateway's generations. Every uncertain answer is in doubt (see `docs/GLOSSARY.md`):
//! a wrong "failed" makes an operator start a running camera group twice.

use crate::policy::answer::{Answer, Body, Delivery, NoResponse, Response, ServiceError};
use crate::policy::finding::{
    Finding, PROXY_ASKS, Verdict, action_result, code_suffix, described, is_service_code,
    own_advice,
};
use crate::policy::judged::{judged, judged_reading};
use crate::policy::retry_after::window_in_message;
use crate::task::{Failure, FailureKind, Outcome, TaskId};
use std::time::Duration;

/// Decides what `answer` means for the task `id`.
///
/// The classes are those of `ARCHITECTURE.md`, "What an answer means"; the codes are from the
/// public error tables of the service (VIAS) and its API gateway.
pub fn classify(id: &TaskId, answer: &Answer) -> Finding {
    match answer {
        Answer::NoResponse(gone) => no_response(gone),
        Answer::Panicked(message) => {
            let message = format!("the call panicked: {message}");
            Finding::failed(Verdict::Panicked, Failure::seen(FailureKind::Body, message))
        }
        Answer::Response(response) => match (&response.body, response.status) {
            (Body::Judged(judgement), status) => judged(id, status, judgement),
            (_, 200..=299) => success_status(id, response),
            (_, status) => error_status(status, response),
        },
    }
}

/// Decides what `answer` means for a deletion that a run before left in doubt: what does not exist
/// any more was deleted.
pub fn classify_repeated_deletion(id: &TaskId, answer: &Answer) -> Finding {
    let finding = classify(id, answer);
    let code = finding.failure.as_ref().map_or("", |failure| &failure.code);
    let is_gone = matches!(code_suffix(code), "0007" | "0008") && is_service_code(code);
    if finding.verdict == Verdict::Refused && is_gone {
        let verdict = Verdict::Done(Outcome::Succeeded);
        return Finding { verdict, counts: None, failure: None };
    }
    finding
}

/// Decides what an answer means that should have been a page of a list.
///
/// Reading changes nothing on the service, so an unusable 2xx answer is transient, not in doubt.
pub fn classify_read(answer: &Answer) -> Finding {
    match answer {
        Answer::Response(Response { status, body: Body::Judged(judgement), .. }) => {
            judged_reading(*status, judgement)
        }
        Answer::Response(response) if (200..300).contains(&response.status) => {
            let seen = match &response.body {
                Body::Error(error) => format!("{} {}", error.code, error.message),
                Body::Unreadable(seen) => seen.clone(),
                Body::Result(_) | Body::Judged(_) => "the answer is no list".into(),
            };
            Finding::failed(Verdict::Transient, Failure::seen(FailureKind::Body, seen))
        }
        Answer::Response(response) => error_status(response.status, response),
        Answer::NoResponse(gone) => no_response(gone),
        Answer::Panicked(message) => {
            Finding::failed(Verdict::Panicked, Failure::seen(FailureKind::Body, message.clone()))
        }
    }
}

fn no_response(gone: &NoResponse) -> Finding {
    let verdict = match gone.delivery {
        Delivery::NeverLeft => Verdict::NeverLeft,
        // Sending again would find the same.
        Delivery::NeverMade => Verdict::Refused,
        Delivery::ProxyRefused => Verdict::ProxyRefused,
        Delivery::Possible => Verdict::InDoubt,
    };
    Finding::failed(verdict, Failure::seen(gone.kind, gone.message.clone()))
}

fn success_status(id: &TaskId, response: &Response) -> Finding {
    let distrust = |message: String| {
        Finding::failed(Verdict::InDoubt, Failure::seen(FailureKind::Body, message))
    };
    match &response.body {
        Body::Result(result) => action_result(id, result),
        // A 2xx status with an error contradicts itself, so neither is believed.
        Body::Error(error) => distrust(format!(
            "status {} came with an error: {} {}",
            response.status, error.code, error.message
        )),
        Body::Unreadable(seen) => distrust(seen.clone()),
        Body::Judged(judgement) => judged(id, response.status, judgement),
    }
}

fn error_status(status: u16, response: &Response) -> Finding {
    let error = match &response.body {
        Body::Error(error) => error.clone(),
        // The status decides here; a body that looks like a result explains nothing.
        Body::Result(_) | Body::Judged(_) => ServiceError::default(),
        Body::Unreadable(seen) => ServiceError { message: seen.clone(), ..Default::default() },
    };
    let verdict = error_verdict(status, response.retry_after, &error);
    Finding::failed(verdict, described(status, verdict, error))
}

/// Classifies an error answer by its status and by the last four digits of its code.
///
/// | status | verdict | source |
/// |---|---|---|
/// | 401 | credentials | RFC 9110, 15.5.2, whatever the body says; gateway 0301 and 0307 |
/// | 407 | the proxy refused | RFC 9110, 15.5.8: the next proxy asks who calls |
/// | 429, any with 0308 | throttled | RFC 6585, 4; gateway 0308 |
/// | 503 of the gateway or with a wait | throttled | RFC 9110, 15.6.4 |
/// | 500 VIAS 0023 | credentials | VIAS error codes |
/// | 500 VIAS 0009, 0016, 0020, 0037 | send again | VIAS error codes: a service behind it failed |
/// | 500 VIAS 0012 | refused | VIAS error codes: not allowed |
/// | VIAS 0046, 0047, 0048, 0050, 0051 | refused | VIAS error codes: not enabled, quotas, a constraint |
/// | 408 | send again | RFC 9110, 15.5.9: the request did not arrive whole |
/// | 421 | send again | RFC 9110, 15.5.20: over another connection |
/// | 425 | send again | RFC 8470, 5.2: the request was not processed |
/// | 511 | send again | RFC 6585, 6: from a network in between, not from the service |
/// | other 503 | send again | RFC 9110, 15.6.4: not handled for now |
/// | 501, 505 | refused | RFC 9110, 15.6.2 and 15.6.6: not supported, so not carried out |
/// | 1xx, other 5xx and above | in doubt | the failure may have come after the command |
/// | 3xx, other 4xx | refused | RFC 9110, 15.4 and 15.5: a redirect is not followed |
fn error_verdict(status: u16, retry_after: Option<Duration>, error: &ServiceError) -> Verdict {
    let throttled =
        || Verdict::Throttled { hold: retry_after.or_else(|| window_in_message(&error.message)) };
    // The order of the arms matters: throttling comes before the generic 5xx, and the service's
    // own codes come before the gateway's meaning of the same status.
    match (status, code_suffix(&error.code)) {
        (401, _) => Verdict::Unauthorised,
        (PROXY_ASKS, _) => Verdict::ProxyRefused,
        (429, _) | (_, "0308") => throttled(),
        (500, "0023") if is_service_code(&error.code) => Verdict::Unauthorised,
        (500, "0012") if is_service_code(&error.code) => Verdict::Refused,
        // Whatever the status: sending again changes neither a quota nor what is enabled.
        (400.., _) if own_advice(&error.code).is_some() => Verdict::Refused,
        (500, "0009" | "0016" | "0020" | "0037") if is_service_code(&error.code) => {
            Verdict::Transient
        }
        (503, _) if retry_after.is_some() || is_gateway_code(&error.code) => throttled(),
        // The request was not forwarded to a backend, so the command was not carried out.
        (408 | 421 | 425 | 503 | 511, _) => Verdict::Transient,
        (501 | 505, _) => Verdict::Refused,
        // The service may have failed after it had carried the command out.
        (..200 | 500.., _) => Verdict::InDoubt,
        (_, _) => Verdict::Refused,
    }
}

fn is_gateway_code(code: &str) -> bool {
    // The gateway's generations differ in their prefixes.
    ["APIGW.", "APIG.", "APIC."].iter().any(|prefix| code.starts_with(prefix))
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
