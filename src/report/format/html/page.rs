//! What the page shows above its table, as values for the template.
//!
//! The template escapes every value; this file decides words and numbers and writes no markup.

use crate::report::FailureGroup;
use crate::report::Hint;
use crate::report::format::html::chart::Chart;
use crate::report::format::html::chart::HEIGHT;
use crate::report::format::html::chart::WIDTH;
use crate::report::format::html::charts::charts;
use crate::report::format::html::rows::Limits;
use crate::report::format::html::series::Series;
use crate::report::format::html::words::mark;
use crate::report::format::html::words::meaning;
use crate::report::format::html::words::millis;
use crate::report::format::html::words::outcome_class;
use crate::report::format::html::words::outcome_words;
use crate::report::format::summary::advice_reason;
use crate::report::format::summary::calls_note;
use crate::report::format::summary::rounded;
use crate::report::format::summary::sub_tasks_note;
use crate::report::format::summary::title;
use crate::report::format::summary::verdict;
use crate::report::format::words::day_and_time;
use crate::report::format::words::kind;
use crate::report::format::words::may_help;
use crate::report::format::words::percent;
use crate::report::format::words::when;
use crate::report::hints;
use crate::report::model::Report;
use crate::task::Outcome;
use crate::text::grouped;
use crate::text::plural;
use crate::text::printable;
use crate::text::span;
use askama::Template;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::digest::SHA256;
use ring::digest::digest;
use std::path::PathBuf;

/// What the page does once it is open.
pub(crate) const SCRIPT: &str = include_str!("page.js");
/// How the page looks.
const STYLE: &str = include_str!("page.css");
/// How many groups of failures the page shows.
const SHOWN_GROUPS: usize = 50;
/// How many columns a text of somebody else takes at the most.
const LONGEST_TEXT: usize = 2_000;

/// The page up to its data.
#[derive(Template)]
#[template(path = "page.html")]
pub(crate) struct HtmlHead {
    policy: String,
    style: &'static str,
    headline: String,
    tone: &'static str,
    title: String,
    status: String,
    verdict: Option<(&'static str, String)>,
    facts: Vec<(&'static str, String)>,
    next: Vec<Hint>,
    bar: Vec<Share>,
    outcomes: Vec<Tile>,
    efforts: Vec<Tile>,
    groups: Vec<Group>,
    more_groups: String,
    no_failures: &'static str,
    charts: Vec<Chart>,
    width: f64,
    height: f64,
    advice: Vec<(String, &'static str)>,
    tasks: u64,
    table_note: String,
    settings: Vec<(String, String)>,
}

/// A number and what it is.
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

/// A group of failures.
struct Group {
    label: String,
    count: String,
    share: String,
    place: String,
    message: String,
    details: Vec<(&'static str, String)>,
    retryable: bool,
    may_help: &'static str,
    when: String,
    examples: Vec<String>,
    command: Option<String>,
}

impl HtmlHead {
    /// Returns what the page shows of a report.
    pub(crate) fn of(report: &Report, series: &Series, limits: Limits) -> Self {
        let groups = report.failures.as_slice();
        let (shown, more) = groups.split_at(groups.len().min(SHOWN_GROUPS));
        Self {
            policy: content_policy(),
            style: STYLE,
            headline: headline(report),
            tone: tone(report),
            title: title(report).split_once(": ").map_or_else(String::new, |(_, rest)| rest.into()),
            status: status(report),
            verdict: verdict(report).map(|(_, word, why)| (word, foreign(&why))),
            facts: facts(report),
            next: hints(report, &[PathBuf::from("report.json")]),
            bar: bar(report),
            outcomes: Outcome::ALL
                .into_iter()
                .map(|outcome| outcome_tile(outcome, report))
                .collect(),
            efforts: efforts(report),
            groups: shown.iter().map(|group| Group::of(group, report)).collect(),
            more_groups: more_groups(more),
            no_failures: no_failures(report),
            charts: charts(report, series),
            width: WIDTH,
            height: HEIGHT,
            advice: report.advice.iter().map(|it| (it.to_string(), advice_reason(it))).collect(),
            tasks: report.tasks.selected(),
            table_note: table_note(report, limits),
            settings: settings(report),
        }
    }
}

/// Allows the page's own style and script, and nothing else: no request of any kind.
fn content_policy() -> String {
    let hash = |text: &str| BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; \
         form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

/// Returns a text from outside with nothing in it that misleads the eye.
fn foreign(text: &str) -> String {
    printable(&text.replace(['\n', '\r'], " "), LONGEST_TEXT)
}

fn headline(report: &Report) -> String {
    let command = foreign(&report.run.command);
    let tasks = &report.tasks;
    let (selected, good) =
        (tasks.selected(), tasks[Outcome::Succeeded] + tasks[Outcome::Unchanged]);
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
    match (report.exit, report.tasks.all_good()) {
        (None, _) => "running",
        (Some(_), true) => "good",
        (Some(_), false) if report.run.complete => "bad",
        (Some(_), false) => "doubtful",
    }
}

fn status(report: &Report) -> String {
    report.exit.map_or_else(
        || "still running".into(),
        |exit| format!("exit status {}, {}", exit.code(), exit.name()),
    )
}

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let run = &report.run;
    let time = |at| {
        let (day, time) = day_and_time(at);
        format!("{day} {time} UTC")
    };
    let parent = if run.is_retry { "Retry of" } else { "Follows" };
    let known = [
        ("Run", Some(run.id.to_string())),
        ("Job", run.job.as_deref().map(foreign)),
        ("Reason", run.reason.as_deref().map(foreign)),
        (parent, run.parent.as_ref().map(ToString::to_string)),
        ("Began", run.started_at.map(time)),
        ("Ended", run.finished_at.map(time)),
        ("Endpoint", Some(foreign(&report.target.endpoint))),
        ("Project", Some(foreign(&report.target.project_id))),
        ("Input", Some(input(report))),
    ];
    known.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
}

/// Returns what the run was made from, and what was left out of it.
fn input(report: &Report) -> String {
    let input = &report.input;
    let left_out = [
        (input.duplicates, "duplicate", "duplicates"),
        (input.already_done, "done already", "done already"),
        (input.invalid, "invalid", "invalid"),
    ];
    let rows =
        format!("{}: {}", foreign(&input.sources.join(", ")), plural(input.rows, "row", "rows"));
    let left_out = left_out.into_iter().filter(|(count, ..)| *count > 0);
    let parts = left_out.map(|(count, one, many)| plural(count, one, many));
    std::iter::once(rows).chain(parts).collect::<Vec<_>>().join(", ")
}

fn bar(report: &Report) -> Vec<Share> {
    let all = report.tasks.selected() as f64;
    let mut x = 0.0;
    let mut shares = Vec::new();
    for outcome in Outcome::ALL.into_iter().filter(|&outcome| report.tasks[outcome] > 0) {
        let width = report.tasks[outcome] as f64 / all * 1_000.0;
        let class = outcome_class(outcome);
        shares.push(Share { class, x: format!("{x:.2}"), width: format!("{width:.2}") });
        x += width;
    }
    shares
}

fn outcome_tile(outcome: Outcome, report: &Report) -> Tile {
    let number = report.tasks[outcome];
    let still_running = outcome == Outcome::NotAttempted && report.exit.is_none();
    let note = if still_running { "not sent so far" } else { meaning(outcome) };
    Tile {
        class: if number == 0 { "none" } else { outcome_class(outcome) },
        mark: mark(outcome),
        label: outcome_words(outcome),
        number: grouped(number),
        note: note.into(),
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
    if let Some(rate) = pace.rate_average {
        let note = format!("{} in the busiest second", grouped(pace.rate_peak_1s));
        tiles.push(effort("pace", format!("{}/s", rounded(rate)), note));
    }
    if let Some(latency) = &report.latency {
        let note = format!("p90 {}, p99 {}", millis(latency.p90), millis(latency.p99));
        tiles.push(effort("median latency", millis(latency.p50), note));
    }
    if !pace.paused.is_zero() {
        tiles.push(effort("paused", span(pace.paused), "held back by the service".into()));
    }
    tiles
}

fn worked(report: &Report) -> std::time::Duration {
    report.run.worked.iter().map(|part| part.end.since(part.start)).sum()
}

fn worked_note(report: &Report) -> String {
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
        (0, _) => "Nothing was sent, so nothing failed.",
        (_, true) => "Nothing failed: every task is where it was sent.",
        (_, false) => "Nothing that was sent failed.",
    }
}

fn more_groups(more: &[FailureGroup]) -> String {
    if more.is_empty() {
        return String::new();
    }
    let causes = plural(more.len() as u64, "more cause", "more causes");
    let tasks = plural(more.iter().map(|group| group.count).sum(), "task", "tasks");
    format!("And {causes} with {tasks} in all: the table has them, and so has report.json.")
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

/// Returns the settings as they were stored, one by one.
fn settings(report: &Report) -> Vec<(String, String)> {
    let settings = serde_json::to_value(&report.settings);
    let settings = settings.expect("settings have a form in JSON");
    let settings = settings.as_object().expect("settings are an object");
    let shown = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => foreign(text),
        serde_json::Value::Null => "–".into(),
        other => foreign(&other.to_string()),
    };
    settings.iter().map(|(name, value)| (foreign(name), shown(value))).collect()
}

impl Group {
    fn of(group: &FailureGroup, report: &Report) -> Self {
        let status = group.http_status.map(|status| format!("HTTP {status}"));
        let code = Some(foreign(&group.error_code)).filter(|code| !code.is_empty());
        let place = std::iter::once(kind(group).to_owned()).chain(status).chain(code);
        let details = [
            ("Sub-task", &group.sub_task_error),
            ("Reason", &group.reason),
            ("Advice", &group.advice),
        ];
        let known = details.into_iter().filter(|(_, text)| !text.trim().is_empty());
        Self {
            label: group.label.to_string(),
            count: plural(group.count, "task", "tasks"),
            share: percent(group.share),
            place: place.collect::<Vec<_>>().join(" · "),
            message: foreign(&group.message_template),
            details: known.map(|(name, text)| (name, foreign(text))).collect(),
            retryable: group.retryable,
            may_help: may_help(group),
            when: when(group),
            examples: group.examples.iter().map(ToString::to_string).collect(),
            command: group.retry_command(report),
        }
    }
}
