//! `runs remove`: removes the runs that are named, and never one that is in use.

use crate::cli::Context;
use crate::cli::commands::runs::{ListedRun, RemoveArgs, StateChoice, read};
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::run::stored_plan;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::store::{RunDirectory, StoreError};
use std::collections::BTreeSet;
use std::fmt::Write;

pub(crate) fn remove(args: &RemoveArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let runs = run::runs_in(&context.state);
    let named = args.runs.iter().map(|name| runs.find(name));
    // One that is named twice is removed once.
    let named = named.collect::<Result<BTreeSet<_>, StoreError>>()?;
    // All of them first: a wrong name must not leave half of the work done.
    for id in &named {
        check(&read(&runs, id)?, &runs, args.unfinished)?;
    }
    let mut text = String::new();
    for id in &named {
        run::remove(&context.state, id)?;
        let _ = writeln!(text, "{id}");
    }
    stream::print(&text)?;
    Ok(ExitStatus::Ok)
}

/// Refuses a run that could be resumed. One that a process works on is refused by its lock.
fn check(run: &ListedRun, runs: &RunDirectory, unfinished: bool) -> Result<(), CommandError> {
    let may_go = match run.state {
        StateChoice::Finished => true,
        StateChoice::Planned => unfinished || stored_plan::is_unapplied(&run.record),
        StateChoice::Interrupted | StateChoice::Killed => unfinished,
        StateChoice::Running => {
            // Names the process that holds it.
            runs.lock(&run.id, "a process that removes it").map(drop)?;
            unfinished
        }
    };
    if may_go {
        return Ok(());
    }
    let (id, hint) = (&run.id, "`--unfinished` removes it all the same");
    let error = format!("run {id} can be resumed; nothing was removed");
    Err(CommandError::usage(error).with_hint(hint))
}
