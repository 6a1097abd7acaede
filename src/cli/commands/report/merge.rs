//! `report merge`: makes one report of the shards of a plan.

use crate::cli::Context;
use crate::cli::connect::protected_files;
use crate::cli::flags::output::DocumentArgs;
use crate::cli::output::documents;
use crate::cli::output::error::CommandError;
use crate::cli::output::present::{ReportRequest, present_merged};
use batchctl::report::ExitStatus;
use clap::Args;
use std::path::PathBuf;

const MERGE_HELP: &str = "\
Every shard of one plan is needed, each once, in any order. `batchctl runs path` prints the file of
a run on its machine; bring it here with the files whose names begin like its own. Groups of
failures and their labels are those of all shards together: retry with the labels of each shard's
own report.

Examples:
  batchctl report merge shard-1.db shard-2.db shard-3.db
  batchctl report merge collected/*.db -o results.csv -o report.html
  batchctl report merge collected/*.db --json | jq .tasks";

#[derive(Debug, Args)]
#[command(after_help = MERGE_HELP)]
pub(crate) struct MergeArgs {
    /// The files of the runs with `--shard K/N`
    #[arg(value_name = "RUN_FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) output: DocumentArgs,
}

pub(crate) fn show(args: &MergeArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let mut taken = protected_files::find(None, context);
    args.files.iter().for_each(|file| taken.add(file, "a run"));
    let documents = documents::parse(&args.output, &taken, &context.given)?;
    let documents = documents::of_the_past(documents)?;
    let options = documents::options(&args.output);
    let wanted = ReportRequest::of_the_past(&documents, &options, args.output.json);
    present_merged(&args.files, &wanted, context)?;
    // The report was printed, so the command succeeded even if a run failed.
    Ok(ExitStatus::Ok)
}
