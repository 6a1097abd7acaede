//! `report`: shows the report of a run, in any format, any time later.

pub(crate) mod diff;
pub(crate) mod merge;

use crate::cli::Context;
use crate::cli::commands::report::diff::DiffArgs;
use crate::cli::commands::report::merge::MergeArgs;
use crate::cli::connect::protected_files;
use crate::cli::flags::output::DocumentArgs;
use crate::cli::flags::which_run::WhichRunArgs;
use crate::cli::output::documents;
use crate::cli::output::error::CommandError;
use crate::cli::output::present::{ReportRequest, present};
use batchctl::report::ExitStatus;
use batchctl::run;
use clap::{Args, Subcommand};

const REPORT_HELP: &str = "\
Examples:
  batchctl report                          the summary of the latest run
  batchctl report 20240705 -o results.csv  every task with its outcome
  batchctl report -o failed.csv --only failed,ambiguous --csv-dialect excel
  batchctl report -o md:- | gh issue create --title nightly -F -
  batchctl report latest --json
  batchctl report diff 20240704 latest     what is failing that was not
  batchctl report merge shard-*.db         one report of runs with `--shard K/N`";

#[derive(Debug, Subcommand)]
pub(crate) enum ReportCommand {
    /// Compare the outcomes of two runs
    Diff(DiffArgs),
    /// Make one report of the shards of a plan
    Merge(MergeArgs),
}

#[derive(Debug, Args)]
#[command(after_help = REPORT_HELP, args_conflicts_with_subcommands = true)]
pub(crate) struct ReportArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ReportCommand>,
    #[command(flatten)]
    pub(crate) which: WhichRunArgs,
    #[command(flatten)]
    pub(crate) output: DocumentArgs,
}

pub(crate) fn show(args: &ReportArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    match &args.command {
        Some(ReportCommand::Diff(args)) => return diff::show(args, context),
        Some(ReportCommand::Merge(args)) => return merge::show(args, context),
        None => {}
    }
    let documents =
        documents::parse(&args.output, &protected_files::find(None, context), &context.given)?;
    let documents = documents::of_the_past(documents)?;
    let options = documents::options(&args.output);
    let runs = run::runs_in(&context.state);
    let id = args.which.find(&context.state)?;
    let wanted = ReportRequest::of_the_past(&documents, &options, args.output.json);
    present(&runs, &id, &wanted, &context.stderr, context.stdout_style)?;
    // The report was printed, so the command succeeded even if the run failed.
    Ok(ExitStatus::Ok)
}
