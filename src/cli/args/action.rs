//! The flags of `start`, `stop` and `run`.

use crate::cli::args::BeforeArgs;
use crate::cli::args::CallArgs;
use crate::cli::args::CredentialArgs;
use crate::cli::args::DisplayArgs;
use crate::cli::args::DocumentArgs;
use crate::cli::args::InputArgs;
use crate::cli::args::PaceArgs;
use crate::cli::args::PlaceArgs;
use crate::cli::args::StartSmallArgs;
use crate::cli::args::StateArgs;
use crate::cli::args::StopArgs;
use crate::cli::args::UnattendedArgs;
use crate::cli::settings::SettingFlags;
use clap::Args;
use std::path::PathBuf;

const ACTION_HELP: &str = "\
Examples:
  batchctl stop tasks.csv --region cn-north-4 --project-id ID --token-file ~/.token
  batchctl stop --id 0d47bbf52962414bb7ae27fb6ea24230 --dry-run
  jq -r .id tasks.json | batchctl start - --rate 5/s --yes -o results.csv";

const RUN_HELP: &str = "\
Examples:
  batchctl run plan.csv --dry-run            plan.csv has the columns id and command
  batchctl run plan.csv --command-column todo -o results.csv";

#[derive(Debug, Args)]
#[command(after_help = ACTION_HELP)]
pub(crate) struct ActionArgs {
    /// Files that name batch tasks; `-` for standard input
    #[arg(value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// A batch task (repeatable)
    #[arg(long = "id", value_name = "ID", help_heading = "Input")]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
#[command(after_help = RUN_HELP)]
pub(crate) struct RunArgs {
    /// Files that name batch tasks and commands; `-` for standard input
    #[arg(value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// The column that says `start` or `stop`
    #[arg(long, value_name = "NAME", default_value = "command", help_heading = "Input")]
    pub(crate) command_column: String,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What `start`, `stop` and `run` share.
#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) before: BeforeArgs,
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

impl CommonArgs {
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
