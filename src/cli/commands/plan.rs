//! `plan` and `apply`: one shows what would be called and stores it, the other carries out exactly
//! that.

use crate::cli::Context;
use crate::cli::commands::start_stop;
use crate::cli::commands::start_stop::{ActionArgs, CommonArgs, DeleteArgs, DoArgs, RunArgs};
use crate::cli::flags::connection::ConnectionArgs;
use crate::cli::flags::precedence::Rank;
use crate::cli::flags::run::{ConfirmArgs, LockArgs, RecordArgs, ReportingArgs};
use crate::cli::flags::shared::StoreArgs;
use crate::cli::flags::values;
use crate::cli::flags::which_run::WhichRunArgs;
use crate::cli::output::error::CommandError;
use crate::cli::run::input_run::Purpose;
use crate::cli::run::launch::launch;
use crate::cli::run::scene::{LaunchFlags, SharedFlags};
use crate::cli::run::source::RunSource;
use crate::cli::run::stored_plan::ApplyLimits;
use batchctl::report::ExitStatus;
use batchctl::task::Command;
use clap::{Args, Subcommand};
use std::time::Duration;

pub(crate) const PLAN_HELP: &str = "\
Shows what would be called, as --dry-run does, and stores it as a run that is not begun. The flags
of pace, calls, states and stopping are stored with it; credentials are not.

Examples:
  batchctl plan stop cameras.csv --rate 5/s  shows the plan, and prints its id
  batchctl apply 20240705                    carries out exactly that";

#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// Plan to carry out an action of a service on every id in the input
    Do(DoArgs),
    /// Plan to start every batch task in the input
    Start(ActionArgs),
    /// Plan to stop every batch task in the input
    Stop(ActionArgs),
    /// Plan to delete every batch task in the input
    Delete(DeleteArgs),
    /// Plan to start, stop or delete each batch task in the input, as its row says
    Run(RunArgs),
}

impl PlanCommand {
    /// Returns the flags that all of them share.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "a directory needs no copies")
    )]
    pub(crate) fn common(&self) -> &CommonArgs {
        match self {
            Self::Do(args) => &args.on.common,
            Self::Start(args) | Self::Stop(args) => &args.common,
            Self::Delete(args) => &args.common,
            Self::Run(args) => &args.common,
        }
    }
}

const APPLY_HELP: &str = "\
Carries out a plan as it was stored. It is refused if endpoint, project or the version of batchctl
differ. The files of --exclude are read again. With --skip-unchanged in the plan the tasks are
looked at again, and what has changed since is shown. A plan in a database (--store) is applied from
any machine; if tasks of it are excluded by then, it is refused.

Examples:
  batchctl apply                             the latest run, if it is a plan
  batchctl apply 20240705 --yes --accept-drift -o results.csv
  batchctl apply --detach --store postgres://batch@db.example.com/batch";

#[derive(Debug, Args)]
#[command(after_help = APPLY_HELP)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) which: WhichRunArgs,
    /// Refuse a plan that was made longer ago
    #[arg(long, value_name = "AGE", default_value = "24h", value_parser = values::age,
        help_heading = "Before")]
    pub(crate) max_age: Duration,
    /// Apply the plan although tasks have changed their states since
    #[arg(long, help_heading = "Before")]
    pub(crate) accept_drift: bool,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// Do not ask (without a terminal it is never asked)
    #[arg(short, long, help_heading = "Before")]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) confirmed: ConfirmArgs,
    #[command(flatten)]
    pub(crate) lock: LockArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    #[command(flatten)]
    pub(crate) reporting: ReportingArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Apply the plan in the database, and leave the calls to `batchctl work`
    #[arg(long, help_heading = "Several machines")]
    pub(crate) detach: bool,
}

/// The flags about carrying a run out, which have no effect on its plan.
const OF_APPLY: [&str; 19] = [
    "confirm",
    "detach",
    "dump",
    "dump-limit",
    "yes",
    "lock-wait",
    "if-busy",
    "progress",
    "cron",
    "splay",
    "store-timeout",
    "ping",
    "on-end",
    "notify",
    "notify-url-file",
    "notify-shape",
    "log-file",
    "log-file-size",
    "log-format",
];

pub(crate) fn plan(command: PlanCommand, context: &Context) -> Result<ExitStatus, CommandError> {
    // A variable or the config file holds their values for other commands.
    let is_typed = |flag: &str| context.given.rank(flag) == Rank::CommandLine;
    if let Some(flag) = OF_APPLY.into_iter().find(|flag| is_typed(flag)) {
        let error = format!("`--{flag}` has no effect on a plan");
        return Err(CommandError::usage(error).with_hint("give it to `batchctl apply`"));
    }
    if is_typed("dry-run") {
        let error = "`--dry-run` has no effect on `plan`, which sends nothing";
        let hint = "leave it out, or leave out `plan` to store nothing";
        return Err(CommandError::usage(error).with_hint(hint));
    }
    let purpose = Purpose::Plan;
    match command {
        PlanCommand::Start(args) => {
            start_stop::act_on_all(args, Command::START.as_str(), purpose, context)
        }
        PlanCommand::Stop(args) => {
            start_stop::act_on_all(args, Command::STOP.as_str(), purpose, context)
        }
        PlanCommand::Do(args) => start_stop::act_on_all(args.on, &args.action, purpose, context),
        PlanCommand::Delete(args) => start_stop::delete(args, purpose, context),
        PlanCommand::Run(args) => start_stop::run(args, purpose, context),
    }
}

pub(crate) fn apply(args: &ApplyArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let limits = ApplyLimits { max_age: args.max_age, accepts_drift: args.accept_drift };
    let flags = LaunchFlags {
        connection: &args.connection,
        // Those of the plan are read again, and a plan is not changed by others.
        exclude: &[],
        max_tasks: None,
        yes: args.yes,
        confirm: args.confirmed.confirm,
        lock: &args.lock,
        settings: None,
        reporting: &args.reporting,
        shared: SharedFlags { detach: args.detach, ..SharedFlags::of_a_run(args.store) },
    };
    launch(RunSource::Apply { which: &args.which, limits }, &flags, context)
}
