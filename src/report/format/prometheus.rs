//! Writes a report as a text file for Prometheus' node exporter.
//!
//! Everything is a gauge: the numbers of one run start anew with the next. Base units, one
//! `HELP` and one `TYPE` for each metric, no series twice; nothing that differs from run to run,
//! such as an id, is a label. Groups of failures are told by what they have in common, and only
//! the largest: a message, or a label for every cause, would make series without end. Examples of
//! their tasks stand in comments.

use crate::clock::Timestamp;
use crate::report::FailureGroup;
use crate::report::format::cut::cut;
use crate::report::format::words::kind;
use crate::report::model::Report;
use crate::task::FailureKind;
use crate::task::Outcome;
use crate::task::TaskId;
use crate::text::printable;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// How many groups of failures have series of their own.
const SHOWN_GROUPS: usize = 10;
/// How many columns a comment takes at the most.
const LONGEST_REMARK: usize = 300;
/// How many bytes of the service's code are a label.
const LONGEST_CODE: usize = 64;

/// Returns the report as Prometheus text. `last_success` is when the job last succeeded; nothing
/// is written as 0, so that an alert on its age also fires for a job that never did.
pub fn prometheus(report: &Report, last_success: Option<Timestamp>) -> String {
    let mut page = MetricsText::of(report);
    ending(&mut page, report, last_success);
    tasks(&mut page, report);
    groups(&mut page, report);
    calls(&mut page, report);
    page.text
}

fn ending(page: &mut MetricsText, report: &Report, last_success: Option<Timestamp>) {
    let run = &report.run;
    page.metric(
        "last_success_timestamp_seconds",
        "When the latest run ended in which every task got where it was sent, 0 if none did.",
        &[(&[], timestamp(last_success))],
    );
    page.metric(
        "last_run_start_timestamp_seconds",
        "When the run began, 0 if it did not.",
        &[(&[], timestamp(run.started_at))],
    );
    page.metric(
        "last_run_end_timestamp_seconds",
        "When the run ended, 0 if it is under way or was killed.",
        &[(&[], timestamp(run.finished_at))],
    );
    page.metric(
        "last_run_duration_seconds",
        "How long the run took.",
        &[(&[], seconds(run.duration))],
    );
    page.metric(
        "last_run_complete",
        "Whether every task of the run has its outcome.",
        &[(&[], u8::from(run.complete).to_string())],
    );
    if let Some(exit) = report.exit {
        page.metric(
            "last_run_exit_status",
            "The exit status of the run: 0 is success.",
            &[(&[], exit.code().to_string())],
        );
    }
}

fn tasks(page: &mut MetricsText, report: &Report) {
    let outcomes = Outcome::ALL.map(|outcome| {
        let label = [("outcome", outcome.as_str())];
        (label, report.tasks[outcome].to_string())
    });
    let outcomes: Vec<Series<'_>> = borrowed(&outcomes);
    page.metric("last_run_tasks", "Tasks of the run by their outcome.", &outcomes);
    let mut kinds: BTreeMap<&str, u64> =
        FailureKind::ALL.into_iter().map(|kind| (kind.as_str(), 0)).collect();
    for group in &report.failures {
        *kinds.entry(group.kind.map_or("other", FailureKind::as_str)).or_default() += group.count;
    }
    let kinds: Vec<_> =
        kinds.into_iter().map(|(kind, count)| ([("kind", kind)], count.to_string())).collect();
    page.metric(
        "last_run_failures",
        "Tasks of the run that were sent and are partial, failed or ambiguous, by kind.",
        &borrowed(&kinds),
    );
    page.metric(
        "last_run_outstanding_tasks",
        "Tasks of the run, and of those it retries, that are not where they were sent.",
        &[(&[], report.run.outstanding.to_string())],
    );
    let counts = report.counts;
    let results = [("succeeded", counts.succeeded), ("failed", counts.failed)];
    let results = results.map(|(result, count)| ([("result", result)], count.to_string()));
    page.metric(
        "last_run_sub_tasks",
        "Sub-tasks as the service counted them.",
        &borrowed(&results),
    );
}

fn groups(page: &mut MetricsText, report: &Report) {
    let shown = &report.failures[..report.failures.len().min(SHOWN_GROUPS)];
    if shown.is_empty() {
        return;
    }
    for group in shown {
        page.remark(&examples(group));
        let command = group.retry_command(report);
        command.iter().for_each(|command| page.remark(&format!("{}: {command}", group.label)));
    }
    let told: Vec<Told<'_>> = shown.iter().map(Told::of).collect();
    let mut metric = |name, help, value: fn(&FailureGroup) -> String| {
        let series: Vec<_> =
            shown.iter().zip(&told).map(|(group, told)| (told.labels(), value(group))).collect();
        page.metric(name, help, &borrowed(&series));
    };
    metric(
        "last_run_failure_group_tasks",
        "Tasks of the run in its ten largest groups of failures with the same cause.",
        |group| group.count.to_string(),
    );
    metric(
        "last_run_failure_group_ratio",
        "Which part of all failures the group is, between 0 and 1.",
        |group| format!("{:.4}", group.share),
    );
    metric(
        "last_run_failure_group_first_timestamp_seconds",
        "When the first task of the group failed, 0 if that is not known.",
        |group| timestamp(group.first_at),
    );
    metric(
        "last_run_failure_group_last_timestamp_seconds",
        "When the last task of the group failed, 0 if that is not known.",
        |group| timestamp(group.last_at),
    );
}

/// Names some tasks of a group: in a remark, for whoever reads the file, because an id that were
/// a label would make a series for each.
fn examples(group: &FailureGroup) -> String {
    let ids: Vec<&str> = group.examples.iter().map(TaskId::as_str).collect();
    format!("{}, such as {}: {}", group.label, ids.join(", "), group.message_template)
}

/// What a group of failures is told by.
struct Told<'a> {
    group: String,
    kind: &'static str,
    http_status: String,
    error_code: &'a str,
    retryable: &'static str,
}

impl<'a> Told<'a> {
    fn of(group: &'a FailureGroup) -> Self {
        Self {
            group: group.label.to_string(),
            kind: kind(group),
            http_status: group.http_status.map_or_else(String::new, |status| status.to_string()),
            error_code: cut(&group.error_code, LONGEST_CODE),
            retryable: if group.retryable { "true" } else { "false" },
        }
    }

    fn labels(&self) -> [(&str, &str); 5] {
        [
            ("group", &self.group),
            ("kind", self.kind),
            ("http_status", &self.http_status),
            ("error_code", self.error_code),
            ("retryable", self.retryable),
        ]
    }
}

fn calls(page: &mut MetricsText, report: &Report) {
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
        page.metric(name, help, &[(&[], number.to_string())]);
    }
    page.metric(
        "last_run_paused_seconds",
        "How long the service held the run back.",
        &[(&[], seconds(pace.paused))],
    );
    let Some(latency) = &report.latency else { return };
    // The label `quantile` belongs to summaries, which this is not: it has neither sum nor count.
    let shares = [("50", latency.p50), ("90", latency.p90), ("99", latency.p99)];
    let shares = shares.map(|(share, time)| ([("percentile", share)], seconds(time)));
    page.metric(
        "last_run_call_latency_seconds",
        "How long calls took, by the share of them that took no longer.",
        &borrowed(&shares),
    );
}

/// The labels of a series beside those that all have, and its value.
type Series<'a> = (&'a [(&'a str, &'a str)], String);

fn borrowed<'a, const LABELS: usize>(
    series: &'a [([(&'a str, &'a str); LABELS], String)],
) -> Vec<Series<'a>> {
    series.iter().map(|(labels, value)| (&labels[..], value.clone())).collect()
}

/// The text as far as it is written.
struct MetricsText {
    text: String,
    /// The labels that every series has.
    labels: String,
}

impl MetricsText {
    fn of(report: &Report) -> Self {
        let run = &report.run;
        let job = label("job", run.job.as_deref().unwrap_or_default());
        let labels = format!("{job},{}", label("command", &run.command));
        Self { text: String::new(), labels }
    }

    /// Writes a comment; nothing in it can end its line.
    fn remark(&mut self, text: &str) {
        writeln!(self.text, "# {}", printable(text, LONGEST_REMARK))
            .expect("a String takes all text");
    }

    fn metric(&mut self, name: &str, help: &str, series: &[Series<'_>]) {
        let text = &mut self.text;
        let mut write = || {
            writeln!(text, "# HELP batchctl_{name} {help}")?;
            writeln!(text, "# TYPE batchctl_{name} gauge")?;
            for (labels, value) in series {
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
    let value = value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
    format!("{name}=\"{value}\"")
}

fn seconds(time: Duration) -> String {
    format!("{}.{:03}", time.as_secs(), time.subsec_millis())
}

fn timestamp(at: Option<Timestamp>) -> String {
    let millis = at.map_or(0, |at| at.as_micros().max(0) / 1_000);
    format!("{}.{:03}", millis / 1_000, millis % 1_000)
}
