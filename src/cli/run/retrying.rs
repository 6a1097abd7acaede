//! Says what a retry takes and what it cannot take, before it is planned.

use crate::cli::output::error::CommandError;
use crate::cli::output::lost_ids;
use crate::cli::run::scene::Scene;
use batchctl::run::Retry;
use batchctl::text::{plural, printable};

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
