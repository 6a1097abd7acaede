//! The flags for how fast calls are sent.

use crate::cli::flags::values;
use crate::cli::flags::values::RateChoice;
use batchctl::policy::Waves;
use batchctl::task::Rate;
use clap::Args;
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

#[derive(Debug, Args)]
#[command(next_help_heading = "Pace")]
pub(crate) struct PaceArgs {
    /// The most sendings: N or N/s a second, N/m, N/h; `auto` finds the service's limit; `none`
    #[arg(long, value_name = "RATE", default_value = "10/s", value_parser = values::rate)]
    pub(crate) rate: RateChoice,
    /// The lowest rate that `--rate auto` tries
    #[arg(long, value_name = "RATE", default_value = "1/s")]
    pub(crate) rate_min: Rate,
    /// The highest rate that `--rate auto` tries
    #[arg(long, value_name = "RATE", default_value = "1000/s")]
    pub(crate) rate_max: Rate,
    /// Keeps the rate together with all runs of this machine, or of the database, that name the same group
    #[arg(long, value_name = "NAME", value_parser = values::group)]
    pub(crate) rate_group: Option<String>,
    /// The most calls on the wire at a time
    #[arg(short = 'j', long, value_name = "N", default_value = "16",
        value_parser = values::concurrency)]
    pub(crate) concurrency: NonZeroUsize,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Start small")]
pub(crate) struct StartSmallArgs {
    /// How many tasks must succeed before the rest is sent; 0 for none
    #[arg(long, value_name = "N", value_parser = values::whole_number::<u64>)]
    canary: Option<u64>,
    /// In which growing parts tasks are sent, such as `1,10%,100%`: each must succeed before the next
    #[arg(long, value_name = "LIST")]
    pub(crate) waves: Option<Waves>,
    /// How long to pause between two waves
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = values::span)]
    pub(crate) wave_pause: Duration,
    /// Over which span the rate grows to its limit; 0s for none
    #[arg(long, value_name = "SPAN", value_parser = values::span)]
    ramp: Option<Duration>,
}

impl StartSmallArgs {
    /// Returns how many tasks go ahead, if any do.
    pub(crate) fn canary(&self) -> Option<NonZeroU64> {
        self.canary.and_then(NonZeroU64::new)
    }

    /// Returns over which span the rate grows, if it does.
    pub(crate) fn ramp(&self) -> Option<Duration> {
        self.ramp.filter(|span| !span.is_zero())
    }
}
