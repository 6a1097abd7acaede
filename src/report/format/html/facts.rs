//! The list of facts about the run at the top of the page.

use crate::report::format::summary::shards_in_words;
use crate::report::format::target_lines::target_line;
use crate::report::format::words::{day_and_time, left_out};
use crate::report::format::worker_lines::{takeovers_note, workers_in_words};
use crate::report::model::{Report, TargetReport};
use crate::text::{grouped, plural, printable};

/// The most columns of a foreign text.
const MAX_TEXT_COLUMNS: usize = 2_000;
/// The most parts of damage that are named.
const MAX_DAMAGE: usize = 20;

/// Returns the facts that are known about the run, each with its name.
pub(super) fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let run = &report.run;
    let time = |at| {
        let (day, time) = day_and_time(at);
        format!("{day} {time} UTC")
    };
    let parent = if run.is_retry { "Retry of" } else { "Follows" };
    let parent_run = run.parent.as_ref().map(ToString::to_string);
    let known = [
        ("Run", Some(run.id.to_string())),
        ("Job", run.job.as_deref().map(foreign)),
        ("Reason", run.reason.as_deref().map(foreign)),
        (parent, parent_run),
        ("Began", run.started_at.map(time)),
        ("Ended", run.finished_at.map(time)),
        ("Endpoint", Some(foreign(&report.target.endpoint))),
        ("Service", run.service.as_ref().map(|service| foreign(&service.name))),
        ("Project", project(report)),
        ("Input", Some(input(report))),
        ("Shards", shards_in_words(report)),
        ("Workers", workers_in_words(report).map(|words| foreign(&words))),
        ("Taken over", taken_over(report)),
        ("Damaged", damage(report)),
    ];
    let known = known.into_iter().filter_map(|(name, text)| Some((name, text?)));
    known.chain(report.targets.iter().map(|target| ("Target", of_target(target)))).collect()
}

/// Returns the name of a target, where it is and what it did.
fn of_target(target: &TargetReport) -> String {
    let TargetReport { name, target: place, stopped, .. } = target;
    let why = stopped.as_ref().map(|stopped| format!("; {}", stopped.detail)).unwrap_or_default();
    let what = target_line(target);
    foreign(&format!("{name}: {what}{why} ({}, project {})", place.endpoint, place.project_id))
}

/// Returns how many chunks went from worker to worker.
fn taken_over(report: &Report) -> Option<String> {
    let note = takeovers_note(&report.takeovers)?;
    Some(format!("{} {note}", plural(report.takeovers.len() as u64, "chunk", "chunks")))
}

/// Returns the parts of the run's file that are not what was written.
fn damage(report: &Report) -> Option<String> {
    let parts: Vec<String> =
        report.damage.iter().take(MAX_DAMAGE).map(ToString::to_string).collect();
    (!parts.is_empty()).then(|| foreign(&parts.join("; ")))
}

/// Returns the inputs of the run, their rows, and the rows that became no task.
fn input(report: &Report) -> String {
    let input = &report.input;
    let others = [(input.already_done, "done already"), (input.invalid, "invalid")];
    let rows =
        format!("{}: {}", foreign(&input.sources.join(", ")), plural(input.rows, "row", "rows"));
    let twice = (input.duplicates > 0).then(|| plural(input.duplicates, "duplicate", "duplicates"));
    let left_out = left_out(input).into_iter().chain(others).filter(|(count, _)| *count > 0);
    let parts = left_out.map(|(count, what)| format!("{} {what}", grouped(count)));
    std::iter::once(rows).chain(twice).chain(parts).collect::<Vec<_>>().join(", ")
}

/// Returns a foreign text on one line, without characters that mislead the eye.
pub(super) fn foreign(text: &str) -> String {
    // Line ends become blanks, because HTML shows them as blanks anyway, and not as escapes.
    printable(&text.replace(['\n', '\r'], " "), MAX_TEXT_COLUMNS)
}

/// Returns the project; another service than VIAS need not have one.
fn project(report: &Report) -> Option<String> {
    let project = &report.target.project_id;
    (!project.is_empty() || report.run.service.is_none()).then(|| foreign(project))
}
