//! The flags for runs that nobody watches: from cron, a timer or a cluster's scheduler.

use crate::cli::args::values;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Unattended")]
pub(crate) struct UnattendedArgs {
    /// Say nothing if every task succeeded; otherwise a digest on standard error
    #[arg(long, conflicts_with = "json")]
    pub(crate) cron: bool,
    /// Wait before the run, up to that long; always the same time for this host and job
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = values::span)]
    pub(crate) splay: Duration,
    /// Call URL/start before the run, and URL or URL/STATUS after it
    #[arg(long, value_name = "URL", value_parser = values::ping)]
    pub(crate) ping: Option<Url>,
    /// Write what happens to a file as well, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,
    /// The size above which the log file becomes FILE.1; five older ones are kept
    #[arg(long, value_name = "SIZE", default_value = "10MB", value_parser = values::size)]
    pub(crate) log_file_size: u64,
}
