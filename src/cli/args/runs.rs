//! The flags of `runs`.

use crate::cli::args::values;
use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List the runs that are kept, the latest first
    List(RunsListArgs),
    /// Show one run: what was ordered, who carried it out, what it came to
    Show(ShowArgs),
    /// Print the path of a run's file
    #[command(after_help = PATH_HELP)]
    Path(WhichRunArgs),
    /// Remove old runs
    Prune(PruneArgs),
}

/// Which run is meant.
#[derive(Debug, Args)]
pub(crate) struct WhichRunArgs {
    /// The run: its id, a unique beginning of it, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub(crate) run: String,
    /// Look only among the runs of this job
    #[arg(long = "job", id = "of_job", value_name = "NAME")]
    pub(crate) job: Option<String>,
}

const PATH_HELP: &str = "\
Examples:
  batchctl runs path --job nightly
  sqlite3 \"$(batchctl runs path)\" 'SELECT count(*) FROM attempt'";

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
    #[arg(long = "job", id = "of_job", value_name = "NAME")]
    pub(crate) job: Option<String>,
    /// Only runs in one of these states
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    pub(crate) state: Vec<StateChoice>,
    /// Only the latest N
    #[arg(long, value_name = "N", value_parser = values::whole_number::<usize>)]
    pub(crate) last: Option<usize>,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateChoice {
    Planned,
    Running,
    Finished,
    Interrupted,
    Killed,
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
    #[arg(long = "job", id = "of_job", value_name = "NAME")]
    pub(crate) job: Option<String>,
    /// Remove runs that could be resumed, too
    #[arg(long)]
    pub(crate) unfinished: bool,
    /// Say what would be removed, and remove nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}
