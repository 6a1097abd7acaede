//! Tells why a task is not where the operator wants it, and what failures have in common.
//!
//! A cause is kind, HTTP status, code and the shape of the messages. Pure.

use crate::report::format::cut;
use crate::report::model::message_template::shape;
use crate::report::model::message_template::without_plurals;
use crate::store::TaskRow;
use crate::task::Failure;
use crate::task::FailureKind;
use crate::task::Outcome;
use std::sync::LazyLock;

/// How many bytes of a foreign text a group keeps.
const LONGEST_TEXT: usize = 2_000;

/// What failures of one cause have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Cause {
    /// Where they failed.
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
    pub(crate) fn of(task: &TaskRow, failure: &Failure) -> Self {
        let shape_of = |text: &str| without_plurals(&shape(kept(text), &task.id));
        Self {
            kind: failure.kind,
            http_status: task.last.as_ref().and_then(|last| last.http_status),
            code: kept(&failure.code).to_owned(),
            message: shape_of(&failure.message),
            sub_task: failure.error_list.first().map_or_else(String::new, |error| shape_of(error)),
        }
    }

    /// Tells whether sending a task again, as it is, may help.
    ///
    /// | kind | may help |
    /// |---|---|
    /// | `dns` `connect` `tls` `timeout` `reset` | yes: the network may be better |
    /// | `throttled` | yes: the service only wanted fewer calls |
    /// | `body` | yes: nothing trustworthy came back |
    /// | `service`, status 500 and above | yes: the service failed for now |
    /// | `service`, status 200 | no: it was carried out, and the failed sub-tasks have reasons |
    /// | `not_reached` `not_sent` | yes: the command did not arrive |
    /// | `refused` `auth` | no: the task, or the credentials, must change first |
    pub(crate) const fn may_be_gone_next_time(&self) -> bool {
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

/// Returns why a task is not where the operator wants it, if it is not.
pub(crate) fn failure_of(task: &TaskRow) -> Option<&Failure> {
    static NOT_SENT: LazyLock<Failure> = LazyLock::new(|| Failure::seen(FailureKind::NotSent, ""));
    // What was on the wire when its process died: the connection ended before an answer came.
    // What was left out with `--on-unknown skip`.
    static UNKNOWN: LazyLock<Failure> =
        LazyLock::new(|| Failure::seen(FailureKind::NotSent, "the project has no such batch task"));
    static NO_ANSWER: LazyLock<Failure> =
        LazyLock::new(|| Failure::seen(FailureKind::Reset, "no answer was recorded"));

    match task.outcome {
        Outcome::Succeeded | Outcome::Unchanged => None,
        Outcome::Failed if task.attempts == 0 => Some(&UNKNOWN),
        Outcome::NotAttempted => Some(&NOT_SENT),
        Outcome::Partial | Outcome::Failed | Outcome::Ambiguous => {
            let known = task.last.as_ref().and_then(|last| last.failure.as_ref());
            Some(known.unwrap_or(&NO_ANSWER))
        }
    }
}

/// Returns the failure of a task that was sent: one that was not is missing, and did not fail.
pub(crate) fn failure_of_sent(task: &TaskRow) -> Option<&Failure> {
    failure_of(task).filter(|_| task.outcome != Outcome::NotAttempted)
}

/// Returns what a group keeps of a text.
pub(crate) fn kept(text: &str) -> &str {
    cut(text, LONGEST_TEXT)
}
