//! `runs list` and `runs remove` for a database: nothing is copied.

use crate::cli::commands::runs::{
    ListedRun, PruneArgs, RemoveArgs, RunsListArgs, StateChoice, print_list, prune,
};
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::output::stream::Stderr;
use batchctl::clock::Clock;
use batchctl::database::RunStanding;
use batchctl::report::ExitStatus;
use batchctl::run::SharedRuns;
use std::collections::HashMap;
use std::fmt::Write;

pub(crate) fn list(
    args: &RunsListArgs,
    database: &SharedRuns,
    stderr: &Stderr,
) -> Result<ExitStatus, CommandError> {
    print_list(all(None, database)?, args, stderr)
}

/// Returns all runs of a job, or all, the latest first.
fn all(job: Option<&String>, database: &SharedRuns) -> Result<Vec<ListedRun>, CommandError> {
    let mut listed: Vec<ListedRun> = database.standings(None)?.into_iter().map(listed).collect();
    listed.reverse();
    listed.retain(|run| job.is_none() || run.record.run.job.as_ref() == job);
    Ok(listed)
}

pub(crate) fn prune(args: &PruneArgs, database: &SharedRuns) -> Result<ExitStatus, CommandError> {
    prune::check(args)?;
    let listed = all(args.job.as_ref(), database)?;
    let sizes = if args.max_size.is_some() { database.sizes()? } else { HashMap::new() };
    let chosen = prune::choose(&listed, args, &sizes, Clock::start().now());
    prune::remove_all(&chosen, args, |id| Ok(database.remove(id)?))
}

fn listed(run: RunStanding) -> ListedRun {
    let state = run.state().into();
    let (id, record, outcomes) = (run.record.run.id.clone(), run.record, run.outcomes);
    ListedRun { id, state, record, outcomes }
}

pub(crate) fn remove(args: &RemoveArgs, database: &SharedRuns) -> Result<ExitStatus, CommandError> {
    let mut named = Vec::new();
    // All of them first: a wrong name must not leave half of the work done.
    for name in &args.runs {
        let id = database.find(name, None)?;
        for run in database.standings(Some(&id))? {
            match StateChoice::from(run.state()) {
                StateChoice::Running => {
                    return Err(CommandError::new(
                        ExitStatus::Busy,
                        format!("run {id} is in use by its workers"),
                    ));
                }
                StateChoice::Planned if run.is_unapplied() => named.push(id.clone()),
                StateChoice::Interrupted | StateChoice::Killed | StateChoice::Planned
                    if !args.unfinished =>
                {
                    let error = format!("run {id} can be resumed");
                    return Err(CommandError::usage(error)
                        .with_hint("`--unfinished` removes it all the same"));
                }
                _ => named.push(id.clone()),
            }
        }
    }
    let mut text = String::new();
    for id in &named {
        database.remove(id)?;
        let _ = writeln!(text, "removed {id}");
    }
    stream::print(&text)?;
    Ok(ExitStatus::Ok)
}
