//! The flags of `ctl`.

use crate::cli::args::WhichRunArgs;
use crate::cli::args::values;
use batchctl::task::Rate;
use clap::Args;
use clap::Subcommand;
use std::num::NonZeroUsize;

const CTL_HELP: &str = "\
For a run of the same user, in whatever terminal or cron job it is. A change is in effect at once,
stands in the run's record and its report, and holds until the run ends: `resume` goes on with the
settings the run was planned with. A paused run waits without end, but --max-duration and
--finish-by go on.

Examples:
  batchctl ctl status                        where the latest run stands
  batchctl ctl 20240705 rate 5/s             more gently from now on
  batchctl ctl latest --job nightly pause";

const STATUS_HELP: &str = "\
Examples:
  batchctl ctl status
  batchctl ctl latest --job nightly status --json";

const PAUSE_HELP: &str = "\
Examples:
  batchctl ctl pause
  batchctl ctl 20240705 resume";

const RATE_HELP: &str = "\
Examples:
  batchctl ctl rate 5/s
  batchctl ctl latest --job nightly rate 300/m";

const CONCURRENCY_HELP: &str = "\
Examples:
  batchctl ctl concurrency 2
  batchctl ctl 20240705 concurrency 64";

const DRAIN_HELP: &str = "\
Examples:
  batchctl ctl drain
  batchctl ctl latest --job nightly drain";

#[derive(Debug, Args)]
#[command(after_help = CTL_HELP, arg_required_else_help = true)]
pub(crate) struct CtlArgs {
    #[command(flatten)]
    pub(crate) which: WhichRunArgs,
    #[command(subcommand)]
    pub(crate) order: OrderArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum OrderArgs {
    /// Say where the run stands
    #[command(after_help = STATUS_HELP)]
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Send nothing new until it is resumed; what is on the wire finishes
    #[command(after_help = PAUSE_HELP)]
    Pause,
    /// Go on after a pause
    #[command(after_help = PAUSE_HELP)]
    Resume,
    /// Set the most sendings: N or N/s a second, N/m, N/h, or `none`
    #[command(after_help = RATE_HELP)]
    Rate {
        #[arg(value_name = "RATE", value_parser = values::fixed_rate)]
        limit: FixedRate,
    },
    /// Set the most calls on the wire at a time
    #[command(after_help = CONCURRENCY_HELP)]
    Concurrency {
        #[arg(value_name = "N", value_parser = values::whole_number::<NonZeroUsize>)]
        most: NonZeroUsize,
    },
    /// End the run as Ctrl-C does, with 3: what is on the wire finishes, the rest can be resumed
    #[command(after_help = DRAIN_HELP)]
    Drain,
}

/// A rate, or none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FixedRate(pub(crate) Option<Rate>);
