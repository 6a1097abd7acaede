//! What a message about the end of a run says: a headline, the groups of failures, and what to type.
//!
//! Texts of the service are made safe, cut, and free of secrets. Must not know the shape of a
//! message.

use crate::cli::Context;
use batchctl::report::{ExitStatus, FailureGroup, Report, next_commands};
use batchctl::task::Outcome;
use batchctl::text::{grouped, plural, printable};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The most groups of failures that a message names.
const MOST_GROUPS: usize = 5;
/// The most columns of one line.
const COLUMNS: usize = 200;

/// Why a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Failure,
    Recovery,
    Success,
}

impl Event {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Recovery => "recovery",
            Self::Success => "success",
        }
    }
}

/// The end of a command, as a message tells it.
pub(crate) struct Ending<'a> {
    pub(crate) event: Event,
    pub(crate) verb: &'a str,
    pub(crate) job: Option<&'a str>,
    pub(crate) status: ExitStatus,
}

/// A message in no shape yet.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) headline: String,
    /// All lines below the headline.
    pub(crate) lines: Vec<String>,
    /// The same as plain JSON.
    pub(crate) json: Value,
}

impl Message {
    /// Returns the whole message as text.
    pub(crate) fn text(&self) -> String {
        let lines = std::iter::once(&self.headline).chain(&self.lines);
        lines.map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// Writes the message about the end of a command.
pub(crate) fn write(ending: &Ending<'_>, context: &Context) -> Message {
    let clean = |text: &str| printable(&context.stderr.redactor.redact(text.into()), COLUMNS);
    let report = context.run_end.report();
    let groups = report.map_or(&[][..], |report| &report.failures);
    let headline = clean(&headline(ending, report));
    let host = context.identity().map(|by| clean(&by.host));
    let run = context.run_end.run().map(ToString::to_string);
    let place = match (&run, &host) {
        (Some(run), Some(host)) => Some(format!("run {run} on {host}")),
        (Some(run), None) => Some(format!("run {run}")),
        (None, Some(host)) => Some(format!("on {host}")),
        (None, None) => None,
    };
    let shown = &groups[..groups.len().min(MOST_GROUPS)];
    let texts: Vec<String> = shown.iter().map(|group| clean(&group.in_a_line())).collect();
    let more = groups.len() - shown.len();
    let next = report.and_then(|report| next(ending.event, report, context));
    let mut lines: Vec<String> = place.into_iter().chain(texts.iter().cloned()).collect();
    if more > 0 {
        lines.push(format!("… and {}", plural(more as u64, "more group", "more groups")));
    }
    lines.extend(next.iter().map(|command| format!("Next: {command}")));
    let failures: Vec<Value> = shown.iter().zip(&texts).map(group).collect();
    let json = json!({
        "source": "batchctl",
        "event": ending.event.as_str(),
        "headline": headline,
        "run": run,
        "job": ending.job.map(clean),
        "host": host,
        "command": report.map_or(ending.verb, |report| &report.run.command),
        "exit": { "code": ending.status.code(), "name": ending.status.name() },
        "tasks": report.map(tasks),
        "failures": failures,
        "more_failure_groups": more,
        "next": next,
    });
    Message { headline, lines, json }
}

/// Says in a line which command ended, and how.
fn headline(ending: &Ending<'_>, report: Option<&Report>) -> String {
    let command = report.map_or(ending.verb, |report| &report.run.command);
    let job = ending.job.map_or_else(String::new, |job| format!(", job {job}"));
    let (code, name) = (ending.status.code(), ending.status.name());
    let end = match report {
        None => "no run was begun".into(),
        Some(report) => {
            let good = Outcome::ALL.into_iter().filter(|outcome| outcome.is_good());
            let good: u64 = good.map(|outcome| report.tasks[outcome]).sum();
            let selected = report.tasks.selected();
            let tasks = plural(selected, "task", "tasks");
            match selected - good {
                0 if ending.event == Event::Recovery => format!("recovered, {tasks} succeeded"),
                0 => format!("{tasks} succeeded"),
                bad => format!("{} of {tasks} did not succeed", grouped(bad)),
            }
        }
    };
    let status = match ending.event {
        Event::Failure => format!(" ({name}, exit status {code})"),
        Event::Recovery | Event::Success => String::new(),
    };
    format!("batchctl {command}{job}: {end}{status}")
}

/// Returns the command to type next; after a good run there is nothing to do.
fn next(event: Event, report: &Report, context: &Context) -> Option<String> {
    if event != Event::Failure {
        return None;
    }
    let written: Vec<PathBuf> = context.run_end.written().map(PathBuf::from).collect();
    next_commands(report, &written).into_iter().next().map(|next| next.command)
}

fn tasks(report: &Report) -> Value {
    let counts = Outcome::ALL.into_iter();
    let counts = counts.map(|outcome| (outcome.as_str().to_owned(), json!(report.tasks[outcome])));
    let selected = ("selected".to_owned(), json!(report.tasks.selected()));
    Value::Object(std::iter::once(selected).chain(counts).collect())
}

fn group((group, text): (&FailureGroup, &String)) -> Value {
    json!({ "label": group.label.to_string(), "count": group.count, "text": text })
}
