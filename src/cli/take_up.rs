//! `resume` and `retry`: what a run remembers, and what the flags change of it.

use crate::cli::Context;
use crate::cli::action;
use crate::cli::action::Order;
use crate::cli::args::ResumeArgs;
use crate::cli::args::RetryArgs;
use crate::cli::args::TakeUpArgs;
use crate::cli::credentials;
use crate::cli::documents;
use crate::cli::documents::Document;
use crate::cli::dry_run;
use crate::cli::execute;
use crate::cli::execute::Execution;
use crate::cli::execute::IfNotStarted;
use crate::cli::failure::Failure;
use crate::cli::job;
use crate::cli::job::JobAccess;
use crate::cli::live::Beginning;
use crate::cli::live::Live;
use crate::cli::log_file;
use crate::cli::log_file::LogFile;
use crate::cli::place;
use crate::cli::place::Destination;
use crate::cli::report;
use crate::cli::runs;
use crate::cli::settings;
use batchctl::clock::Clock;
use batchctl::report::ExitStatus;
use batchctl::report::Target;
use batchctl::run;
use batchctl::run::Planned;
use batchctl::run::Resumption;
use batchctl::run::Retry;
use batchctl::run::RetryFilter;
use batchctl::settings::RunSettings;
use batchctl::store::PlanRow;
use batchctl::store::PlanTotals;
use batchctl::store::RunId;
use batchctl::store::RunRecord;
use batchctl::store::TaskRow;
use batchctl::text::plural;
use batchctl::text::printable;

/// How many columns a line about a group of failures takes at the most.
const LONGEST_LINE: usize = 200;

pub(crate) fn resume(args: &ResumeArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let documents = documents::parse(&args.how.documents, &[])?;
    let id = runs::find(&args.which, context)?;
    let clock = Clock::start();
    documents.iter().try_for_each(Document::try_out)?;
    let log_file = log_file::open(&args.how.unattended)?;
    let mut resumable = match run::resume(&context.state, &id, clock)? {
        Resumption::Ready(resumable) => resumable,
        Resumption::Finished => return tell_finished(&id, &documents, &args.how, clock, context),
    };
    let _job = match turn(&resumable.record, &args.how, context, clock)? {
        JobAccess::Ours(lock) => lock,
        JobAccess::Skipped => return Ok(ExitStatus::Ok),
    };
    args.how.setting_flags().apply(&mut resumable.settings, |flag| context.is_given(flag));
    settings::check(&resumable.settings, context)?;
    let place = place::of_run(&args.how.place, &resumable.record, &resumable.settings, context)?;
    resumable.settings.sandbox = place.sandbox.is_some();
    let order = order(&resumable.record, &place, &resumable.settings);
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
    carry_out(planned, how, context)
}

pub(crate) fn retry(args: &RetryArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let documents = documents::parse(&args.how.documents, &[])?;
    let id = runs::find(&args.which, context)?;
    let clock = Clock::start();
    let mut retry = run::retry(&context.state, &id)?;
    retry.narrow(RetryFilter {
        outcomes: args.outcome.clone(),
        statuses: args.status.clone(),
        kinds: args.kind.clone(),
        codes: args.error_code.clone(),
        groups: args.group.clone(),
    })?;
    retry.reason = args.reason.clone();
    args.how.setting_flags().apply(&mut retry.settings, |flag| context.is_given(flag));
    settings::check(&retry.settings, context)?;
    let place = place::of_run(&args.how.place, &retry.record, &retry.settings, context)?;
    retry.settings.sandbox = place.sandbox.is_some();
    let order = order(&retry.record, &place, &retry.settings);
    tell_groups(&retry, &args.how, context);
    if args.dry_run {
        return preview(&retry, &order);
    }
    documents.iter().try_for_each(Document::try_out)?;
    let log_file = log_file::open(&args.how.unattended)?;
    let _job = match turn(&retry.record, &args.how, context, clock)? {
        JobAccess::Ours(lock) => lock,
        JobAccess::Skipped => return Ok(ExitStatus::Ok),
    };
    let target =
        Target { endpoint: place.endpoint.to_string(), project_id: place.project.to_string() };
    let planned = retry.plan(target, clock)?;
    if planned.totals().is_empty() {
        planned.discard()?;
        let mut stderr = context.stderr;
        stderr.line(&format!("there is nothing to retry in run {id}"));
        return Ok(ExitStatus::Ok);
    }
    let how = Launch {
        args: &args.how,
        order: &order,
        place: &place,
        documents: &documents,
        log_file,
        unbegun: IfNotStarted::Discard,
        clock,
    };
    carry_out(planned, how, context)
}

/// Says what the groups are that were asked for: a label alone does not tell whether the run has
/// gone on since somebody read it in a report.
fn tell_groups(retry: &Retry, args: &TakeUpArgs, context: &Context) {
    if args.display.quiet || args.unattended.cron {
        return;
    }
    let mut stderr = context.stderr;
    for group in retry.groups() {
        stderr.line(&printable(&group.in_a_line(), LONGEST_LINE));
    }
}

/// Says that there is nothing to go on with, and ends as the run did.
fn tell_finished(
    id: &RunId,
    documents: &[Document],
    args: &TakeUpArgs,
    clock: Clock,
    context: &Context,
) -> Result<ExitStatus, Failure> {
    let mut stderr = context.stderr;
    stderr.line(&format!("run {id} is finished: every task has its outcome"));
    let runs = run::runs_in(&context.state);
    let options = documents::options(&args.documents);
    let live = Live::open(documents, Beginning::GoesOn, id, clock)?;
    let wanted = report::ReportRequest {
        documents,
        options: &options,
        json: false,
        summary: false,
        live: Some(&live),
    };
    let status = report::present(&runs, id, &wanted, context)?;
    live.failure().map_or(Ok(status), Err)
}

fn turn(
    record: &RunRecord,
    args: &TakeUpArgs,
    context: &Context,
    clock: Clock,
) -> Result<JobAccess, Failure> {
    // A name that was checked when the run was planned.
    let job = record.run.job.as_deref().and_then(|name| name.parse().ok());
    job::take(job.as_ref(), &args.lock, context, clock)
}

fn order(record: &RunRecord, place: &Destination, settings: &RunSettings) -> Order {
    let pattern = place.pattern();
    Order { word: record.run.command.clone(), pattern, settings: settings.clone() }
}

fn preview(retry: &Retry, order: &Order) -> Result<ExitStatus, Failure> {
    let shown = usize::try_from(dry_run::SHOWN_ROWS).expect("a few rows fit");
    let (selected, first) = retry.preview(shown)?;
    let totals = PlanTotals { rows: selected, selected, ..PlanTotals::default() };
    let rows = plan_rows(first, &retry.record);
    Ok(dry_run::show(order, totals, &rows))
}

/// Returns tasks of a run as a plan shows them.
pub(crate) fn plan_rows(tasks: Vec<TaskRow>, record: &RunRecord) -> Vec<PlanRow> {
    let name = |source: u32| {
        let index = usize::try_from(source).expect("a u32 fits a usize");
        record.sources.get(index).map(|source| source.name.clone()).unwrap_or_default()
    };
    tasks
        .into_iter()
        .map(|task| PlanRow {
            id: task.id,
            command: task.command,
            source: name(task.source),
            line: task.line,
        })
        .collect()
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
) -> Result<ExitStatus, Failure> {
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
    if asks && !action::confirmed(order, &planned, context)? {
        planned.discard()?;
        return Err(Failure::new(ExitStatus::Interrupted, "nothing was sent"));
    }
    let is_told = !args.display.quiet && !args.unattended.cron;
    if unbegun == IfNotStarted::Keep && is_told {
        let mut stderr = context.stderr;
        let tasks = plural(planned.totals().selected, "task", "tasks");
        stderr.line(&format!("going on with run {} of {tasks}", planned.id()));
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
