//! Writes the account of a task for people: a line for each attempt, and the end in words.
//!
//! Every foreign text is made safe to show, and bounded.

use crate::reading::AttemptRow;
use crate::report::explain::Account;
use crate::report::explain::account::{Wait, hold_words};
use crate::report::format::{code_and_message, latency_words};
use crate::task::Failure;
use crate::text::{plural, printable, span};
use std::fmt;

/// The most columns of a text of the service.
const COLUMNS: usize = 300;
/// The most errors of sub-tasks that are shown.
const MOST_ERRORS: usize = 10;

impl fmt::Display for Account<'_> {
    /// Writes some lines; an empty line follows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.heading(f)?;
        for (attempt, wait) in self.history.attempts.iter().zip(&self.waits) {
            waited(f, wait)?;
            one(f, attempt, self.name_of_errors())?;
        }
        writeln!(f, "  {}: {}\n", self.history.task.outcome.as_str(), self.why())
    }
}

impl Account<'_> {
    fn heading(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (run, task) = (&self.run.record.run, &self.history.task);
        let target = task.target.as_ref().map(|target| format!(" at {target}"));
        let target = target.unwrap_or_default();
        write!(f, "{} {}{target} in run {}", task.command, task.id, run.id)?;
        write!(f, ", {}:{}", printable(self.source(), 100), task.line)?;
        if let Some(job) = &run.job {
            write!(f, ", job {}", printable(job, 64))?;
        }
        writeln!(f)
    }

    /// Returns what the entries of a list of errors are about.
    fn name_of_errors(&self) -> &'static str {
        if self.history.task.command.is_action() { "error" } else { "sub-task" }
    }

    /// Returns the name of the input that named the task.
    pub(crate) fn source(&self) -> &str {
        let place = usize::try_from(self.history.task.source).unwrap_or(usize::MAX);
        self.run.record.sources.get(place).map_or("", |source| &source.name)
    }
}

fn waited(f: &mut fmt::Formatter<'_>, wait: &Wait<'_>) -> fmt::Result {
    let Some(time) = wait.span else { return Ok(()) };
    let reasons: Vec<String> =
        wait.held.iter().map(|reason| printable(hold_words(reason), 60)).collect();
    let why = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
    writeln!(f, "      waited {}{why}", span(time))
}

fn one(f: &mut fmt::Formatter<'_>, attempt: &AttemptRow, name_of_errors: &str) -> fmt::Result {
    write!(f, "  {:>2}  {}  {}", attempt.number, attempt.sent, answer(attempt))?;
    if let Some(counts) = attempt.counts {
        let all = plural(counts.total, "sub-task", "sub-tasks");
        write!(f, ", {} of {all} succeeded", counts.succeeded)?;
    }
    if let Some(failure) = &attempt.failure {
        let said = printable(&code_and_message(&failure.code, failure.said()), COLUMNS);
        write!(f, ", {}: {said}", failure.kind)?;
    }
    writeln!(f, "{}", if attempt.in_doubt { " (in doubt)" } else { "" })?;
    attempt.failure.as_ref().map_or(Ok(()), |it| details(f, it, name_of_errors))?;
    match &attempt.request_id {
        Some(id) => line(f, "request", id),
        None => Ok(()),
    }
}

/// Says what came back, and when.
fn answer(attempt: &AttemptRow) -> String {
    match (attempt.http_status, attempt.duration) {
        (Some(status), Some(took)) => format!("{status} after {}", latency_words(took)),
        (None, Some(took)) => format!("no answer after {}", latency_words(took)),
        (_, None) => "no answer is on record".into(),
    }
}

fn details(f: &mut fmt::Formatter<'_>, failure: &Failure, name_of_errors: &str) -> fmt::Result {
    // The service's reason of a known code may say the same.
    if failure.detail != failure.said() && failure.detail != failure.reason {
        line(f, "detail", &failure.detail)?;
    }
    line(f, "params", &failure.params.join("; "))?;
    line(f, "reason", &failure.reason)?;
    line(f, "advice", &failure.advice)?;
    let mut shown = failure.error_list.iter().take(MOST_ERRORS);
    shown.try_for_each(|error| line(f, name_of_errors, error))?;
    match failure.error_list.len().saturating_sub(MOST_ERRORS) {
        0 => Ok(()),
        more => line(f, "and", &plural(more as u64, "more error", "more errors")),
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    if text.trim().is_empty() {
        return Ok(());
    }
    writeln!(f, "      {name:<8}  {}", printable(text, COLUMNS))
}
