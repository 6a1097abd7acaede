//! `runs`: what is kept, shown and pruned.

pub(crate) mod places;
pub(crate) mod prune;
pub(crate) mod remove;
mod table;

use crate::cli::Context;
use crate::cli::commands::runs::table::{as_json, as_table, word};
use crate::cli::flags::values;
use crate::cli::flags::which_run;
use crate::cli::flags::which_run::WhichRunArgs;
use crate::cli::output::error::CommandError;
use crate::cli::output::present::{ReportRequest, present};
use crate::cli::output::replacement::not_written;
use crate::cli::output::stream;
use crate::cli::output::stream::Stderr;
use crate::cli::run::stored_plan;
use batchctl::reading::{ExportError, RunBrief, RunReader, RunState};
use batchctl::report::{ExitStatus, ResultsOptions};
use batchctl::run;
use batchctl::store::{RunDirectory, RunId, RunRecord, StoreError};
use batchctl::task::OutcomeCounts;
use batchctl::text::{grouped, plural, printable};
use clap::{Args, Subcommand, ValueEnum};
use std::fmt::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) const RUNS_HELP: &str = "\
Examples:
  batchctl runs list                         what is kept, the latest first
  batchctl runs show 20240705                what one of them came to
  batchctl runs prune --older-than 30d -n    what would be removed";

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List the runs that are kept, the latest first
    List(RunsListArgs),
    /// Show one run: its command, its processes and its outcomes
    Show(ShowArgs),
    /// Print the path of a run's file
    #[command(after_help = PATH_HELP)]
    Path(WhichRunArgs),
    /// Write one run as plain tables into a new SQLite file
    Export(ExportArgs),
    /// Remove runs by their ids, plans that were not applied among them
    Remove(RemoveArgs),
    /// Remove old runs
    Prune(PruneArgs),
}

const PATH_HELP: &str = "\
Examples:
  batchctl runs path --job nightly
  sqlite3 \"$(batchctl runs path)\" 'SELECT text FROM about'";

const EXPORT_HELP: &str = "\
Tables: task, attempt, outcome, failure, hold, change.

Examples:
  batchctl runs export run.sqlite
  batchctl runs export 20240705 run.sqlite
  sqlite3 run.sqlite 'SELECT outcome, count(*) FROM outcome GROUP BY outcome'";

#[derive(Debug, Args)]
#[command(after_help = EXPORT_HELP, allow_missing_positional = true)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) which: WhichRunArgs,
    /// The file to make; it must not exist
    #[arg(value_name = "FILE.sqlite")]
    pub(crate) file: PathBuf,
}

const SHOW_HELP: &str = "\
Examples:
  batchctl runs show                         the latest
  batchctl runs show 20240705 --json";

#[derive(Debug, Args)]
#[command(after_help = SHOW_HELP)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) which: WhichRunArgs,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

const LIST_HELP: &str = "\
Examples:
  batchctl runs list --state interrupted,killed    what waits to be resumed
  batchctl runs list --job nightly --json";

#[derive(Debug, Args)]
#[command(after_help = LIST_HELP)]
pub(crate) struct RunsListArgs {
    /// Only runs of this job
    #[arg(long = "job", id = "of_job", value_name = "NAME", value_parser = values::job)]
    pub(crate) job: Option<String>,
    /// Only runs in one of these states
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    pub(crate) state: Vec<StateChoice>,
    /// Only the latest N
    #[arg(long, value_name = "N", value_parser = values::whole_number::<NonZeroUsize>)]
    pub(crate) last: Option<NonZeroUsize>,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateChoice {
    Planned,
    Running,
    Finished,
    Interrupted,
    Killed,
}

impl From<RunState> for StateChoice {
    fn from(state: RunState) -> Self {
        match state {
            RunState::Planned => Self::Planned,
            RunState::Running => Self::Running,
            RunState::Finished => Self::Finished,
            RunState::Interrupted => Self::Interrupted,
            RunState::Killed => Self::Killed,
        }
    }
}

const REMOVE_HELP: &str = "\
A run that can be resumed stays, unless --unfinished is given; a run in use always stays. A plan
that was not applied is removed: nothing of it was sent.

Examples:
  batchctl runs remove 20240705-120000-kfzq
  batchctl runs remove 20240705-12 20240706-08 --unfinished";

#[derive(Debug, Args)]
#[command(after_help = REMOVE_HELP)]
pub(crate) struct RemoveArgs {
    /// The runs: their ids, or unique beginnings of them
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<String>,
    /// Remove runs that could be resumed, too
    #[arg(long)]
    pub(crate) unfinished: bool,
}

const PRUNE_HELP: &str = "\
Runs that can be resumed stay, unless --unfinished is given; a run in use always stays.

Examples:
  batchctl runs prune --older-than 30d -n      what would be removed
  batchctl runs prune --keep 20 --max-size 1GiB";

#[derive(Debug, Args)]
#[command(after_help = PRUNE_HELP)]
pub(crate) struct PruneArgs {
    /// Remove runs that were planned longer ago
    #[arg(long, value_name = "AGE", value_parser = values::age)]
    pub(crate) older_than: Option<Duration>,
    /// Remove all but the latest N
    #[arg(long, value_name = "N", value_parser = values::whole_number::<usize>)]
    pub(crate) keep: Option<usize>,
    /// Remove the oldest until the rest takes up no more than this
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub(crate) max_size: Option<u64>,
    /// Only runs of this job
    #[arg(long = "job", id = "of_job", value_name = "NAME", value_parser = values::job)]
    pub(crate) job: Option<String>,
    /// Remove runs that could be resumed, too
    #[arg(long)]
    pub(crate) unfinished: bool,
    /// Say what would be removed, and remove nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

/// One line of the table.
pub(crate) struct ListedRun {
    pub(crate) id: RunId,
    pub(crate) state: StateChoice,
    pub(crate) record: RunRecord,
    pub(crate) outcomes: OutcomeCounts,
}

pub(crate) fn carry_out(
    command: &RunsCommand,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    match command {
        RunsCommand::List(args) => list(args, context),
        RunsCommand::Show(args) => show(args, context),
        RunsCommand::Path(which) => {
            let path = run::runs_in(&context.state).file(&which.find(&context.state)?);
            print(&format!("{}\n", path.display()))
        }
        RunsCommand::Export(args) => {
            let id = args.which.find(&context.state)?;
            let reader = RunReader::open(&run::runs_in(&context.state), &id)?;
            reader.export(&args.file).map_err(not_exported)?;
            Ok(ExitStatus::Ok)
        }
        RunsCommand::Remove(args) => remove::remove(args, context),
        RunsCommand::Prune(args) => prune::prune(args, context),
    }
}

fn not_exported(error: ExportError) -> CommandError {
    match error {
        ExportError::Store(error) => error.into(),
        ExportError::Write { path, source } => not_written(&path, source),
        error => CommandError::usage(error).with_hint("name a file that does not exist"),
    }
}

fn list(args: &RunsListArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    print_list(read_all(None, &context.state, &context.stderr)?, args, &context.stderr)
}

/// Prints those of all runs that are wanted.
pub(crate) fn print_list(
    mut listed: Vec<ListedRun>,
    args: &RunsListArgs,
    stderr: &Stderr,
) -> Result<ExitStatus, CommandError> {
    if let Some(job) = &args.job {
        // Programs ask so whether a job has run yet. Where nothing is kept at all, nothing says that it is misspelt.
        if !args.json && !listed.is_empty() {
            let jobs = listed.iter().filter_map(|run| run.record.run.job.clone());
            which_run::check_job(job, &jobs.collect())?;
        }
        listed.retain(|run| run.record.run.job.as_ref() == Some(job));
    }
    let of_all_states = listed.len() as u64;
    if !args.state.is_empty() {
        listed.retain(|run| args.state.contains(&run.state));
    }
    listed.truncate(args.last.map_or(usize::MAX, NonZeroUsize::get));
    if args.json {
        stream::print_json(&as_json(&listed))?;
    } else {
        if listed.is_empty() {
            stderr.line(&why_none(of_all_states, args));
        }
        stream::print(&as_table(&listed))?;
    }
    Ok(ExitStatus::Ok)
}

/// Says why no run is listed, of those in all states.
fn why_none(of_all_states: u64, args: &RunsListArgs) -> String {
    let states: Vec<&str> = args.state.iter().map(|&state| word(state)).collect();
    let job = args.job.as_ref().map(|job| format!(" of job {}", printable(job, 64)));
    let job = job.unwrap_or_default();
    match of_all_states {
        0 => format!("no run{job} is kept"),
        1 => format!("the only run{job} is not {}", states.join(" or ")),
        more => format!("none of the {} runs{job} is {}", grouped(more), states.join(" or ")),
    }
}

fn show(args: &ShowArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let runs = run::runs_in(&context.state);
    let id = args.which.find(&context.state)?;
    let options = ResultsOptions::default();
    let wanted = ReportRequest::of_the_past(&[], &options, args.json);
    if !args.json {
        let listed = read(&runs, &id)?;
        stream::print(&head(&listed, &runs, context.store.shown()))?;
    }
    present(&runs, &id, &wanted, &context.stderr, context.stdout_style)?;
    Ok(ExitStatus::Ok)
}

/// Returns what the report lacks: the processes of the run and its file.
fn head(run: &ListedRun, runs: &RunDirectory, place: Option<&str>) -> String {
    let mut text = String::new();
    let record = &run.record;
    let _ = writeln!(text, "run       {} ({})", run.id, word(run.state));
    let _ = match place {
        Some(place) => writeln!(text, "database  {place}"),
        None => writeln!(text, "file      {}", runs.file(&run.id).display()),
    };
    text.push_str(&places::of_run(record, runs));
    for (name, value) in [("job", &record.run.job), ("reason", &record.run.reason)] {
        if let Some(value) = value {
            let _ = writeln!(text, "{name:<8}  {}", printable(value, 200));
        }
    }
    if stored_plan::is_unapplied(record) {
        let _ = writeln!(text, "plan      `batchctl apply {}` carries it out", run.id);
    }
    let settings = &record.run.settings;
    if let Some(by) = &settings.by {
        let (user, host) = (printable(&by.user, 60), printable(&by.host, 60));
        let _ = writeln!(text, "by        {user} on {host}");
        let _ = writeln!(text, "typed     {}", printable(&by.command_line, 500));
    }
    let _ = writeln!(text, "profile   {}", printable(&settings.profile, 200));
    if let Some(kind) = settings.credentials {
        let _ = writeln!(text, "secret    from {}", kind.as_str());
    }
    if let Some(parent) = &record.run.parent {
        let _ = writeln!(text, "follows   {parent}");
    }
    if let Some(plan) = &record.sharded {
        let tasks = plural(plan.tasks, "task", "tasks");
        let _ = writeln!(text, "shard     {}, of {tasks} in all", plan.shard);
    }
    for session in &record.sessions {
        let end = match &session.end {
            None => "no end was recorded".into(),
            Some(end) => match &end.stopped {
                None => format!("went through at {}", end.at),
                Some(reason) => {
                    format!("stopped at {}: {}", end.at, reason.as_str().replace('_', " "))
                }
            },
        };
        let of = session.target.as_ref().map(|target| format!("{target}: ")).unwrap_or_default();
        let (process, since) = (session.process, session.started);
        let _ = writeln!(text, "process   {of}{process} since {since}, {end}");
    }
    text.push('\n');
    text
}

/// Reads all runs, the latest first; one that is damaged does not hide the others.
pub(crate) fn read_all(
    job: Option<&str>,
    state: &Path,
    stderr: &Stderr,
) -> Result<Vec<ListedRun>, CommandError> {
    let runs = run::runs_in(state);
    let mut listed = Vec::new();
    for id in runs.list()?.into_iter().rev() {
        match read(&runs, &id) {
            Ok(run) => listed.push(run),
            Err(error) => {
                stderr.say("warning", &printable(&error.to_string(), 300));
            }
        }
    }
    if let Some(job) = job {
        listed.retain(|run| run.record.run.job.as_deref() == Some(job));
    }
    Ok(listed)
}

pub(crate) fn read(runs: &RunDirectory, id: &RunId) -> Result<ListedRun, StoreError> {
    let RunBrief { state, record, outcomes } = RunBrief::read(runs, id)?;
    Ok(ListedRun { id: id.clone(), state: state.into(), record, outcomes })
}

fn print(text: &str) -> Result<ExitStatus, CommandError> {
    stream::print(text)?;
    Ok(ExitStatus::Ok)
}
