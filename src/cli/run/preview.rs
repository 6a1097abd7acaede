//! Previews a run: what would be called, how fast, and how long it takes at least.

use crate::cli::connect::client::{StateReader, state_reader};
use crate::cli::output::documents;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::run::plan_output::{PlanOutput, PlanPart, PreviewTasks};
use crate::cli::run::scene::{ActionRequest, LaunchFlags, Scene};
use crate::cli::run::{plan_output, time_check};
use batchctl::loading::PlanTotals;
use batchctl::reading::PlanRow;
use batchctl::report::Target;
use batchctl::run;
use batchctl::run::{DryRun, RunError, RunRequest};
use batchctl::settings::{LeftOut, OnUnknown, RateSetting};
use batchctl::store::{RunId, Surveyed};
use batchctl::task::{Command, ExcludedTask, TaskId};
use batchctl::text::{flag_span, grouped, plural, printable, span};
use std::fmt::Write;

/// How often `-v` asks for the whole plan with its reasons.
pub(crate) const WHOLE: u8 = 2;

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

/// The plan of one place, to be shown.
pub(crate) struct ShownPlan<'a> {
    /// The name of the target, in a run of several.
    pub(crate) target: Option<&'a str>,
    pub(crate) place: Target,
    pub(crate) action: &'a ActionRequest,
    pub(crate) plan: &'a DryRun,
}

/// Prints the plan of inputs, target by target; `stored` is the run that it is stored as.
pub(crate) fn show(
    plans: &[ShownPlan<'_>],
    stored: Option<&RunId>,
    scene: &Scene<'_>,
) -> Result<(), CommandError> {
    let mut text = String::new();
    for shown in plans {
        let gap = shown.plan.look().and_then(|look| look.gap.as_ref());
        if let Some(gap) = gap {
            let of = shown.target.map_or_else(String::new, |name| format!("{name}: "));
            scene.context.stderr.say("warning", &printable(&format!("{of}{gap}"), 300));
        }
        if let Some(name) = shown.target {
            let between = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{between}target {name}");
        }
        text.push_str(&whole(shown, scene.flags)?);
    }
    let output = PlanOutput { run: stored, parts: plans.iter().map(part_of).collect() };
    let selected = plans.iter().map(|shown| to_be_called(shown.plan).selected).sum();
    print(&text, selected, &output, scene)
}

fn part_of<'a>(shown: &'a ShownPlan<'_>) -> PlanPart<'a> {
    PlanPart {
        target: shown.target,
        place: shown.place.clone(),
        totals: shown.plan.totals(),
        left_out: shown.plan.left_out(),
        tasks: PreviewTasks::Planned(shown.plan),
    }
}

/// Returns the numbers of a plan; tasks in the wanted state are not called, so they count as done.
fn to_be_called(plan: &DryRun) -> PlanTotals {
    let unchanged = plan.look().map_or(0, |look| look.surveyed.counts.unchanged);
    PlanTotals {
        selected: plan.totals().selected - unchanged,
        already_done: plan.totals().already_done + unchanged,
        ..plan.totals()
    }
}

/// Renders the plan of one place.
fn whole(shown: &ShownPlan<'_>, flags: &LaunchFlags<'_>) -> Result<String, CommandError> {
    let ShownPlan { plan, action, .. } = *shown;
    let totals = to_be_called(plan);
    let mut text = head(action, totals, plan.totals().selected);
    if flags.reporting.display.verbose >= WHOLE {
        text.push_str(&explained(&PreviewTasks::Planned(plan))?);
    } else {
        text.push_str(&some_rows(&plan.first_rows(shown_rows(flags))?, totals));
    }
    text.push_str(&excluded(plan.left_out(), shown_rows(flags)));
    if let Some(look) = plan.look() {
        text.push_str(&states(&look.surveyed));
    }
    Ok(text)
}

/// Renders some of the tasks that are excluded, each with its reason.
pub(crate) fn excluded(left_out: &LeftOut, shown: u32) -> String {
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
pub(crate) fn print(
    text: &str,
    selected: u64,
    output: &PlanOutput<'_>,
    scene: &Scene<'_>,
) -> Result<(), CommandError> {
    let stderr = &scene.context.stderr;
    // Each target has a rate of its own.
    if scene.targets.is_empty() {
        time_check::warn(&scene.action.settings, selected, scene.clock, stderr);
    }
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
pub(crate) fn check_unknown(plans: &[ShownPlan<'_>]) -> Result<(), CommandError> {
    let (mut count, mut examples) = (0, Vec::new());
    for shown in plans {
        let refuses = shown.action.settings.on_unknown == OnUnknown::Fail;
        if let Some(look) = shown.plan.look().filter(|_| refuses) {
            count += look.surveyed.counts.unknown;
            examples.extend(look.surveyed.unknown.iter().cloned());
        }
    }
    if count == 0 {
        return Ok(());
    }
    Err(RunError::UnknownTasks { count, examples }.into())
}

/// Renders what holds for all tasks of the plan, of which so many are looked at.
pub(crate) fn head(action: &ActionRequest, totals: PlanTotals, looked_at: u64) -> String {
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
    if let Some(states) = states_line(action, looked_at) {
        let _ = writeln!(text, "  states      {states}");
    }
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
pub(crate) fn explained(tasks: &PreviewTasks<'_>) -> Result<String, CommandError> {
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
pub(crate) fn some_rows(rows: &[PlanRow], totals: PlanTotals) -> String {
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
    let ramp = ramp.map_or_else(String::new, |over| format!(" after {}", flag_span(over)));
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
        pause => format!(", with pauses of {}", flag_span(pause)),
    };
    Some(format!("until {} tasks are sent; each must succeed{pause}", ends.join(", ")))
}

/// Says how many requests for states there are, if there is one for each task.
fn states_line(action: &ActionRequest, tasks: u64) -> Option<String> {
    if !action.reads_each_id {
        return None;
    }
    let requests = plural(tasks, "request", "requests");
    let (before, after) = (action.settings.skip_unchanged, action.settings.wait.is_some());
    let when = match (before, after) {
        (true, true) => "before the calls, and at most as many in each round of the wait",
        (true, false) => "before the calls, one for each task",
        (false, true) => "at most in each round of the wait, one for each task",
        (false, false) => return None,
    };
    Some(format!("{requests} {when}"))
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
