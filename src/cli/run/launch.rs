//! `resume` and `retry`: what a run remembers, and what the flags change of it.

use crate::cli::Context;
use crate::cli::commands::start_stop;
use crate::cli::commands::start_stop::Order;
use crate::cli::connect::credentials;
use crate::cli::connect::destination::Destination;
use crate::cli::flags::run::TakeUpArgs;
use crate::cli::output::documents;
use crate::cli::output::documents::Document;
use crate::cli::output::error::CommandError;
use crate::cli::run::execute::{Execution, IfNotStarted};
use crate::cli::run::job_lock::JobAccess;
use crate::cli::run::log_file::LogFile;
use crate::cli::run::{execute, job_lock};
use batchctl::clock::Clock;
use batchctl::report::ExitStatus;
use batchctl::run::Planned;
use batchctl::settings::RunSettings;
use batchctl::store::RunRecord;
use batchctl::text::plural;

/// Takes the turn of the run's job, if it has one.
pub(crate) fn turn(
    record: &RunRecord,
    args: &TakeUpArgs,
    context: &Context,
    clock: Clock,
) -> Result<JobAccess, CommandError> {
    // A name that was checked when the run was planned.
    let job = record.run.job.as_deref().and_then(|name| name.parse().ok());
    job_lock::take(job.as_ref(), &args.lock, context, clock)
}

pub(crate) fn order(record: &RunRecord, place: &Destination, settings: &RunSettings) -> Order {
    let pattern = place.pattern();
    Order { word: record.run.command.clone(), pattern, settings: settings.clone() }
}

/// A run that is about to be taken up.
pub(crate) struct Launch<'a> {
    pub(crate) args: &'a TakeUpArgs,
    pub(crate) order: &'a Order,
    pub(crate) place: &'a Destination,
    pub(crate) documents: &'a [Document],
    pub(crate) log_file: Option<LogFile>,
    pub(crate) unbegun: IfNotStarted,
    pub(crate) clock: Clock,
}

pub(crate) fn carry_out(
    planned: Planned,
    how: Launch<'_>,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    let Launch { args, order, place, documents, log_file, unbegun, clock } = how;
    let credentials = match credentials::source(&args.credentials, place, context) {
        Ok(source) => source,
        Err(failure) => {
            if unbegun == IfNotStarted::Discard {
                planned.discard()?;
            }
            return Err(failure);
        }
    };
    let asks = !args.yes && place.sandbox.is_none() && unbegun == IfNotStarted::Discard;
    if asks && !start_stop::confirmed(order, &planned, context)? {
        planned.discard()?;
        return Err(CommandError::new(ExitStatus::Interrupted, "nothing was sent"));
    }
    let is_told = !args.display.quiet && !args.unattended.cron;
    if unbegun == IfNotStarted::Keep && is_told {
        let tasks = plural(planned.totals().selected, "task", "tasks");
        context.stderr.line(&format!("going on with run {} of {tasks}", planned.id()));
    }
    let how = Execution {
        place,
        credentials: &credentials,
        display: &args.display,
        documents,
        options: &documents::options(&args.documents),
        json: args.documents.json,
        log_file,
        clock,
    };
    execute::carry_out(planned, how, unbegun, context)
}
