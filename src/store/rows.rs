//! What is read back of a run, row by row.

use crate::clock::Timestamp;
use crate::event::AttemptSeq;
use crate::task::{Command, Counts, Failure, FailureKind, Ordinal, Outcome, TaskId, TaskState};
use std::time::Duration;

/// One task of a plan, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRow {
    /// The batch task.
    pub id: TaskId,
    /// What is to be done to it.
    pub command: Command,
    /// The input it stands in.
    pub source: String,
    /// The line it stands on.
    pub line: u64,
}

/// One task of a run with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    /// Its place in the run.
    pub ordinal: Ordinal,
    /// The batch task.
    pub id: TaskId,
    /// What was to be done to it.
    pub command: Command,
    /// The input it came from, as an index into the run's sources.
    pub source: u32,
    /// The line it stood on.
    pub line: u64,
    /// The other cells, as a JSON array.
    pub others: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// How often it was sent.
    pub attempts: u32,
    /// When the first attempt was sent.
    pub first_sent: Option<Timestamp>,
    /// When it was settled.
    pub settled: Option<Timestamp>,
    /// Its last attempt.
    pub last: Option<AttemptRow>,
    /// What was seen of it.
    pub seen: SeenRow,
}

/// What was seen of a task before and after its call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeenRow {
    /// The state it was in before anything was sent.
    pub before: Option<TaskState>,
    /// The state it was last seen in after its call.
    pub after: Option<TaskState>,
    /// When it was seen where it was sent.
    pub verified: Option<Timestamp>,
    /// What its call came to, where something else became of the task.
    pub call: Option<Outcome>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// Its number in the run.
    pub seq: AttemptSeq,
    /// Its task.
    pub ordinal: Ordinal,
    /// Which attempt of its task it was.
    pub number: u32,
    /// When it was sent.
    pub sent: Timestamp,
    /// How long it took; nothing if it never came to its end.
    pub duration: Option<Duration>,
    /// Whether it may have been carried out although nothing trustworthy came back.
    pub in_doubt: bool,
    /// The status of the answer.
    pub http_status: Option<u16>,
    /// The counts the service sent.
    pub counts: Option<Counts>,
    /// The service's id of the request.
    pub request_id: Option<String>,
    /// Why it did not succeed.
    pub failure: Option<Failure>,
}

/// One attempt, as far as its time and how it ended are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendingRow {
    /// Which attempt of its task it was.
    pub number: u32,
    /// When it was sent.
    pub sent: Timestamp,
    /// How long it took; nothing if it never came to its end.
    pub duration: Option<Duration>,
    /// The status of the answer.
    pub http_status: Option<u16>,
    /// Where it failed, if it did.
    pub failed: Option<FailureKind>,
}

/// Something that an operator changed while the run was under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// When.
    pub at: Timestamp,
    /// What, in a word, as [`Change`](crate::event::Change) says it.
    pub what: String,
    /// Its new value, if it has one.
    pub value: Option<String>,
    /// Who wanted it.
    pub by: String,
}

/// A time in which the whole run waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRow {
    /// When it began.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Why, in a word.
    pub reason: String,
}
