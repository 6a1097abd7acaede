//! Chooses the tasks of a revert, and shows which are called and which are left alone.

use crate::cli::Context;
use crate::cli::connect::client::{StateReader, state_reader};
use crate::cli::connect::destination::Destination;
use crate::cli::flags::connection::CredentialArgs;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream::Stderr;
use crate::cli::run::scene::Scene;
use crate::cli::run::{preview, preview_of_run};
use batchctl::api::Credentials;
use batchctl::report::ExitStatus;
use batchctl::run::{Revert, Reverted};
use batchctl::settings::{LeftOut, RunSettings};
use batchctl::store::{RunId, RunRecord};
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

/// A place whose tasks are read: a target of the run, or all of it.
pub(crate) struct RevertedPlace<'a> {
    pub(crate) target: Option<&'a str>,
    /// How the part was carried out, in a run of several targets.
    pub(crate) part: Option<&'a RunSettings>,
    pub(crate) credentials: &'a CredentialArgs,
    pub(crate) destination: &'a Destination,
    pub(crate) context: &'a Context,
}

impl RevertedPlace<'_> {
    /// Reads the states of the tasks, chooses those to be called and lists the others. Returns the
    /// credentials that it read them with as well.
    pub(crate) fn choose(
        &self,
        revert: &mut Revert,
        scene: &Scene<'_>,
    ) -> Result<(Reverted, Option<Arc<Credentials>>), CommandError> {
        let settings = self.part.unwrap_or(&revert.settings);
        let reader = state_reader(self.credentials, self.destination, settings, self.context);
        let StateReader { runtime, client, credentials } = reader?;
        // Reads the list even for a preview: tasks touched since must not be reverted.
        let rows = preview::wanted_rows(scene);
        let reverted = runtime.block_on(revert.choose(self.part, &client, scene.clock, rows))?;
        let of = self.target.map_or_else(String::new, |name| format!("{name}: "));
        print_left_alone(&reverted, &of, &self.context.stderr);
        Ok((reverted, credentials))
    }
}

/// Shows which tasks would be called; breaks with the exit status if there is none, or if `--yes` is
/// missing.
pub(crate) fn show_chosen(
    revert: &Revert,
    reverted: Reverted,
    scene: &Scene<'_>,
) -> Result<ControlFlow<ExitStatus>, CommandError> {
    let context = scene.context;
    print_excluded(&revert.settings.choice.left_out, &context.stderr);
    let run = &revert.record.run.id;
    // Before the question of `--yes`: an empty plan needs no consent.
    if reverted.selected == 0 {
        nothing_to_revert(run, &context.stderr);
        // Yesterday's documents must not pass for those of today.
        if scene.documents.is_empty() && !scene.flags.reporting.documents.json {
            return Ok(ControlFlow::Break(ExitStatus::Ok));
        }
    }
    if scene.flags.yes {
        return Ok(ControlFlow::Continue(()));
    }
    let status = preview_of_run::show_tasks(
        reverted.selected,
        reverted.first,
        &revert.settings.choice.left_out,
        &revert.record,
        scene,
    )?;
    context.stderr.say("hint", &format!("`batchctl revert {run} -y` carries it out"));
    Ok(ControlFlow::Break(status))
}

/// Says that a run has changed nothing that could be taken back.
pub(crate) fn nothing_to_revert(run: &RunId, stderr: &Stderr) {
    stderr.line(&format!("there is nothing to take back of run {run}"));
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

/// Lists what is not called, and why; `of` names the target, in a run of several.
fn print_left_alone(reverted: &Reverted, of: &str, stderr: &Stderr) {
    if let Some(gap) = &reverted.gap {
        stderr.say("warning", &printable(&format!("{of}{gap}"), 300));
    }
    for (id, state) in reverted.touched.iter().take(SHOWN_TASKS) {
        stderr.line(&format!("{of}not called: {id} is {state}, touched since"));
    }
    let more = reverted.touched.len().saturating_sub(SHOWN_TASKS);
    if more > 0 {
        stderr.line(&format!("{of}not called: {more} more were touched since"));
    }
    for id in reverted.gone.iter().take(SHOWN_TASKS) {
        stderr.line(&format!("{of}not called: {id} was not seen in the list"));
    }
    let more = reverted.gone.len().saturating_sub(SHOWN_TASKS);
    if more > 0 {
        stderr.line(&format!("{of}not called: {more} more were not seen in the list"));
    }
    if reverted.other_before > 0 {
        let tasks = plural(reverted.other_before, "task was", "tasks were");
        let why = "not at rest before, or the run did not look (`--skip-unchanged`, `--wait`)";
        stderr.line(&format!("{of}not called: {tasks} {why}"));
    }
}
