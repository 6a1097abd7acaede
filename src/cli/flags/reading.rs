//! The flags for reading the list of batch tasks.

use crate::cli::flags::precedence::GivenFlags;
use crate::cli::flags::values;
use crate::cli::flags::values::RateChoice;
use batchctl::settings::{RateSetting, RunSettings};
use batchctl::survey::WalkerSettings;
use clap::Args;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

/// How a list is read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pace")]
pub(crate) struct ReadingArgs {
    /// The most requests: N or N/s a second, N/m, N/h, or `none`; `auto` is 10/s here
    #[arg(long, value_name = "RATE", default_value = "10/s", value_parser = values::rate)]
    rate: RateChoice,
    /// Keeps the rate together with all runs of this machine that name the same group
    #[arg(long, value_name = "NAME", value_parser = values::group)]
    pub(crate) rate_group: Option<String>,
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
        WalkerSettings {
            rate: self.rate().limit(),
            timeout: self.timeout,
            max_attempts: self.max_attempts,
            throttle_timeout: RunSettings::default().throttle_timeout,
            at_a_time: NonZeroUsize::MIN,
        }
    }

    /// Changes the settings of a run that flags or variables give; the others stay as they are.
    pub(crate) fn adjust(&self, settings: &mut RunSettings, flags: &GivenFlags) {
        let given = self.settings();
        if flags.is_given("rate") {
            settings.rate = self.rate();
        }
        if flags.is_given("rate_group") {
            settings.rate_group.clone_from(&self.rate_group);
        }
        if flags.is_given("timeout") {
            settings.timeout = given.timeout;
        }
        if flags.is_given("connect_timeout") {
            settings.connect_timeout = self.connect_timeout;
        }
        if flags.is_given("max_attempts") {
            settings.max_attempts = given.max_attempts;
        }
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
