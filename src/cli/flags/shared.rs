//! The flags of runs in a database, which several machines carry out together.

use crate::cli::flags::values;
use clap::Args;
use std::time::Duration;

/// How a plan is stored in a database.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Several machines")]
pub(crate) struct SharedPlanArgs {
    /// How long a worker may be silent before others take its tasks over; never less than twice
    /// `--timeout`, so 2m with the default of that
    #[arg(long, value_name = "SPAN", default_value = "15s", value_parser = values::positive_span)]
    pub(crate) lease: Duration,
    /// The longest way to the database and back of a worker that keeps the rate; a longer one makes
    /// the run a little slower
    #[arg(long, value_name = "SPAN", default_value = "15ms", value_parser = values::positive_span)]
    pub(crate) store_rtt: Duration,
    /// Store the plan in the database, and leave the calls to `batchctl work`
    #[arg(long)]
    pub(crate) detach: bool,
}

/// How a worker uses the database.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Several machines")]
pub(crate) struct StoreArgs {
    /// How long the database may be away before this process gives up, with 74
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = values::positive_span)]
    pub(crate) store_timeout: Duration,
}
