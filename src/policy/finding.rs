//! What an answer comes to, and the words that answers of VIAS and of services of files share.

use crate::policy::answer::{ActionResult, ServiceError, for_another_id};
use crate::task::{Counts, Failure, FailureKind, Outcome, TaskId};
use std::time::Duration;

/// The status with which the next proxy asks who calls (RFC 9110, 15.5.8).
pub(super) const PROXY_ASKS: u16 = 407;

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
    pub(super) fn failed(verdict: Verdict, failure: Failure) -> Self {
        Self { verdict, counts: None, failure: Some(failure) }
    }
}

/// Settles from the counts, if they are complete, add up and belong to this task.
pub(super) fn action_result(id: &TaskId, result: &ActionResult) -> Finding {
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
        return distrust(for_another_id(other));
    }
    let Some(counts) = counts else {
        let message = match result.counts().count() {
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

/// Returns the last four digits of a code, or nothing if it does not end in four digits.
pub(super) fn code_suffix(code: &str) -> &str {
    let start = code.len().saturating_sub(4);
    code.get(start..).filter(|tail| tail.bytes().all(|b| b.is_ascii_digit())).unwrap_or("")
}

/// Returns what helps against a refusal of the service that is the same for every call.
pub(super) fn own_advice(code: &str) -> Option<&'static str> {
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

pub(super) fn is_service_code(code: &str) -> bool {
    code.starts_with("VIAS.")
}

pub(super) fn described(status: u16, verdict: Verdict, error: ServiceError) -> Failure {
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
