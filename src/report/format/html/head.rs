//! The part of the page above its table, as values for the template.
//!
//! The template escapes every value; this file decides words and numbers and writes no markup.

use crate::report::format::drill_lines::{drill_note, error_in_words};
use crate::report::format::html::chart::{Chart, HEIGHT, WIDTH};
use crate::report::format::html::charts::charts;
use crate::report::format::html::facts::{facts, foreign};
use crate::report::format::html::place::{Following, PagePlace};
use crate::report::format::html::row::{UNDER_WAY, UNDER_WAY_MARK};
use crate::report::format::html::rows::Limits;
use crate::report::format::html::series::TimeSeries;
use crate::report::format::next_commands::{NextCommand, next_commands};
use crate::report::format::summary::{
    FLAKY_NOTE, calls_note, hint_reason, not_attempted_note, sub_tasks_note, title, verdict,
    wave_words,
};
use crate::report::format::words::{
    failure_times, latency_words, more_causes, outcome_mark, outcome_words, percent, remedy,
    rounded,
};
use crate::report::model::{FailureGroup, NO_ANSWER_WORDS, Report};
use crate::task::Outcome;
use crate::text::{grouped, plural, span};
use askama::Template;
use std::path::PathBuf;
use std::time::Duration;

/// The most failure groups that the page shows.
const MAX_SHOWN: usize = 50;

/// The page up to its data.
#[derive(Template)]
#[template(path = "page.html")]
pub(crate) struct HtmlHead {
    policy: String,
    style: &'static str,
    /// What the page follows, if it is not a file.
    following: Option<&'static str>,
    /// Whether it follows all that happens.
    follows_rows: bool,
    footer: &'static str,
    headline: String,
    tone: &'static str,
    title: String,
    status: String,
    verdict: Option<(&'static str, String)>,
    facts: Vec<(&'static str, String)>,
    next: Vec<NextCommand>,
    bar: Vec<Share>,
    outcomes: Vec<Tile>,
    efforts: Vec<Tile>,
    groups: Vec<FailureGroupHtml>,
    more_groups: String,
    no_failures: &'static str,
    charts: Vec<Chart>,
    width: f64,
    height: f64,
    tuning_hints: Vec<(String, &'static str)>,
    tasks: u64,
    table_note: String,
    settings: Vec<(String, String)>,
}

/// A number with its label and a note.
struct Tile {
    class: &'static str,
    mark: &'static str,
    label: &'static str,
    number: String,
    note: String,
}

/// A part of the bar of all outcomes.
struct Share {
    class: &'static str,
    x: String,
    width: String,
}

/// A failure group.
struct FailureGroupHtml {
    label: String,
    count: String,
    share: String,
    /// The kind, status and code.
    cause: String,
    message: String,
    details: Vec<(&'static str, String)>,
    retryable: bool,
    remedy: &'static str,
    times: String,
    examples: Vec<String>,
    command: Option<String>,
}

impl HtmlHead {
    /// Returns the values of a report for the template.
    pub(crate) fn new(
        report: &Report,
        series: &TimeSeries,
        limits: Limits,
        place: PagePlace,
    ) -> Self {
        let groups = report.failures.iter().filter(|group| !is_on_the_wire(group, report));
        let groups: Vec<FailureGroup> = groups.cloned().collect();
        // The table has all failed tasks; more groups here would only be scrolled past.
        let (shown, more) = groups.split_at(groups.len().min(MAX_SHOWN));
        Self {
            policy: place.policy(),
            style: place.style(),
            following: place.following(),
            follows_rows: place == PagePlace::Server(Following::Rows),
            footer: place.footer(),
            headline: headline(report),
            tone: tone(report),
            // Without its command, which is in the headline already.
            title: title(report).split_once(": ").map_or_else(String::new, |(_, rest)| rest.into()),
            status: status(report),
            verdict: verdict(report).map(|(_, word, why)| (word, foreign(&why))),
            facts: facts(report),
            // As if report.json was written, because the page says all that it would offer.
            next: next_commands(report, &[PathBuf::from("report.json")]),
            bar: bar(report),
            outcomes: Outcome::ALL
                .into_iter()
                .map(|outcome| outcome_tile(outcome, report))
                .chain(under_way_tile(report))
                .collect(),
            efforts: efforts(report),
            groups: shown.iter().map(|group| FailureGroupHtml::from_group(group, report)).collect(),
            more_groups: more_groups(more),
            no_failures: no_failures(report),
            charts: charts(report, series),
            width: WIDTH,
            height: HEIGHT,
            tuning_hints: tuning_hints(report),
            tasks: report.tasks.selected(),
            table_note: table_note(report, limits),
            settings: settings(report),
        }
    }
}

/// Returns whether the calls of a group have no answer yet. While the run goes on, that is no failure.
fn is_on_the_wire(group: &FailureGroup, report: &Report) -> bool {
    report.exit.is_none() && group.settled == 0 && group.error_msg == NO_ANSWER_WORDS
}

fn headline(report: &Report) -> String {
    let command = foreign(&report.run.command);
    let tasks = &report.tasks;
    let (selected, good) =
        (tasks.selected(), tasks[Outcome::Succeeded] + tasks[Outcome::Unchanged]);
    // The order matters: a run of one task or of none needs its own grammar.
    match (selected, good) {
        (0, _) => format!("{command}: no task was selected"),
        (1, 1) => format!("{command}: the task succeeded"),
        (_, _) if good == selected => format!("{command}: all {} tasks succeeded", grouped(good)),
        (_, 0) => format!("{command}: none of {} succeeded", plural(selected, "task", "tasks")),
        (_, _) => {
            let all = plural(selected, "task", "tasks");
            format!("{command}: {} of {all} succeeded", grouped(good))
        }
    }
}

fn tone(report: &Report) -> &'static str {
    // A run that stopped early is doubtful, not bad: its remaining tasks may still succeed.
    match (report.exit, report.tasks.all_good()) {
        (None, _) => "running",
        (Some(_), true) => "good",
        (Some(_), false) if report.run.complete => "bad",
        (Some(_), false) => "doubtful",
    }
}

fn status(report: &Report) -> String {
    if report.is_planned() {
        return "not begun".into();
    }
    report.exit.map_or_else(
        || "still running".into(),
        |exit| format!("exit status {}, {}", exit.code(), exit.name()),
    )
}

fn bar(report: &Report) -> Vec<Share> {
    // The bar is 1,000 units wide. Without tasks the loop below is empty: nothing divides by zero.
    let all = report.tasks.selected() as f64;
    let mut x = 0.0;
    let mut shares = Vec::new();
    // Outcomes without tasks are left out, because a part of no width would still draw its border.
    let of_outcome = |outcome: Outcome| (report.so_far[outcome], outcome.as_str());
    let under_way = (report.under_way.tasks(), UNDER_WAY);
    let counted = Outcome::ALL.into_iter().map(of_outcome).chain([under_way]);
    for (tasks, class) in counted.filter(|&(tasks, _)| tasks > 0) {
        let width = tasks as f64 / all * 1_000.0;
        shares.push(Share { class, x: format!("{x:.2}"), width: format!("{width:.2}") });
        x += width;
    }
    shares
}

fn outcome_tile(outcome: Outcome, report: &Report) -> Tile {
    let number = report.so_far[outcome];
    Tile {
        class: if number == 0 { "none" } else { outcome.as_str() },
        mark: outcome_mark(outcome),
        label: outcome_words(outcome),
        number: grouped(number),
        note: outcome_meaning(outcome, report).into(),
    }
}

/// Returns the tile of the tasks that are under way, while the run goes on.
fn under_way_tile(report: &Report) -> Option<Tile> {
    let tasks = report.under_way.tasks();
    let parts = report.under_way.in_words().into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts.map(|(count, words)| format!("{} {words}", grouped(count))).collect();
    report.exit.is_none().then(|| Tile {
        class: if tasks == 0 { "none" } else { UNDER_WAY },
        mark: UNDER_WAY_MARK,
        label: "under way",
        number: grouped(tasks),
        note: if tasks == 0 { "sent, no outcome yet".into() } else { parts.join(", ") },
    })
}

/// Returns the meaning of an outcome, in words.
fn outcome_meaning(outcome: Outcome, report: &Report) -> &'static str {
    match outcome {
        Outcome::Succeeded if !report.run.has_counts() => "the service carried it out",
        Outcome::Succeeded => "no sub-task failed",
        Outcome::Partial => "some sub-tasks failed",
        Outcome::Failed => "refused, or nothing succeeded",
        Outcome::Ambiguous => "sent, nothing trustworthy came back",
        Outcome::Unchanged if report.run.service.is_some() => "in that state already",
        Outcome::Unchanged => "in that state already, no call made",
        Outcome::NotAttempted => not_attempted_note(report),
    }
}

fn effort(label: &'static str, number: String, note: String) -> Tile {
    Tile { class: "effort", mark: "", label, number, note }
}

fn efforts(report: &Report) -> Vec<Tile> {
    let (pace, calls) = (&report.pace, &report.calls);
    let mut tiles = vec![effort("worked", span(worked(report)), worked_note(report))];
    if calls.attempts > 0 {
        tiles.push(effort("calls", grouped(calls.attempts), calls_note(calls)));
    }
    if report.counts.total > 0 {
        let note = sub_tasks_note(report.counts);
        tiles.push(effort("sub-tasks", grouped(report.counts.total), note));
    }
    if let Some(drill) = &report.drill {
        let note = foreign(&drill_note(drill));
        tiles.push(effort("looked into", grouped(drill.tasks.len() as u64), note));
    }
    if report.empty > 0 {
        tiles.push(effort("empty", grouped(report.empty), "succeeded without a sub-task".into()));
    }
    tiles.extend(wave_words(report).map(|words| effort("wave", words, String::new())));
    if report.flaky > 0 {
        tiles.push(effort("flaky", grouped(report.flaky), FLAKY_NOTE.into()));
    }
    if let Some(rate) = pace.rate_average {
        let note = format!("{} in the busiest second", grouped(pace.rate_peak_1s));
        tiles.push(effort("pace", format!("{}/s", rounded(rate)), note));
    }
    if let Some(latency) = &report.latency {
        let note =
            format!("p90 {}, p99 {}", latency_words(latency.p90), latency_words(latency.p99));
        tiles.push(effort("median latency", latency_words(latency.p50), note));
    }
    if !pace.paused.is_zero() {
        tiles.push(effort("paused", span(pace.paused), "held back by the service".into()));
    }
    tiles
}

fn worked(report: &Report) -> Duration {
    report.run.worked.iter().map(|process| process.end.since(process.start)).sum()
}

fn worked_note(report: &Report) -> String {
    // The span from first to last is of interest only if it includes a pause between processes.
    match report.run.worked.len() {
        0 => "no process began".into(),
        1 => String::new(),
        processes => {
            format!("by {processes} processes, from first to last {}", span(report.run.duration))
        }
    }
}

fn no_failures(report: &Report) -> &'static str {
    match (report.calls.attempts, report.tasks.all_good()) {
        (1.., _) if report.exit.is_none() => "Nothing that was sent has failed so far.",
        (0, _) => "Nothing was sent, so nothing failed.",
        (_, true) => "Nothing failed: every task is where it was sent.",
        (_, false) => "Nothing that was sent failed.",
    }
}

fn more_groups(more: &[FailureGroup]) -> String {
    let told = |more| format!("And {more}: the table has them, and so has report.json.");
    more_causes(more).map_or_else(String::new, told)
}

fn table_note(report: &Report, limits: Limits) -> String {
    if report.tasks.selected() <= limits.tasks {
        return String::new();
    }
    format!(
        "This page holds {} of {}: first those that did not succeed. results.csv has them all.",
        grouped(limits.tasks),
        plural(report.tasks.selected(), "task", "tasks")
    )
}

fn tuning_hints(report: &Report) -> Vec<(String, &'static str)> {
    report.tuning_hints.iter().map(|hint| (hint.to_string(), hint_reason(*hint))).collect()
}

/// Returns the settings, each with its name and value in the store.
fn settings(report: &Report) -> Vec<(String, String)> {
    // By their stored form, so that a setting added later appears here without a line of code.
    let settings = serde_json::to_value(&report.settings);
    let settings = settings.expect("settings have a form in JSON");
    let settings = settings.as_object().expect("settings are an object");
    settings.iter().map(|(name, value)| (foreign(name), setting(value))).collect()
}

/// Returns a setting in words: one that has parts as `name: value`, with a semicolon between them.
fn setting(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => foreign(text),
        serde_json::Value::Null => "–".into(),
        serde_json::Value::Object(parts) => {
            let parts =
                parts.iter().map(|(name, part)| format!("{}: {}", foreign(name), setting(part)));
            parts.collect::<Vec<_>>().join("; ")
        }
        other => foreign(&other.to_string()),
    }
}

impl FailureGroupHtml {
    fn from_group(group: &FailureGroup, report: &Report) -> Self {
        let status = group.http_status.map(|status| format!("HTTP {status}"));
        let code = Some(foreign(&group.error_code)).filter(|code| !code.is_empty());
        let cause = std::iter::once(group.kind_word().to_owned()).chain(status).chain(code);
        let params = group.params.join("; ");
        let errors: Vec<String> = group.sub_task_errors.iter().map(error_in_words).collect();
        let errors = errors.join("; ");
        let details = [
            ("Detail", group.further_detail()),
            ("Params", &params),
            (if report.run.has_counts() { "Sub-task" } else { "Error" }, &group.sub_task_error),
            ("Errors", &errors),
            ("Reason", &group.reason),
            ("Advice", &group.advice),
        ];
        let known = details.into_iter().filter(|(_, text)| !text.trim().is_empty());
        Self {
            label: group.label.to_string(),
            count: plural(group.count, "task", "tasks"),
            share: percent(group.share),
            cause: cause.collect::<Vec<_>>().join(" · "),
            message: foreign(group.said_template()),
            details: known.map(|(name, text)| (name, foreign(text))).collect(),
            retryable: group.retryable,
            remedy: remedy(group),
            times: failure_times(group),
            examples: group.examples.iter().map(ToString::to_string).collect(),
            command: report.retry_command(group),
        }
    }
}
