//! The command line as it is typed: every flag with its default, its variable and its key.
//!
//! Parses and does nothing else. What a value means across flags is decided by who uses it.

#![expect(clippy::doc_markdown, reason = "doc comments here are help texts for a terminal")]

mod action;
mod afterwards;
mod auth;
mod before;
mod call;
mod config;
mod ctl;
mod diff;
mod display;
mod follow_up;
mod input;
mod list;
mod man;
mod pace;
mod place;
mod runs;
mod sandbox;
mod schema;
mod state;
mod unattended;
mod values;

pub(crate) use crate::cli::args::action::ActionArgs;
pub(crate) use crate::cli::args::action::CommonArgs;
pub(crate) use crate::cli::args::action::RunArgs;
pub(crate) use crate::cli::args::afterwards::AfterwardsArgs;
pub(crate) use crate::cli::args::afterwards::SettleArgs;
pub(crate) use crate::cli::args::afterwards::WaitArgs;
pub(crate) use crate::cli::args::auth::AuthCommand;
pub(crate) use crate::cli::args::auth::CheckArgs;
pub(crate) use crate::cli::args::auth::LoginArgs;
pub(crate) use crate::cli::args::before::BeforeArgs;
pub(crate) use crate::cli::args::before::IfBusy;
pub(crate) use crate::cli::args::before::LockArgs;
pub(crate) use crate::cli::args::call::CallArgs;
pub(crate) use crate::cli::args::call::StopArgs;
pub(crate) use crate::cli::args::config::ConfigCommand;
pub(crate) use crate::cli::args::config::ConfigShowArgs;
pub(crate) use crate::cli::args::ctl::CtlArgs;
pub(crate) use crate::cli::args::ctl::FixedRate;
pub(crate) use crate::cli::args::ctl::OrderArgs;
pub(crate) use crate::cli::args::diff::DiffArgs;
pub(crate) use crate::cli::args::display::DisplayArgs;
pub(crate) use crate::cli::args::display::ProgressChoice;
pub(crate) use crate::cli::args::follow_up::ResumeArgs;
pub(crate) use crate::cli::args::follow_up::RetryArgs;
pub(crate) use crate::cli::args::follow_up::RevertArgs;
pub(crate) use crate::cli::args::follow_up::TakeUpArgs;
pub(crate) use crate::cli::args::input::InputArgs;
pub(crate) use crate::cli::args::list::ListArgs;
pub(crate) use crate::cli::args::list::ReadingArgs;
pub(crate) use crate::cli::args::list::WhichTasksArgs;
pub(crate) use crate::cli::args::man::ManArgs;
pub(crate) use crate::cli::args::pace::PaceArgs;
pub(crate) use crate::cli::args::pace::StartSmallArgs;
pub(crate) use crate::cli::args::place::CredentialArgs;
pub(crate) use crate::cli::args::place::PlaceArgs;
pub(crate) use crate::cli::args::runs::PruneArgs;
pub(crate) use crate::cli::args::runs::RunsCommand;
pub(crate) use crate::cli::args::runs::RunsListArgs;
pub(crate) use crate::cli::args::runs::ShowArgs;
pub(crate) use crate::cli::args::runs::StateChoice;
pub(crate) use crate::cli::args::runs::WhichRunArgs;
pub(crate) use crate::cli::args::sandbox::SandboxArgs;
pub(crate) use crate::cli::args::schema::SchemaArgs;
pub(crate) use crate::cli::args::state::StateArgs;
pub(crate) use crate::cli::args::unattended::UnattendedArgs;
pub(crate) use crate::cli::args::values::EmptyInput;
pub(crate) use crate::cli::args::values::RateChoice;

use batchctl::report;
use batchctl::task::Outcome;
use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;
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
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start every batch task in the input
    Start(ActionArgs),
    /// Stop every batch task in the input
    Stop(ActionArgs),
    /// Start or stop each batch task in the input, as its row says
    Run(RunArgs),
    /// Go on with a run that was cut short
    Resume(ResumeArgs),
    /// Run again what did not succeed in a run
    Retry(RetryArgs),
    /// Show the report of a run, in any format, any time later
    Report(ReportArgs),
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
    /// Say who one is and what is wrong; log in for later
    #[command(after_help = auth::AUTH_HELP, arg_required_else_help = true)]
    Auth {
        #[command(subcommand)]
        command: AuthCommand,
    },
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
    /// The profile of config.toml to use
    #[arg(long, value_name = "NAME", default_value = "default", global = true)]
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

const COMPLETIONS_HELP: &str = "\
Examples:
  batchctl completions bash > ~/.local/share/bash-completion/completions/batchctl
  batchctl completions zsh > ~/.zfunc/_batchctl
  batchctl completions fish > ~/.config/fish/completions/batchctl.fish";

const CONFIG_HELP: &str = "\
Examples:
  batchctl config init                       a file with every key as a comment
  batchctl config show --origin              what holds, and where it comes from
  batchctl config show --profile prod --json";

const RUNS_HELP: &str = "\
Examples:
  batchctl runs list                         what is kept, the latest first
  batchctl runs show 20240705                what one of them came to
  batchctl runs prune --older-than 30d -n    what would be removed";

const REPORT_HELP: &str = "\
Examples:
  batchctl report                            the summary of the latest run
  batchctl report 20240705 -o results.csv    every task with its outcome
  batchctl report -o failed.csv --only failed,ambiguous --csv-dialect excel
  batchctl report -o md:- | gh issue create --title nightly -F -
  batchctl report latest --json
  batchctl report diff 20240704 latest       what is failing that was not";

#[derive(Debug, Subcommand)]
pub(crate) enum ReportCommand {
    /// Tell what became of tasks from one run to another
    Diff(DiffArgs),
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

/// Whom a CSV is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum CsvDialect {
    #[default]
    Plain,
    Excel,
}

impl From<CsvDialect> for report::CsvDialect {
    fn from(dialect: CsvDialect) -> Self {
        match dialect {
            CsvDialect::Plain => Self::Plain,
            CsvDialect::Excel => Self::Excel,
        }
    }
}

/// Which documents are written.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct DocumentArgs {
    /// Write a document, told by its ending: .csv results, .html .json .md reports, .xml JUnit,
    /// .prom Prometheus, .ndjson events as they happen; or by a prefix, `csv:-` for standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Vec<String>,
    /// Write only tasks with one of these outcomes into results and JUnit documents
    #[arg(long, value_name = "OUTCOME", value_delimiter = ',', value_parser = values::outcome())]
    pub(crate) only: Vec<Outcome>,
    /// Whom results are for: programs, or Excel (byte order mark, CR LF, ids marked as text)
    #[arg(long, value_name = "DIALECT", default_value = "plain")]
    pub(crate) csv_dialect: CsvDialect,
    /// Print the report as JSON instead of the summary
    #[arg(long)]
    pub(crate) json: bool,
}
