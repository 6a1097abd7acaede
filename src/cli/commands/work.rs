//! `work`: carries out a run of a database, beside the workers of other machines.

use crate::cli::Context;
use crate::cli::flags::connection::ConnectionArgs;
use crate::cli::flags::run::{IfBusy, LockArgs, ReportingArgs};
use crate::cli::flags::shared::StoreArgs;
use crate::cli::flags::values;
use crate::cli::flags::which_run::WhichRunArgs;
use crate::cli::output::error::CommandError;
use crate::cli::run::launch::launch;
use crate::cli::run::scene::{LaunchFlags, SharedFlags};
use crate::cli::run::signals;
use crate::cli::run::source::RunSource;
use batchctl::report::ExitStatus;
use batchctl::run::SharedRuns;
use batchctl::store::RunId;
use clap::Args;
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

const WORK_HELP: &str = "\
Any number of workers share the tasks, the rate and the report of a run. Each has credentials of its
own, and an endpoint and a project that must be those of the run. Where a worker dies, the others
take its tasks over. The exit status is that of the run once it has ended, whoever ended it; 77 if
this worker's credentials are refused, 74 if the database is away for too long, and 130 or 143 after
a signal: what is on the wire finishes then, and the rest is given back at once.

Examples:
  export BATCHCTL_STORE=postgres://batch@db.example.com/batch
  batchctl work                             until the newest run is done
  batchctl work 20240705 -j 32
  batchctl work --follow                    and then the next one, for ever";

#[derive(Debug, Args)]
#[command(after_help = WORK_HELP)]
pub(crate) struct WorkArgs {
    /// The run: its id, or a unique beginning of it [default: the newest that is not done]
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Wait for the next run when one is done, for ever
    #[arg(long, conflicts_with = "run", help_heading = "Several machines")]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The way of this worker to the database and back, if the run allows for less; the run is a little
    /// slower from then on
    #[arg(long, value_name = "SPAN", help_heading = "Several machines",
        value_parser = values::positive_span)]
    pub(crate) store_rtt: Option<Duration>,
    /// The most calls on the wire at a time, of this worker
    #[arg(short = 'j', long, value_name = "N", default_value = "16", help_heading = "Pace",
        value_parser = values::concurrency)]
    pub(crate) concurrency: NonZeroUsize,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) reporting: ReportingArgs,
}

/// How often a worker that follows looks for a run.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

pub(crate) fn work(args: &WorkArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let Some(database) = context.store.database() else {
        return Err(CommandError::usage("`work` is about runs in a database, and none is named")
            .with_hint("add `--store postgres://USER@HOST/NAME`, or set BATCHCTL_STORE"));
    };
    if !args.follow {
        let id = match &args.run {
            Some(name) => Some(database.find(name, None)?),
            None => database.next_to_work()?,
        };
        return match id {
            Some(id) => work_on(&id, args, database, context),
            None => {
                context.stderr.line("there is no run to work on");
                Ok(ExitStatus::Ok)
            }
        };
    }
    let mut away = Duration::ZERO;
    loop {
        match database.next_to_work() {
            Ok(Some(id)) => {
                away = Duration::ZERO;
                let status = work_on(&id, args, database, context)?;
                // Whatever the run came to, the next one may need this worker.
                if is_own(status) {
                    return Ok(status);
                }
                // A signal that came when the run had just ended is for this worker all the same.
                if let Some(status) = signals::asked_to_stop() {
                    return Ok(status);
                }
            }
            Ok(None) => away = Duration::ZERO,
            Err(error) if away >= args.store.store_timeout => return Err(error.into()),
            Err(_) => away += LOOK_AGAIN,
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// Returns whether a worker has ended for a reason of its own.
fn is_own(status: ExitStatus) -> bool {
    matches!(status, ExitStatus::NotAuthorised | ExitStatus::Interrupted | ExitStatus::Terminated)
}

fn work_on(
    id: &RunId,
    args: &WorkArgs,
    database: &SharedRuns,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    database.copy_to_work(id)?;
    let lock = LockArgs { lock_wait: Duration::ZERO, if_busy: IfBusy::Fail };
    let flags = LaunchFlags {
        connection: &args.connection,
        exclude: &[],
        max_tasks: None,
        yes: true,
        confirm: None,
        lock: &lock,
        settings: None,
        reporting: &args.reporting,
        shared: SharedFlags {
            joins: Some(args.concurrency),
            store_rtt: args.store_rtt,
            ..SharedFlags::of_a_run(args.store)
        },
    };
    let which = WhichRunArgs { run: id.to_string(), job: None };
    let status = launch(RunSource::Resume(&which), &flags, context)?;
    if !is_own(status) {
        // One that was ended otherwise must not be found again.
        database.end(id)?;
    }
    Ok(status)
}
