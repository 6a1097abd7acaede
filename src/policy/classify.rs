//! Decides what an answer means for its task.
//!
//! Uses the HTTP status and the last four digits of the error code, because the prefixes differ
//! between the gateway's generations. Every uncertain answer is in doubt (see `docs/GLOSSARY.md`):
//! a wrong "failed" makes an operator start a running camera group twice.

use crate::policy::answer::{
    ActionResult, Answer, Body, Delivery, Judgement, NoResponse, Response, ServiceError,
};
use crate::policy::judgement::AnswerMeaning;
use crate::policy::retry_after::window_in_message;
use crate::task::{Counts, Failure, FailureKind, Outcome, TaskId};
use std::time::Duration;

/// The meaning of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The service carried the command out, with this outcome.
    Done(Outcome),
    /// No byte of the attempt left this machine.
    NeverLeft,
    /// The service wants fewer calls.
    Throttled {
        /// The wait that it asks for, if any.
        hold: Option<Duration>,
    },
    /// The command may have been carried out; no trustworthy answer confirms it.
    InDoubt,
    /// The credentials were refused; the command was not carried out.
    Unauthorised,
    /// The proxy refused to pass calls on; none of them can reach the service.
    ProxyRefused,
    /// The service or its gateway refused this call, and would refuse it again.
    Refused,
    /// The service failed for now, and did not carry the command out.
    Transient,
    /// The call panicked on this side; it may have reached the service.
    Panicked,
}

/// A verdict, with the details that reports show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The meaning of the answer.
    pub verdict: Verdict,
    /// The counts from the service.
    pub counts: Option<Counts>,
    /// The reason if the attempt did not fully succeed.
    pub failure: Option<Failure>,
}

impl Finding {
    fn failed(verdict: Verdict, failure: Failure) -> Self {
        Self { verdict, counts: None, failure: Some(failure) }
    }
}

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

/// Decides what a judgement by the rules of a file comes to, in the words that VIAS's answers have.
fn judged(id: &TaskId, status: u16, judgement: &Judgement) -> Finding {
    let error = &judgement.error;
    let doubt = |message: String| {
        Finding::failed(Verdict::InDoubt, Failure::seen(FailureKind::Body, message))
    };
    let failed = |verdict| {
        let error_list = judgement.result.error_list.clone();
        let failure = Failure { error_list, ..described(status, verdict, error.clone()) };
        Finding::failed(verdict, failure)
    };
    let done = |outcome| Finding { verdict: Verdict::Done(outcome), counts: None, failure: None };
    if let Some(reason) = &judgement.distrust {
        return doubt(reason.clone());
    }
    let has_error = !error.code.is_empty() || !error.message.is_empty();
    let contradicts = has_error && complete_counts(&judgement.result).is_none();
    match judgement.meaning {
        Some(AnswerMeaning::Done) => done(Outcome::Succeeded),
        Some(AnswerMeaning::Counted) if contradicts => {
            doubt(format!("status {status} came with an error: {} {}", error.code, error.message))
        }
        Some(AnswerMeaning::Counted) => action_result(id, &judgement.result),
        Some(AnswerMeaning::Gone) if judgement.leads_to_gone => done(Outcome::Unchanged),
        Some(AnswerMeaning::Unchanged) => done(Outcome::Unchanged),
        Some(AnswerMeaning::Gone | AnswerMeaning::Refused) => failed(Verdict::Refused),
        Some(AnswerMeaning::Throttled) => failed(Verdict::Throttled { hold: judgement.wait }),
        Some(AnswerMeaning::Unauthorised) => failed(Verdict::Unauthorised),
        Some(AnswerMeaning::Transient) => failed(Verdict::Transient),
        // A 2xx status with what no rule is for: neither success nor an error of the service.
        None if (200..300).contains(&status) => doubt(match has_error {
            true => format!("status {status}: {} {}", error.code, error.message),
            false => format!("no rule is for this answer with status {status}"),
        }),
        Some(AnswerMeaning::InDoubt) | None => failed(Verdict::InDoubt),
    }
}

/// Decides what the rules of a file make of an answer that should have been a state, or a page of
/// them.
fn judged_reading(status: u16, judgement: &Judgement) -> Finding {
    let verdict = match judgement.meaning {
        Some(AnswerMeaning::Throttled) => Verdict::Throttled { hold: judgement.wait },
        Some(AnswerMeaning::Unauthorised) => Verdict::Unauthorised,
        Some(AnswerMeaning::Refused | AnswerMeaning::Gone) => Verdict::Refused,
        Some(
            AnswerMeaning::Transient
            | AnswerMeaning::InDoubt
            | AnswerMeaning::Done
            | AnswerMeaning::Counted
            | AnswerMeaning::Unchanged,
        )
        | None => Verdict::Transient,
    };
    Finding::failed(verdict, described(status, verdict, judgement.error.clone()))
}

/// Settles from the counts, if they are complete, add up and belong to this task.
fn action_result(id: &TaskId, result: &ActionResult) -> Finding {
    // The counts are kept even if the answer is distrusted, because reports show them.
    let counts = complete_counts(result);
    let distrust = |message: String| Finding {
        verdict: Verdict::InDoubt,
        counts,
        failure: Some(Failure {
            error_list: result.error_list.clone(),
            ..Failure::seen(FailureKind::Body, message)
        }),
    };
    // An answer without an id is believed, because no field is guaranteed. Another id shows that
    // the answer belongs to another call.
    if let Some(other) = result.id.as_deref().filter(|&other| other != id.as_str()) {
        return distrust(format!("the answer is for another id: {other}"));
    }
    let Some(counts) = counts else {
        let given = [result.total, result.failed, result.succeeded].iter().flatten().count();
        let message = match given {
            0 | 1 => "the answer lacks its counts",
            _ => "the counts of the answer contradict each other",
        };
        return distrust(message.into());
    };
    match counts.outcome() {
        None => distrust(format!(
            "the counts do not add up: total {}, failed {}, succeeded {}",
            counts.total, counts.failed, counts.succeeded
        )),
        Some(outcome) => Finding {
            verdict: Verdict::Done(outcome),
            counts: Some(counts),
            failure: (!outcome.is_good()).then(|| sub_tasks_failed(counts, result)),
        },
    }
}

/// Returns the three counts; a missing one follows from the other two.
fn complete_counts(result: &ActionResult) -> Option<Counts> {
    // Checked arithmetic, because counts from outside may be as large as they like.
    let (total, failed, succeeded) = match (result.total, result.failed, result.succeeded) {
        (Some(total), Some(failed), Some(succeeded)) => (total, failed, succeeded),
        (None, Some(failed), Some(succeeded)) => {
            (failed.checked_add(succeeded)?, failed, succeeded)
        }
        (Some(total), None, Some(succeeded)) => (total, total.checked_sub(succeeded)?, succeeded),
        (Some(total), Some(failed), None) => (total, failed, total.checked_sub(failed)?),
        (_, _, _) => return None,
    };
    // A negative count makes the other two worthless as well.
    Some(Counts {
        total: u64::try_from(total).ok()?,
        failed: u64::try_from(failed).ok()?,
        succeeded: u64::try_from(succeeded).ok()?,
    })
}

fn sub_tasks_failed(counts: Counts, result: &ActionResult) -> Failure {
    let message = match counts.succeeded {
        0 => "all sub-tasks failed",
        _ => "some sub-tasks failed",
    };
    Failure {
        error_list: result.error_list.clone(),
        ..Failure::seen(FailureKind::Service, message)
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
        (407, _) => Verdict::ProxyRefused,
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

/// Returns the last four digits of a code, or nothing if it does not end in four digits.
fn code_suffix(code: &str) -> &str {
    let start = code.len().saturating_sub(4);
    code.get(start..).filter(|tail| tail.bytes().all(|b| b.is_ascii_digit())).unwrap_or("")
}

/// Returns what helps against a refusal of the service that is the same for every call.
fn own_advice(code: &str) -> Option<&'static str> {
    if !is_service_code(code) {
        return None;
    }
    // The service writes some of these codes with seven digits and some with eight.
    match code_suffix(code) {
        "0046" => Some(
            "The service is not enabled here: the main account has to open its console in this \
             region once.",
        ),
        "0047" => {
            Some("Delete video sources that nobody needs, or ask for a larger quota of them.")
        }
        "0048" => {
            Some("Stop or delete tasks that nobody needs, or ask for a larger quota of them.")
        }
        "0050" => Some("Free a resource pool, or ask for a larger quota of pools."),
        "0051" => Some("There is something with this name or key already: change one of the two."),
        _ => None,
    }
}

fn is_service_code(code: &str) -> bool {
    code.starts_with("VIAS.")
}

fn is_gateway_code(code: &str) -> bool {
    // The gateway's generations differ in their prefixes.
    ["APIGW.", "APIG.", "APIC."].iter().any(|prefix| code.starts_with(prefix))
}

fn described(status: u16, verdict: Verdict, error: ServiceError) -> Failure {
    let message = match (error.message.is_empty(), error.detail.is_empty()) {
        (false, _) => error.message,
        // In some errors the detail alone says what is wrong.
        (true, false) => error.detail.clone(),
        (true, true) => format!("status {status} without an error message"),
    };
    let advice = match own_advice(&error.code) {
        Some(own) if error.advice.trim().is_empty() => own.to_owned(),
        Some(_) | None => error.advice,
    };
    Failure {
        kind: kind_of(status, verdict),
        code: error.code,
        message,
        detail: error.detail,
        params: error.params,
        reason: error.reason,
        advice,
        error_list: Vec::new(),
    }
}

fn kind_of(status: u16, verdict: Verdict) -> FailureKind {
    match (verdict, status) {
        (Verdict::Throttled { .. }, _) => FailureKind::Throttled,
        // A 403 means missing rights, which belong to the credentials.
        (Verdict::Unauthorised, _) | (_, 401 | 403) => FailureKind::Auth,
        (Verdict::Refused, _) => FailureKind::Refused,
        (_, 504) => FailureKind::Timeout,
        (_, _) => FailureKind::Service,
    }
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
