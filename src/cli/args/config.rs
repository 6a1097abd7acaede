//! The flags of `config`.

use clap::Args;
use clap::Subcommand;

const SHOW_HELP: &str = "\
Takes every flag of a run as well, and says what they would come to. What it prints is a
config file again.

Examples:
  batchctl config show --origin                  what holds, and where it comes from
  batchctl config show --profile prod --json
  BATCHCTL_RATE=5/s batchctl config show --origin | grep rate";

const INIT_HELP: &str = "\
Examples:
  batchctl config init
  batchctl config init && \"$EDITOR\" \"$(batchctl config path)\"";

const PATH_HELP: &str = "\
Examples:
  batchctl config path
  cat \"$(batchctl config path)\"";

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show every setting with its value
    Show(ConfigShowArgs),
    /// Write a config file with every key as a comment
    #[command(after_help = INIT_HELP)]
    Init,
    /// Print where the config file is, or would be
    #[command(after_help = PATH_HELP)]
    Path,
}

#[derive(Debug, Args)]
#[command(after_help = SHOW_HELP)]
pub(crate) struct ConfigShowArgs {
    /// Say where each value comes from
    #[arg(long)]
    pub(crate) origin: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
