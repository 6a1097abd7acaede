//! The account of one task in one run: its history, and why it waited between its attempts.

use crate::clock::Timestamp;
use crate::event::HoldReason;
use crate::reading::{HoldRow, RunReader, TaskHistory};
use crate::report::model::StillRunning;
use crate::store::{RunRecord, StoreError};
use std::time::Duration;

/// The reason of a hold that an operator made.
pub(crate) const PAUSED: &str = "paused";

/// What is known of a run besides its tasks.
#[derive(Debug)]
pub struct RunContext {
    pub(crate) record: RunRecord,
    pub(crate) still_running: StillRunning,
    /// The times in which the whole run sent nothing.
    holds: Vec<HoldRow>,
}

impl RunContext {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn read(run: &RunReader, still_running: StillRunning) -> Result<Self, StoreError> {
        let mut holds = run.holds()?;
        holds.extend(pauses(run)?);
        Ok(Self { record: run.record()?, still_running, holds })
    }

    /// Returns why the run held between two times, each reason once.
    fn held_between(&self, from: Timestamp, until: Timestamp) -> Vec<&str> {
        let mut reasons: Vec<&str> = Vec::new();
        for hold in self.holds.iter().filter(|hold| hold.from < until && hold.until > from) {
            if !reasons.contains(&hold.reason.as_str()) {
                reasons.push(&hold.reason);
            }
        }
        reasons
    }
}

/// Returns the times in which an operator had paused the run.
fn pauses(run: &RunReader) -> Result<Vec<HoldRow>, StoreError> {
    let mut pauses: Vec<HoldRow> = Vec::new();
    for change in run.changes()? {
        match (change.what.as_str(), pauses.last_mut()) {
            ("paused", _) => pauses.push(HoldRow {
                from: change.at,
                until: Timestamp::from_micros(i64::MAX),
                reason: PAUSED.into(),
            }),
            ("resumed", Some(last)) => last.until = last.until.min(change.at),
            _ => {}
        }
    }
    Ok(pauses)
}

/// What happened to one task in one run.
#[derive(Debug)]
pub struct Account<'a> {
    pub(crate) run: &'a RunContext,
    pub(crate) history: &'a TaskHistory,
    /// The wait before each attempt.
    pub(crate) waits: Vec<Wait<'a>>,
}

/// The time between the end of one attempt and the next one.
#[derive(Debug, Default)]
pub(crate) struct Wait<'a> {
    /// How long; nothing before the first attempt.
    pub(crate) span: Option<Duration>,
    /// Why the whole run sent nothing in it.
    pub(crate) held: Vec<&'a str>,
}

impl<'a> Account<'a> {
    /// Returns the account of a task.
    pub fn new(run: &'a RunContext, history: &'a TaskHistory) -> Self {
        let mut before = None;
        let mut waits = Vec::with_capacity(history.attempts.len());
        for attempt in &history.attempts {
            let wait = before.map(|before: Timestamp| Wait {
                span: Some(attempt.sent.since(before)),
                held: run.held_between(before, attempt.sent),
            });
            waits.push(wait.unwrap_or_default());
            let took = attempt.duration.unwrap_or_default();
            let micros = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
            before = Some(attempt.sent.plus_micros(micros));
        }
        Self { run, history, waits }
    }
}

/// Says in words why the whole run sent nothing.
pub(crate) fn hold_words(reason: &str) -> &str {
    match reason {
        PAUSED => "an operator had paused the run",
        _ if reason == HoldReason::Throttled.as_str() => "the service throttled the run",
        _ if reason == HoldReason::Away.as_str() => "the service was away",
        _ if reason == HoldReason::Credentials.as_str() => "the credentials were being renewed",
        _ if reason == HoldReason::WavePause.as_str() => "the pause between two waves",
        // A newer version may have written another reason.
        other => other,
    }
}
