//! The flags of `report diff`.

use crate::cli::args::CsvDialect;
use clap::Args;

const DIFF_HELP: &str = "\
A task is the same in both runs if its id and its command are. It fails if it is partial, failed,
ambiguous or was not attempted.

Examples:
  batchctl report diff 20240704 latest       what is failing that was not the night before
  batchctl report diff 20240704 20240705 -o diff.csv
  batchctl report diff 20240704 latest --json | jq '.tasks.newly_failing'";

#[derive(Debug, Args)]
#[command(after_help = DIFF_HELP)]
pub(crate) struct DiffArgs {
    /// The run that is compared with: its id, a unique beginning of it, or `latest`
    #[arg(value_name = "RUN1")]
    pub(crate) before: String,
    /// The run that is compared
    #[arg(value_name = "RUN2")]
    pub(crate) after: String,
    /// Write every task that changed: FILE.csv or FILE.json; `csv:-` for standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Vec<String>,
    /// Print JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    /// Whom the CSV is for: programs, or Excel
    #[arg(long, value_name = "DIALECT", default_value = "plain")]
    pub(crate) csv_dialect: CsvDialect,
}
