//! Writes a report as one JSON object, for programs.
//!
//! Fields are only ever added. Their names, order and units are those of `schema/report.json`. A
//! value that is not known is `null`; its field is never left out. Parts of the model whose fields
//! are those of the document derive `Serialize` themselves; the others have a type here, because
//! their units or types differ.

use crate::clock::Timestamp;
use crate::report::format::damage_json::DamageJson;
use crate::report::format::drill_json::{DrillJson, SubTaskErrorJson};
use crate::report::format::json_parts::{
    ChangeJson, ServiceJson, ShardJson, TakeoverJson, WaveJson, WorkerJson,
};
use crate::report::model::{
    Calls, ExitStatus, FailureGroup, InputPart, Latency, PacePart, Report, RunPart, Stopped,
    Target, TargetReport, VerifyCounts,
};
use crate::settings::{LeftOut, RunSettings, TaskChoice};
use crate::store::RunId;
use crate::task::{Counts, FailureKind, Outcome, OutcomeCounts, Rate, RunBy, TaskId};
use crate::text::{non_empty, whole_millis};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::io::Write;
use std::time::Duration;

/// The version of the fields; it changes only if the meaning of one changes.
const SCHEMA_VERSION: u32 = 1;
/// The key under which attempts without an HTTP status are counted.
const WITHOUT_ANSWER: &str = "none";

/// Writes the report as pretty-printed JSON with a line end after it.
///
/// # Errors
///
/// Those of `out`.
pub fn write_json(report: &Report, mut out: impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut out, &ReportJson::from_report(report))?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct ReportJson<'a> {
    schema_version: u32,
    run: RunJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<ServiceJson<'a>>,
    target: &'a Target,
    input: &'a InputPart,
    settings: Value,
    #[serde(serialize_with = "write_outcome_counts")]
    tasks: &'a OutcomeCounts,
    #[serde(with = "SubTaskCountsJson")]
    counts: Counts,
    wave: Option<WaveJson>,
    /// Tasks that succeeded without a sub-task.
    empty: u64,
    /// Tasks that succeeded at their second or a later attempt.
    flaky: u64,
    calls: CallsJson,
    arrivals: VerifyCounts,
    latency_ms: LatencyJson,
    pace: PaceJson,
    drill: Option<DrillJson<'a>>,
    failures: Vec<FailureGroupJson<'a>>,
    /// The tuning hints; the name is that of the first version.
    advice: Vec<String>,
    changes: Vec<ChangeJson<'a>>,
    shards: Vec<ShardJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    workers: Vec<WorkerJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    takeovers: Option<Vec<TakeoverJson<'a>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    targets: Vec<TargetJson<'a>>,
    damage: Vec<DamageJson<'a>>,
    stopped: Option<&'a Stopped>,
    exit: Option<ExitJson>,
}

impl<'a> ReportJson<'a> {
    fn from_report(report: &'a Report) -> Self {
        let groups = report.failures.iter();
        Self {
            schema_version: SCHEMA_VERSION,
            service: report.run.service.as_ref().map(ServiceJson::from_part),
            run: RunJson::from_part(&report.run, &report.settings),
            target: &report.target,
            input: &report.input,
            // Through a `Value`, because it sorts the fields by name, whatever their order in code.
            settings: settings(&report.settings),
            tasks: &report.tasks,
            counts: report.counts,
            wave: report.wave.map(|place| WaveJson { number: place.wave, of: place.of }),
            empty: report.empty,
            flaky: report.flaky,
            calls: CallsJson::from_calls(&report.calls),
            arrivals: report.arrivals,
            latency_ms: report.latency.map(LatencyJson::from_latency).unwrap_or_default(),
            pace: PaceJson::from_part(&report.pace),
            drill: report.drill.as_ref().map(DrillJson::from_part),
            failures: groups.map(|group| FailureGroupJson::from_group(group, report)).collect(),
            advice: report.tuning_hints.iter().map(ToString::to_string).collect(),
            changes: report.changes.iter().map(ChangeJson::from_row).collect(),
            shards: report.shards.iter().map(ShardJson::from_row).collect(),
            workers: report.workers.iter().map(WorkerJson::from_row).collect(),
            takeovers: TakeoverJson::of_report(report),
            targets: report.targets.iter().map(TargetJson::from_report).collect(),
            damage: report.damage.iter().map(DamageJson::from_part).collect(),
            stopped: report.stopped.as_ref(),
            exit: report.exit.map(ExitJson::from_status),
        }
    }
}

/// One target of a run of several.
#[derive(Serialize)]
struct TargetJson<'a> {
    name: &'a str,
    endpoint: &'a str,
    project_id: &'a str,
    settings: Value,
    #[serde(serialize_with = "write_outcome_counts")]
    tasks: &'a OutcomeCounts,
    attempts: u64,
    rate_average: Option<f64>,
    rate_peak_1s: u64,
    complete: bool,
    stopped: Option<&'a Stopped>,
    exit: Option<ExitJson>,
}

impl<'a> TargetJson<'a> {
    fn from_report(target: &'a TargetReport) -> Self {
        Self {
            name: &target.name,
            endpoint: &target.target.endpoint,
            project_id: &target.target.project_id,
            settings: settings(&target.settings),
            tasks: &target.tasks,
            attempts: target.attempts,
            rate_average: target.rate_average,
            rate_peak_1s: target.rate_peak_1s,
            complete: target.complete,
            stopped: target.stopped.as_ref(),
            exit: target.exit.map(ExitJson::from_status),
        }
    }
}

/// Returns the settings without what other parts of the document show.
fn settings(settings: &RunSettings) -> Value {
    let choice = TaskChoice { left_out: LeftOut::default(), ..settings.choice.clone() };
    let shown = RunSettings { by: None, choice, target: None, ..settings.clone() };
    serde_json::to_value(shown).expect("settings have a form in JSON")
}

#[derive(Serialize)]
struct RunJson<'a> {
    id: &'a str,
    parent: Option<&'a str>,
    job: Option<&'a str>,
    reason: Option<&'a str>,
    command: &'a str,
    profile: &'a str,
    by: Option<&'a RunBy>,
    started_at: Option<String>,
    finished_at: Option<String>,
    duration_ms: u64,
    complete: bool,
    outstanding: u64,
}

impl<'a> RunJson<'a> {
    fn from_part(run: &'a RunPart, settings: &'a RunSettings) -> Self {
        Self {
            id: run.id.as_str(),
            parent: run.parent.as_ref().map(RunId::as_str),
            job: run.job.as_deref(),
            reason: run.reason.as_deref(),
            command: &run.command,
            profile: &settings.profile,
            by: settings.by.as_ref(),
            started_at: written_time(run.started_at),
            finished_at: written_time(run.finished_at),
            duration_ms: whole_millis(run.duration),
            complete: run.complete,
            outstanding: run.outstanding,
        }
    }
}

/// Writes one field for each outcome, after their sum.
fn write_outcome_counts<S: Serializer>(
    counts: &OutcomeCounts,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    // A map, so that an outcome that is added later cannot be forgotten here.
    let mut map = serializer.serialize_map(Some(1 + Outcome::ALL.len()))?;
    map.serialize_entry("selected", &counts.selected())?;
    for outcome in Outcome::ALL {
        map.serialize_entry(outcome.as_str(), &counts[outcome])?;
    }
    map.end()
}

/// The service's own names for its counts of sub-tasks.
#[derive(Serialize)]
#[serde(remote = "Counts")]
struct SubTaskCountsJson {
    #[serde(rename = "total_count")]
    total: u64,
    #[serde(rename = "failed_count")]
    failed: u64,
    #[serde(rename = "succeed_count")]
    succeeded: u64,
}

#[derive(Serialize)]
struct CallsJson {
    attempts: u64,
    retries: u64,
    throttled: u64,
    /// Attempts by HTTP status; their sum is the number of attempts.
    by_status: BTreeMap<String, u64>,
    /// Pages of the list, which are not attempts.
    pages: u64,
}

impl CallsJson {
    fn from_calls(calls: &Calls) -> Self {
        let answered = calls.by_status.iter().map(|(status, count)| (status.to_string(), *count));
        // No entry for zero, because the other statuses have none either.
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

/// Latencies in milliseconds; all `null` if no attempt ended.
#[derive(Default, Serialize)]
struct LatencyJson {
    min: Option<f64>,
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
    max: Option<f64>,
}

impl LatencyJson {
    fn from_latency(latency: Latency) -> Self {
        // Options, so that one type also writes the `null`s of a run without attempts.
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
struct PaceJson {
    /// Calls a second, as the other rates; the settings have the limit as it was given.
    rate_limit: Option<f64>,
    rate_average: Option<f64>,
    rate_peak_1s: u64,
    paused_ms: u64,
    rate_learnt: Option<f64>,
    set_by_service: Option<f64>,
    at_a_time_set_by_service: Option<u32>,
}

impl PaceJson {
    fn from_part(pace: &PacePart) -> Self {
        Self {
            rate_limit: pace.rate_limit.map(Rate::per_second),
            rate_average: pace.rate_average.map(three_decimals),
            rate_peak_1s: pace.rate_peak_1s,
            paused_ms: whole_millis(pace.paused),
            rate_learnt: pace.learnt.per_second.map(three_decimals),
            set_by_service: pace.learnt.per_second.map(three_decimals),
            at_a_time_set_by_service: pace.learnt.at_a_time,
        }
    }
}

/// A failure group, with the same fields in report.json and in the closing events.
#[derive(Serialize)]
pub(crate) struct FailureGroupJson<'a> {
    /// `None` for the group of all causes beyond the limit.
    kind: Option<&'static str>,
    http_status: Option<u16>,
    error_code: Option<&'a str>,
    error_msg: &'a str,
    count: u64,
    retryable: bool,
    examples: Vec<&'a str>,
    sub_task_error: Option<&'a str>,
    reason: Option<&'a str>,
    /// The service's advice.
    advice: Option<&'a str>,
    label: String,
    /// The message with `…` in place of parts that differ between tasks.
    message_template: &'a str,
    /// The share of all failures, between 0 and 1.
    share: f64,
    first_at: Option<String>,
    last_at: Option<String>,
    retry_command: Option<String>,
    /// The service's detail of the first task, and what all details of the group have in common.
    detail: Option<&'a str>,
    detail_template: Option<&'a str>,
    params: &'a [String],
    /// The most frequent errors of its sub-tasks, if its tasks were looked into.
    sub_task_errors: Vec<SubTaskErrorJson<'a>>,
}

impl<'a> FailureGroupJson<'a> {
    pub(crate) fn from_group(group: &'a FailureGroup, report: &Report) -> Self {
        let errors = group.sub_task_errors.iter();
        Self {
            kind: group.kind.map(FailureKind::as_str),
            http_status: group.http_status,
            error_code: non_empty(&group.error_code),
            error_msg: &group.error_msg,
            count: group.count,
            retryable: group.retryable,
            examples: group.examples.iter().map(TaskId::as_str).collect(),
            sub_task_error: non_empty(&group.sub_task_error),
            reason: non_empty(&group.reason),
            advice: non_empty(&group.advice),
            label: group.label.to_string(),
            message_template: &group.message_template,
            // Four decimals: finer shares would only show how floats divide.
            share: (group.share * 10_000.0).round() / 10_000.0,
            first_at: written_time(group.first_at),
            last_at: written_time(group.last_at),
            retry_command: report.retry_command(group),
            detail: non_empty(&group.detail),
            detail_template: non_empty(&group.detail_template),
            params: &group.params,
            sub_task_errors: errors.map(SubTaskErrorJson::from_error).collect(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct ExitJson {
    code: u8,
    name: &'static str,
}

impl ExitJson {
    pub(crate) fn from_status(exit: ExitStatus) -> Self {
        Self { code: exit.code(), name: exit.name() }
    }
}

fn written_time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

fn three_decimals(rate: f64) -> f64 {
    // Finer digits would only show how floats divide.
    (rate * 1_000.0).round() / 1_000.0
}

fn millis(span: Duration) -> f64 {
    // Microseconds are how attempts are measured; a float of milliseconds keeps them.
    span.as_micros() as f64 / 1_000.0
}
