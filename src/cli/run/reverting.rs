//! Chooses the tasks of a revert, and shows which are called and which are left alone.

use crate::cli::connect::client::{StateReader, state_reader};
use crate::cli::output::error::CommandError;
use crate::cli::output::stream::Stderr;
use crate::cli::run::preview;
use crate::cli::run::scene::Scene;
use batchctl::api::Credentials;
use batchctl::report::ExitStatus;
use batchctl::run::{Revert, Reverted};
use batchctl::settings::LeftOut;
use batchctl::store::RunRecord;
use batchctl::task::Command;
use batchctl::text::{plural, printable};
use std::ops::ControlFlow;
use std::sync::Arc;

/// The most tasks of one kind that are listed.
const SHOWN_TASKS: usize = 20;

/// Refuses to revert a run that deleted.
pub(crate) fn refuse_deletion(record: &RunRecord) -> Result<(), CommandError> {
    if record.run.command != Command::DELETE.as_str() {
        return Ok(());
    }
    Err(CommandError::usage("what was deleted cannot be made again, so there is no revert"))
}

/// Reads the states of the tasks and chooses those to be called; breaks with the exit status if
/// there is none, or if `--yes` is missing. Returns the credentials that it read them with.
pub(crate) fn choose_and_show(
    revert: &mut Revert,
    scene: &Scene<'_>,
) -> Result<(ControlFlow<ExitStatus>, Option<Arc<Credentials>>), CommandError> {
    let context = scene.context;
    let StateReader { runtime, client, credentials } = state_reader(
        &scene.flags.connection.credentials,
        &scene.destination,
        &revert.settings,
        context,
    )?;
    // Reads the list even for a preview: tasks touched since must not be reverted.
    let reverted =
        runtime.block_on(revert.choose(&client, scene.clock, preview::wanted_rows(scene)))?;
    print_left_alone(&reverted, &context.stderr);
    print_excluded(&revert.settings.choice.left_out, &context.stderr);
    let run = &revert.record.run.id;
    // Before the question of `--yes`: an empty plan needs no consent.
    if reverted.selected == 0 {
        context.stderr.line(&format!("there is nothing to take back of run {run}"));
        // Yesterday's documents must not pass for those of today.
        if scene.documents.is_empty() && !scene.flags.reporting.documents.json {
            return Ok((ControlFlow::Break(ExitStatus::Ok), credentials));
        }
    }
    if scene.flags.yes {
        return Ok((ControlFlow::Continue(()), credentials));
    }
    let status = preview::show_tasks(
        reverted.selected,
        reverted.first,
        &revert.settings.choice.left_out,
        &revert.record,
        scene,
    )?;
    context.stderr.say("hint", &format!("`batchctl revert {run} -y` carries it out"));
    Ok((ControlFlow::Break(status), credentials))
}

/// Lists excluded tasks.
fn print_excluded(left_out: &LeftOut, stderr: &Stderr) {
    for task in left_out.named.iter().take(SHOWN_TASKS) {
        stderr.line(&format!("not called: excluded {}", preview::why_excluded(task)));
    }
    let named = left_out.named.len().min(SHOWN_TASKS) as u64;
    if left_out.excluded > named {
        let more = left_out.excluded - named;
        stderr.line(&format!("not called: {more} more are excluded"));
    }
}

/// Lists what is not called, and why.
fn print_left_alone(reverted: &Reverted, stderr: &Stderr) {
    if let Some(gap) = &reverted.gap {
        stderr.say("warning", &printable(&gap.to_string(), 300));
    }
    for (id, state) in reverted.touched.iter().take(SHOWN_TASKS) {
        stderr.line(&format!("not called: {id} is {state}, touched since"));
    }
    let more = reverted.touched.len().saturating_sub(SHOWN_TASKS);
    if more > 0 {
        stderr.line(&format!("not called: {more} more were touched since"));
    }
    for id in reverted.gone.iter().take(SHOWN_TASKS) {
        stderr.line(&format!("not called: {id} was not seen in the list"));
    }
    let more = reverted.gone.len().saturating_sub(SHOWN_TASKS);
    if more > 0 {
        stderr.line(&format!("not called: {more} more were not seen in the list"));
    }
    if reverted.other_before > 0 {
        let tasks = plural(reverted.other_before, "task was", "tasks were");
        let why = "not at rest before, or the run did not look (`--skip-unchanged`, `--wait`)";
        stderr.line(&format!("not called: {tasks} {why}"));
    }
}
