//! `revert`: takes back what a run has changed.

use crate::cli::Context;
use crate::cli::commands::dry_run;
use crate::cli::commands::start_stop::Order;
use crate::cli::connect::client::{ReadingClient, client_for_reading};
use crate::cli::connect::destination::Destination;
use crate::cli::connect::{credentials, destination};
use crate::cli::flags::run::TakeUpArgs;
use crate::cli::flags::which_run::WhichRunArgs;
use crate::cli::output::documents;
use crate::cli::output::documents::Document;
use crate::cli::output::error::CommandError;
use crate::cli::run::execute::IfNotStarted;
use crate::cli::run::launch::Launch;
use crate::cli::run::{launch, log_file, settings};
use batchctl::clock::Clock;
use batchctl::report::ExitStatus;
use batchctl::report::Target;
use batchctl::run;
use batchctl::run::{Revert, Reverted};
use batchctl::store::PlanTotals;
use batchctl::text::{plural, printable};
use clap::Args;

const REVERT_HELP: &str = "\
Makes a plan of the opposite command for exactly the tasks that the run changed, as far as it looked
before (--skip-unchanged, --wait), and carries it out with -y. Tasks that somebody else has touched
since are listed and not called. A flag that is not given has the value it had in the run.

Examples:
  batchctl revert 20240705                  what would be called
  batchctl revert latest -y --wait";

#[derive(Debug, Args)]
#[command(after_help = REVERT_HELP)]
pub(crate) struct RevertArgs {
    #[command(flatten)]
    pub(crate) which: WhichRunArgs,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", help_heading = "Before")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) how: TakeUpArgs,
}

/// How many tasks that are left alone are listed.
const SHOWN_TASKS: usize = 20;

pub(crate) fn revert(args: &RevertArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let documents = documents::parse(&args.how.documents, &[])?;
    let id = args.which.find(&context.state)?;
    let clock = Clock::start();
    let mut revert = run::revert(&context.state, &id)?;
    revert.reason = args.reason.clone();
    args.how.setting_flags().apply(&mut revert.settings, |flag| context.given.is_given(flag));
    settings::check(&revert.settings, &context.given)?;
    let place = destination::of_run(&args.how.place, &revert.record, &revert.settings, context)?;
    destination::outlives_run(&place)?;
    revert.settings.sandbox = place.sandbox.is_some();
    revert.settings.profile = context.profile.clone();
    revert.settings.credentials =
        credentials::kind::of_follower(revert.settings.credentials, context);
    let reverted = choose(&mut revert, &args.how, &place, clock, context)?;
    print_left_alone(&reverted, context);
    let order = Order {
        word: revert.command(),
        pattern: place.pattern(),
        settings: revert.settings.clone(),
    };
    if reverted.selected == 0 {
        context.stderr.line(&format!("there is nothing to take back of run {id}"));
        return Ok(ExitStatus::Ok);
    }
    if !args.how.yes {
        return show(&revert, reverted, &order, context);
    }
    documents.iter().try_for_each(Document::try_out)?;
    let log_file = log_file::open(&args.how.unattended)?;
    let target =
        Target { endpoint: place.endpoint.to_string(), project_id: place.project.to_string() };
    let planned = revert.plan(target, clock)?;
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

fn choose(
    revert: &mut Revert,
    args: &TakeUpArgs,
    place: &Destination,
    clock: Clock,
    context: &Context,
) -> Result<Reverted, CommandError> {
    let connect_timeout = revert.settings.connect_timeout;
    let ReadingClient { runtime, client, .. } =
        client_for_reading(&args.credentials, place, connect_timeout, context)?;
    let shown = usize::try_from(dry_run::SHOWN_ROWS).expect("a few rows fit");
    Ok(runtime.block_on(revert.choose(&client, clock, shown))?)
}

/// Prints the plan, and says how it is carried out.
fn show(
    revert: &Revert,
    reverted: Reverted,
    order: &Order,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    let selected = reverted.selected;
    let totals = PlanTotals { rows: selected, selected, ..PlanTotals::default() };
    let rows = crate::cli::commands::retry::plan_rows(reverted.first, &revert.record);
    let status = dry_run::show(order, totals, &rows, context);
    let run = &revert.record.run.id;
    context.stderr.say("hint", &format!("`batchctl revert {run} -y` carries it out"));
    Ok(status)
}

/// Lists what is not called, and why.
fn print_left_alone(reverted: &Reverted, context: &Context) {
    if let Some(gap) = &reverted.gap {
        context.stderr.say("warning", &printable(&gap.to_string(), 300));
    }
    for (id, state) in reverted.touched.iter().take(SHOWN_TASKS) {
        context.stderr.line(&format!("not called: {id} is {state}, touched since"));
    }
    let more = reverted.touched.len().saturating_sub(SHOWN_TASKS);
    if more > 0 {
        context.stderr.line(&format!("not called: {more} more were touched since"));
    }
    for id in reverted.gone.iter().take(SHOWN_TASKS) {
        context.stderr.line(&format!("not called: {id} was not seen in the list"));
    }
    let more = reverted.gone.len().saturating_sub(SHOWN_TASKS);
    if more > 0 {
        context.stderr.line(&format!("not called: {more} more were not seen in the list"));
    }
    if reverted.other_before > 0 {
        let tasks = plural(reverted.other_before, "task was", "tasks were");
        let why = "not at rest before, or the run did not look (`--skip-unchanged`, `--wait`)";
        context.stderr.line(&format!("not called: {tasks} {why}"));
    }
}
