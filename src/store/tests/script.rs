//! Builds the events of a run as the engine emits them.

use super::at;
use crate::clock::Timestamp;
use crate::event::{AttemptResult, AttemptSeq, Event, EventKind, RunStats, StopReason};
use crate::task::{Counts, Failure, FailureKind, Outcome, Task};
use std::sync::Arc;
use std::time::Duration;

/// An attempt with a number, admitted `seq` seconds after the run was planned.
pub(crate) fn started(task: &Task, seq: u64, number: u32) -> Event {
    let (task, leaves) = (shared(task), leaves(seq));
    event(seq, EventKind::AttemptStarted { seq: AttemptSeq(seq), task, number, leaves })
}

/// The time at which an attempt may leave: a little later than it was admitted.
pub(crate) fn leaves(seq: u64) -> Timestamp {
    time(seq).plus_micros(90)
}

pub(crate) fn withdrawn(task: &Task, seq: u64) -> Event {
    event(seq, EventKind::AttemptWithdrawn { seq: AttemptSeq(seq), task: shared(task) })
}

/// The same attempt's end, as one of the results below.
pub(crate) fn ended(task: &Task, seq: u64, result: impl Fn(u64) -> AttemptResult) -> Event {
    let (task, result) = (shared(task), result(seq));
    event(seq, EventKind::AttemptEnded { seq: AttemptSeq(seq), task, result })
}

/// An outcome after one attempt.
pub(crate) fn settled(task: &Task, seq: u64, outcome: Outcome) -> Event {
    let (task, first_sent) = (shared(task), answered(seq).sent);
    let seq = AttemptSeq(seq);
    event(seq.0, EventKind::TaskSettled { task, outcome, seq, attempts: 1, first_sent })
}

/// The end of a process's part.
pub(crate) fn run_ended(seq: u64, stopped: Option<StopReason>) -> Event {
    event(seq, EventKind::RunEnded(RunStats { stopped, held: Duration::from_millis(1_500) }))
}

/// Everything of an attempt that succeeds.
pub(crate) fn succeeds(task: &Task, seq: u64) -> [Event; 3] {
    let outcome = settled(task, seq, Outcome::Succeeded);
    [started(task, seq, 1), ended(task, seq, answered), outcome]
}

pub(crate) fn answered(seq: u64) -> AttemptResult {
    AttemptResult {
        sent: time(seq).plus_micros(250),
        duration: Duration::from_micros(203_000 + seq),
        http_status: Some(200),
        request_id: Some(format!("{seq:032x}")),
        counts: Some(Counts { total: 4, failed: 0, succeeded: 4 }),
        failure: None,
        in_doubt: false,
    }
}

pub(crate) fn lost(seq: u64) -> AttemptResult {
    let failure = Failure::seen(FailureKind::Timeout, "no answer within 60s");
    AttemptResult { in_doubt: true, ..failed(seq, None, failure) }
}

pub(crate) fn throttled(seq: u64) -> AttemptResult {
    failed(seq, Some(429), Failure::seen(FailureKind::Throttled, "slow down"))
}

pub(crate) fn refused(seq: u64) -> AttemptResult {
    let failure = Failure {
        code: "VIAS.00010012".into(),
        reason: "the task\u{1b}[2J is locked".into(),
        advice: "unlock it".into(),
        detail: "it was locked by ops".into(),
        params: vec!["a; b".into(), "{\"n\":1}".into()],
        error_list: vec!["a; b".into(), "\"c\"".into()],
        ..Failure::seen(FailureKind::Refused, "not allowed")
    };
    failed(seq, Some(403), failure)
}

fn failed(seq: u64, http_status: Option<u16>, failure: Failure) -> AttemptResult {
    AttemptResult { http_status, counts: None, failure: Some(failure.into()), ..answered(seq) }
}

pub(crate) fn event(seq: u64, kind: EventKind) -> Event {
    let later = match kind {
        EventKind::TaskSettled { .. } => 300_000,
        _ => 0,
    };
    Event { at: time(seq).plus_micros(later), kind }
}

fn time(seq: u64) -> Timestamp {
    at(i64::try_from(seq).unwrap())
}

fn shared(task: &Task) -> Arc<Task> {
    Arc::new(task.clone())
}
