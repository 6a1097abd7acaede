//! Writes a report as a text file for Prometheus' node exporter.
//!
//! Every metric is a gauge, because the numbers of one run start anew with the next. Units are base
//! units; each metric has one `HELP` and one `TYPE`, and no series occurs twice. Nothing that
//! differs from run to run, such as an id, is a label. Only the largest failure groups have series,
//! labelled by kind, status and code: a label with the message, or a series for every cause, would
//! create series without end. Examples of their tasks are in comments.

use crate::clock::Timestamp;
use crate::report::format::words::{decimal_seconds, remedy};
use crate::report::model::{FailureGroup, Report};
use crate::task::{FailureKind, Outcome, TaskId};
use crate::text::{cut, printable};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The most failure groups with series of their own.
const MAX_SHOWN: usize = 10;
/// The most columns of a comment.
const MAX_COMMENT_COLUMNS: usize = 300;
/// The most bytes of the service's code in a label.
const MAX_CODE_BYTES: usize = 64;

/// Returns the report as Prometheus text. `last_success` is when the job last succeeded.
///
/// An unknown time is written as 0, so that an alert on the age of the last success also fires for
/// a job that never succeeded.
pub fn prometheus(report: &Report, last_success: Option<Timestamp>) -> String {
    let mut metrics = MetricsText::for_run(report);
    ending(&mut metrics, report, last_success);
    tasks(&mut metrics, report);
    groups(&mut metrics, report);
    calls(&mut metrics, report);
    targets(&mut metrics, report);
    workers(&mut metrics, report);
    metrics.text
}

fn ending(metrics: &mut MetricsText, report: &Report, last_success: Option<Timestamp>) {
    let run = &report.run;
    // First, because it is the one metric that every alert needs.
    metrics.gauge(
        "last_success_timestamp_seconds",
        "When the latest run ended in which every task got where it was sent, 0 if none did.",
        &[(&[], timestamp(last_success))],
    );
    metrics.gauge(
        "last_run_start_timestamp_seconds",
        "When the run began, 0 if it did not.",
        &[(&[], timestamp(run.started_at))],
    );
    metrics.gauge(
        "last_run_end_timestamp_seconds",
        "When the run ended, 0 if it is under way or was killed.",
        &[(&[], timestamp(run.finished_at))],
    );
    metrics.gauge(
        "last_run_duration_seconds",
        "How long the run took.",
        &[(&[], decimal_seconds(run.duration))],
    );
    metrics.gauge(
        "last_run_complete",
        "Whether every task of the run has its outcome.",
        &[(&[], u8::from(run.complete).to_string())],
    );
    // No metric while the run goes on, because any number could be mistaken for a status.
    if let Some(exit) = report.exit {
        metrics.gauge(
            "last_run_exit_status",
            "The exit status of the run: 0 is success.",
            &[(&[], exit.code().to_string())],
        );
    }
}

fn tasks(metrics: &mut MetricsText, report: &Report) {
    let outcomes = Outcome::ALL.map(|outcome| {
        let label = [("outcome", outcome.as_str())];
        (label, report.tasks[outcome].to_string())
    });
    let outcomes: Vec<Sample<'_>> = borrowed(&outcomes);
    metrics.gauge("last_run_tasks", "Tasks of the run by their outcome.", &outcomes);
    // Every kind has a sample, also with 0, because an absent series cannot trigger an alert.
    let mut kinds: BTreeMap<&str, u64> =
        FailureKind::ALL.into_iter().map(|kind| (kind.as_str(), 0)).collect();
    for group in &report.failures {
        *kinds.entry(group.kind_word()).or_default() += group.count;
    }
    let kinds: Vec<_> =
        kinds.into_iter().map(|(kind, count)| ([("kind", kind)], count.to_string())).collect();
    metrics.gauge(
        "last_run_failures",
        "Tasks of the run that were sent and are partial, failed or ambiguous, by kind.",
        &borrowed(&kinds),
    );
    metrics.gauge(
        "last_run_outstanding_tasks",
        "Tasks of the run, and of those it retries, that are not where they were sent.",
        &[(&[], report.run.outstanding.to_string())],
    );
    if report.run.has_counts() {
        sub_tasks(metrics, report);
    }
    metrics.gauge(
        "last_run_flaky_tasks",
        "Tasks of the run that succeeded at their second or a later attempt.",
        &[(&[], report.flaky.to_string())],
    );
}

/// Writes what the service counted in the tasks.
fn sub_tasks(metrics: &mut MetricsText, report: &Report) {
    let counts = report.counts;
    let results = [("succeeded", counts.succeeded), ("failed", counts.failed)];
    let results = results.map(|(result, count)| ([("result", result)], count.to_string()));
    metrics.gauge(
        "last_run_sub_tasks",
        "Sub-tasks as the service counted them.",
        &borrowed(&results),
    );
    metrics.gauge(
        "last_run_empty_tasks",
        "Tasks of the run that succeeded without a sub-task.",
        &[(&[], report.empty.to_string())],
    );
}

fn groups(metrics: &mut MetricsText, report: &Report) {
    // The groups are ordered by size.
    let shown = &report.failures[..report.failures.len().min(MAX_SHOWN)];
    if shown.is_empty() {
        return;
    }
    for group in shown {
        metrics.comment(&examples(group));
        if let Some(command) = report.retry_command(group) {
            metrics.comment(&format!("{}: {}: {command}", group.label, remedy(group)));
        }
    }
    let labels: Vec<GroupLabels<'_>> = shown.iter().map(GroupLabels::from_group).collect();
    let mut gauge = |name, help, value: fn(&FailureGroup) -> String| {
        let samples = shown.iter().zip(&labels).map(|(group, it)| (it.pairs(), value(group)));
        metrics.gauge(name, help, &borrowed(&samples.collect::<Vec<_>>()));
    };
    gauge(
        "last_run_failure_group_tasks",
        "Tasks of the run in its ten largest groups of failures with the same cause.",
        |group| group.count.to_string(),
    );
    gauge(
        "last_run_failure_group_ratio",
        "Which part of all failures the group is, between 0 and 1.",
        |group| format!("{:.4}", group.share),
    );
    gauge(
        "last_run_failure_group_first_timestamp_seconds",
        "When the first task of the group failed, 0 if that is not known.",
        |group| timestamp(group.first_at),
    );
    gauge(
        "last_run_failure_group_last_timestamp_seconds",
        "When the last task of the group failed, 0 if that is not known.",
        |group| timestamp(group.last_at),
    );
}

fn targets(metrics: &mut MetricsText, report: &Report) {
    if report.targets.is_empty() {
        return;
    }
    let tasks: Vec<_> = report
        .targets
        .iter()
        .flat_map(|target| {
            Outcome::ALL.map(|outcome| {
                let labels = [("target", target.name.as_str()), ("outcome", outcome.as_str())];
                (labels, target.tasks[outcome].to_string())
            })
        })
        .collect();
    let help = "Tasks of each target of the run by their outcome.";
    metrics.gauge("last_run_target_tasks", help, &borrowed(&tasks));
    let ended = report.targets.iter().filter_map(|target| {
        let exit = target.exit?.code().to_string();
        Some(([("target", target.name.as_str())], exit))
    });
    let ended: Vec<_> = ended.collect();
    if !ended.is_empty() {
        let help = "The exit status of each target of the run: 0 is success.";
        metrics.gauge("last_run_target_exit_status", help, &borrowed(&ended));
    }
}

fn workers(metrics: &mut MetricsText, report: &Report) {
    if report.workers.is_empty() {
        return;
    }
    let in_doubt: u64 = report.takeovers.iter().filter_map(|it| it.in_doubt).map(u64::from).sum();
    let numbers = [
        ("last_run_workers", "Workers of the run.", report.workers.len() as u64),
        (
            "last_run_takeovers",
            "Chunks that went from a worker that was gone to another one.",
            report.takeovers.len() as u64,
        ),
        ("last_run_takeovers_in_doubt", "Tasks of these chunks that were in doubt.", in_doubt),
    ];
    for (name, help, number) in numbers {
        metrics.gauge(name, help, &[(&[], number.to_string())]);
    }
}

/// Returns some tasks of a group for a comment. As a label, each id would create a series.
fn examples(group: &FailureGroup) -> String {
    let ids: Vec<&str> = group.examples.iter().map(TaskId::as_str).collect();
    format!("{}, such as {}: {}", group.label, ids.join(", "), group.said_template())
}

/// The labels of a failure group.
struct GroupLabels<'a> {
    group: String,
    kind: &'static str,
    http_status: String,
    error_code: &'a str,
    retryable: &'static str,
}

impl<'a> GroupLabels<'a> {
    fn from_group(group: &'a FailureGroup) -> Self {
        Self {
            group: group.label.to_string(),
            kind: group.kind_word(),
            http_status: group.http_status.map_or_else(String::new, |status| status.to_string()),
            error_code: cut(&group.error_code, MAX_CODE_BYTES),
            retryable: if group.retryable { "true" } else { "false" },
        }
    }

    fn pairs(&self) -> [(&str, &str); 5] {
        [
            ("group", &self.group),
            ("kind", self.kind),
            ("http_status", &self.http_status),
            ("error_code", self.error_code),
            ("retryable", self.retryable),
        ]
    }
}

fn calls(metrics: &mut MetricsText, report: &Report) {
    let (calls, pace) = (&report.calls, &report.pace);
    let numbers = [
        ("last_run_attempts", "Calls that the run sent.", calls.attempts),
        ("last_run_retries", "Calls that were not the first of their task.", calls.retries),
        ("last_run_throttled", "Calls that the service throttled.", calls.throttled),
        (
            "last_run_duplicate_rows",
            "Rows of the input like an earlier one.",
            report.input.duplicates,
        ),
    ];
    for (name, help, number) in numbers {
        metrics.gauge(name, help, &[(&[], number.to_string())]);
    }
    metrics.gauge(
        "last_run_paused_seconds",
        "How long the service held the run back.",
        &[(&[], decimal_seconds(pace.paused))],
    );
    let Some(latency) = &report.latency else { return };
    // Not the label `quantile`, which belongs to summaries: those have a sum and a count too.
    let shares = [("50", latency.p50), ("90", latency.p90), ("99", latency.p99)];
    let shares = shares.map(|(share, time)| ([("percentile", share)], decimal_seconds(time)));
    metrics.gauge(
        "last_run_call_latency_seconds",
        "How long calls took, by the share of them that took no longer.",
        &borrowed(&shares),
    );
}

/// The own labels of a sample, and its value. The labels of the run are added to all samples.
type Sample<'a> = (&'a [(&'a str, &'a str)], String);

fn borrowed<'a, const LABELS: usize>(
    samples: &'a [([(&'a str, &'a str); LABELS], String)],
) -> Vec<Sample<'a>> {
    samples.iter().map(|(labels, value)| (&labels[..], value.clone())).collect()
}

/// A text that grows metric by metric.
struct MetricsText {
    text: String,
    /// The labels that every sample has.
    labels: String,
}

impl MetricsText {
    fn for_run(report: &Report) -> Self {
        let run = &report.run;
        // Always both labels, because series with different sets of labels cannot be joined.
        let job = label("job", run.job.as_deref().unwrap_or_default());
        let labels = format!("{job},{}", label("command", &run.command));
        Self { text: String::new(), labels }
    }

    /// Writes a comment of one line.
    fn comment(&mut self, text: &str) {
        // A line end in a text of the service would begin a line that Prometheus reads.
        writeln!(self.text, "# {}", printable(text, MAX_COMMENT_COLUMNS))
            .expect("a String takes all text");
    }

    fn gauge(&mut self, name: &str, help: &str, samples: &[Sample<'_>]) {
        let text = &mut self.text;
        let mut write = || {
            writeln!(text, "# HELP batchctl_{name} {help}")?;
            writeln!(text, "# TYPE batchctl_{name} gauge")?;
            for (labels, value) in samples {
                let own: String =
                    labels.iter().map(|(name, value)| format!(",{}", label(name, value))).collect();
                writeln!(text, "batchctl_{name}{{{}{own}}} {value}", self.labels)?;
            }
            Ok::<_, std::fmt::Error>(())
        };
        write().expect("a String takes all text");
    }
}

fn label(name: &str, value: &str) -> String {
    // The backslash first, because the other escapes contain one.
    let value = value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
    format!("{name}=\"{value}\"")
}

fn timestamp(at: Option<Timestamp>) -> String {
    // In integers, so that no rounding moves a time.
    let millis = at.map_or(0, |at| at.as_micros().max(0) / 1_000);
    format!("{}.{:03}", millis / 1_000, millis % 1_000)
}
