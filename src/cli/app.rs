//! The command line as it is typed: every flag with its default, its variable and its key.
//!
//! Parses and does nothing else. The meaning of a value beside other flags is decided where it is used.

#![expect(clippy::doc_markdown, reason = "doc comments here are help texts for a terminal")]

use crate::cli::commands::auth;
use crate::cli::commands::auth::AuthCommand;
use crate::cli::commands::config::{CONFIG_HELP, ConfigCommand};
use crate::cli::commands::ctl::CtlArgs;
use crate::cli::commands::demo::DemoArgs;
use crate::cli::commands::explain::ExplainArgs;
use crate::cli::commands::list::ListArgs;
use crate::cli::commands::plan::{ApplyArgs, PLAN_HELP, PlanCommand};
use crate::cli::commands::report::ReportArgs;
use crate::cli::commands::resume::ResumeArgs;
use crate::cli::commands::retry::RetryArgs;
use crate::cli::commands::revert::RevertArgs;
use crate::cli::commands::runs::{RUNS_HELP, RunsCommand};
use crate::cli::commands::sandbox::SandboxArgs;
use crate::cli::commands::service::{SERVICE_HELP, ServiceCommand};
use crate::cli::commands::shell::{COMPLETIONS_HELP, ManArgs, SchemaArgs};
use crate::cli::commands::start_stop::{ActionArgs, DeleteArgs, DoArgs, RunArgs};
use crate::cli::commands::tasks::TasksArgs;
use crate::cli::commands::verify::{SettleArgs, WaitArgs};
#[cfg(feature = "postgres")]
use crate::cli::commands::work::WorkArgs;
use batchctl::settings::DEFAULT_PROFILE;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  batchctl stop tasks.csv --dry-run          what would be called; sends nothing
  batchctl stop tasks.csv --rate 10/s -o results.csv
  batchctl start examples/tasks.csv --sandbox   a first try, without any account

Exit status: 0 all succeeded, 1 some did not, 2 usage, 3 stopped early, 65 bad input,
74 store or document not written, 75 busy, 77 not authorised, 130/143 interrupted.

Every flag has an environment variable (BATCHCTL_ and its name in capitals, `_` for `-`) and a
key in $XDG_CONFIG_HOME/batchctl/config.toml. Flag beats environment beats file beats default.";

/// Starts and stops very many VIAS batch tasks: rate-limited, and with one outcome for each.
#[derive(Debug, Parser)]
#[command(name = "batchctl", version, after_help = AFTER_HELP, max_term_width = 100)]
#[command(propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start every batch task in the input
    Start(ActionArgs),
    /// Stop every batch task in the input
    Stop(ActionArgs),
    /// Carry out an action of a service on every id in the input
    Do(DoArgs),
    /// Delete every batch task in the input, for good
    Delete(DeleteArgs),
    /// Start, stop or delete each batch task in the input, as its row says
    Run(RunArgs),
    /// Show what would be called, and store it for `apply`
    #[command(after_help = PLAN_HELP, arg_required_else_help = true)]
    Plan {
        #[command(subcommand)]
        command: PlanCommand,
    },
    /// Carry out a plan as it was stored
    Apply(ApplyArgs),
    /// Go on with a run that was cut short
    Resume(ResumeArgs),
    /// Carry out a run of a database, beside the workers of other machines
    #[cfg(feature = "postgres")]
    Work(WorkArgs),
    /// Run again what did not succeed in a run
    Retry(RetryArgs),
    /// Show the report of a run, in any format, any time later
    Report(ReportArgs),
    /// Explain what happened to single tasks, in all runs that are kept
    Explain(ExplainArgs),
    /// Take back what a run has changed
    Revert(RevertArgs),
    /// Wait until the tasks of a run are where they were sent
    Wait(WaitArgs),
    /// Settle what is in doubt in a run by a look at the tasks
    Settle(SettleArgs),
    /// Ask or change a run that is under way: status, pause, resume, rate, concurrency, drain
    Ctl(CtlArgs),
    /// List the batch tasks of the project and the states they are in
    List(ListArgs),
    /// List the sub-tasks of batch tasks: each camera with its state
    Tasks(TasksArgs),
    /// List, show and prune the runs that are kept
    #[command(after_help = RUNS_HELP, arg_required_else_help = true)]
    Runs {
        #[command(subcommand)]
        command: RunsCommand,
    },
    /// Show or begin the configuration
    #[command(after_help = CONFIG_HELP, arg_required_else_help = true)]
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// List, show and check files that describe services
    #[command(after_help = SERVICE_HELP, arg_required_else_help = true)]
    Service {
        #[command(subcommand)]
        command: ServiceCommand,
    },
    /// Check credentials; log in
    #[command(after_help = auth::AUTH_HELP, arg_required_else_help = true)]
    Auth {
        #[command(subcommand)]
        command: AuthCommand,
    },
    /// Show how it works: a rehearsal with faults, a pause, a kill and a resume
    Demo(DemoArgs),
    /// Run a simulated service on this machine
    Sandbox(SandboxArgs),
    /// Print the JSON Schema of a document
    Schema(SchemaArgs),
    /// Print what a shell needs to complete the command line
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print a manual page, or write all of them
    Man(ManArgs),
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "General")]
pub(crate) struct GlobalArgs {
    /// Where runs are kept [default: $XDG_STATE_HOME/batchctl]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) state_dir: Option<PathBuf>,
    /// Where runs are kept instead: a directory, or a database that several machines share, as
    /// postgres://USER@HOST/NAME
    #[arg(long, value_name = "PLACE", global = true)]
    pub(crate) store: Option<String>,
    /// The profile of config.toml to use
    #[arg(long, value_name = "NAME", default_value = DEFAULT_PROFILE, global = true)]
    pub(crate) profile: String,
    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub(crate) color: ColorChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    Auto,
    Always,
    Never,
}
