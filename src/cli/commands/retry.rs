//! `retry`: makes a new run of the tasks that did not succeed.

use crate::cli::Context;
use crate::cli::flags::input::MaxTasksArgs;
use crate::cli::flags::run::TakeUpArgs;
use crate::cli::flags::shared::SharedPlanArgs;
use crate::cli::flags::values;
use crate::cli::flags::which_run::WhichRunArgs;
use crate::cli::output::error::CommandError;
use crate::cli::run::launch::launch;
use crate::cli::run::scene::{LaunchFlags, SharedFlags};
use crate::cli::run::source::RunSource;
use batchctl::report::{ExitStatus, GroupLabel};
use batchctl::run::RetryFilter;
use batchctl::task::{FailureKind, Outcome};
use clap::Args;

const RETRY_HELP: &str = "\
Makes a new run of the tasks that are partial, failed or ambiguous. A flag that is not given has
the value it had in the run that is retried.

Examples:
  batchctl retry                    what did not succeed in the latest run
  batchctl retry latest --group F2  those of one cause in the report
  batchctl retry latest --outcome failed --kind timeout,reset -n";

#[derive(Debug, Args)]
#[command(after_help = RETRY_HELP)]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    pub(crate) which: WhichRunArgs,
    /// Only tasks with one of these outcomes [default: partial, failed, ambiguous]
    #[arg(long, value_name = "OUTCOME", value_delimiter = ',',
        value_parser = values::outcome(), help_heading = "Which tasks")]
    pub(crate) outcome: Vec<Outcome>,
    /// Only tasks whose last answer had one of these statuses
    #[arg(long, value_name = "STATUS", value_delimiter = ',',
        value_parser = values::status, help_heading = "Which tasks")]
    pub(crate) status: Vec<u16>,
    /// Only tasks that failed in one of these ways, such as timeout or refused
    #[arg(long, value_name = "KIND", value_delimiter = ',',
        value_parser = values::failure_kind(), help_heading = "Which tasks")]
    pub(crate) kind: Vec<FailureKind>,
    /// Only tasks that failed with one of these codes, such as VIAS.00010012
    #[arg(long, value_name = "CODE", value_delimiter = ',',
        value_parser = values::some_text, help_heading = "Which tasks")]
    pub(crate) error_code: Vec<String>,
    /// Only tasks of these groups of failures, such as F2, as the report calls them
    #[arg(long, value_name = "GROUP", value_delimiter = ',', help_heading = "Which tasks")]
    pub(crate) group: Vec<GroupLabel>,
    /// Say what would be called, and send nothing; -v shows all of it, `-o plan.csv` writes it
    #[arg(short = 'n', long, help_heading = "Before")]
    pub(crate) dry_run: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", help_heading = "Before")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) most: MaxTasksArgs,
    #[command(flatten)]
    pub(crate) how: TakeUpArgs,
    #[command(flatten)]
    pub(crate) shared: SharedPlanArgs,
}

pub(crate) fn retry(args: &RetryArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let filter = RetryFilter {
        outcomes: args.outcome.clone(),
        statuses: args.status.clone(),
        kinds: args.kind.clone(),
        codes: args.error_code.clone(),
        groups: args.group.clone(),
    };
    let (reason, dry_run) = (args.reason.clone(), args.dry_run);
    let source = RunSource::Retry { which: &args.which, filter, reason, dry_run };
    let shared = SharedFlags::of_a_plan(&args.shared, args.how.store);
    let flags = LaunchFlags { max_tasks: args.most.max_tasks, shared, ..(&args.how).into() };
    launch(source, &flags, context)
}
