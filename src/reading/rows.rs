//! The rows that are read back of a run, and what becomes of stored cells on the way there.

use crate::clock::Timestamp;
use crate::event::AttemptSeq;
use crate::store::is_empty;
use crate::task::{Command, Counts, Failure, FailureKind, Ordinal, Outcome, TaskId, TaskState};
use std::sync::Arc;
use std::time::Duration;

/// One task of a plan, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRow {
    /// The batch task.
    pub id: TaskId,
    /// The command for it.
    pub command: Command,
    /// The name of its input.
    pub source: String,
    /// Its line in the input.
    pub line: u64,
}

/// One task of a run with its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    /// Its place in the run.
    pub ordinal: Ordinal,
    /// The batch task.
    pub id: TaskId,
    /// The command for it.
    pub command: Command,
    /// The target that it is called at, in a run of several.
    pub target: Option<Arc<str>>,
    /// Its input, as an index into the run's sources.
    pub source: u32,
    /// Its line in the input.
    pub line: u64,
    /// The other cells of its row, as a JSON array.
    pub others: Option<String>,
    /// Its outcome.
    pub outcome: Outcome,
    /// The number of its attempts.
    pub attempts: u32,
    /// The time of its first attempt.
    pub first_sent: Option<Timestamp>,
    /// The time at which it was settled.
    pub settled: Option<Timestamp>,
    /// Its last attempt. Its failure is `not_reached`, without a message, for an accepted call
    /// whose task did not reach the state of the command.
    pub last: Option<AttemptRow>,
    /// Whether its record is damaged, so that it is in doubt.
    pub is_damaged: bool,
    /// Its observed states.
    pub seen: SeenRow,
}

impl TaskRow {
    /// Returns whether the task succeeded and the service counted no sub-task in it.
    ///
    /// Nothing happened in such a task, and it has no state that could be waited for. A task that is
    /// gone afterwards is never empty.
    pub fn is_empty(&self) -> bool {
        let counts = self.last.as_ref().and_then(|last| last.counts);
        is_empty(self.command, self.outcome, counts)
    }

    /// Returns whether the task was settled without a call, such as an unchanged one.
    pub fn needed_no_call(&self) -> bool {
        self.settled.is_some() && self.attempts == 0
    }

    /// Returns whether the task became excluded before it was sent: nothing else gives a task that
    /// was never sent its outcome.
    pub fn is_excluded(&self) -> bool {
        self.outcome == Outcome::NotAttempted && self.settled.is_some()
    }

    /// Returns whether the task succeeded at its second or a later attempt.
    pub fn is_flaky(&self) -> bool {
        self.outcome == Outcome::Succeeded && self.attempts > 1
    }
}

/// One task of a run with all its attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskHistory {
    /// The task with its outcome.
    pub task: TaskRow,
    /// Its attempts that may have left, in order.
    pub attempts: Vec<AttemptRow>,
}

/// The observed states of a task before and after its call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeenRow {
    /// The state before anything was sent.
    pub before: Option<TaskState>,
    /// The last state after the call.
    pub after: Option<TaskState>,
    /// The time at which the task was first seen where its command leads.
    pub verified: Option<Timestamp>,
    /// The outcome of its call, if the task has another one.
    pub call: Option<Outcome>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// Its number in the run.
    pub seq: AttemptSeq,
    /// Its task.
    pub ordinal: Ordinal,
    /// Its number among the attempts of its task.
    pub number: u32,
    /// The time at which it was sent.
    pub sent: Timestamp,
    /// How long it took; `None` if it never ended.
    pub duration: Option<Duration>,
    /// Whether it may have been carried out although no trustworthy answer came back.
    pub in_doubt: bool,
    /// The status of the answer.
    pub http_status: Option<u16>,
    /// The counts in the answer.
    pub counts: Option<Counts>,
    /// The service's id of the request.
    pub request_id: Option<String>,
    /// The reason why it did not succeed.
    pub failure: Option<Failure>,
}

/// The time and the end of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendingRow {
    /// Its number among the attempts of its task.
    pub number: u32,
    /// The time at which it was sent.
    pub sent: Timestamp,
    /// How long it took; `None` if it never ended.
    pub duration: Option<Duration>,
    /// The status of the answer.
    pub http_status: Option<u16>,
    /// The step at which it failed, if it did.
    pub failed: Option<FailureKind>,
}

/// A change by an operator while the run was under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// The time of the change.
    pub at: Timestamp,
    /// The kind of change, in the word of [`Change`](crate::event::Change).
    pub what: String,
    /// The new value, if it has one.
    pub value: Option<String>,
    /// The operator.
    pub by: String,
}

/// A time in which the whole run waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRow {
    /// The beginning.
    pub from: Timestamp,
    /// The end.
    pub until: Timestamp,
    /// The reason, in a word.
    pub reason: String,
}
