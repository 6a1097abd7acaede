//! The flags for what comes before the first call.

use crate::cli::args::values;
use batchctl::policy::MaxDelta;
use batchctl::store::JobName;
use clap::Args;
use clap::ValueEnum;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(next_help_heading = "Before")]
pub(crate) struct BeforeArgs {
    /// Say what would be called, and send nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Do not ask (without a terminal it is never asked)
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// The job this is one run of: runs of a job never overlap
    #[arg(long, value_name = "NAME")]
    pub(crate) job: Option<JobName>,
    /// By how much the number of tasks may differ from the job's last good run: P%, N, or `none`
    #[arg(long, value_name = "P%|N", default_value = "50%")]
    pub(crate) max_delta: MaxDelta,
    #[command(flatten)]
    pub(crate) lock: LockArgs,
}

/// What to do if another run of the job is under way.
#[derive(Debug, Args)]
#[command(next_help_heading = "Before")]
pub(crate) struct LockArgs {
    /// Wait that long for another run of the job to end
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = values::span)]
    pub(crate) lock_wait: Duration,
    /// What to do if it has not ended then: fail with 75, or skip this run with 0
    #[arg(long, value_name = "DO", default_value = "fail")]
    pub(crate) if_busy: IfBusy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum IfBusy {
    Fail,
    Skip,
}
