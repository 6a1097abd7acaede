//! `config`: shows and begins the configuration.

pub(crate) mod init;
pub(crate) mod show;

use crate::cli::Context;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::process::environment::Environment;
use batchctl::report::ExitStatus;
use clap::{Args, Subcommand};
use std::path::PathBuf;

const SHOW_HELP: &str = "\
Takes every flag of a run as well, and says what they would come to. What it prints is a
config file again.

Examples:
  batchctl config show --origin  what holds, and where it comes from
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

pub(crate) const CONFIG_HELP: &str = "\
Examples:
  batchctl config init                       a file with every key as a comment
  batchctl config show --origin              what holds, and where it comes from
  batchctl config show --profile prod --json";

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

/// Carries out `config`.
pub(crate) fn carry_out(
    command: &ConfigCommand,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    let text = match command {
        ConfigCommand::Show(args) => show::show(args, context),
        ConfigCommand::Init => init::init(&path(&context.environment)?)?,
        ConfigCommand::Path => format!("{}\n", path(&context.environment)?.display()),
    };
    stream::print(&text)?;
    Ok(ExitStatus::Ok)
}

fn path(environment: &Environment) -> Result<PathBuf, CommandError> {
    environment.config_file().ok_or_else(|| {
        CommandError::usage("there is no place for a config file: HOME is not set")
            .with_hint("set XDG_CONFIG_HOME to an absolute path")
    })
}
