//! `revert`: takes back what a run has changed.

use crate::cli::Context;
use crate::cli::flags::input::MaxTasksArgs;
use crate::cli::flags::run::TakeUpArgs;
use crate::cli::flags::which_run::WhichRunArgs;
use crate::cli::output::error::CommandError;
use crate::cli::run::launch::launch;
use crate::cli::run::scene::LaunchFlags;
use crate::cli::run::source::RunSource;
use batchctl::report::ExitStatus;
use clap::Args;

const REVERT_HELP: &str = "\
Makes a plan of the opposite command for exactly the tasks that the run changed, as far as it looked
before (--skip-unchanged, --wait), and carries it out with -y. Tasks that somebody else has touched
since are listed and not called. A flag that is not given has the value it had in the run.

Examples:
  batchctl revert 20240705                  what would be called
  batchctl revert latest -y --wait";

#[derive(Debug, Args)]
#[command(after_help = REVERT_HELP)]
pub(crate) struct RevertArgs {
    #[command(flatten)]
    pub(crate) which: WhichRunArgs,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", help_heading = "Before")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) most: MaxTasksArgs,
    #[command(flatten)]
    pub(crate) how: TakeUpArgs,
}

pub(crate) fn revert(args: &RevertArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let source = RunSource::Revert { which: &args.which, reason: args.reason.clone() };
    let flags = LaunchFlags { max_tasks: args.most.max_tasks, ..(&args.how).into() };
    launch(source, &flags, context)
}
