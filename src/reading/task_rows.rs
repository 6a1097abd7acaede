//! Turns the records of a fold into rows, in the words of the domain.

use crate::clock::Timestamp;
use crate::event::AttemptSeq;
use crate::journal::{Attempt, PlannedTask, TaskRecord};
use crate::reading::rows::{AttemptRow, SeenRow, SendingRow, TaskRow};
use crate::store::codes;
use crate::task::{Failure, FailureKind, Ordinal};
use std::time::Duration;

/// Returns the row of a task.
pub(super) fn task_row(
    origin: Timestamp,
    task: &PlannedTask<'_>,
    record: &TaskRecord<'_>,
) -> rusqlite::Result<TaskRow> {
    let ordinal = Ordinal(task.ordinal);
    let verdict = record.settled.and(record.verdict);
    let mut last = record.last.as_ref().map(|last| attempt_row(origin, ordinal, last));
    if let (Some(verdict), Some(last)) = (verdict, &mut last) {
        // Without a message: the words follow from the states, and finding them is the report's.
        let not_reached = || Failure::seen(FailureKind::NotReached, "");
        last.failure = (!verdict.is_good()).then(not_reached);
    }
    Ok(TaskRow {
        ordinal,
        id: codes::task_id(task)?,
        command: task.command,
        target: None,
        source: task.source,
        line: task.line,
        others: task.others.map(str::to_owned),
        outcome: record.outcome(),
        attempts: record.attempts,
        first_sent: record.first_sent_us.map(|micros| origin.plus_micros(micros)),
        settled: record.settled.map(|(_, micros)| origin.plus_micros(micros)),
        last,
        is_damaged: record.lost,
        seen: SeenRow {
            before: record.before,
            after: record.after,
            verified: record.verified_us.map(|micros| origin.plus_micros(micros)),
            // The call's own outcome is shown beside that of the task.
            call: verdict.and(record.settled).map(|(called, _)| called),
        },
    })
}

/// Returns the row of an attempt.
pub(super) fn attempt_row(
    origin: Timestamp,
    ordinal: Ordinal,
    attempt: &Attempt<'_>,
) -> AttemptRow {
    let ended = attempt.ended.as_ref();
    AttemptRow {
        seq: AttemptSeq(attempt.seq),
        ordinal,
        number: attempt.number,
        sent: origin.plus_micros(attempt.sent_us()),
        duration: ended.map(|ended| Duration::from_micros(ended.duration_us)),
        in_doubt: attempt.in_doubt(),
        http_status: ended.and_then(|ended| ended.http_status),
        counts: ended.and_then(|ended| ended.counts),
        request_id: ended.and_then(|ended| ended.request_id).map(|id| id.text().into_owned()),
        failure: ended.and_then(|ended| ended.failure.as_ref()).map(|found| found.to_failure()),
    }
}

/// Returns the time and the end of an attempt.
pub(super) fn sending_row(origin: Timestamp, attempt: &Attempt<'_>) -> SendingRow {
    let ended = attempt.ended.as_ref();
    let failure = ended.and_then(|ended| ended.failure.as_ref());
    SendingRow {
        number: attempt.number,
        sent: origin.plus_micros(attempt.sent_us()),
        duration: ended.map(|ended| Duration::from_micros(ended.duration_us)),
        http_status: ended.and_then(|ended| ended.http_status),
        failed: failure.map(|failure| failure.kind),
    }
}
