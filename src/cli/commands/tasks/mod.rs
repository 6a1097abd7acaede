//! `tasks`: the sub-tasks of batch tasks, as a table, CSV or JSON.
//!
//! Prints all of them or nothing, because a command behind a pipe would act on a part.

mod rows;
mod walk;

use crate::cli::Context;
use crate::cli::commands::list::filter::StateChoice;
use crate::cli::commands::start_stop::{Inputs, plan_of_all};
use crate::cli::commands::tasks::rows::SubTaskTable;
use crate::cli::commands::tasks::walk::{BatchTask, Seen, SubTaskWalk};
use crate::cli::connect::client::{ReadingClient, client_for_reading};
use crate::cli::connect::destination;
use crate::cli::connect::destination::{Destination, Lookup};
use crate::cli::flags::connection::{ConnectionArgs, CredentialArgs, DestinationArgs};
use crate::cli::flags::input::TableArgs;
use crate::cli::flags::precedence::Rank;
use crate::cli::flags::reading::ReadingArgs;
use crate::cli::flags::values;
use crate::cli::flags::values::EmptyInput;
use crate::cli::flags::which_run::WhichRunArgs;
use crate::cli::output::error::CommandError;
use crate::cli::output::row_table::RowFormat;
use crate::cli::run::target_flags;
use batchctl::clock::Clock;
use batchctl::input::CommandSource;
use batchctl::reading::RunReader;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::run::{DryRun, RetryFilter, RunRequest};
use batchctl::settings::{RunSettings, TargetPart};
use batchctl::store::StoreError;
use batchctl::survey::WalkerSettings;
use batchctl::task::{Command, Level, Outcome};
use batchctl::text::{plural, printable};
use clap::Args;
use std::path::PathBuf;

const TASKS_HELP: &str = "\
Each sub-task is one camera with its analysis. A table on a terminal, CSV elsewhere. The states are
the words of `list`; `bad` is a sub-task in trouble. If one of the lists cannot be read to its end,
nothing is printed.

Examples:
  batchctl tasks --id 0d47bbf52962414bb7ae27fb6ea24230
  batchctl tasks --run latest --outcome partial,failed --state bad --detail
  batchctl tasks --run latest --state bad | batchctl start --level task -
  batchctl tasks tasks.csv --json";

#[derive(Debug, Args)]
#[command(after_help = TASKS_HELP)]
pub(crate) struct TasksArgs {
    /// Files that name batch tasks; `-` for standard input
    #[arg(value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// A batch task (repeatable)
    #[arg(long = "id", value_name = "ID", help_heading = "Which tasks")]
    pub(crate) ids: Vec<String>,
    /// Those of the batch tasks of a run: its id, a unique beginning of it, or `latest`
    #[arg(long = "run", id = "of_run", value_name = "RUN", help_heading = "Which tasks",
        value_parser = WhichRunArgs::named)]
    pub(crate) of_run: Option<WhichRunArgs>,
    /// Of a run, the batch tasks with these outcomes [default: partial, failed, ambiguous]
    #[arg(long, value_name = "OUTCOME", value_delimiter = ',',
        value_parser = values::outcome(), help_heading = "Which tasks")]
    pub(crate) outcome: Vec<Outcome>,
    /// In one of these states: a word such as bad or running, or a state of the service
    #[arg(long, value_name = "STATE", value_delimiter = ',', help_heading = "Which tasks")]
    pub(crate) state: Vec<String>,
    /// Ask for the status and the error of each as well: one more request for each
    #[arg(long, help_heading = "Output")]
    pub(crate) detail: bool,
    /// Print JSON, with everything that the service says
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) place: DestinationArgs,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// What to do if there is no task in the input
    #[arg(long, value_name = "DO", default_value = "fail", help_heading = "Input")]
    pub(crate) if_empty: EmptyInput,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

/// Where the batch tasks are named.
enum Named {
    /// In the plan of a run.
    Run(RunReader, RetryFilter),
    /// In one target of a run.
    Target(Vec<BatchTask>),
    /// In inputs, which were read and are right.
    Inputs(DryRun),
}

/// A project whose batch tasks are looked into, and what was said for it.
struct Place {
    named: Named,
    settings: RunSettings,
    destination: Destination,
    credentials: CredentialArgs,
    /// The target, with what the command line means for it.
    target: Option<(String, Context)>,
}

pub(crate) fn tasks(args: &TasksArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let states = StateChoice::parse(&args.state)?;
    let which = run_of(args, context)?;
    let places = match which {
        Some(which) => of_run(which, args, context)?,
        None => vec![of_inputs(args, context)?],
    };
    let format = RowFormat::choose(args.json, context.environment.stdout_is_terminal);
    // Only a run of targets has no place at all: where nothing is to be looked into.
    let has_targets = places.iter().all(|place| place.target.is_some());
    let mut table = SubTaskTable::new(format, args.detail, has_targets);
    let (is_of_run, mut seen) = (which.is_some(), Seen::default());
    for place in places {
        let target = place.target.as_ref().map(|(name, _)| name.clone());
        let read = read(place, args, &states, &mut table, context);
        seen.add(read.map_err(|error| match target {
            Some(name) => error.of_target(&name),
            None => error,
        })?);
    }
    if let Some(why) = why_nothing(seen, is_of_run, args).filter(|_| table.is_heading_alone()) {
        context.stderr.line(&why);
    }
    table.warn_of_uncallable(&context.stderr);
    table.print()?;
    Ok(ExitStatus::Ok)
}

/// Reads the sub-tasks of the batch tasks of one place.
fn read(
    place: Place,
    args: &TasksArgs,
    states: &StateChoice,
    table: &mut SubTaskTable,
    context: &Context,
) -> Result<Seen, CommandError> {
    let Place { named, settings, destination, credentials, target } = place;
    let own = target.as_ref().map_or(context, |(_, own)| own);
    let timeout = settings.connect_timeout;
    let ReadingClient { runtime, client, .. } =
        client_for_reading(&credentials, &destination, timeout, own)?;
    let slots = run::group_slots(&context.machine, settings.rate_group.as_deref())?;
    let mut walk = SubTaskWalk::new(&client, walker_settings(&settings), slots, states);
    let name = target.as_ref().map(|(name, _)| name.as_str());
    let mut take = |batch_task: &BatchTask| {
        let tasks = runtime.block_on(walk.read(batch_task, args.detail))?;
        tasks.iter().for_each(|task| table.add(&batch_task.id, name, task));
        Ok::<(), CommandError>(())
    };
    match named {
        Named::Run(reader, filter) => reader.for_each_task(|task| {
            if filter.wants(&task) { take(&BatchTask::of(task)) } else { Ok(()) }
        })?,
        Named::Target(batch_tasks) => batch_tasks.iter().try_for_each(take)?,
        Named::Inputs(plan) => {
            plan.for_each_row(|planned| take(&BatchTask { id: planned.row.id, expected: None }))?;
        }
    }
    walk.warn_of_empty(&context.stderr);
    Ok(walk.seen())
}

/// Says why no sub-task is shown; nothing if batch tasks without any were warned of.
fn why_nothing(seen: Seen, is_of_run: bool, args: &TasksArgs) -> Option<String> {
    match seen {
        Seen { batch_tasks: 0, .. } if is_of_run && args.outcome.is_empty() => Some(
            "no batch task of the run is partial, failed or ambiguous; `--outcome succeeded` looks \
             into others"
                .into(),
        ),
        Seen { batch_tasks: 0, .. } if is_of_run => {
            let outcomes: Vec<&str> = args.outcome.iter().map(|outcome| outcome.as_str()).collect();
            Some(format!("no batch task of the run is {}", outcomes.join(" or ")))
        }
        Seen { batch_tasks: 0, .. } => Some("there is no task in the input".into()),
        Seen { sub_tasks: 0, .. } => None,
        Seen { batch_tasks, sub_tasks } => {
            let sub_tasks = plural(sub_tasks, "sub-task", "sub-tasks");
            let batch_tasks = plural(batch_tasks, "batch task", "batch tasks");
            let states = args.state.join(" or ");
            Some(format!("none of the {sub_tasks} of {batch_tasks} is {}", printable(&states, 200)))
        }
    }
}

/// Returns the run whose batch tasks are meant, unless inputs name them.
fn run_of<'a>(
    args: &'a TasksArgs,
    context: &Context,
) -> Result<Option<&'a WhichRunArgs>, CommandError> {
    let typed = |flag: &str| context.given.rank(flag) == Rank::CommandLine;
    let has_inputs = !args.inputs.is_empty() || !args.ids.is_empty();
    if has_inputs && typed("of-run") {
        let error = "`--run` and an input contradict each other";
        return Err(CommandError::usage(error).with_hint("give one of them"));
    }
    // A command at the end of a run has the run in a variable, and may name other tasks.
    let which = args.of_run.as_ref().filter(|_| !has_inputs);
    if which.is_none() && typed("outcome") {
        let error = "`--outcome` is about the tasks of a run, and none is named";
        return Err(CommandError::usage(error).with_hint("add `--run RUN`"));
    }
    Ok(which)
}

fn of_run(
    which: &WhichRunArgs,
    args: &TasksArgs,
    context: &Context,
) -> Result<Vec<Place>, CommandError> {
    let runs = run::runs_in(&context.state);
    let reader = RunReader::open(&runs, &which.find(&context.state)?)?;
    let record = reader.record()?;
    let mut settings = record.run.settings.clone();
    if let Some(service) = &record.run.service {
        // Its host would be asked for what only VIAS has, with a token for its own calls.
        let (run, name) = (&record.run.id, printable(&service.name, 60));
        let error = format!("run {run} is at `{name}`, which has no sub-tasks");
        let hint = format!("`batchctl report {run} -o results.csv` writes its tasks");
        return Err(CommandError::usage(error).with_hint(hint));
    }
    if settings.level == Level::Task {
        let error = format!("run {} acts on sub-tasks itself", record.run.id);
        let hint = format!("`batchctl report {} -o results.csv` writes them", record.run.id);
        return Err(CommandError::usage(error).with_hint(hint));
    }
    let filter = RetryFilter { outcomes: args.outcome.clone(), ..RetryFilter::default() };
    if settings.target.is_some() {
        target_flags::refuse(&context.given)?;
        return of_targets(&reader, &filter, args, context);
    }
    args.reading.adjust(&mut settings, &context.given);
    let destination = destination::of_run(&args.place, &record, &settings, context)?;
    destination::outlives_run(&destination)?;
    let (named, credentials) = (Named::Run(reader, filter), args.credentials.clone());
    Ok(vec![Place { named, settings, destination, credentials, target: None }])
}

/// Returns the targets of a run with batch tasks to look into, each with its own credentials.
fn of_targets(
    reader: &RunReader,
    filter: &RetryFilter,
    args: &TasksArgs,
    context: &Context,
) -> Result<Vec<Place>, CommandError> {
    let mut places = Vec::new();
    for record in reader.of_targets(RunReader::record)? {
        let mut settings = record.run.settings.clone();
        let name = settings.target.as_ref().map_or("", TargetPart::name).to_owned();
        let mut batch_tasks = Vec::new();
        reader.for_each_task::<StoreError>(|task| {
            if task.target.as_deref() == Some(&*name) && filter.wants(&task) {
                batch_tasks.push(BatchTask::of(task));
            }
            Ok(())
        })?;
        if batch_tasks.is_empty() {
            continue;
        }
        let own = context.for_target(&name)?;
        let ConnectionArgs { place, credentials, .. } = own.connection()?;
        args.reading.adjust(&mut settings, &own.given);
        let found = destination::of_run(&place, &record, &settings, &own);
        let found = found.and_then(|it| destination::outlives_run(&it).map(|()| it));
        let destination = found.map_err(|error| error.of_target(&name))?;
        let (named, target) = (Named::Target(batch_tasks), Some((name, own)));
        places.push(Place { named, settings, destination, credentials, target });
    }
    Ok(places)
}

fn of_inputs(args: &TasksArgs, context: &Context) -> Result<Place, CommandError> {
    let mut settings = RunSettings::default();
    let ReadingArgs { rate_group, connect_timeout, .. } = &args.reading;
    let WalkerSettings { timeout, max_attempts, .. } = args.reading.settings();
    settings.rate = args.reading.rate();
    settings.rate_group.clone_from(rate_group);
    (settings.connect_timeout, settings.timeout) = (*connect_timeout, timeout);
    settings.max_attempts = max_attempts;
    let inputs = Inputs {
        paths: args.inputs.clone(),
        ids: args.ids.clone(),
        // A plan needs a command, and this one is never carried out.
        command: CommandSource::Fixed(Command::START),
        level: Level::Batch,
    };
    // Read before anything is asked for, so that an error of the input comes first.
    let request = RunRequest {
        state: context.state.clone(),
        command: String::new(),
        plan: plan_of_all(inputs, &args.table, context)?,
        endpoint: String::new(),
        project_id: String::new(),
        job: None,
        reason: None,
        settings: settings.clone(),
    };
    let plan = run::dry_run(request, Clock::start())?;
    if plan.totals().is_empty() && args.if_empty == EmptyInput::Fail {
        return Err(CommandError::new(ExitStatus::BadInput, "there is no task in the input")
            .with_hint("`--if-empty ok` makes that a success"));
    }
    let credentials = args.credentials.clone();
    let destination = destination::resolve(&args.place, &credentials, Lookup::Allowed, context)?;
    Ok(Place { named: Named::Inputs(plan), settings, destination, credentials, target: None })
}

fn walker_settings(settings: &RunSettings) -> WalkerSettings {
    WalkerSettings {
        rate: settings.rate.for_lists(),
        timeout: settings.timeout,
        max_attempts: settings.max_attempts,
        throttle_timeout: settings.throttle_timeout,
        at_a_time: settings.concurrency,
    }
}
