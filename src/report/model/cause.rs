//! Finds why a task is not where its command leads, and which failures share a cause.
//!
//! A cause is the kind, HTTP status, code and the templates of message and detail. Pure. See
//! `docs/GLOSSARY.md`: failure group, message template.

use crate::reading::TaskRow;
use crate::report::model::message_template::{template, without_plurals};
use crate::task::{Failure, FailureKind, Outcome, StateWord, TaskState};
use crate::text::cut;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

/// The most bytes that a group keeps of a text of the service.
const MAX_TEXT_BYTES: usize = 2_000;

/// What is wrong with a task that `--on-unknown skip` left out.
const UNKNOWN_ID: &str = "the project has no such task";

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
    detail: String,
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
            // The service has errors in which this is the only text that says anything.
            detail: comparable(&failure.detail),
            // The first sub-task alone: how many failed differs between tasks of one cause.
            sub_task: failure.error_list.first().map_or_else(String::new, |it| comparable(it)),
        }
    }

    /// Returns whether sending a task again, as it is, may help.
    ///
    /// | kind | may help |
    /// |---|---|
    /// | `dns` `connect` `timeout` `reset` | yes: the network may have recovered |
    /// | `tls` | no: the certificate, the address or the clock must change first |
    /// | `throttled` | yes: the service only wanted fewer calls |
    /// | `body` | yes: the answer could not be trusted |
    /// | `service`, status 500 and above | yes: the service may have recovered |
    /// | `service`, status 200 | no: it was carried out, and the failed sub-tasks have reasons |
    /// | `not_reached` `not_sent` | yes: the command did not arrive |
    /// | `not_sent`, unknown to the project | no: the id, or the project, must change first |
    /// | `refused` `auth` | no: the task, or the credentials, must change first |
    pub(crate) fn is_retryable(&self) -> bool {
        match self.kind {
            FailureKind::Dns
            | FailureKind::Connect
            | FailureKind::Timeout
            | FailureKind::Reset
            | FailureKind::Throttled
            | FailureKind::Body
            | FailureKind::NotReached => true,
            FailureKind::NotSent => self.message != UNKNOWN_ID,
            FailureKind::Tls | FailureKind::Refused | FailureKind::Auth => false,
            FailureKind::Service => !matches!(self.http_status, Some(200..=299)),
        }
    }
}

/// Why a task failed whose call was on the wire at the end of its process, or is there now.
pub(crate) const NO_ANSWER_WORDS: &str = "no answer was recorded";

/// Returns why a task is not where its command leads; `None` if it is there.
pub(crate) fn failure_of(task: &TaskRow) -> Option<&Failure> {
    static NOT_SENT: LazyLock<Failure> = LazyLock::new(|| Failure::seen(FailureKind::NotSent, ""));
    // Left out by `--on-unknown skip`.
    static UNKNOWN: LazyLock<Failure> =
        LazyLock::new(|| Failure::seen(FailureKind::NotSent, UNKNOWN_ID));
    // On the wire when its process died: the connection ended before an answer came.
    static NO_ANSWER: LazyLock<Failure> =
        LazyLock::new(|| Failure::seen(FailureKind::Reset, NO_ANSWER_WORDS));

    static DAMAGED: LazyLock<Failure> =
        LazyLock::new(|| Failure::seen(FailureKind::Reset, "its record is damaged"));

    let known = task.last.as_ref().and_then(|last| last.failure.as_ref());
    match task.outcome {
        Outcome::Succeeded | Outcome::Unchanged => None,
        // Only a task that the project does not know fails without an attempt.
        Outcome::Failed if task.attempts == 0 => Some(&UNKNOWN),
        // A task that no connection could be made for says why.
        Outcome::NotAttempted => Some(known.unwrap_or(&NOT_SENT)),
        Outcome::Ambiguous if task.is_damaged => Some(&DAMAGED),
        Outcome::Partial | Outcome::Failed | Outcome::Ambiguous => match known {
            Some(known) if known.kind == FailureKind::NotReached => Some(not_reached(task)),
            known => Some(known.unwrap_or(&NO_ANSWER)),
        },
    }
}

/// Returns the failure of an accepted call whose task did not reach the state of the command.
///
/// The store knows the states and has no words for them.
fn not_reached(task: &TaskRow) -> &'static Failure {
    static UNREAD: LazyLock<Failure> = LazyLock::new(|| because("its state could not be read"));
    static UNKNOWN: LazyLock<Failure> = LazyLock::new(|| because("its state is not known"));
    static RUNNING: LazyLock<Failure> = LazyLock::new(|| because_it_is(TaskState::Running));
    static STOPPED: LazyLock<Failure> = LazyLock::new(|| because_it_is(TaskState::Stopped));
    static CHANGING: LazyLock<Failure> = LazyLock::new(|| because_it_is(TaskState::Changing));
    static MIXED: LazyLock<Failure> = LazyLock::new(|| because_it_is(TaskState::Mixed));
    static BAD: LazyLock<Failure> = LazyLock::new(|| because_it_is(TaskState::Bad));

    match task.seen.after {
        // After a walk with a gap: the task may have arrived.
        None | Some(TaskState::Unknown) if task.outcome == Outcome::Ambiguous => &UNREAD,
        None | Some(TaskState::Unknown) => &UNKNOWN,
        Some(TaskState::Running) => &RUNNING,
        Some(TaskState::Stopped) => &STOPPED,
        Some(TaskState::Changing) => &CHANGING,
        Some(TaskState::Mixed) => &MIXED,
        Some(TaskState::Bad) => &BAD,
        Some(TaskState::Named(word)) => named(word),
    }
}

/// Returns the failure with a word of another service, of which there are few.
fn named(word: StateWord) -> &'static Failure {
    static NAMED: LazyLock<Mutex<HashMap<StateWord, &'static Failure>>> =
        LazyLock::new(Mutex::default);
    let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
    named.entry(word).or_insert_with(|| Box::leak(because_it_is(TaskState::Named(word)).into()))
}

fn because(reason: &str) -> Failure {
    Failure::seen(FailureKind::NotReached, format!("accepted, but {reason}"))
}

fn because_it_is(state: TaskState) -> Failure {
    because(&format!("it is `{state}`"))
}

/// Returns the failure of a task, unless it was not attempted: such a task did not fail.
pub(crate) fn failure_of_sent(task: &TaskRow) -> Option<&Failure> {
    failure_of(task).filter(|_| task.outcome != Outcome::NotAttempted)
}

/// Returns the part of a text that a group keeps.
pub(crate) fn kept(text: &str) -> &str {
    cut(text, MAX_TEXT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::event::AttemptSeq;
    use crate::reading::{AttemptRow, SeenRow};
    use crate::task::{Command, Ordinal};

    /// A task whose call was accepted, with what a verify round found out about it.
    fn verified(outcome: Outcome, after: Option<TaskState>) -> TaskRow {
        let (ordinal, sent) = (Ordinal(0), Timestamp::from_micros(0));
        let last = AttemptRow {
            seq: AttemptSeq(1),
            ordinal,
            number: 1,
            sent,
            duration: None,
            in_doubt: false,
            http_status: Some(200),
            counts: None,
            request_id: None,
            failure: Some(Failure::seen(FailureKind::NotReached, "")),
        };
        let seen = SeenRow { after, call: Some(Outcome::Succeeded), ..SeenRow::default() };
        TaskRow {
            ordinal,
            id: "aaaa".parse().unwrap(),
            command: Command::STOP,
            target: None,
            source: 0,
            line: 1,
            others: None,
            outcome,
            attempts: 1,
            first_sent: Some(sent),
            settled: Some(sent),
            last: Some(last),
            is_damaged: false,
            seen,
        }
    }

    #[test]
    fn a_task_that_was_not_reached_is_explained_by_its_state() {
        let check = |outcome, after, expected: &str| {
            let task = verified(outcome, after);
            let failure = failure_of(&task).unwrap();
            assert_eq!(failure.kind, FailureKind::NotReached);
            assert_eq!(failure.message, format!("accepted, but {expected}"), "{after:?}");
        };
        for after in [None, Some(TaskState::Unknown)] {
            check(Outcome::Ambiguous, after, "its state could not be read");
            check(Outcome::Failed, after, "its state is not known");
        }
        check(Outcome::Failed, Some(TaskState::Running), "it is `running`");
        check(Outcome::Failed, Some(TaskState::Stopped), "it is `stopped`");
        check(Outcome::Failed, Some(TaskState::Changing), "it is `changing`");
        check(Outcome::Failed, Some(TaskState::Mixed), "it is `mixed`");
        check(Outcome::Failed, Some(TaskState::Bad), "it is `bad`");
    }
}
