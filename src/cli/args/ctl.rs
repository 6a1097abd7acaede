//! The flags of `ctl`.

use super::WhichRunArgs;
use super::values;
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
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Send nothing new until it is resumed; what is on the wire finishes
    Pause,
    /// Go on after a pause
    Resume,
    /// Set the most sendings: N or N/s a second, N/m, N/h, or `none`
    Rate {
        #[arg(value_name = "RATE", value_parser = values::fixed_rate)]
        limit: FixedRate,
    },
    /// Set the most calls on the wire at a time
    Concurrency {
        #[arg(value_name = "N")]
        most: NonZeroUsize,
    },
    /// End the run as Ctrl-C does, with 3: what is on the wire finishes, the rest can be resumed
    Drain,
}

/// A rate, or none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FixedRate(pub(crate) Option<Rate>);
