//! Writes events as records, inside the transaction of their batch.

use crate::clock::Timestamp;
use crate::event::{AttemptResult, Event, EventKind, StopReason};
use crate::journal::{Ended, Fact, FailureTexts, RunRecord, Text};
use crate::store::writing::batch::Batch;
use crate::task::DrillEnd;
use std::time::Duration;

/// Writes the events of one transaction.
pub(crate) struct EventWriter<'a, 'b> {
    batch: &'a mut Batch<'b>,
    origin: Timestamp,
}

impl<'a, 'b> EventWriter<'a, 'b> {
    /// Returns a writer for a batch; times count from `origin`.
    pub(crate) fn new(batch: &'a mut Batch<'b>, origin: Timestamp) -> Self {
        Self { batch, origin }
    }

    /// Writes one event.
    pub(crate) fn write(&mut self, event: &Event) -> rusqlite::Result<()> {
        let at_us = self.micros(event.at);
        match &event.kind {
            EventKind::AttemptStarted { seq, task, number, leaves } => {
                let leaves_us = self.micros(*leaves);
                let fact = Fact::Started { seq: seq.0, number: *number, leaves_us };
                self.batch.push(task.ordinal, fact)
            }
            EventKind::AttemptWithdrawn { seq: _, task } => {
                self.batch.push(task.ordinal, Fact::Withdrawn)
            }
            EventKind::AttemptEnded { seq: _, task, result } => {
                self.batch.push(task.ordinal, Fact::Ended(ended(result, self.micros(result.sent))))
            }
            // The last attempt, their number and the first sending follow from the attempts.
            EventKind::TaskSettled { task, outcome, .. } => {
                self.batch.settle(task.ordinal, *outcome, at_us)
            }
            EventKind::RunHeld { until, reason } => {
                let (until_us, reason) = (self.micros(*until), reason.as_str());
                self.write_run(&RunRecord::Held { at_us, until_us, reason })
            }
            EventKind::RateLearnt(limit) => self.write_run(&RunRecord::RateLearnt(*limit)),
            EventKind::PollStarted { leaves } => {
                self.write_run(&RunRecord::Polled { leaves_us: self.micros(*leaves) })
            }
            EventKind::RunChanged { change, by } => {
                let (value, by) = (change.value(), by.to_string());
                let (what, value) = (change.as_str(), value.as_deref());
                self.write_run(&RunRecord::Changed { at_us, what, value, by: &by })
            }
            EventKind::Drilled(task) => {
                let task = serde_json::to_string(task).expect("numbers and texts are always JSON");
                self.write_run(&RunRecord::Drilled { task: &task })
            }
            EventKind::DrillEnded(DrillEnd { left, why }) => {
                self.write_run(&RunRecord::DrillEnded { left: *left, why: why.as_deref() })
            }
            EventKind::RunEnded(stats) => {
                let stopped = stats.stopped.as_ref().map(StopReason::as_str);
                let held_us = micros_of(stats.held);
                self.write_run(&RunRecord::SessionEnded { at_us, held_us, stopped })
            }
            // The wave follows from the settled tasks.
            EventKind::RunStarted(_)
            | EventKind::WaveStarted(_)
            | EventKind::Surveyed(_)
            | EventKind::Verified(_)
            | EventKind::DrillStarted { .. }
            | EventKind::RetryScheduled { .. }
            | EventKind::RunContinued
            | EventKind::RunStopping { .. } => Ok(()),
        }
    }

    fn write_run(&mut self, record: &RunRecord<'_>) -> rusqlite::Result<()> {
        self.batch.push_run(record);
        Ok(())
    }

    fn micros(&self, at: Timestamp) -> i64 {
        micros_of_time(at, self.origin)
    }
}

/// Returns a time as the journal writes it.
pub(crate) fn micros_of_time(at: Timestamp, origin: Timestamp) -> i64 {
    at.micros_since(origin)
}

/// Returns the end of an attempt as the journal writes it.
pub(crate) fn ended(result: &AttemptResult, sent_us: i64) -> Ended<'_> {
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

/// Returns a span as the journal writes it.
pub(crate) fn micros_of(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
