//! The flags for what is shown while a run goes on.

use batchctl::progress;
use clap::ArgAction;
use clap::Args;
use clap::ValueEnum;

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct DisplayArgs {
    /// No progress and no summary; errors and documents only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// How progress is shown on standard error [auto: a bar on a terminal, otherwise lines]
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub(crate) progress: ProgressChoice,
    /// Tell each task that did not succeed; twice: each attempt
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// How -v tells it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressChoice {
    Auto,
    Bar,
    Lines,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl From<LogFormat> for progress::LogFormat {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}
