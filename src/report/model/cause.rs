//! Finds why a task is not where its command leads, and which failures share a cause.
//!
//! A cause is the kind, HTTP status, code and message template of a failure. Pure. See
//! `docs/GLOSSARY.md`: failure group, message template.

use crate::report::model::message_template::{template, without_plurals};
use crate::store::TaskRow;
use crate::task::{Failure, FailureKind, Outcome};
use crate::text::cut;
use std::sync::LazyLock;

/// The most bytes that a group keeps of a text of the service.
const MAX_TEXT_BYTES: usize = 2_000;

/// The part of a failure that is the same for all tasks with this cause.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Cause {
    /// At which step they failed.
    pub(crate) kind: FailureKind,
    /// The status of the last answer.
    pub(crate) http_status: Option<u16>,
    /// The code, empty if none was sent.
    pub(crate) code: String,
    message: String,
    sub_task: String,
}

impl Cause {
    /// Returns the cause of a task's failure.
    pub(crate) fn from_failure(task: &TaskRow, failure: &Failure) -> Self {
        // Cut first, so that what a report shows of a message decides alone which group it is in.
        let comparable = |text: &str| without_plurals(&template(kept(text), &task.id));
        Self {
            kind: failure.kind,
            http_status: task.last.as_ref().and_then(|last| last.http_status),
            code: kept(&failure.code).to_owned(),
            message: comparable(&failure.message),
            // The first sub-task alone: how many failed differs between tasks of one cause.
            sub_task: failure.error_list.first().map_or_else(String::new, |it| comparable(it)),
        }
    }

    /// Returns whether sending a task again, as it is, may help.
    ///
    /// | kind | may help |
    /// |---|---|
    /// | `dns` `connect` `tls` `timeout` `reset` | yes: the network may have recovered |
    /// | `throttled` | yes: the service only wanted fewer calls |
    /// | `body` | yes: the answer could not be trusted |
    /// | `service`, status 500 and above | yes: the service may have recovered |
    /// | `service`, status 200 | no: it was carried out, and the failed sub-tasks have reasons |
    /// | `not_reached` `not_sent` | yes: the command did not arrive |
    /// | `refused` `auth` | no: the task, or the credentials, must change first |
    pub(crate) const fn is_retryable(&self) -> bool {
        match self.kind {
            FailureKind::Dns
            | FailureKind::Connect
            | FailureKind::Tls
            | FailureKind::Timeout
            | FailureKind::Reset
            | FailureKind::Throttled
            | FailureKind::Body
            | FailureKind::NotReached
            | FailureKind::NotSent => true,
            FailureKind::Refused | FailureKind::Auth => false,
            FailureKind::Service => !matches!(self.http_status, Some(200..=299)),
        }
    }
}

/// Returns why a task is not where its command leads; `None` if it is there.
pub(crate) fn failure_of(task: &TaskRow) -> Option<&Failure> {
    static NOT_SENT: LazyLock<Failure> = LazyLock::new(|| Failure::seen(FailureKind::NotSent, ""));
    // Left out by `--on-unknown skip`.
    static UNKNOWN: LazyLock<Failure> =
        LazyLock::new(|| Failure::seen(FailureKind::NotSent, "the project has no such batch task"));
    // On the wire when its process died: the connection ended before an answer came.
    static NO_ANSWER: LazyLock<Failure> =
        LazyLock::new(|| Failure::seen(FailureKind::Reset, "no answer was recorded"));

    match task.outcome {
        Outcome::Succeeded | Outcome::Unchanged => None,
        // Only a task that the project does not know fails without an attempt.
        Outcome::Failed if task.attempts == 0 => Some(&UNKNOWN),
        Outcome::NotAttempted => Some(&NOT_SENT),
        Outcome::Partial | Outcome::Failed | Outcome::Ambiguous => {
            let known = task.last.as_ref().and_then(|last| last.failure.as_ref());
            Some(known.unwrap_or(&NO_ANSWER))
        }
    }
}

/// Returns the failure of a task, unless it was not attempted: such a task did not fail.
pub(crate) fn failure_of_sent(task: &TaskRow) -> Option<&Failure> {
    failure_of(task).filter(|_| task.outcome != Outcome::NotAttempted)
}

/// Returns the part of a text that a group keeps.
pub(crate) fn kept(text: &str) -> &str {
    cut(text, MAX_TEXT_BYTES)
}
