//! `resume`: goes on with a run that was cut short.

use crate::cli::Context;
use crate::cli::flags::run::TakeUpArgs;
use crate::cli::flags::which_run::WhichRunArgs;
use crate::cli::output::error::CommandError;
use crate::cli::run::launch::launch;
use crate::cli::run::repairing;
use crate::cli::run::source::RunSource;
use batchctl::report::ExitStatus;
use clap::Args;
use std::ops::ControlFlow;

const RESUME_HELP: &str = "\
Goes on from the run's own copy of the plan; the input may be gone or changed. A flag that is not
given has the value it had in the run. A task whose call was on the wire when the run was killed
is sent again, or left as ambiguous with `--on-doubt hold`.

Examples:
  batchctl resume                         the latest run
  batchctl resume 20240705-12 --rate 2/s  more gently than before
  batchctl resume 20240705-12 --repair    although parts of its file are damaged";

#[derive(Debug, Args)]
#[command(after_help = RESUME_HELP)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) which: WhichRunArgs,
    /// Of a damaged run, take the tasks whose records are damaged as in doubt, and go on
    #[arg(long, help_heading = "Before")]
    pub(crate) repair: bool,
    #[command(flatten)]
    pub(crate) how: TakeUpArgs,
}

pub(crate) fn resume(args: &ResumeArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    if args.repair {
        let id = args.which.find(&context.state)?;
        if let ControlFlow::Break(status) = repairing::repair(&id, args.how.yes, context)? {
            return Ok(status);
        }
    }
    launch(RunSource::Resume(&args.which), &(&args.how).into(), context)
}
