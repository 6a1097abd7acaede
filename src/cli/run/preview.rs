//! Previews a run: what would be called, how fast, and how long it takes at least.

use crate::cli::connect::client::{ReadingClient, client_for_reading};
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::run::scene::{ActionRequest, Scene};
use crate::cli::run::time_check;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::run::{RunError, RunRequest};
use batchctl::settings::{OnUnknown, RateSetting};
use batchctl::store::{PlanRow, PlanTotals, RunRecord, TaskRow};
use batchctl::task::TaskId;
use batchctl::text::{grouped, plural, printable, span};
use std::fmt::Write;

/// How many tasks are shown.
pub(crate) const SHOWN_ROWS: u32 = 5;

/// Prints the plan of a run that skips tasks in the wanted state.
pub(crate) fn against_live_state(
    request: RunRequest,
    scene: &Scene<'_>,
) -> Result<ExitStatus, CommandError> {
    let (action, context) = (&scene.action, scene.context);
    let connect_timeout = action.settings.connect_timeout;
    let ReadingClient { runtime, client, .. } =
        client_for_reading(scene.flags.credentials, &scene.destination, connect_timeout, context)?;
    let looking = run::dry_run_live(request, &client, scene.clock, SHOWN_ROWS);
    let live = runtime.block_on(looking)?;
    if let Some(gap) = &live.gap {
        context.stderr.say("warning", &printable(&gap.to_string(), 300));
    }
    // Tasks in the wanted state are not called, so they count as done.
    let counts = live.surveyed.counts;
    let totals = PlanTotals {
        selected: live.totals.selected - counts.unchanged,
        already_done: live.totals.already_done + counts.unchanged,
        ..live.totals
    };
    time_check::warn(&action.settings, totals.selected, scene.clock, &context.stderr);
    let mut text = render(action, totals, &live.rows);
    text.push('\n');
    for (label, count, examples) in [
        ("will change", counts.will_change, &[][..]),
        ("already there", counts.unchanged, &[]),
        ("unknown", counts.unknown, &live.surveyed.unknown),
        ("in trouble", counts.in_trouble, &live.surveyed.in_trouble),
        ("not read", counts.unread, &[]),
    ] {
        let ids: Vec<&str> = examples.iter().map(TaskId::as_str).collect();
        let such_as = if ids.is_empty() { "" } else { "   such as " };
        let _ = writeln!(text, "  {label:<13}  {:>3}{such_as}{}", grouped(count), ids.join(", "));
    }
    stream::print(&text)?;
    if counts.unknown > 0 && action.settings.on_unknown == OnUnknown::Fail {
        let examples = live.surveyed.unknown;
        return Err(RunError::UnknownTasks { count: counts.unknown, examples }.into());
    }
    Ok(ExitStatus::Ok)
}

/// Renders the plan.
pub(crate) fn render(action: &ActionRequest, totals: PlanTotals, rows: &[PlanRow]) -> String {
    let mut text = String::new();
    let tasks = plural(totals.selected, "batch task", "batch tasks");
    let word = &action.word;
    let _ = writeln!(text, "{word}: {tasks} would be called; nothing was sent");
    let _ = writeln!(text);
    let _ = writeln!(text, "  rows        {}", rows_line(totals));
    let _ = writeln!(text, "  calls       PUT {}", action.pattern);
    let _ = writeln!(text, "  pace        {}", pace_line(action, totals.selected));
    if let Some(canary) = action.settings.canary {
        let _ = writeln!(text, "  canary      {}", canary_line(canary.get()));
    }
    let _ = writeln!(text, "  stops       {}", stops_line(action, totals.selected));
    if let Some(finish_by) = action.settings.finish_by {
        let _ = writeln!(text, "  ends        at {finish_by}, whatever is left");
    }
    let _ = writeln!(text);
    let width = rows.iter().map(|row| row.id.as_str().len()).max().unwrap_or_default();
    for row in rows {
        let source = printable(&row.source, 60);
        let (command, id) = (row.command.as_str(), row.id.as_str());
        let _ = writeln!(text, "  {command:<5}  {id:<width$}  {source}:{}", row.line);
    }
    let shown = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    match totals.selected.saturating_sub(shown) {
        0 => {}
        more => {
            let _ = writeln!(text, "  … and {} more", grouped(more));
        }
    }
    text
}

fn rows_line(totals: PlanTotals) -> String {
    // What no other reason explains was cut off by `--limit`.
    let beyond = totals.rows - totals.duplicates - totals.already_done - totals.selected;
    let left_out = [
        (totals.duplicates, plural(totals.duplicates, "duplicate", "duplicates")),
        (totals.already_done, format!("{} done already", grouped(totals.already_done))),
        (beyond, format!("{} beyond the limit", grouped(beyond))),
    ];
    let rows = plural(totals.rows, "row", "rows");
    let left_out = left_out.into_iter().filter(|&(count, _)| count > 0).map(|(_, words)| words);
    match left_out.collect::<Vec<_>>().join(", ") {
        nothing if nothing.is_empty() => rows,
        words => format!("{rows}; left out: {words}"),
    }
}

fn pace_line(action: &ActionRequest, selected: u64) -> String {
    let wire = format!("{} on the wire at most", grouped_usize(action.settings.concurrency.get()));
    let (found, rate) = match action.settings.rate {
        RateSetting::Unlimited => return format!("no limit of sendings, {wire}"),
        RateSetting::Fixed(rate) => (String::new(), rate),
        RateSetting::Auto { least, most } => (format!("auto, from {least} to "), most),
    };
    let ramp = action.settings.ramp;
    let ramp = ramp.map_or_else(String::new, |over| format!(" after {}", span(over)));
    // Retries and slow answers only add to it.
    let shortest = span(rate.shortest_time(selected));
    format!("{found}{rate}{ramp}, {wire}; takes {shortest} at least")
}

fn canary_line(canary: u64) -> String {
    format!("the first {} must succeed before the rest is sent", plural(canary, "task", "tasks"))
}

fn stops_line(action: &ActionRequest, selected: u64) -> String {
    let tolerated = action.settings.max_failures.tolerated(selected);
    // Calls on the wire when the limit is reached still finish, and can fail as well.
    let others = action.settings.concurrency.get().saturating_sub(1);
    if tolerated >= selected {
        return "never for failures: all may fail".into();
    }
    format!(
        "at failure {}; at most {} more can be on the wire",
        grouped(tolerated + 1),
        grouped_usize(others)
    )
}

fn grouped_usize(n: usize) -> String {
    grouped(u64::try_from(n).unwrap_or(u64::MAX))
}

/// Prints the plan.
pub(crate) fn show(
    scene: &Scene<'_>,
    totals: PlanTotals,
    rows: &[PlanRow],
) -> Result<ExitStatus, CommandError> {
    let action = &scene.action;
    time_check::warn(&action.settings, totals.selected, scene.clock, &scene.context.stderr);
    stream::print(&render(action, totals, rows))?;
    Ok(ExitStatus::Ok)
}

/// Prints the plan of tasks from an earlier run.
pub(crate) fn show_tasks(
    selected: u64,
    first: Vec<TaskRow>,
    record: &RunRecord,
    scene: &Scene<'_>,
) -> Result<ExitStatus, CommandError> {
    let totals = PlanTotals { rows: selected, selected, ..PlanTotals::default() };
    show(scene, totals, &plan_rows(first, record))
}

/// Returns how many tasks are shown, as a size.
pub(crate) fn shown_rows() -> usize {
    usize::try_from(SHOWN_ROWS).expect("a few rows fit")
}

/// Returns tasks of a run as a plan shows them.
fn plan_rows(tasks: Vec<TaskRow>, record: &RunRecord) -> Vec<PlanRow> {
    let name = |source: u32| {
        let index = usize::try_from(source).expect("a u32 fits a usize");
        record.sources.get(index).map(|source| source.name.clone()).unwrap_or_default()
    };
    tasks
        .into_iter()
        .map(|task| PlanRow {
            id: task.id,
            command: task.command,
            source: name(task.source),
            line: task.line,
        })
        .collect()
}
