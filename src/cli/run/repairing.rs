//! Repairs a damaged run before it is resumed, if the operator agrees.

use crate::cli::Context;
use crate::cli::output::error::CommandError;
use crate::cli::output::prompt;
use crate::cli::output::prompt::Confirmation;
use batchctl::clock::Clock;
use batchctl::reading::RunReader;
use batchctl::repair::DamagedPart;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::store::RunId;
use batchctl::text::{plural, printable};
use std::ops::ControlFlow;

/// The most columns of a line about damage.
const LONGEST_LINE: usize = 600;
/// The most parts of damage that are named.
const MOST_NAMED: usize = 20;

/// Says what would be taken as in doubt, asks, and repairs the run.
pub(crate) fn repair(
    id: &RunId,
    yes: bool,
    context: &Context,
) -> Result<ControlFlow<ExitStatus>, CommandError> {
    let stderr = &context.stderr;
    let reader = RunReader::open_damaged(&run::runs_in(&context.state), id)?;
    let mut parts = reader.damage().iter().filter(|part| !part.is_repaired);
    if parts.clone().next().is_none() {
        let text = format!("`--repair` has no effect: run {id} is not damaged");
        return Err(CommandError::usage(text).with_hint("leave out `--repair`"));
    }
    for part in parts.clone().take(MOST_NAMED) {
        stderr.say("warning", &printable(&part.to_string(), LONGEST_LINE));
    }
    let tasks: u64 = parts.by_ref().map(|part| part.tasks).sum();
    let tasks = plural(tasks, "task", "tasks");
    if !yes && !prompt::has_person(&context.environment, stderr) {
        let text =
            format!("`--repair` takes {tasks} of run {id} as in doubt, and nobody can be asked");
        return Err(CommandError::usage(text).with_hint("add `-y`"));
    }
    drop(reader);
    let what = if context.store.is_elsewhere() { "run" } else { "file" };
    let question = format!("take {tasks} as in doubt and repair the {what}? [y/N] ");
    if !yes {
        let answer = prompt::ask(&question, &context.environment, stderr);
        if answer.map_err(CommandError::io)? == Confirmation::No {
            stderr.line("nothing was changed");
            return Ok(ControlFlow::Break(ExitStatus::Interrupted));
        }
    }
    let parts = run::repair(&context.state, id, Clock::start())?;
    take_in(id, &parts, context)?;
    stderr.line(&format!("repaired run {id}: {tasks} in doubt"));
    Ok(ControlFlow::Continue(()))
}

/// Takes the repair of a copy into the database that the run is from, if it is from there.
#[cfg(feature = "postgres")]
fn take_in(id: &RunId, parts: &[DamagedPart], context: &Context) -> Result<(), CommandError> {
    let Some(database) = context.store.database() else { return Ok(()) };
    database.publish_repair(id, parts)?;
    // What is carried out is what the database has.
    Ok(database.copy_to_work(id)?)
}

#[cfg(not(feature = "postgres"))]
fn take_in(_: &RunId, _: &[DamagedPart], _: &Context) -> Result<(), CommandError> {
    Ok(())
}
