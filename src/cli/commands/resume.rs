//! `resume`: goes on with a run that was cut short.

use crate::cli::Context;
use crate::cli::connect::destination;
use crate::cli::flags::run::TakeUpArgs;
use crate::cli::flags::which_run::WhichRunArgs;
use crate::cli::output::documents;
use crate::cli::output::documents::Document;
use crate::cli::output::error::CommandError;
use crate::cli::output::event_documents::{Beginning, Live};
use crate::cli::output::present::{ReportRequest, present};
use crate::cli::run::execute::IfNotStarted;
use crate::cli::run::job_lock::JobAccess;
use crate::cli::run::launch::Launch;
use crate::cli::run::{launch, log_file, settings};
use batchctl::clock::Clock;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::run::Resumption;
use batchctl::store::RunId;
use clap::Args;

const RESUME_HELP: &str = "\
Goes on from the run's own copy of the plan; the input may be gone or changed. A flag that is not
given has the value it had in the run. A task whose call was on the wire when the run was killed
is sent again, or left as ambiguous with `--on-doubt hold`.

Examples:
  batchctl resume                           the latest run
  batchctl resume 20240705-12 --rate 2/s    more gently than before";

#[derive(Debug, Args)]
#[command(after_help = RESUME_HELP)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) which: WhichRunArgs,
    #[command(flatten)]
    pub(crate) how: TakeUpArgs,
}

pub(crate) fn resume(args: &ResumeArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let documents = documents::parse(&args.how.documents, &[])?;
    let id = args.which.find(&context.state)?;
    let clock = Clock::start();
    documents.iter().try_for_each(Document::try_out)?;
    let log_file = log_file::open(&args.how.unattended)?;
    let mut resumable = match run::resume(&context.state, &id, clock)? {
        Resumption::Ready(resumable) => resumable,
        Resumption::Finished => return report_finished(&id, &documents, &args.how, clock, context),
    };
    let _job = match launch::turn(&resumable.record, &args.how, context, clock)? {
        JobAccess::Ours(lock) => lock,
        JobAccess::Skipped => return Ok(ExitStatus::Ok),
    };
    args.how.setting_flags().apply(&mut resumable.settings, |flag| context.given.is_given(flag));
    settings::check(&resumable.settings, &context.given)?;
    let place =
        destination::of_run(&args.how.place, &resumable.record, &resumable.settings, context)?;
    resumable.settings.sandbox = place.sandbox.is_some();
    let order = launch::order(&resumable.record, &place, &resumable.settings);
    let planned = resumable.into_planned();
    let how = Launch {
        args: &args.how,
        order: &order,
        place: &place,
        documents: &documents,
        log_file,
        unbegun: IfNotStarted::Keep,
        clock,
    };
    launch::carry_out(planned, how, context)
}

/// Says that there is nothing to go on with, and ends as the run did.
fn report_finished(
    id: &RunId,
    documents: &[Document],
    args: &TakeUpArgs,
    clock: Clock,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    context.stderr.line(&format!("run {id} is finished: every task has its outcome"));
    let runs = run::runs_in(&context.state);
    let options = documents::options(&args.documents);
    let live = Live::open(documents, Beginning::GoesOn, id, clock)?;
    let wanted = ReportRequest {
        documents,
        options: &options,
        json: false,
        summary: false,
        live: Some(&live),
    };
    let status = present(&runs, id, &wanted, context)?;
    live.failure().map_or(Ok(status), Err)
}
