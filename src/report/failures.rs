//! Groups failures by their cause, so that ten thousand of seven causes are seven lines.
//!
//! A cause is kind, HTTP status, code and the shape of the message. Memory does not grow with
//! the number of failures: there are at most [`MOST_GROUPS`], and texts are cut.

use super::cut::cut;
use super::shape::shape;
use crate::store::TaskRow;
use crate::task::Failure;
use crate::task::FailureKind;
use crate::task::Outcome;
use crate::task::TaskId;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::LazyLock;

/// How many causes are told apart; whatever comes with yet another is counted together.
pub const MOST_GROUPS: usize = 1_000;
/// How many ids a group names.
const EXAMPLES: usize = 3;
/// How many bytes of a foreign text a group keeps.
const LONGEST_TEXT: usize = 2_000;

/// The failures of one cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureGroup {
    /// Where they failed; nothing for the group of all causes beyond [`MOST_GROUPS`].
    pub kind: Option<FailureKind>,
    /// The status of the last answer.
    pub http_status: Option<u16>,
    /// The code, empty if none was sent.
    pub error_code: String,
    /// The message of the first of them.
    pub error_msg: String,
    /// What the service said of the first failed sub-task of the first of them, or nothing.
    pub sub_task_error: String,
    /// The service's reason in the first of them, or nothing.
    pub reason: String,
    /// The service's advice in the first of them, or nothing.
    pub advice: String,
    /// How many tasks there are.
    pub count: u64,
    /// Whether sending them again, as they are, may help.
    pub retryable: bool,
    /// The first of them.
    pub examples: Vec<TaskId>,
}

/// Returns why a task is not where the operator wants it, if it is not.
pub(super) fn failure_of(task: &TaskRow) -> Option<&Failure> {
    static NOT_SENT: LazyLock<Failure> = LazyLock::new(|| Failure::seen(FailureKind::NotSent, ""));
    // What was on the wire when its process died: the connection ended before an answer came.
    static NO_ANSWER: LazyLock<Failure> =
        LazyLock::new(|| Failure::seen(FailureKind::Reset, "no answer was recorded"));

    match task.outcome {
        Outcome::Succeeded | Outcome::Unchanged => None,
        Outcome::NotAttempted => Some(&NOT_SENT),
        Outcome::Partial | Outcome::Failed | Outcome::Ambiguous => {
            let known = task.last.as_ref().and_then(|last| last.failure.as_ref());
            Some(known.unwrap_or(&NO_ANSWER))
        }
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
/// | `service`, status 200 | no: it was carried out, and the failed sub-tasks have their reasons |
/// | `not_reached` `not_sent` | yes: the command did not arrive |
/// | `refused` `auth` | no: the task, or the credentials, must change first |
const fn may_help(kind: FailureKind, http_status: Option<u16>) -> bool {
    match kind {
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
        FailureKind::Service => !matches!(http_status, Some(200..=299)),
    }
}

/// What failures of one cause have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Cause {
    kind: FailureKind,
    code: String,
    message: String,
    sub_task: String,
    http_status: Option<u16>,
}

/// Collects failures, task by task.
#[derive(Debug, Default)]
pub(super) struct FailureGroups {
    groups: HashMap<Cause, FailureGroup>,
    rest: Option<FailureGroup>,
}

impl FailureGroups {
    /// Adds a task, if it was sent and is not where the operator wants it.
    pub(super) fn add(&mut self, task: &TaskRow) {
        let Some(failure) = failure_of(task) else { return };
        if task.outcome == Outcome::NotAttempted {
            return;
        }
        let cause = cause(task, failure);
        let may_help = may_help(cause.kind, cause.http_status);
        let is_full = self.groups.len() >= MOST_GROUPS && !self.groups.contains_key(&cause);
        let group = if is_full {
            self.rest.get_or_insert_with(all_others)
        } else {
            self.groups.entry(cause).or_insert_with_key(|cause| opened(cause, failure))
        };
        group.count += 1;
        group.retryable |= may_help;
        if group.examples.len() < EXAMPLES {
            group.examples.push(task.id.clone());
        }
    }

    /// Returns the groups, the largest first; the one of all other causes comes last.
    pub(super) fn finish(self) -> Vec<FailureGroup> {
        let mut groups: Vec<(Cause, FailureGroup)> = self.groups.into_iter().collect();
        groups.sort_unstable_by(|(a, one), (b, other)| {
            (Reverse(one.count), a).cmp(&(Reverse(other.count), b))
        });
        groups.into_iter().map(|(_, group)| group).chain(self.rest).collect()
    }
}

fn cause(task: &TaskRow, failure: &Failure) -> Cause {
    let shape_of = |text: &str| shape(kept(text), &task.id);
    Cause {
        kind: failure.kind,
        code: kept(&failure.code).to_owned(),
        message: shape_of(&failure.message),
        sub_task: failure.error_list.first().map_or_else(String::new, |error| shape_of(error)),
        http_status: task.last.as_ref().and_then(|last| last.http_status),
    }
}

fn opened(cause: &Cause, failure: &Failure) -> FailureGroup {
    FailureGroup {
        kind: Some(cause.kind),
        http_status: cause.http_status,
        error_code: cause.code.clone(),
        error_msg: kept(&failure.message).to_owned(),
        sub_task_error: failure
            .error_list
            .first()
            .map_or_else(String::new, |error| kept(error).to_owned()),
        reason: kept(&failure.reason).to_owned(),
        advice: kept(&failure.advice).to_owned(),
        count: 0,
        retryable: false,
        examples: Vec::new(),
    }
}

fn all_others() -> FailureGroup {
    FailureGroup {
        kind: None,
        http_status: None,
        error_code: String::new(),
        error_msg: "all other causes".into(),
        sub_task_error: String::new(),
        reason: String::new(),
        advice: String::new(),
        count: 0,
        retryable: false,
        examples: Vec::new(),
    }
}

/// Returns what a group keeps of a text.
fn kept(text: &str) -> &str {
    cut(text, LONGEST_TEXT)
}
