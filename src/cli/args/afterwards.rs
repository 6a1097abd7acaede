//! The flags of `wait` and `settle`, which look at the tasks of a run after its end.

use crate::cli::args::CredentialArgs;
use crate::cli::args::DisplayArgs;
use crate::cli::args::DocumentArgs;
use crate::cli::args::PlaceArgs;
use crate::cli::args::ReadingArgs;
use crate::cli::args::WhichRunArgs;
use crate::cli::args::values;
use clap::Args;
use std::time::Duration;

const WAIT_HELP: &str = "\
Reads the list of batch tasks, at the rate of the run, until each task that was sent has been seen
where it was sent. One that has not by then has failed, with the kind not_reached; it can be waited for
again. The list is first read three seconds after the last call, for it may be late.

Examples:
  batchctl wait                             the tasks of the latest run
  batchctl wait 20240705 --wait-timeout 30m -o results.csv";

const SETTLE_HELP: &str = "\
Reads the list of batch tasks once: a task whose call is in doubt and that is where it was sent has
succeeded. Nothing is sent; what the calls came to stays in the record.

Examples:
  batchctl settle                           what is ambiguous in the latest run
  batchctl settle 20240705 && batchctl retry 20240705";

#[derive(Debug, Args)]
#[command(after_help = WAIT_HELP)]
pub(crate) struct WaitArgs {
    /// How long to wait
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = values::positive_span)]
    #[arg(help_heading = "State")]
    pub(crate) wait_timeout: Duration,
    #[command(flatten)]
    pub(crate) how: AfterwardsArgs,
    #[command(flatten)]
    pub(crate) display: DisplayArgs,
}

#[derive(Debug, Args)]
#[command(after_help = SETTLE_HELP)]
pub(crate) struct SettleArgs {
    #[command(flatten)]
    pub(crate) how: AfterwardsArgs,
}

/// How the tasks of a run are looked at.
#[derive(Debug, Args)]
pub(crate) struct AfterwardsArgs {
    #[command(flatten)]
    pub(crate) which: WhichRunArgs,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    #[command(flatten)]
    pub(crate) documents: DocumentArgs,
}
