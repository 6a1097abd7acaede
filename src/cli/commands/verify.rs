//! `wait` and `settle`: verify the tasks of a run after its end, and report the outcomes.

use crate::cli::Context;
use crate::cli::connect::client::state_client;
use crate::cli::connect::run_service;
use crate::cli::connect::run_service::RunService;
use crate::cli::connect::{destination, protected_files, service_place};
use crate::cli::flags::connection::ConnectionArgs;
use crate::cli::flags::output::{DisplayArgs, DocumentArgs};
use crate::cli::flags::reading::ReadingArgs;
use crate::cli::flags::run::EndArgs;
use crate::cli::flags::values;
use crate::cli::flags::which_run::WhichRunArgs;
use crate::cli::output::documents;
use crate::cli::output::documents::Document;
use crate::cli::output::error::CommandError;
use crate::cli::output::event_documents::{Beginning, Live};
use crate::cli::output::lone_files;
use crate::cli::output::present::{ReportRequest, present};
use crate::cli::output::stream::Stderr;
use crate::cli::process::runtime::{CommandRuntime, runtime};
use crate::cli::run::display::Displays;
use crate::cli::run::target::unless_all_refused;
use crate::cli::run::{display, signals, stored_plan, target_flags};
#[cfg(feature = "postgres")]
use crate::cli::shared;
#[cfg(feature = "postgres")]
use crate::cli::shared::looked::Looked;
use batchctl::api::AnyClient;
use batchctl::clock::Clock;
use batchctl::event::StopReason;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::run::{ReopenedPart, ReopenedRun, Settling};
use batchctl::store::RunId;
use batchctl::survey::WalkEnd;
use batchctl::text::{plural, printable};
use clap::Args;
use std::mem;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

const WAIT_HELP: &str = "\
Reads the list of batch tasks, at the rate of the run, until each task that was sent has been seen
where it was sent. One that has not by then has failed, with the kind not_reached; it can be waited for
again. The list is first read three seconds after the last call, for it may be late. Ends with 3 if tasks
of the run have no outcome yet, which `batchctl resume` goes on with.

Examples:
  batchctl wait                             the tasks of the latest run
  batchctl wait 20240705 --wait-timeout 30m -o results.csv";

const SETTLE_HELP: &str = "\
Reads the list of batch tasks once: a task whose call is in doubt and that is where it was sent has
succeeded. Nothing is sent; what the calls came to stays in the record. Ends with 3 if tasks of the run
have no outcome yet, which `batchctl resume` goes on with.

Examples:
  batchctl settle                           what is ambiguous in the latest run
  batchctl settle 20240705 && batchctl retry 20240705";

#[derive(Debug, Args)]
#[command(after_help = WAIT_HELP)]
pub(crate) struct WaitArgs {
    /// How long to wait
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = values::positive_span)]
    #[arg(help_heading = "State")]
    pub(crate) wait_timeout: Duration,
    #[command(flatten)]
    pub(crate) how: VerifyArgs,
    #[command(flatten)]
    pub(crate) display: DisplayArgs,
}

#[derive(Debug, Args)]
#[command(after_help = SETTLE_HELP)]
pub(crate) struct SettleArgs {
    #[command(flatten)]
    pub(crate) how: VerifyArgs,
}

/// How the tasks of a run are looked at.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) which: WhichRunArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    #[command(flatten)]
    pub(crate) documents: DocumentArgs,
    #[command(flatten)]
    pub(crate) end: EndArgs,
}

/// How long calls on the wire may take after a stop; there are none.
const NO_CALLS: Duration = Duration::ZERO;

/// A run that is about to be looked at.
struct VerifyForecast {
    id: RunId,
    run: ReopenedRun,
    documents: Vec<Document>,
    /// One for each part of the run.
    clients: Vec<AnyClient>,
    /// Whether the credentials of a target could not be got, so that it is not looked at.
    is_refused: bool,
    runtime: CommandRuntime,
    clock: Clock,
}

pub(crate) fn wait(args: &WaitArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let documents = parse_documents(&args.how, context)?;
    let opened = open(&args.how, documents, |part| part.unverified > 0, context)?;
    let Displays { mut watchers, talk, .. } =
        display::open(&args.display, None, &context.environment, &context.stderr, opened.clock);
    // Opened before the signals, so that an error of a document ends the command at once.
    let service = RunService::of_record(&opened.run.record)?;
    let live = Live::open(&opened.documents, Beginning::GoesOn, &opened.id, opened.clock)?
        .of_service(service.as_ref().map(RunService::event_service));
    live.watch(&mut watchers);
    let (control, orders) = mpsc::unbounded_channel();
    let obey = async { signals::obey(&context.environment, control, talk, NO_CALLS) };
    opened.runtime.block_on(obey).map_err(CommandError::io)?;
    let unsettled = opened.run.unsettled;
    let waited = opened.run.wait(&opened.clients, args.wait_timeout, watchers, orders);
    let stopped = opened.runtime.block_on(waited)?;
    // The last lines of a summary say the same.
    if args.display.quiet {
        print_unsettled(unsettled, &opened.id, &context.stderr);
    }
    #[cfg(feature = "postgres")]
    shared::looked::keep(&opened.id, Looked::of(stopped, opened.is_refused), context)?;
    signals::obey_no_longer(&context.environment).map_err(CommandError::io)?;
    let wanted = ReportRequest {
        documents: &opened.documents,
        options: &documents::options(&args.how.documents),
        json: args.how.documents.json,
        summary: !args.display.quiet,
        live: Some(&live),
        end: Some(&context.run_end),
    };
    let status = present(
        &run::runs_in(&context.state),
        &opened.id,
        &wanted,
        &context.stderr,
        context.stdout_style,
    )?;
    if let Some(failure) = live.failure() {
        return Err(failure);
    }
    Ok(match stopped {
        Some(reason) => status_of(&reason),
        None if opened.is_refused => ExitStatus::NotAuthorised,
        None => status_of_tasks(status),
    })
}

pub(crate) fn settle(args: &SettleArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let documents = documents::of_the_past(parse_documents(&args.how, context)?)?;
    let opened = open(&args.how, documents, |part| part.doubtful > 0, context)?;
    if opened.run.parts.is_empty() {
        context.stderr.line("no task is in doubt");
    }
    for (part, client) in opened.run.parts.iter().zip(&opened.clients) {
        // `settle` reads the list once, so it takes no orders; the sender keeps the channel open.
        let (_control, orders) = mpsc::unbounded_channel();
        let settling = opened.runtime.block_on(opened.run.settle(part, client, orders))?;
        let prefix = part.target().map_or_else(String::new, |name| format!("{name}: "));
        print_settling(&settling, &prefix, &context.stderr);
    }
    #[cfg(feature = "postgres")]
    shared::looked::keep(&opened.id, Looked::Once, context)?;
    print_unsettled(opened.run.unsettled, &opened.id, &context.stderr);
    // Given back first: the end of the run may be shown to programs that take it up.
    drop(opened.run);
    let options = documents::options(&args.how.documents);
    let wanted = ReportRequest {
        end: Some(&context.run_end),
        ..ReportRequest::of_the_past(&opened.documents, &options, args.how.documents.json)
    };
    let runs = run::runs_in(&context.state);
    let status = present(&runs, &opened.id, &wanted, &context.stderr, context.stdout_style)?;
    Ok(if opened.is_refused { ExitStatus::NotAuthorised } else { status_of_tasks(status) })
}

fn parse_documents(args: &VerifyArgs, context: &Context) -> Result<Vec<Document>, CommandError> {
    let taken = protected_files::find(Some(&args.connection.credentials), context);
    documents::parse(&args.documents, &taken, &context.given)
}

/// Takes a run, and connects to each of its targets in which there is something to look at.
fn open(
    args: &VerifyArgs,
    documents: Vec<Document>,
    has_something: fn(&ReopenedPart) -> bool,
    context: &Context,
) -> Result<VerifyForecast, CommandError> {
    let id = args.which.find(&context.state)?;
    let clock = Clock::start();
    documents.iter().try_for_each(Document::try_out)?;
    lone_files::warn_before(&context.state, &id, &context.stderr, "and ask again");
    let mut run = run::reopen(&context.state, &id, clock)?;
    #[cfg(feature = "postgres")]
    run.share(shared::group::slots(&id, &run.settings(), clock, context)?);
    stored_plan::refuse_unbegun(&run.record)?;
    let service = run_service::with_states(&run.record, "this command")?;
    if service.is_none() {
        run_service::refuse_for_vias(&args.connection, context)?;
    }
    if run.record.run.settings.target.is_some() {
        target_flags::refuse(&context.given)?;
        run.parts.retain(has_something);
    }
    let runtime = runtime()?;
    let parts = run.parts.iter_mut();
    let clients = parts.map(|part| Some(connect(part, args, &runtime, context)));
    let clients = unless_all_refused(clients.collect(), &context.stderr)?;
    let is_refused = clients.iter().any(Option::is_none);
    let parts = mem::take(&mut run.parts).into_iter().zip(clients);
    let (parts, clients) = parts.filter_map(|(part, client)| Some((part, client?))).unzip();
    run.parts = parts;
    Ok(VerifyForecast { id, run, documents, clients, is_refused, runtime, clock })
}

/// Makes the client that reads the states of a part, which may be a target with a table of its own.
fn connect(
    part: &mut ReopenedPart,
    args: &VerifyArgs,
    runtime: &Runtime,
    context: &Context,
) -> Result<AnyClient, CommandError> {
    let name = part.target().map(str::to_owned);
    let own = name.as_deref().map(|name| context.for_target(name)).transpose()?;
    let client = client_of(part, args, runtime, own.as_ref().unwrap_or(context));
    client.map_err(|error| match name {
        Some(name) => error.of_target(&name),
        None => error,
    })
}

/// Makes the client of a part; `context` says what the command line means for it.
fn client_of(
    part: &mut ReopenedPart,
    args: &VerifyArgs,
    runtime: &Runtime,
    context: &Context,
) -> Result<AnyClient, CommandError> {
    let connection = context.connection()?;
    let service = RunService::of_record(&part.record)?;
    args.reading.adjust(&mut part.settings, &context.given);
    let place = match service {
        Some(service) => service_place::of_run(service, &part.record, &connection, context)?,
        None => {
            #[cfg(feature = "postgres")]
            shared::target::check(&connection.place, &part.record, context)?;
            destination::of_run(&connection.place, &part.record, &part.settings, context)?
        }
    };
    destination::outlives_run(&place)?;
    let source = service_place::source_of_run(&connection.credentials, &place, context)?;
    let (client, _) = state_client(&place, source.as_ref(), &part.settings, runtime, context)?;
    Ok(client)
}

fn status_of(reason: &StopReason) -> ExitStatus {
    match reason {
        StopReason::Terminated => ExitStatus::Terminated,
        _ => ExitStatus::Interrupted,
    }
}

/// Returns the status of a look at a run from that of the run. How an earlier process ended, by a
/// signal or without credentials, is no end of this one: it leaves tasks that were not attempted.
fn status_of_tasks(run: ExitStatus) -> ExitStatus {
    match run {
        ExitStatus::Ok | ExitStatus::IncompleteSuccess => run,
        ExitStatus::StoppedEarly
        | ExitStatus::Usage
        | ExitStatus::BadInput
        | ExitStatus::InputOutput
        | ExitStatus::Busy
        | ExitStatus::NotAuthorised
        | ExitStatus::Interrupted
        | ExitStatus::Killed
        | ExitStatus::Terminated => ExitStatus::StoppedEarly,
    }
}

/// `prefix` names the target, in a run of several.
fn print_settling(settling: &Settling, prefix: &str, stderr: &Stderr) {
    if let Settling::Done { succeeded, doubtful, end } = settling {
        let (one, many) =
            ("task in doubt is where it was sent", "tasks in doubt are where they were sent");
        match (*succeeded, *doubtful) {
            (0, 0) => stderr.line(&format!("{prefix}no task is in doubt")),
            (seen, left) => {
                let seen = plural(seen, one, many);
                stderr.line(&format!("{prefix}{seen}; {left} left in doubt"));
            }
        }
        if let WalkEnd::Gap(gap) = end {
            stderr.say("warning", &printable(&format!("{prefix}{gap}"), 300));
        }
    }
}

fn print_unsettled(unsettled: u64, id: &RunId, stderr: &Stderr) {
    if unsettled > 0 {
        let tasks = plural(unsettled, "task has", "tasks have");
        let hint = format!("{tasks} no outcome yet: `batchctl resume {id}` goes on with them");
        stderr.say("hint", &hint);
    }
}
