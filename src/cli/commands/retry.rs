//! `retry`: makes a new run of the tasks that did not succeed.

use crate::cli::Context;
use crate::cli::commands::dry_run;
use crate::cli::commands::start_stop::Order;
use crate::cli::connect::{credentials, destination};
use crate::cli::flags::run::TakeUpArgs;
use crate::cli::flags::values;
use crate::cli::flags::which_run::WhichRunArgs;
use crate::cli::output::documents;
use crate::cli::output::documents::Document;
use crate::cli::output::error::CommandError;
use crate::cli::run::execute::IfNotStarted;
use crate::cli::run::job_lock::JobAccess;
use crate::cli::run::launch::Launch;
use crate::cli::run::{launch, log_file, settings};
use batchctl::clock::Clock;
use batchctl::report::{ExitStatus, GroupLabel, Target};
use batchctl::run;
use batchctl::run::{Retry, RetryFilter};
use batchctl::store::{PlanRow, PlanTotals, RunRecord, TaskRow};
use batchctl::task::{FailureKind, Outcome};
use batchctl::text::printable;
use clap::Args;

/// How many columns a line about a group of failures takes at the most.
const LONGEST_LINE: usize = 200;

const RETRY_HELP: &str = "\
Makes a new run of the tasks that are partial, failed or ambiguous. A flag that is not given has
the value it had in the run that is retried.

Examples:
  batchctl retry                            what did not succeed in the latest run
  batchctl retry latest --group F2          only those of one cause, as the report groups them
  batchctl retry latest --outcome failed --kind timeout,reset -n";

#[derive(Debug, Args)]
#[command(after_help = RETRY_HELP)]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    pub(crate) which: WhichRunArgs,
    /// Only tasks with one of these outcomes [default: partial, failed, ambiguous]
    #[arg(long, value_name = "OUTCOME", value_delimiter = ',',
        value_parser = values::outcome(), help_heading = "Which tasks")]
    pub(crate) outcome: Vec<Outcome>,
    /// Only tasks whose last answer had one of these statuses
    #[arg(long, value_name = "STATUS", value_delimiter = ',',
        value_parser = values::whole_number::<u16>, help_heading = "Which tasks")]
    pub(crate) status: Vec<u16>,
    /// Only tasks that failed in one of these ways, such as timeout or refused
    #[arg(long, value_name = "KIND", value_delimiter = ',',
        value_parser = values::failure_kind(), help_heading = "Which tasks")]
    pub(crate) kind: Vec<FailureKind>,
    /// Only tasks that failed with one of these codes, such as VIAS.00010012
    #[arg(long, value_name = "CODE", value_delimiter = ',', help_heading = "Which tasks")]
    pub(crate) error_code: Vec<String>,
    /// Only tasks of these groups of failures, such as F2, as the report calls them
    #[arg(long, value_name = "GROUP", value_delimiter = ',', help_heading = "Which tasks")]
    pub(crate) group: Vec<GroupLabel>,
    /// Say what would be called, and send nothing
    #[arg(short = 'n', long, help_heading = "Before")]
    pub(crate) dry_run: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", help_heading = "Before")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) how: TakeUpArgs,
}

pub(crate) fn retry(args: &RetryArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let documents = documents::parse(&args.how.documents, &[])?;
    let id = args.which.find(&context.state)?;
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
    args.how.setting_flags().apply(&mut retry.settings, |flag| context.given.is_given(flag));
    settings::check(&retry.settings, &context.given)?;
    let place = destination::of_run(&args.how.place, &retry.record, &retry.settings, context)?;
    retry.settings.sandbox = place.sandbox.is_some();
    retry.settings.profile = context.profile.clone();
    retry.settings.credentials =
        credentials::kind::of_follower(retry.settings.credentials, context);
    let order = launch::order(&retry.record, &place, &retry.settings);
    print_groups(&retry, &args.how, context);
    if args.dry_run {
        return preview(&retry, &order, context);
    }
    documents.iter().try_for_each(Document::try_out)?;
    let log_file = log_file::open(&args.how.unattended)?;
    let _job = match launch::turn(&retry.record, &args.how, context, clock)? {
        JobAccess::Ours(lock) => lock,
        JobAccess::Skipped => return Ok(ExitStatus::Ok),
    };
    let target =
        Target { endpoint: place.endpoint.to_string(), project_id: place.project.to_string() };
    let planned = retry.plan(target, clock)?;
    if planned.totals().is_empty() {
        planned.discard()?;
        context.stderr.line(&format!("there is nothing to retry in run {id}"));
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
    launch::carry_out(planned, how, context)
}

/// Says what the groups are that were asked for: a label alone does not tell whether the run has
/// gone on since somebody read it in a report.
fn print_groups(retry: &Retry, args: &TakeUpArgs, context: &Context) {
    if args.display.quiet || args.unattended.cron {
        return;
    }
    for group in retry.groups() {
        context.stderr.line(&printable(&group.in_a_line(), LONGEST_LINE));
    }
}

fn preview(retry: &Retry, order: &Order, context: &Context) -> Result<ExitStatus, CommandError> {
    let shown = usize::try_from(dry_run::SHOWN_ROWS).expect("a few rows fit");
    let (selected, first) = retry.preview(shown)?;
    let totals = PlanTotals { rows: selected, selected, ..PlanTotals::default() };
    let rows = plan_rows(first, &retry.record);
    Ok(dry_run::show(order, totals, &rows, context))
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
