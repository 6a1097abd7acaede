//! Writes a report as one JSON object, for programs.
//!
//! Fields are only ever added. Names, order and units are those of the documentation; a value
//! that is not known is `null`, and its field is there all the same.

use crate::clock::Timestamp;
use crate::report::ExitStatus;
use crate::report::FailureGroup;
use crate::report::model::Latency;
use crate::report::model::Report;
use crate::store::ChangeRow;
use crate::store::RunId;
use crate::task::FailureKind;
use crate::task::Outcome;
use crate::task::OutcomeCounts;
use crate::task::Rate;
use crate::task::TaskId;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::io::Write;
use std::time::Duration;

/// The version of the fields; it changes only if one of them changed its meaning.
const SCHEMA_VERSION: u32 = 1;
/// What attempts without a status are counted under.
const WITHOUT_ANSWER: &str = "none";

/// Writes the report as pretty-printed JSON with a line end after it.
///
/// # Errors
///
/// Those of `out`.
pub fn write_json(report: &Report, mut out: impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut out, &Document::of(report))?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    run: Run<'a>,
    target: Target<'a>,
    input: Input<'a>,
    settings: Value,
    tasks: Tasks,
    counts: Counts,
    calls: Calls,
    arrivals: Arrivals,
    latency_ms: LatencyMs,
    pace: Pace,
    failures: Vec<Failure<'a>>,
    advice: Vec<String>,
    changes: Vec<Changed<'a>>,
    stopped: Option<Stopped<'a>>,
    exit: Option<Exit>,
}

/// Returns the settings with the names of their fields in alphabetical order.
fn settings(report: &Report) -> Value {
    serde_json::to_value(&report.settings).expect("settings have a form in JSON")
}

impl<'a> Document<'a> {
    fn of(report: &'a Report) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            run: Run::of(report),
            target: Target {
                endpoint: &report.target.endpoint,
                project_id: &report.target.project_id,
            },
            input: Input::of(report),
            settings: settings(report),
            tasks: Tasks::of(&report.tasks),
            counts: Counts {
                total_count: report.counts.total,
                failed_count: report.counts.failed,
                succeed_count: report.counts.succeeded,
            },
            calls: Calls::of(report),
            arrivals: Arrivals {
                verified: report.arrivals.verified,
                unverified: report.arrivals.unverified,
            },
            latency_ms: report.latency.as_ref().map(LatencyMs::of).unwrap_or_default(),
            pace: Pace::of(report),
            failures: report.failures.iter().map(|group| Failure::of(group, report)).collect(),
            advice: report.advice.iter().map(ToString::to_string).collect(),
            changes: report.changes.iter().map(Changed::of).collect(),
            stopped: report
                .stopped
                .as_ref()
                .map(|stopped| Stopped { reason: &stopped.reason, detail: &stopped.detail }),
            exit: report.exit.map(Exit::of),
        }
    }
}

#[derive(Serialize)]
struct Run<'a> {
    id: &'a str,
    parent: Option<&'a str>,
    job: Option<&'a str>,
    reason: Option<&'a str>,
    command: &'a str,
    started_at: Option<String>,
    finished_at: Option<String>,
    duration_ms: u64,
    complete: bool,
    outstanding: u64,
}

impl<'a> Run<'a> {
    fn of(report: &'a Report) -> Self {
        let run = &report.run;
        let written = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            id: run.id.as_str(),
            parent: run.parent.as_ref().map(RunId::as_str),
            job: run.job.as_deref(),
            reason: run.reason.as_deref(),
            command: &run.command,
            started_at: written(run.started_at),
            finished_at: written(run.finished_at),
            duration_ms: whole_millis(run.duration),
            complete: run.complete,
            outstanding: run.outstanding,
        }
    }
}

#[derive(Serialize)]
struct Target<'a> {
    endpoint: &'a str,
    project_id: &'a str,
}

#[derive(Serialize)]
struct Input<'a> {
    sources: &'a [String],
    rows: u64,
    selected: u64,
    duplicates: u64,
    already_done: u64,
    invalid: u64,
}

impl<'a> Input<'a> {
    fn of(report: &'a Report) -> Self {
        let input = &report.input;
        Self {
            sources: &input.sources,
            rows: input.rows,
            selected: input.selected,
            duplicates: input.duplicates,
            already_done: input.already_done,
            invalid: input.invalid,
        }
    }
}

#[derive(Serialize)]
struct Tasks {
    selected: u64,
    succeeded: u64,
    partial: u64,
    failed: u64,
    ambiguous: u64,
    unchanged: u64,
    not_attempted: u64,
}

impl Tasks {
    fn of(tasks: &OutcomeCounts) -> Self {
        Self {
            selected: tasks.selected(),
            succeeded: tasks[Outcome::Succeeded],
            partial: tasks[Outcome::Partial],
            failed: tasks[Outcome::Failed],
            ambiguous: tasks[Outcome::Ambiguous],
            unchanged: tasks[Outcome::Unchanged],
            not_attempted: tasks[Outcome::NotAttempted],
        }
    }
}

#[derive(Serialize)]
struct Counts {
    total_count: u64,
    failed_count: u64,
    succeed_count: u64,
}

#[derive(Serialize)]
struct Calls {
    attempts: u64,
    retries: u64,
    throttled: u64,
    /// The sum is the number of attempts.
    by_status: BTreeMap<String, u64>,
    /// Pages of the list, beside the attempts.
    pages: u64,
}

impl Calls {
    fn of(report: &Report) -> Self {
        let calls = &report.calls;
        let answered = calls.by_status.iter().map(|(status, count)| (status.to_string(), *count));
        let unanswered =
            (calls.without_answer > 0).then(|| (WITHOUT_ANSWER.to_owned(), calls.without_answer));
        Self {
            attempts: calls.attempts,
            retries: calls.retries,
            throttled: calls.throttled,
            by_status: answered.chain(unanswered).collect(),
            pages: calls.pages,
        }
    }
}

#[derive(Serialize)]
struct Arrivals {
    verified: u64,
    unverified: u64,
}

#[derive(Default, Serialize)]
struct LatencyMs {
    min: Option<f64>,
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
    max: Option<f64>,
}

impl LatencyMs {
    fn of(latency: &Latency) -> Self {
        let known = |span| Some(millis(span));
        Self {
            min: known(latency.min),
            p50: known(latency.p50),
            p90: known(latency.p90),
            p99: known(latency.p99),
            max: known(latency.max),
        }
    }
}

#[derive(Serialize)]
struct Pace {
    /// Sendings a second, like the others; the settings have it as it was given.
    rate_limit: Option<f64>,
    rate_average: Option<f64>,
    rate_peak_1s: u64,
    paused_ms: u64,
    rate_learnt: Option<f64>,
}

impl Pace {
    fn of(report: &Report) -> Self {
        let pace = &report.pace;
        Self {
            rate_limit: pace.rate_limit.map(Rate::per_second),
            rate_average: pace.rate_average.map(three_decimals),
            rate_peak_1s: pace.rate_peak_1s,
            paused_ms: whole_millis(pace.paused),
            rate_learnt: pace.rate_learnt.map(three_decimals),
        }
    }
}

fn three_decimals(rate: f64) -> f64 {
    (rate * 1_000.0).round() / 1_000.0
}

/// A group of failures, with the fields it has in every document of lines and objects.
#[derive(Serialize)]
pub(crate) struct Failure<'a> {
    /// Nothing in the group of all causes beyond the most that are told apart.
    kind: Option<&'static str>,
    http_status: Option<u16>,
    error_code: Option<&'a str>,
    error_msg: &'a str,
    count: u64,
    retryable: bool,
    examples: Vec<&'a str>,
    sub_task_error: Option<&'a str>,
    reason: Option<&'a str>,
    advice: Option<&'a str>,
    label: String,
    /// The message with `…` for what differs from one task to the next.
    message_template: &'a str,
    /// Of all failures, between 0 and 1.
    share: f64,
    first_at: Option<String>,
    last_at: Option<String>,
    retry_command: Option<String>,
}

impl<'a> Failure<'a> {
    pub(crate) fn of(group: &'a FailureGroup, report: &Report) -> Self {
        let written = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            kind: group.kind.map(FailureKind::as_str),
            http_status: group.http_status,
            error_code: known(&group.error_code),
            error_msg: &group.error_msg,
            count: group.count,
            retryable: group.retryable,
            examples: group.examples.iter().map(TaskId::as_str).collect(),
            sub_task_error: known(&group.sub_task_error),
            reason: known(&group.reason),
            advice: known(&group.advice),
            label: group.label.to_string(),
            message_template: &group.message_template,
            share: (group.share * 10_000.0).round() / 10_000.0,
            first_at: written(group.first_at),
            last_at: written(group.last_at),
            retry_command: group.retry_command(report),
        }
    }
}

/// What an operator changed; the words are those of `batchctl ctl`'s record.
#[derive(Serialize)]
struct Changed<'a> {
    at: String,
    change: &'a str,
    value: Option<&'a str>,
    by: &'a str,
}

impl<'a> Changed<'a> {
    fn of(row: &'a ChangeRow) -> Self {
        let (change, value, by) = (&row.what, row.value.as_deref(), &row.by);
        Self { at: row.at.to_string(), change, value, by }
    }
}

#[derive(Serialize)]
struct Stopped<'a> {
    reason: &'a str,
    detail: &'a str,
}

#[derive(Serialize)]
pub(crate) struct Exit {
    code: u8,
    name: &'static str,
}

impl Exit {
    pub(crate) fn of(exit: ExitStatus) -> Self {
        Self { code: exit.code(), name: exit.name() }
    }
}

fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn millis(span: Duration) -> f64 {
    span.as_micros() as f64 / 1_000.0
}

fn whole_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
