//! The flags of `list`.

use crate::cli::args::CredentialArgs;
use crate::cli::args::PlaceArgs;
use crate::cli::args::values;
use crate::cli::args::values::RateChoice;
use batchctl::settings::RateSetting;
use batchctl::survey::WalkerSettings;
use clap::Args;
use glob::Pattern;
use std::num::NonZeroU32;
use std::time::Duration;

const LIST_HELP: &str = "\
A table on a terminal, CSV elsewhere, and that CSV is an input of start, stop and run. The state is
one word for all sub-tasks:

  bad       one is in trouble (create_failed, start_failed, abnormal, failed, lack_of_resources, frozen)
  changing  one is on its way (pending, recovering, starting, upgrading, stopping, scheduling, deleting,
            freezing)
  unknown   one is in a state that batchctl does not know, or there is none
  running   all are up (running, succeeded)
  stopped   all are down (stopped, stopped_no_service)
  mixed     some are up and some are down

The first of these that applies. If the list cannot be read to its end, nothing is printed.

Examples:
  batchctl list --state running --name 'gate-*' | batchctl stop -
  batchctl list --state bad,unknown
  batchctl list --group north,south --json";

#[derive(Debug, Args)]
#[command(after_help = LIST_HELP)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
    #[command(flatten)]
    pub(crate) which: WhichTasksArgs,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    /// Print JSON, with everything that the service says
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

/// Which batch tasks are listed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which tasks")]
pub(crate) struct WhichTasksArgs {
    /// In one of these states: a word from below, or with a sub-task in a state of the service
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    pub(crate) state: Vec<String>,
    /// With a name like this; `*` and `?` stand for anything
    #[arg(long, value_name = "GLOB")]
    pub(crate) name: Option<Pattern>,
    /// Of one of these video groups
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    pub(crate) group: Vec<String>,
    /// Of this maker of algorithms
    #[arg(long, value_name = "NAME")]
    pub(crate) manufacturer: Option<String>,
    /// With this algorithm
    #[arg(long, value_name = "NAME")]
    pub(crate) title: Option<String>,
}

/// How a list is read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pace")]
pub(crate) struct ReadingArgs {
    /// The most requests: N or N/s a second, N/m, N/h, or `none`; `auto` is 10/s here
    #[arg(long, value_name = "RATE", default_value = "10/s", value_parser = values::rate)]
    rate: RateChoice,
    /// How long one request may take
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = values::positive_span)]
    timeout: Duration,
    /// How long connecting may take
    #[arg(long, value_name = "SPAN", default_value = "5s", value_parser = values::positive_span)]
    pub(crate) connect_timeout: Duration,
    /// How often a page is asked for; throttled answers do not count
    #[arg(long, value_name = "N", default_value = "4",
        value_parser = values::whole_number::<NonZeroU32>)]
    max_attempts: NonZeroU32,
}

impl ReadingArgs {
    /// Returns the flags in the terms of the library.
    pub(crate) fn settings(&self) -> WalkerSettings {
        let rate = self.rate().limit();
        WalkerSettings { rate, timeout: self.timeout, max_attempts: self.max_attempts }
    }

    /// Returns the rate of requests; a search for it has nothing to go by here.
    pub(crate) fn rate(&self) -> RateSetting {
        match self.rate {
            RateChoice::Limit(rate) => RateSetting::Fixed(rate),
            RateChoice::Auto => RateSetting::default(),
            RateChoice::None => RateSetting::Unlimited,
        }
    }
}
