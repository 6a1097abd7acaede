//! What a journal keeps of events, wherever it is kept.

use crate::clock::Timestamp;
use crate::event::{AttemptResult, Event, EventKind, StopReason};
use crate::journal::{Ended, Fact, FailureTexts, RunRecord, Text};
use crate::task::{DrillEnd, Ordinal};
use std::time::Duration;

/// Returns the fact that an event says about a task, if it says one; times count from `origin`.
pub(crate) fn fact_of(event: &Event, origin: Timestamp) -> Option<(Ordinal, Fact<'_>)> {
    let micros = |at: Timestamp| at.micros_since(origin);
    Some(match &event.kind {
        EventKind::AttemptStarted { seq, task, number, leaves } => {
            let leaves_us = micros(*leaves);
            (task.ordinal, Fact::Started { seq: seq.0, number: *number, leaves_us })
        }
        EventKind::AttemptWithdrawn { seq: _, task } => (task.ordinal, Fact::Withdrawn),
        EventKind::AttemptEnded { seq: _, task, result } => {
            (task.ordinal, Fact::Ended(ended(result, micros(result.sent))))
        }
        // The last attempt, their number and the first sending follow from the attempts.
        EventKind::TaskSettled { task, outcome, .. } => {
            (task.ordinal, Fact::Settled { outcome: *outcome, at_us: micros(event.at) })
        }
        _ => return None,
    })
}

/// Calls `take` with the record of what an event says about the run, if it says something that is kept.
pub(crate) fn with_run_record(event: &Event, origin: Timestamp, take: impl FnOnce(&RunRecord<'_>)) {
    let micros = |at: Timestamp| at.micros_since(origin);
    let at_us = micros(event.at);
    match &event.kind {
        EventKind::RunHeld { until, reason } => {
            take(&RunRecord::Held { at_us, until_us: micros(*until), reason: reason.as_str() });
        }
        EventKind::RateLearnt(limit) => take(&RunRecord::RateLearnt(*limit)),
        EventKind::PollStarted { leaves } => {
            take(&RunRecord::Polled { leaves_us: micros(*leaves) });
        }
        EventKind::RunChanged { change, by } => {
            let (value, by) = (change.value(), by.to_string());
            let (what, value) = (change.as_str(), value.as_deref());
            take(&RunRecord::Changed { at_us, what, value, by: &by });
        }
        EventKind::Drilled(task) => {
            let task = serde_json::to_string(task).expect("numbers and texts are always JSON");
            take(&RunRecord::Drilled { task: &task });
        }
        EventKind::DrillEnded(DrillEnd { left, why }) => {
            take(&RunRecord::DrillEnded { left: *left, why: why.as_deref() });
        }
        EventKind::RunEnded(stats) => {
            let stopped = stats.stopped.as_ref().map(StopReason::as_str);
            let held_us = micros_of(stats.held);
            take(&RunRecord::SessionEnded { at_us, held_us, stopped });
        }
        // Those of tasks are facts; the wave follows from the settled tasks.
        EventKind::AttemptStarted { .. }
        | EventKind::AttemptWithdrawn { .. }
        | EventKind::AttemptEnded { .. }
        | EventKind::TaskSettled { .. }
        | EventKind::RunStarted(_)
        | EventKind::WaveStarted(_)
        | EventKind::Surveyed(_)
        | EventKind::Verified(_)
        | EventKind::DrillStarted { .. }
        | EventKind::RetryScheduled { .. }
        | EventKind::RunContinued
        | EventKind::RunStopping { .. } => {}
    }
}

/// Returns the record of the beginning of this process's session.
pub(crate) fn session_started(at_us: i64) -> RunRecord<'static> {
    let (process, version) = (std::process::id(), env!("CARGO_PKG_VERSION"));
    RunRecord::SessionStarted { at_us, process, version }
}

fn ended(result: &AttemptResult, sent_us: i64) -> Ended<'_> {
    let failure = result.failure.as_deref();
    Ended {
        sent_us,
        duration_us: micros_of(result.duration),
        in_doubt: result.in_doubt,
        http_status: result.http_status,
        request_id: result.request_id.as_deref().map(Text::Plain),
        counts: result.counts,
        failure: failure.map(|failure| Box::new(FailureTexts::new(failure))),
    }
}

fn micros_of(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
