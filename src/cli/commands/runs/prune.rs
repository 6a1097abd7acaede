//! `runs prune`: removes old runs, and never one that is in use.

use crate::cli::Context;
use crate::cli::commands::runs::{ListedRun, PruneArgs, StateChoice, read_all};
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use batchctl::clock::{Clock, Timestamp};
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::store::RunId;
use batchctl::text::plural;
use std::collections::HashMap;
use std::fmt::Write;

pub(crate) fn prune(args: &PruneArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    check(args)?;
    let runs = run::runs_in(&context.state);
    let listed = read_all(args.job.as_deref(), &context.state, &context.stderr)?;
    let sizes = if args.max_size.is_some() { runs.sizes()? } else { HashMap::new() };
    let chosen = choose(&listed, args, &sizes, Clock::start().now());
    // The library refuses to remove a run that a process has locked since.
    remove_all(&chosen, args, |id| Ok(run::remove(&context.state, id)?))
}

/// Refuses to remove everything because nothing was said.
pub(crate) fn check(args: &PruneArgs) -> Result<(), CommandError> {
    if args.older_than.is_none() && args.keep.is_none() && args.max_size.is_none() {
        return Err(CommandError::usage("nothing says which runs are old")
            .with_hint("give `--older-than AGE`, `--keep N` or `--max-size SIZE`"));
    }
    Ok(())
}

/// Removes runs, or says which ones would be.
pub(crate) fn remove_all(
    chosen: &[&ListedRun],
    args: &PruneArgs,
    remove: impl Fn(&RunId) -> Result<(), CommandError>,
) -> Result<ExitStatus, CommandError> {
    let mut text = String::new();
    for run in chosen {
        if !args.dry_run {
            remove(&run.id)?;
        }
        let _ = writeln!(text, "{}", run.id);
    }
    let removed = plural(u64::try_from(chosen.len()).unwrap_or(u64::MAX), "run", "runs");
    let verb = if args.dry_run { "would be removed" } else { "removed" };
    let _ = writeln!(text, "{removed} {verb}");
    stream::print(&text)?;
    Ok(ExitStatus::Ok)
}

/// Chooses what goes; `listed` is the latest first. Sizes are asked only for a limit on them.
pub(crate) fn choose<'a>(
    listed: &'a [ListedRun],
    args: &PruneArgs,
    sizes: &HashMap<RunId, u64>,
    now: Timestamp,
) -> Vec<&'a ListedRun> {
    let mut size = 0;
    let mut chosen = Vec::new();
    for (index, run) in listed.iter().enumerate() {
        // Counted for runs that stay as well: the limit is for all of them.
        size += sizes.get(&run.id).copied().unwrap_or_default();
        let too_old = args.older_than.is_some_and(|age| now.since(run.record.run.origin) > age);
        let too_many = args.keep.is_some_and(|keep| index >= keep);
        let too_large = args.max_size.is_some_and(|most| size > most);
        if (too_old || too_many || too_large) && may_go(run.state, args) {
            chosen.push(run);
        }
    }
    chosen
}

fn may_go(state: StateChoice, args: &PruneArgs) -> bool {
    match state {
        StateChoice::Running => false,
        StateChoice::Finished => true,
        StateChoice::Planned | StateChoice::Interrupted | StateChoice::Killed => args.unfinished,
    }
}
