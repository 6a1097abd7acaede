//! The flags for what is shown while a run goes on.

use crate::cli::flags::values;
use batchctl::progress::LogFormat;
use batchctl::report::{CsvDialect, RowFilter};
use clap::{ArgAction, Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct DisplayArgs {
    /// No progress and no summary; errors and documents only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// How progress is shown on standard error [auto: a bar on a terminal, otherwise lines]
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub(crate) progress: ProgressChoice,
    /// Print each task that did not succeed; twice: each attempt
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// The format of what -v prints
    #[arg(long, value_name = "FORMAT", default_value = "text",
        value_parser = values::log_format())]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressChoice {
    Auto,
    Bar,
    Lines,
    None,
}

/// Which documents are written.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct DocumentArgs {
    /// Write a document, chosen by its ending: .csv results, .html .json .md reports, .xml JUnit,
    /// .prom Prometheus, .ndjson events as they happen; or by a prefix, `csv:-` for standard output;
    /// `results.csv:only=failed` has tasks with this outcome alone
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Vec<String>,
    /// Write only tasks with one of these outcomes into results and JUnit documents; `empty` for
    /// those that succeeded without a sub-task, `flaky` for those that succeeded after a retry
    #[arg(long, value_name = "OUTCOME", value_delimiter = ',', value_parser = values::row_filter())]
    pub(crate) only: Vec<RowFilter>,
    /// Whom results are for: programs, or Excel (byte order mark, CR LF, ids marked as text)
    #[arg(long, value_name = "DIALECT", default_value = "plain",
        value_parser = values::csv_dialect())]
    pub(crate) csv_dialect: CsvDialect,
    /// Print the report as JSON instead of the summary
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is kept of the exchanges with the service.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct DumpArgs {
    /// Write requests and answers of tasks that did not succeed, without secrets, for the vendor's
    /// support: one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(crate) dump: Option<PathBuf>,
    /// The size above which nothing more is written to the dump
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = values::size)]
    pub(crate) dump_limit: u64,
}
