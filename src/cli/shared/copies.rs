//! Copies the runs that a command is about out of the database, before the command looks for them.

use crate::cli::Context;
use crate::cli::app::Verb;
use crate::cli::commands::report::ReportCommand;
use crate::cli::commands::runs::RunsCommand;
use crate::cli::commands::start_stop::CommonArgs;
use crate::cli::flags::which_run::WhichRunArgs;
use crate::cli::output::error::CommandError;
use crate::cli::run::stored_plan;
use crate::cli::shared::{ctl, list};
use batchctl::reading::RunReader;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::run::SharedRuns;
use batchctl::store::{RunId, StoreError};
use std::ops::ControlFlow;

/// Copies what a command needs; breaks with the status of one that needs no copy at all.
pub(crate) fn prepare(
    verb: &Verb,
    database: &SharedRuns,
    context: &Context,
) -> Result<ControlFlow<ExitStatus>, CommandError> {
    match verb {
        Verb::Start(args) | Verb::Stop(args) => copy_chain(&args.common, database, context)?,
        Verb::Do(args) => copy_chain(&args.on.common, database, context)?,
        Verb::Delete(args) => copy_chain(&args.common, database, context)?,
        Verb::Run(args) => copy_chain(&args.common, database, context)?,
        Verb::Plan { command } => copy_chain(command.common(), database, context)?,
        Verb::Apply(args) => {
            let id = find(&args.which, database)?;
            // By others, who may not have begun yet.
            if database.standings(Some(&id))?.iter().any(|run| run.is_applied) {
                return Err(stored_plan::applied_already(&id));
            }
            database.copy_to_work(&id)?;
        }
        Verb::Resume(args) if args.repair => {
            database.copy_damaged(&find(&args.which, database)?)?;
        }
        Verb::Resume(args) => database.copy_to_work(&find(&args.which, database)?)?,
        Verb::Retry(args) => database.copy(&find(&args.which, database)?)?,
        Verb::Revert(args) => database.copy(&find(&args.which, database)?)?,
        Verb::Wait(args) => database.copy(&find(&args.how.which, database)?)?,
        Verb::Settle(args) => database.copy(&find(&args.how.which, database)?)?,
        Verb::Report(args) => match &args.command {
            None => copy_what_is_whole(&find(&args.which, database)?, database)?,
            Some(ReportCommand::Diff(args)) => {
                for name in [&args.before, &args.after] {
                    database.copy(&database.find(name, None)?)?;
                }
            }
            Some(ReportCommand::Merge(_)) => {}
        },
        Verb::Explain(args) => match &args.run {
            Some(name) => database.copy(&database.find(name, args.job.as_deref())?)?,
            None => copy_all(database)?,
        },
        Verb::Tasks(args) => {
            if let Some(which) = &args.of_run {
                database.copy(&find(which, database)?)?;
            }
        }
        Verb::Ctl(args) => {
            let id = find(&args.which, database)?;
            return ctl::order(args, &id, database, context).map(ControlFlow::Break);
        }
        Verb::Runs { command } => return prepare_runs(command, database, context),
        // `work` and `ui` find their runs themselves; the others have none, or were refused before.
        Verb::Work(_)
        | Verb::Auth { .. }
        | Verb::Demo(_)
        | Verb::Ui(_)
        | Verb::List(_)
        | Verb::Config { .. }
        | Verb::Sandbox(_)
        | Verb::Service { .. }
        | Verb::Schema(_)
        | Verb::Completions { .. }
        | Verb::Man(_) => {}
    }
    Ok(ControlFlow::Continue(()))
}

fn prepare_runs(
    command: &RunsCommand,
    database: &SharedRuns,
    context: &Context,
) -> Result<ControlFlow<ExitStatus>, CommandError> {
    match command {
        RunsCommand::List(args) => {
            return list::list(args, database, &context.stderr).map(ControlFlow::Break);
        }
        RunsCommand::Remove(args) => return list::remove(args, database).map(ControlFlow::Break),
        RunsCommand::Prune(args) => return list::prune(args, database).map(ControlFlow::Break),
        RunsCommand::Show(args) => database.copy(&find(&args.which, database)?)?,
        RunsCommand::Export(args) => database.copy(&find(&args.which, database)?)?,
        // It was refused before.
        RunsCommand::Path(_) => {}
    }
    Ok(ControlFlow::Continue(()))
}

fn find(which: &WhichRunArgs, database: &SharedRuns) -> Result<RunId, CommandError> {
    Ok(database.find(&which.run, which.job.as_deref())?)
}

/// Copies the run that `--after` names, and those that it follows.
fn copy_chain(
    args: &CommonArgs,
    database: &SharedRuns,
    context: &Context,
) -> Result<(), CommandError> {
    let Some(named) = &args.input.after else { return Ok(()) };
    let mut next = Some(database.find(named, None)?);
    while let Some(id) = next {
        database.copy(&id)?;
        let parent = RunReader::open(&run::runs_in(&context.state), &id)?.record()?.run.parent;
        // One that was removed ends the chain, as in a directory.
        let all = database.list()?;
        next = parent.filter(|parent| all.contains(parent));
    }
    Ok(())
}

/// Copies a run to be shown; of a damaged one, what is whole is shown.
fn copy_what_is_whole(id: &RunId, database: &SharedRuns) -> Result<(), CommandError> {
    match database.copy(id) {
        Err(StoreError::OtherHome(error)) if error.is_damage() => Ok(database.copy_damaged(id)?),
        copied => Ok(copied?),
    }
}

fn copy_all(database: &SharedRuns) -> Result<(), CommandError> {
    for id in database.list()? {
        database.copy(&id)?;
    }
    Ok(())
}

/// Refuses what is about runs in a directory alone.
pub(crate) fn check(verb: &Verb) -> Result<(), CommandError> {
    let what = match verb {
        Verb::Runs { command: RunsCommand::Path(_) } => "runs path",
        _ => return Ok(()),
    };
    let error = format!("`{what}` is about runs in a directory, and `--store` names a database");
    Err(CommandError::usage(error).with_hint("leave out `--store`, or name a directory with it"))
}
