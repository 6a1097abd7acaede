//! Repairs a damaged run before it is resumed, if the operator agrees.

use crate::cli::Context;
use crate::cli::output::error::CommandError;
use crate::cli::output::prompt;
use crate::cli::output::prompt::Confirmation;
use batchctl::clock::Clock;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::store::{RunId, RunReader};
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
    let question = format!("take {tasks} as in doubt and repair the file? [y/N] ");
    if !yes {
        let answer = prompt::ask(&question, &context.environment, stderr);
        if answer.map_err(CommandError::io)? == Confirmation::No {
            stderr.line("nothing was changed");
            return Ok(ControlFlow::Break(ExitStatus::Interrupted));
        }
    }
    run::repair(&context.state, id, Clock::start())?;
    stderr.line(&format!("repaired run {id}: {tasks} in doubt"));
    Ok(ControlFlow::Continue(()))
}
