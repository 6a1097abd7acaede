//! The flags of `resume` and `retry`: those of a run, whose values the run itself remembers.

use crate::cli::args::CallArgs;
use crate::cli::args::CredentialArgs;
use crate::cli::args::DisplayArgs;
use crate::cli::args::DocumentArgs;
use crate::cli::args::LockArgs;
use crate::cli::args::PaceArgs;
use crate::cli::args::PlaceArgs;
use crate::cli::args::StartSmallArgs;
use crate::cli::args::StateArgs;
use crate::cli::args::StopArgs;
use crate::cli::args::UnattendedArgs;
use crate::cli::args::WhichRunArgs;
use crate::cli::args::values;
use crate::cli::settings::SettingFlags;
use batchctl::report::GroupLabel;
use batchctl::task::FailureKind;
use batchctl::task::Outcome;
use clap::Args;

const RESUME_HELP: &str = "\
Goes on from the run's own copy of the plan; the input may be gone or changed. A flag that is not
given has the value it had in the run. A task whose call was on the wire when the run was killed
is sent again, or left as ambiguous with `--on-doubt hold`.

Examples:
  batchctl resume                           the latest run
  batchctl resume 20240705-12 --rate 2/s    more gently than before";

const RETRY_HELP: &str = "\
Makes a new run of the tasks that are partial, failed or ambiguous. A flag that is not given has
the value it had in the run that is retried.

Examples:
  batchctl retry                            what did not succeed in the latest run
  batchctl retry latest --group F2          only those of one cause, as the report groups them
  batchctl retry latest --outcome failed --kind timeout,reset -n";

#[derive(Debug, Args)]
#[command(after_help = RESUME_HELP)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) which: WhichRunArgs,
    #[command(flatten)]
    pub(crate) how: TakeUpArgs,
}

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
        value_parser = values::whole_number::<u16>, help_heading = "Which tasks")]
    pub(crate) status: Vec<u16>,
    /// Only tasks that failed in one of these ways, such as timeout or refused
    #[arg(long, value_name = "KIND", value_delimiter = ',',
        value_parser = values::failure_kind(), help_heading = "Which tasks")]
    pub(crate) kind: Vec<FailureKind>,
    /// Only tasks that failed with one of these codes, such as VIAS.00010012
    #[arg(long, value_name = "CODE", value_delimiter = ',', help_heading = "Which tasks")]
    pub(crate) error_code: Vec<String>,
    /// Only tasks of these groups of failures, such as F2, as the report calls them
    #[arg(long, value_name = "GROUP", value_delimiter = ',', help_heading = "Which tasks")]
    pub(crate) group: Vec<GroupLabel>,
    /// Say what would be called, and send nothing
    #[arg(short = 'n', long, help_heading = "Before")]
    pub(crate) dry_run: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", help_heading = "Before")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) how: TakeUpArgs,
}

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
    pub(crate) how: TakeUpArgs,
}

/// How a run is taken up.
#[derive(Debug, Args)]
pub(crate) struct TakeUpArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
    /// Do not ask (without a terminal it is never asked)
    #[arg(short, long, help_heading = "Before")]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) lock: LockArgs,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) small: StartSmallArgs,
    #[command(flatten)]
    pub(crate) call: CallArgs,
    #[command(flatten)]
    pub(crate) stop: StopArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    #[command(flatten)]
    pub(crate) documents: DocumentArgs,
    #[command(flatten)]
    pub(crate) display: DisplayArgs,
    #[command(flatten)]
    pub(crate) unattended: UnattendedArgs,
}

impl TakeUpArgs {
    /// Returns the flags that become settings of the run.
    pub(crate) fn setting_flags(&self) -> SettingFlags<'_> {
        SettingFlags {
            pace: &self.pace,
            small: &self.small,
            call: &self.call,
            stop: &self.stop,
            state: &self.state,
        }
    }
}
