//! The events document: each event of a run as one line of JSON, while the run goes on.
//!
//! The lines are a contract: each has a `schema_version`, and fields are only ever added. A line
//! is written in ASCII, whole or not at all, after its event is durable. Events that were dropped,
//! because the reader was too slow, are counted in a line of their own. See `docs/GLOSSARY.md`:
//! event, document.

use super::event_service::EventService;
use super::log::result_of;
use crate::clock::Timestamp;
use crate::event::{
    ArrivalCounts, AttemptResult, Event, EventKind, RunStarted, StopReason, Watch, WaveStarted,
};
use crate::task::{DrilledTask, Outcome, Rate, Task};
use crate::text::{ascii_json, non_empty, whole_millis};
use serde::Serialize;
use std::fmt;
use std::io::Write;
use std::sync::Arc;

/// The version of the lines; it changes only if a field changed its meaning.
const SCHEMA_VERSION: u32 = 1;

/// Writes the events of a run as NDJSON.
///
/// ```
/// use batchctl::event::Watch;
/// use batchctl::progress::Events;
///
/// let mut events = Events::new(Box::new(std::io::sink()), "20240705-120000-kfzq".into());
/// events.on_events(&[]);
/// ```
pub struct Events {
    out: Box<dyn Write + Send>,
    run: String,
    /// The target of the lines that are written, in a run of several.
    target: Option<Arc<str>>,
    /// The service that is called; `None` for VIAS.
    service: Option<EventService>,
    /// The time of the last event, which is also the time of a line about dropped events.
    latest: Timestamp,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("run", &self.run).finish_non_exhaustive()
    }
}

impl Events {
    /// Returns a document about `run` that writes to `out` and ignores its errors.
    pub fn new(out: Box<dyn Write + Send>, run: String) -> Self {
        Self { out, run, target: None, service: None, latest: Timestamp::from_micros(0) }
    }

    /// Names the service that is called, where it is not VIAS.
    #[must_use]
    pub fn of_service(self, service: Option<EventService>) -> Self {
        Self { service, ..self }
    }

    fn line(&self, at: Timestamp, what: &EventBody<'_>) -> String {
        let (run, target) = (&*self.run, self.target.as_deref());
        let line =
            EventLine { schema_version: SCHEMA_VERSION, run, target, at: at.to_string(), what };
        let json = serde_json::to_string(&line).expect("names, numbers and text are always JSON");
        ascii_json(&json) + "\n"
    }

    fn write(&mut self, lines: &str) {
        // A document must not stop the run. The writer keeps its own errors for the caller.
        let _ = self.out.write_all(lines.as_bytes()).and_then(|()| self.out.flush());
    }
}

impl Watch for Events {
    fn on_events(&mut self, events: &[Event]) {
        let mut lines = String::new();
        // One write for the batch saves system calls, and lines stay whole.
        for (index, event) in events.iter().enumerate() {
            let what = EventBody::from_event(event, &events[..index]);
            lines += &self.line(event.at, &what.at(self.service.as_ref()));
            self.latest = event.at;
        }
        self.write(&lines);
    }

    fn on_target_events(&mut self, target: &Arc<str>, events: &[Event]) {
        self.target = Some(Arc::clone(target));
        self.on_events(events);
        self.target = None;
    }

    fn missed(&mut self, events: u64) {
        let line = self.line(self.latest, &EventBody::EventsMissed { events });
        self.write(&line);
    }
}

/// The members of every line, and those of the event.
#[derive(Serialize)]
struct EventLine<'a> {
    schema_version: u32,
    run: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    at: String,
    #[serde(flatten)]
    what: &'a EventBody<'a>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum EventBody<'a> {
    RunStarted {
        selected: u64,
        settled: u64,
        rate_limit: Option<String>,
        finds_rate: bool,
        concurrency: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        service: Option<&'a EventService>,
    },
    AttemptStarted {
        seq: u64,
        #[serde(flatten)]
        task: TaskPart<'a>,
        attempt: u32,
    },
    AttemptWithdrawn {
        seq: u64,
        #[serde(flatten)]
        task: TaskPart<'a>,
    },
    AttemptEnded {
        seq: u64,
        #[serde(flatten)]
        task: TaskPart<'a>,
        sent_at: String,
        duration_ms: u64,
        in_doubt: bool,
        request_id: Option<&'a str>,
        #[serde(flatten)]
        answer: AnswerPart<'a>,
    },
    RetryScheduled {
        #[serde(flatten)]
        task: TaskPart<'a>,
        due_at: String,
    },
    TaskSettled {
        #[serde(flatten)]
        task: TaskPart<'a>,
        outcome: &'static str,
        seq: u64,
        attempts: u32,
        first_sent_at: String,
        duration_ms: u64,
        #[serde(flatten)]
        answer: AnswerPart<'a>,
    },
    WaveStarted {
        wave: usize,
        of: usize,
        end: u64,
    },
    RunHeld {
        until: String,
        reason: &'static str,
    },
    RunContinued,
    RunChanged {
        change: &'static str,
        value: Option<String>,
        by: String,
    },
    RateLearnt {
        per_second: Option<f64>,
        at_a_time: Option<u32>,
    },
    RunStopping {
        reason: &'static str,
        on_wire: usize,
    },
    RunEnded {
        stopped: Option<&'static str>,
        held_ms: u64,
    },
    EventsMissed {
        events: u64,
    },
    PollStarted {
        leaves_at: String,
    },
    Surveyed {
        will_change: u64,
        unchanged: u64,
        confirmed: u64,
        in_trouble: u64,
        unknown: u64,
        skipped: u64,
        unread: u64,
    },
    Verified {
        arrived: u64,
        on_the_way: u64,
        stuck: u64,
    },
    DrillStarted {
        tasks: u64,
    },
    Drilled {
        id: &'a str,
        listed: u64,
        not_there: u64,
        named: usize,
        gap: Option<&'a str>,
    },
    DrillEnded {
        left: u64,
        why: Option<&'a str>,
    },
}

/// The task of an event.
#[derive(Serialize)]
struct TaskPart<'a> {
    id: &'a str,
    command: &'static str,
}

/// The answer of an attempt, with the names of the columns in the results.
#[derive(Default, Serialize)]
struct AnswerPart<'a> {
    http_status: Option<u16>,
    total_count: Option<u64>,
    failed_count: Option<u64>,
    succeed_count: Option<u64>,
    error_kind: Option<&'static str>,
    error_code: Option<&'a str>,
    error_msg: Option<&'a str>,
    error_list: &'a [String],
    detail: Option<&'a str>,
    params: &'a [String],
    reason: Option<&'a str>,
    advice: Option<&'a str>,
}

impl<'a> EventBody<'a> {
    /// Returns the members for an event; `before` are the earlier events of the same batch.
    fn from_event(event: &'a Event, before: &'a [Event]) -> Self {
        match &event.kind {
            EventKind::RunStarted(started) => Self::started(started),
            EventKind::AttemptStarted { seq, task, number, leaves: _ } => {
                Self::AttemptStarted { seq: seq.0, task: task.as_ref().into(), attempt: *number }
            }
            EventKind::AttemptWithdrawn { seq, task } => {
                Self::AttemptWithdrawn { seq: seq.0, task: task.as_ref().into() }
            }
            EventKind::AttemptEnded { seq, task, result } => Self::ended(seq.0, task, result),
            EventKind::RetryScheduled { task, due } => {
                Self::RetryScheduled { task: task.as_ref().into(), due_at: due.to_string() }
            }
            EventKind::TaskSettled { task, outcome, seq, attempts, first_sent } => {
                Self::TaskSettled {
                    task: task.as_ref().into(),
                    outcome: Outcome::as_str(*outcome),
                    seq: seq.0,
                    attempts: *attempts,
                    first_sent_at: first_sent.to_string(),
                    duration_ms: whole_millis(event.at.since(*first_sent)),
                    // A suspect may be settled in a later batch, where its answer is not at hand.
                    answer: result_of(*seq, before).map(AnswerPart::from).unwrap_or_default(),
                }
            }
            EventKind::RunHeld { until, reason } => {
                Self::RunHeld { until: until.to_string(), reason: reason.as_str() }
            }
            EventKind::RunContinued => Self::RunContinued,
            EventKind::WaveStarted(WaveStarted { wave, of, end }) => {
                Self::WaveStarted { wave: *wave, of: *of, end: *end }
            }
            EventKind::PollStarted { leaves } => {
                Self::PollStarted { leaves_at: leaves.to_string() }
            }
            EventKind::Surveyed(counts) => Self::Surveyed {
                will_change: counts.will_change,
                unchanged: counts.unchanged,
                confirmed: counts.confirmed,
                in_trouble: counts.in_trouble,
                unknown: counts.unknown,
                skipped: counts.skipped,
                unread: counts.unread,
            },
            EventKind::Verified(counts) => Self::verified(*counts),
            EventKind::DrillStarted { tasks } => Self::DrillStarted { tasks: *tasks },
            EventKind::Drilled(task) => Self::drilled(task),
            EventKind::DrillEnded(end) => {
                Self::DrillEnded { left: end.left, why: end.why.as_deref() }
            }
            EventKind::RunChanged { change, by } => Self::RunChanged {
                change: change.as_str(),
                value: change.value(),
                by: by.to_string(),
            },
            EventKind::RateLearnt(limit) => {
                Self::RateLearnt { per_second: limit.per_second, at_a_time: limit.at_a_time }
            }
            EventKind::RunStopping { reason, on_wire } => {
                Self::RunStopping { reason: reason.as_str(), on_wire: *on_wire }
            }
            EventKind::RunEnded(stats) => Self::RunEnded {
                stopped: stats.stopped.as_ref().map(StopReason::as_str),
                held_ms: whole_millis(stats.held),
            },
        }
    }

    fn verified(counts: ArrivalCounts) -> Self {
        let ArrivalCounts { arrived, on_the_way, stuck } = counts;
        Self::Verified { arrived, on_the_way, stuck }
    }

    fn drilled(task: &'a DrilledTask) -> Self {
        Self::Drilled {
            id: &task.id,
            listed: task.listed,
            not_there: task.not_there,
            named: task.sub_tasks.len(),
            gap: task.gap.as_deref(),
        }
    }

    fn started(started: &RunStarted) -> Self {
        Self::RunStarted {
            selected: started.selected,
            settled: started.settled,
            rate_limit: started.rate_limit.as_ref().map(Rate::to_string),
            finds_rate: started.finds_rate,
            concurrency: started.concurrency,
            service: None,
        }
    }

    /// Names the service in the first event of a run.
    fn at(mut self, named: Option<&'a EventService>) -> Self {
        if let Self::RunStarted { service, .. } = &mut self {
            *service = named;
        }
        self
    }

    fn ended(seq: u64, task: &'a Task, result: &'a AttemptResult) -> Self {
        Self::AttemptEnded {
            seq,
            task: task.into(),
            sent_at: result.sent.to_string(),
            duration_ms: whole_millis(result.duration),
            in_doubt: result.in_doubt,
            request_id: result.request_id.as_deref(),
            answer: result.into(),
        }
    }
}

impl<'a> From<&'a Task> for TaskPart<'a> {
    fn from(task: &'a Task) -> Self {
        Self { id: task.id.as_str(), command: task.command.as_str() }
    }
}

impl<'a> From<&'a AttemptResult> for AnswerPart<'a> {
    fn from(result: &'a AttemptResult) -> Self {
        let failure = result.failure.as_ref();
        // An empty text means that the service sent none, which the contract shows as `null`.
        Self {
            http_status: result.http_status,
            total_count: result.counts.map(|counts| counts.total),
            failed_count: result.counts.map(|counts| counts.failed),
            succeed_count: result.counts.map(|counts| counts.succeeded),
            error_kind: failure.map(|failure| failure.kind.as_str()),
            error_code: failure.and_then(|failure| non_empty(&failure.code)),
            error_msg: failure.and_then(|failure| non_empty(&failure.message)),
            error_list: failure.map_or(&[], |failure| &failure.error_list),
            detail: failure.and_then(|failure| non_empty(&failure.detail)),
            params: failure.map_or(&[], |failure| &failure.params),
            reason: failure.and_then(|failure| non_empty(&failure.reason)),
            advice: failure.and_then(|failure| non_empty(&failure.advice)),
        }
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
