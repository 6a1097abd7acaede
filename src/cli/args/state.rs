//! The flags for the states that tasks are in before and after their calls.

use crate::cli::args::values;
use batchctl::settings;
use clap::Args;
use clap::ValueEnum;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(next_help_heading = "State")]
pub(crate) struct StateArgs {
    /// Read the states first, and leave alone what is there already
    #[arg(long)]
    pub(crate) skip_unchanged: bool,
    /// What to do then if the project does not know a task: send nothing and end with 65, send it
    /// all the same, or leave it out as failed
    #[arg(long, value_name = "DO", default_value = "fail")]
    pub(crate) on_unknown: OnUnknown,
    /// Wait until each task is where it was sent; one that never is has failed (not_reached)
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait for that after the last call
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = values::positive_span)]
    pub(crate) wait_timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnUnknown {
    Fail,
    Send,
    Skip,
}

impl StateArgs {
    /// Returns how long tasks are waited for, if they are.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.wait.then_some(self.wait_timeout)
    }
}

impl From<OnUnknown> for settings::OnUnknown {
    fn from(choice: OnUnknown) -> Self {
        match choice {
            OnUnknown::Fail => Self::Fail,
            OnUnknown::Send => Self::Send,
            OnUnknown::Skip => Self::Skip,
        }
    }
}
