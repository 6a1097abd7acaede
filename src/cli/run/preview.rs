//! Previews a run: what would be called, how fast, and how long it takes at least.

use crate::cli::connect::client::{StateReader, state_reader};
use crate::cli::output::documents;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::run::list_size_guard::check_most;
use crate::cli::run::plan_output::{PlanOutput, PreviewTasks};
use crate::cli::run::scene::{ActionRequest, LaunchFlags, Scene};
use crate::cli::run::{plan_output, time_check};
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::run::{DryRun, RunError, RunRequest};
use batchctl::settings::{LeftOut, OnUnknown, RateSetting};
use batchctl::store::{PlanRow, PlanTotals, RunId, RunRecord, Surveyed, TaskRow};
use batchctl::task::{Command, ExcludedTask, TaskId};
use batchctl::text::{grouped, plural, printable, span};
use std::fmt::Write;

/// How often `-v` asks for the whole plan with its reasons.
const WHOLE: u8 = 2;

/// How many tasks are shown, unless `-v` asks for all.
const SHOWN_ROWS: u32 = 5;

/// Returns how many tasks are shown.
pub(crate) fn shown_rows(flags: &LaunchFlags<'_>) -> u32 {
    if flags.reporting.display.verbose > 0 { u32::MAX } else { SHOWN_ROWS }
}

/// Returns how many tasks of an earlier run are needed: all of them if they are written.
pub(crate) fn wanted_rows(scene: &Scene<'_>) -> usize {
    let is_written = !scene.documents.is_empty() || scene.flags.reporting.documents.json;
    let wanted = if is_written { u32::MAX } else { shown_rows(scene.flags) };
    usize::try_from(wanted).unwrap_or(usize::MAX)
}

/// Reads the states of the tasks of inputs, and returns what a run of them would be.
pub(crate) fn look(request: RunRequest, scene: &Scene<'_>) -> Result<DryRun, CommandError> {
    let StateReader { runtime, client, .. } = state_reader(
        &scene.flags.connection.credentials,
        &scene.destination,
        &scene.action.settings,
        scene.context,
    )?;
    Ok(runtime.block_on(run::dry_run_live(request, &client, scene.clock))?)
}

/// Prints the plan of inputs; `stored` is the run that it is stored as.
pub(crate) fn show(
    plan: &DryRun,
    stored: Option<&RunId>,
    scene: &Scene<'_>,
) -> Result<(), CommandError> {
    let action = &scene.action;
    let look = plan.look();
    if let Some(gap) = look.and_then(|look| look.gap.as_ref()) {
        scene.context.stderr.say("warning", &printable(&gap.to_string(), 300));
    }
    // Tasks in the wanted state are not called, so they count as done.
    let unchanged = look.map_or(0, |look| look.surveyed.counts.unchanged);
    let totals = PlanTotals {
        selected: plan.totals().selected - unchanged,
        already_done: plan.totals().already_done + unchanged,
        ..plan.totals()
    };
    let tasks = PreviewTasks::Planned(plan);
    let mut text = head(action, totals);
    if scene.flags.reporting.display.verbose >= WHOLE {
        text.push_str(&explained(&tasks)?);
    } else {
        text.push_str(&some_rows(&plan.first_rows(shown_rows(scene.flags))?, totals));
    }
    text.push_str(&excluded(plan.left_out(), shown_rows(scene.flags)));
    if let Some(look) = look {
        text.push_str(&states(&look.surveyed));
    }
    let (totals_of_plan, left_out) = (plan.totals(), plan.left_out());
    let output = PlanOutput { run: stored, totals: totals_of_plan, left_out, tasks };
    print(&text, totals, &output, scene)
}

/// Renders a plan and some of its tasks.
pub(crate) fn in_short(action: &ActionRequest, totals: PlanTotals, rows: &[PlanRow]) -> String {
    head(action, totals) + &some_rows(rows, totals)
}

/// Renders some of the tasks that are excluded, each with its reason.
fn excluded(left_out: &LeftOut, shown: u32) -> String {
    if left_out.excluded == 0 {
        return String::new();
    }
    let mut text = "\n  excluded, not called:\n".to_owned();
    let mut named = 0;
    for task in left_out.named.iter().take(usize::try_from(shown).unwrap_or(usize::MAX)) {
        let _ = writeln!(text, "  {}", why_excluded(task));
        named += 1;
    }
    match left_out.excluded - named {
        0 => {}
        more => {
            let _ = writeln!(text, "  … and {} more", grouped(more));
        }
    }
    text
}

/// Says in a line which task is excluded, where, until when and why.
pub(crate) fn why_excluded(task: &ExcludedTask) -> String {
    let mut text =
        format!("{}  {}:{}", printable(&task.id, 70), printable(&task.file, 60), task.line);
    if let Some(until) = &task.until {
        let _ = write!(text, ", until {}", printable(until, 40));
    }
    if let Some(reason) = &task.reason {
        let _ = write!(text, ": {}", printable(reason, 60));
    }
    text
}

/// Renders how many tasks are in which state, with some of those that a person has to look at.
fn states(surveyed: &Surveyed) -> String {
    let counts = surveyed.counts;
    let mut text = "\n".to_owned();
    for (label, count, examples) in [
        ("will change", counts.will_change, &[][..]),
        ("already there", counts.unchanged, &[]),
        ("unknown", counts.unknown, &surveyed.unknown),
        ("in trouble", counts.in_trouble, &surveyed.in_trouble),
        ("not read", counts.unread, &[]),
    ] {
        let ids: Vec<&str> = examples.iter().map(TaskId::as_str).collect();
        let such_as = if ids.is_empty() { "" } else { "   such as " };
        let _ = writeln!(text, "  {label:<13}  {:>3}{such_as}{}", grouped(count), ids.join(", "));
    }
    text
}

/// Prints a plan, and writes it where it is asked for.
fn print(
    text: &str,
    totals: PlanTotals,
    output: &PlanOutput<'_>,
    scene: &Scene<'_>,
) -> Result<(), CommandError> {
    let stderr = &scene.context.stderr;
    time_check::warn(&scene.action.settings, totals.selected, scene.clock, stderr);
    output.write(scene)?;
    if scene.flags.reporting.documents.json {
        return Ok(());
    }
    if plan_output::takes_output(scene) {
        stderr.line(text.trim_end());
        return Ok(());
    }
    Ok(stream::print(text)?)
}

/// Refuses a plan with tasks that the project does not know, as the run would do.
pub(crate) fn check_unknown(plan: &DryRun, scene: &Scene<'_>) -> Result<(), CommandError> {
    let Some(look) = plan.look() else { return Ok(()) };
    let count = look.surveyed.counts.unknown;
    if count == 0 || scene.action.settings.on_unknown != OnUnknown::Fail {
        return Ok(());
    }
    let examples = look.surveyed.unknown.clone();
    Err(RunError::UnknownTasks { count, examples }.into())
}

/// Renders what holds for all tasks of the plan.
fn head(action: &ActionRequest, totals: PlanTotals) -> String {
    let mut text = String::new();
    let (one, many) = action.nouns();
    let tasks = plural(totals.selected, one, many);
    let word = &action.word;
    let _ = writeln!(text, "{word}: {tasks} would be called; nothing was sent");
    let _ = writeln!(text);
    let _ = writeln!(text, "  rows        {}", rows_line(totals));
    let method = match action.service {
        // Each action has its own.
        Some(_) => "",
        None if action.word == Command::DELETE.as_str() => "DELETE ",
        None => "PUT ",
    };
    let _ = writeln!(text, "  calls       {method}{}", action.pattern);
    let _ = writeln!(text, "  pace        {}", pace_line(action, totals.selected));
    if let Some(canary) = action.settings.canary {
        let _ = writeln!(text, "  canary      {}", canary_line(canary.get()));
    }
    if let Some(waves) = waves_line(action, totals.selected) {
        let _ = writeln!(text, "  waves       {waves}");
    }
    let _ = writeln!(text, "  stops       {}", stops_line(action, totals.selected));
    if let Some(finish_by) = action.settings.finish_by {
        let _ = writeln!(text, "  ends        at {finish_by}, whatever is left");
    }
    let _ = writeln!(text);
    text
}

/// Renders every task with what becomes of it, and its state if that was read.
fn explained(tasks: &PreviewTasks<'_>) -> Result<String, CommandError> {
    let mut text = String::new();
    let written = tasks.for_each(|task| {
        let (command, id) = (task.row.command.as_str(), task.row.id.as_str());
        let (source, line) = (printable(&task.row.source, 60), task.row.line);
        let why = plan_output::why(task.look);
        let state =
            task.state_before.map_or(String::new(), |state| format!(", {}", state.as_str()));
        let _ = writeln!(text, "  {command:<5}  {id}  {source}:{line}  {why}{state}");
        Ok(())
    });
    documents::of_rows(written)?.map_err(CommandError::io)?;
    Ok(text)
}

/// Renders the first tasks, and how many more there are.
fn some_rows(rows: &[PlanRow], totals: PlanTotals) -> String {
    let mut text = String::new();
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
    let beyond = totals.beyond_limit();
    let left_out = [
        (totals.duplicates, plural(totals.duplicates, "duplicate", "duplicates")),
        (totals.not_matched, format!("{} not matched", grouped(totals.not_matched))),
        (totals.excluded, format!("{} excluded", grouped(totals.excluded))),
        (totals.already_done, format!("{} done already", grouped(totals.already_done))),
        (totals.not_sampled, format!("{} not in the sample", grouped(totals.not_sampled))),
        (totals.before_offset, format!("{} before the offset", grouped(totals.before_offset))),
        (totals.of_other_shards, format!("{} of other shards", grouped(totals.of_other_shards))),
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
    let (found, rate) = match action.settings.own_rate() {
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

/// Says in which waves that many tasks are sent.
fn waves_line(action: &ActionRequest, tasks: u64) -> Option<String> {
    let settings = &action.settings;
    let ends: Vec<String> = settings.waves.as_ref()?.ends(tasks).into_iter().map(grouped).collect();
    let pause = match settings.wave_pause {
        pause if pause.is_zero() => String::new(),
        pause => format!(", with pauses of {}", span(pause)),
    };
    Some(format!("until {} tasks are sent; each must succeed{pause}", ends.join(", ")))
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

/// Prints the plan of tasks from an earlier run.
pub(crate) fn show_tasks(
    selected: u64,
    tasks: Vec<TaskRow>,
    left_out: &LeftOut,
    record: &RunRecord,
    scene: &Scene<'_>,
) -> Result<ExitStatus, CommandError> {
    let excluded_count = left_out.excluded;
    let totals = PlanTotals {
        rows: selected + excluded_count,
        selected,
        excluded: excluded_count,
        ..PlanTotals::default()
    };
    let rows = plan_rows(tasks, record);
    let shown = usize::try_from(shown_rows(scene.flags)).unwrap_or(usize::MAX).min(rows.len());
    let tasks = PreviewTasks::OfRun(&rows);
    let mut text = head(&scene.action, totals);
    if scene.flags.reporting.display.verbose >= WHOLE {
        text.push_str(&explained(&tasks)?);
    } else {
        text.push_str(&some_rows(&rows[..shown], totals));
    }
    text.push_str(&excluded(left_out, shown_rows(scene.flags)));
    let output = PlanOutput { run: None, totals, left_out, tasks };
    print(&text, totals, &output, scene)?;
    check_most(selected, scene.flags.max_tasks)?;
    Ok(ExitStatus::Ok)
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
