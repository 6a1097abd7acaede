//! The flags for one call, and for when new ones end.

use crate::cli::args::values;
use batchctl::policy;
use batchctl::policy::FinishBy;
use batchctl::policy::MaxFailures;
use clap::Args;
use clap::ValueEnum;
use std::num::NonZeroU32;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(next_help_heading = "Call")]
pub(crate) struct CallArgs {
    /// How long one attempt may take
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = values::positive_span)]
    pub(crate) timeout: Duration,
    /// How long connecting may take
    #[arg(long, value_name = "SPAN", default_value = "5s", value_parser = values::positive_span)]
    pub(crate) connect_timeout: Duration,
    /// The most attempts of one task; throttled ones do not count
    #[arg(long, value_name = "N", default_value = "4",
        value_parser = values::whole_number::<NonZeroU32>)]
    pub(crate) max_attempts: NonZeroU32,
    /// Send a call again that may have been carried out, or hold it as ambiguous
    #[arg(long, value_name = "DO", default_value = "retry")]
    pub(crate) on_doubt: OnDoubt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnDoubt {
    Retry,
    Hold,
}

impl From<OnDoubt> for policy::OnDoubt {
    fn from(choice: OnDoubt) -> Self {
        match choice {
            OnDoubt::Retry => Self::Retry,
            OnDoubt::Hold => Self::Hold,
        }
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Stop early")]
pub(crate) struct StopArgs {
    /// How many failed tasks are tolerated: N, or P% of all (at least 10)
    #[arg(long, value_name = "N|P%", default_value = "25%")]
    pub(crate) max_failures: MaxFailures,
    /// How long the service may be away before the run stops
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = values::positive_span)]
    pub(crate) outage_timeout: Duration,
    /// How long the service may throttle every call, or ask to wait, before the run stops
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = values::positive_span)]
    pub(crate) throttle_timeout: Duration,
    /// How long new calls are sent at the most
    #[arg(long, value_name = "SPAN", value_parser = values::positive_span)]
    pub(crate) max_duration: Option<Duration>,
    /// The time of day, here, at which new calls end
    #[arg(long, value_name = "HH:MM")]
    pub(crate) finish_by: Option<FinishBy>,
    /// How long calls on the wire may take to finish after a stop
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = values::span)]
    pub(crate) drain_timeout: Duration,
}
