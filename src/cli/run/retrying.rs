//! Says what a retry takes and what it cannot take, before it is planned.

use crate::cli::flags::known_values;
use crate::cli::output::error::CommandError;
use crate::cli::output::lost_ids;
use crate::cli::run::scene::Scene;
use crate::cli::run::terms::EmptyRetry;
use batchctl::run::Retry;
use batchctl::text::{plural, printable};
use std::collections::BTreeSet;
use std::fmt::Display;

/// The most columns of a line about a group of failures.
const LONGEST_LINE: usize = 200;

/// Prints what the requested groups are: a label alone does not show whether the run has gone on
/// since somebody read it in a report.
pub(crate) fn print_groups(retry: &Retry, scene: &Scene<'_>) {
    if !scene.flags.is_talkative() {
        return;
    }
    for group in retry.groups() {
        scene.context.stderr.line(&printable(&group.in_a_line(), LONGEST_LINE));
    }
}

/// Says how many tasks in doubt are left out, because a second call may do harm.
pub(crate) fn say_what_is_held(retry: &Retry, scene: &Scene<'_>) -> Result<(), CommandError> {
    let held = retry.held_tasks()?;
    if held > 0 {
        let tasks = plural(held, "task", "tasks");
        let stderr = scene.context.stderr.of_failures();
        let why = "a second call may do harm";
        stderr.say("warning", &format!("{tasks} in doubt are left out, because {why}"));
        stderr.say("hint", "`--outcome ambiguous` takes them, once you have looked at each");
    }
    Ok(())
}

/// Returns what is said of a retry without a task.
pub(crate) fn empty_retry(retry: &Retry) -> Result<EmptyRetry, CommandError> {
    let (lost_tasks, open_tasks) = (retry.lost_tasks(), retry.open_tasks()?);
    let (run, what_exists) = (retry.record.run.id.clone(), what_exists(retry)?);
    Ok(EmptyRetry { run, lost_tasks, open_tasks, what_exists })
}

/// Returns what the run has where a filter asks for something that no task has: otherwise a
/// misspelt code would look like a run without that failure.
fn what_exists(retry: &Retry) -> Result<Vec<String>, CommandError> {
    if !retry.is_narrowed_to_nothing()? {
        return Ok(Vec::new());
    }
    let (filter, choice) = (retry.filter(), retry.choice()?);
    // Where no task has the outcome, no task has anything else that is asked for.
    if let Some(hint) = unmatched("outcome", &filter.outcomes, &choice.outcomes) {
        return Ok(vec![hint]);
    }
    let hints = [
        unmatched("status", &filter.statuses, &choice.statuses),
        unmatched("kind", &filter.kinds, &choice.kinds),
        unmatched("error code", &filter.codes, &choice.codes),
    ];
    let hints: Vec<String> = hints.into_iter().flatten().collect();
    let flags = [&filter.statuses.is_empty(), &filter.kinds.is_empty(), &filter.codes.is_empty()];
    let is_combined = flags.into_iter().filter(|&is_empty| !is_empty).count() > 1;
    let combined = "each of these flags narrows the choice, and no task has all that they ask for";
    Ok(if hints.is_empty() && is_combined { vec![combined.into()] } else { hints })
}

/// Returns what the tasks have, if they have none of the values that are asked for.
fn unmatched<T: Ord + Display>(what: &str, asked: &[T], known: &BTreeSet<T>) -> Option<String> {
    let first = asked.first()?.to_string();
    if asked.iter().any(|value| known.contains(value)) {
        return None;
    }
    let error = format!("no task has the {what} `{}`", printable(&first, 64));
    if known.is_empty() {
        return Some(format!("{error}, nor another"));
    }
    let known: Vec<String> = known.iter().map(ToString::to_string).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Some(format!("{error}; {}", known_values::hint(&first, "the run has", &known)))
}

/// Warns that tasks are missing in the retry because their ids are lost: no row of the run has
/// them, so nothing else would show it.
pub(crate) fn warn_of_lost_ids(retry: &Retry, scene: &Scene<'_>) {
    let lost = retry.lost_tasks();
    if lost == 0 {
        return;
    }
    let (record, stderr) = (&retry.record, scene.context.stderr.of_failures());
    let (tasks, run) = (plural(lost, "task", "tasks"), &record.run.id);
    stderr.say("warning", &format!("the ids of {tasks} of run {run} are lost: none is retried"));
    let inputs: Vec<String> = record.sources.iter().map(|source| source.name.clone()).collect();
    let has_service = record.run.service.is_some();
    stderr.say("hint", &lost_ids::hint(run, &record.run.command, has_service, &inputs));
}
