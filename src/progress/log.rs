//! The log: one line per attempt, or per task without a good outcome, as text or as JSON.
//!
//! Foreign text is made safe in both formats: in text it is escaped and cut, in JSON it is complete
//! and in ASCII. Errors of the writer are ignored.

use super::render::store_waits;
use crate::clock::Timestamp;
use crate::event::{
    AttemptResult, AttemptSeq, Change, Event, EventKind, Operator, StoreWait, Watch,
};
use crate::task::{Outcome, Task};
use crate::text::{ascii_json, grouped, plural, printable};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

/// The most columns of an error code in a line of text.
const CODE_COLUMNS: usize = 40;
/// The most columns of a message in a line of text.
const MESSAGE_COLUMNS: usize = 200;

/// The events that get a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Tasks without a good outcome (`-v`).
    Tasks,
    /// Each attempt as well (`-vv`).
    Attempts,
}

/// The format of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    #[default]
    Text,
    /// A JSON object with the same members in each line; `null` for a missing value.
    Json,
}

/// Writes the results of single calls.
///
/// ```
/// use batchctl::event::Watch;
/// use batchctl::progress::{Log, LogFormat, Verbosity};
///
/// let mut log = Log::new(Box::new(std::io::sink()), Verbosity::Tasks, LogFormat::Json);
/// log.on_events(&[]);
/// ```
pub struct Log {
    out: Box<dyn Write + Send>,
    verbosity: Verbosity,
    format: LogFormat,
    /// The number within its task of each attempt under way, because the event of the end lacks it.
    numbers: HashMap<(Option<Arc<str>>, AttemptSeq), u32>,
    /// The target of the lines that are written, in a run of several.
    target: Option<Arc<str>>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verbosity, format, .. } = self;
        let mut log = f.debug_struct("Log");
        log.field("verbosity", verbosity).field("format", format).finish_non_exhaustive()
    }
}

impl Log {
    /// Returns a log that writes to `out` and ignores its errors.
    pub fn new(out: Box<dyn Write + Send>, verbosity: Verbosity, format: LogFormat) -> Self {
        Self { out, verbosity, format, numbers: HashMap::new(), target: None }
    }

    /// Returns the entry for the event at `index`, if it gets a line.
    fn entry<'a>(&mut self, events: &'a [Event], index: usize) -> Option<LogEntry<'a>> {
        let Event { at, kind } = &events[index];
        match kind {
            EventKind::AttemptStarted { seq, number, .. } => {
                self.numbers.insert((self.target.clone(), *seq), *number);
                None
            }
            EventKind::AttemptWithdrawn { seq, .. } => {
                self.numbers.remove(&(self.target.clone(), *seq));
                None
            }
            EventKind::AttemptEnded { seq, task, result } => {
                // Removed even if no line follows, or the map would grow with the run.
                let number = self.numbers.remove(&(self.target.clone(), *seq));
                let is_shown = self.verbosity == Verbosity::Attempts;
                is_shown.then(|| LogEntry::of_attempt(*at, task, number, result))
            }
            EventKind::TaskSettled { .. } => LogEntry::of_task(&events[..=index]),
            EventKind::RunStarted(_)
            | EventKind::WaveStarted(_)
            | EventKind::RetryScheduled { .. }
            | EventKind::PollStarted { .. }
            | EventKind::Surveyed(_)
            | EventKind::Verified(_)
            | EventKind::DrillStarted { .. }
            | EventKind::Drilled(_)
            | EventKind::DrillEnded(_)
            | EventKind::RunHeld { .. }
            | EventKind::RunContinued
            | EventKind::RateLearnt(_)
            | EventKind::RunChanged { .. }
            | EventKind::RunStopping { .. }
            | EventKind::RunEnded(_) => None,
        }
    }
}

impl Watch for Log {
    fn on_events(&mut self, events: &[Event]) {
        let mut text = String::new();
        for index in 0..events.len() {
            let target = self.target.clone();
            let line = match &events[index] {
                Event { at, kind: EventKind::RunChanged { change, by } } => {
                    self.format.changed(*at, *change, *by, target.as_deref())
                }
                _ => {
                    let entry = self.entry(events, index);
                    entry.map(|entry| self.format.line(&entry, target.as_deref()))
                }
            };
            text.extend(line);
        }
        if text.is_empty() {
            return;
        }
        // A closed stream must not stop a run.
        let _ = self.out.write_all(text.as_bytes());
        let _ = self.out.flush();
    }

    fn on_target_events(&mut self, target: &Arc<str>, events: &[Event]) {
        self.target = Some(Arc::clone(target));
        self.on_events(events);
        self.target = None;
    }

    fn on_store_wait(&mut self, wait: Option<&StoreWait>, now: Timestamp) {
        let line = self.format.store_wait(now, wait, self.target.as_deref());
        let _ = self.out.write_all(line.unwrap_or_default().as_bytes());
        let _ = self.out.flush();
    }

    fn on_target_store_wait(
        &mut self,
        target: &Arc<str>,
        wait: Option<&StoreWait>,
        now: Timestamp,
    ) {
        self.target = Some(Arc::clone(target));
        self.on_store_wait(wait, now);
        self.target = None;
    }
}

/// The content of a line.
struct LogEntry<'a> {
    at: Timestamp,
    task: &'a Task,
    what: LoggedFact,
    /// The result of the attempt, or of the task's last attempt.
    result: Option<&'a AttemptResult>,
    took: Duration,
}

enum LoggedFact {
    AttemptEnded { number: Option<u32> },
    TaskSettled { outcome: Outcome, attempts: u32 },
}

impl<'a> LogEntry<'a> {
    fn of_attempt(
        at: Timestamp,
        task: &'a Task,
        number: Option<u32>,
        result: &'a AttemptResult,
    ) -> Self {
        let what = LoggedFact::AttemptEnded { number };
        Self { at, task, what, result: Some(result), took: result.duration }
    }

    /// Returns the entry of the task that the last event settled, unless its outcome is good.
    fn of_task(events: &'a [Event]) -> Option<Self> {
        let (Event { at, kind }, before) = events.split_last()?;
        let EventKind::TaskSettled { task, outcome, seq, attempts, first_sent } = kind else {
            return None;
        };
        if outcome.is_good() {
            return None;
        }
        let what = LoggedFact::TaskSettled { outcome: *outcome, attempts: *attempts };
        let took = at.since(*first_sent);
        Some(Self { at: *at, task, what, result: result_of(*seq, before), took })
    }
}

/// Finds the result of an attempt among the events before.
pub(super) fn result_of(wanted: AttemptSeq, events: &[Event]) -> Option<&AttemptResult> {
    // From the end, because the engine settles a task right after its last attempt. A suspect is
    // settled later, perhaps in another batch: then there is no result to show.
    events.iter().rev().find_map(|event| {
        let EventKind::AttemptEnded { seq, result, .. } = &event.kind else { return None };
        (*seq == wanted).then_some(result)
    })
}

impl LogFormat {
    fn line(self, entry: &LogEntry<'_>, target: Option<&str>) -> String {
        match self {
            Self::Text => text_line(entry, target),
            Self::Json => json_line(entry, target),
        }
    }

    /// Writes a change by an operator in JSON only; people see it in the bar or the plain lines.
    fn changed(
        self,
        at: Timestamp,
        change: Change,
        by: Operator,
        target: Option<&str>,
    ) -> Option<String> {
        let (change, by) = (Some(change.to_string()), Some(by.to_string()));
        let entry = || JsonEntry { change, by, target, ..JsonEntry::of_run(at, "run_changed") };
        (self == Self::Json).then(|| written(&entry()))
    }

    /// Writes a wait of the store in JSON only, for the same reason.
    fn store_wait(
        self,
        at: Timestamp,
        wait: Option<&StoreWait>,
        target: Option<&str>,
    ) -> Option<String> {
        let said = wait.map(store_waits);
        let event = if wait.is_some() { "store_waits" } else { "store_goes_on" };
        let entry =
            JsonEntry { error_msg: said.as_deref(), target, ..JsonEntry::of_run(at, event) };
        (self == Self::Json).then(|| written(&entry))
    }
}

// For people.

fn text_line(entry: &LogEntry<'_>, target: Option<&str>) -> String {
    let LogEntry { at, task, what, result, took } = entry;
    let what = match what {
        LoggedFact::AttemptEnded { number: Some(number) } => format!("attempt {number}"),
        LoggedFact::AttemptEnded { number: None } => "attempt".to_owned(),
        LoggedFact::TaskSettled { outcome, attempts } => {
            format!("{outcome} after {}", plural((*attempts).into(), "attempt", "attempts"))
        }
    };
    let seen = result.map(seen).filter(|seen| !seen.is_empty());
    let seen = seen.map_or_else(String::new, |seen| format!(": {seen}"));
    let took = grouped(took.as_millis().try_into().unwrap_or(u64::MAX));
    let doubt = if result.is_some_and(|result| result.in_doubt) { ", in doubt" } else { "" };
    let at_target = target.map_or_else(String::new, |target| format!("{target}: "));
    format!("{at} {at_target}{} {} {what}{seen} in {took} ms{doubt}\n", task.command, task.id)
}

/// Returns the text of a result, such as `500 VIAS.00010009 "Internal error."`.
fn seen(result: &AttemptResult) -> String {
    let failure = result.failure.as_ref();
    let status = result.http_status.map(|status| status.to_string());
    let kind = failure.map(|failure| failure.kind.as_str().to_owned());
    let code = failure.map(|failure| printable(&failure.code, CODE_COLUMNS));
    let message = failure.map(|failure| printable(&failure.message, MESSAGE_COLUMNS));
    let message = message.filter(|text| !text.is_empty()).map(|text| quoted(&text));
    // Without a status the kind says how far the call got.
    let parts = [status.or(kind), code, message].into_iter().flatten();
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Quotes foreign text so that it cannot imitate the end of the quote.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', r#"\""#))
}

// For machines.

/// The members of a line. Their names are part of the contract: members are only ever added.
#[derive(Serialize)]
struct JsonEntry<'a> {
    at: String,
    event: &'static str,
    id: Option<&'a str>,
    command: Option<&'static str>,
    attempt: Option<u32>,
    http_status: Option<u16>,
    outcome: Option<&'static str>,
    error_kind: Option<&'static str>,
    error_code: Option<&'a str>,
    error_msg: Option<&'a str>,
    duration_ms: Option<u64>,
    change: Option<String>,
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
}

impl JsonEntry<'_> {
    /// Returns a line about the run, and no task.
    fn of_run(at: Timestamp, event: &'static str) -> Self {
        Self {
            at: at.to_string(),
            event,
            id: None,
            command: None,
            attempt: None,
            http_status: None,
            outcome: None,
            error_kind: None,
            error_code: None,
            error_msg: None,
            duration_ms: None,
            change: None,
            by: None,
            target: None,
        }
    }
}

fn json_line(entry: &LogEntry<'_>, target: Option<&str>) -> String {
    let (event, attempt, outcome) = match entry.what {
        LoggedFact::AttemptEnded { number } => ("attempt_ended", number, None),
        LoggedFact::TaskSettled { outcome, attempts } => {
            ("task_settled", Some(attempts), Some(outcome.as_str()))
        }
    };
    let failure = entry.result.and_then(|result| result.failure.as_ref());
    let entry = JsonEntry {
        at: entry.at.to_string(),
        event,
        id: Some(entry.task.id.as_str()),
        command: Some(entry.task.command.as_str()),
        attempt,
        http_status: entry.result.and_then(|result| result.http_status),
        outcome,
        error_kind: failure.map(|failure| failure.kind.as_str()),
        error_code: sent(failure.map(|failure| &failure.code)),
        error_msg: sent(failure.map(|failure| &failure.message)),
        duration_ms: Some(entry.took.as_millis().try_into().unwrap_or(u64::MAX)),
        change: None,
        by: None,
        target,
    };
    written(&entry)
}

fn written(entry: &JsonEntry<'_>) -> String {
    let json = serde_json::to_string(entry).expect("names, numbers and text are always JSON");
    ascii_json(&json) + "\n"
}

fn sent(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
