//! `start`, `stop` and `run`: plan, ask, carry out, report.

use super::Context;
use super::args::ActionArgs;
use super::args::CommonArgs;
use super::args::EmptyInput;
use super::args::InputArgs;
use super::args::RunArgs;
use super::credentials;
use super::delta::Guard;
use super::documents;
use super::documents::Document;
use super::dry_run;
use super::execute;
use super::execute::Execution;
use super::execute::Unbegun;
use super::failure::Failure;
use super::job;
use super::job::Turn;
use super::log_file;
use super::pace;
use super::place;
use super::place::Lookup;
use super::place::Place;
use super::prompt;
use batchctl::clock::Clock;
use batchctl::input::CommandSource;
use batchctl::input::Header;
use batchctl::input::InputOptions;
use batchctl::input::Source;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::run::Planned;
use batchctl::run::RunRequest;
use batchctl::run::RunSettings;
use batchctl::store::NewPlan;
use batchctl::store::PlanTotals;
use batchctl::store::RunId;
use batchctl::task::Command;
use batchctl::text::plural;
use std::path::Path;
use std::path::PathBuf;

/// What was ordered, in the terms of the library.
pub(super) struct Order {
    /// `start`, `stop` or `run`.
    pub(super) word: String,
    /// The URLs that are called.
    pub(super) pattern: String,
    pub(super) settings: RunSettings,
}

/// Where the tasks come from.
struct Inputs {
    paths: Vec<PathBuf>,
    ids: Vec<String>,
    command: CommandSource,
}

pub(super) fn start_or_stop(
    args: ActionArgs,
    command: Command,
    context: &Context,
) -> Result<ExitStatus, Failure> {
    let command_source = CommandSource::Fixed(command);
    let inputs = Inputs { paths: args.inputs, ids: args.ids, command: command_source };
    act(command.as_str(), inputs, &args.common, context)
}

pub(super) fn run(args: RunArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let command = CommandSource::Column(args.command_column);
    let inputs = Inputs { paths: args.inputs, ids: Vec::new(), command };
    act("run", inputs, &args.common, context)
}

fn act(
    word: &str,
    inputs: Inputs,
    args: &CommonArgs,
    context: &Context,
) -> Result<ExitStatus, Failure> {
    let documents = documents::parse(&args.documents, &inputs.paths)?;
    let plan = NewPlan {
        options: input_options(&args.input, inputs.command.clone()),
        sources: sources(inputs)?,
        on_duplicate: args.input.on_duplicate.into(),
        after: followed(args.input.after.as_deref(), context)?,
        limit: args.input.limit,
    };
    // A plan on paper asks nobody, one against the live state has to.
    let on_paper = args.before.dry_run && !args.state.skip_unchanged;
    let lookup = if on_paper { Lookup::Never } else { Lookup::Allowed };
    let place = place::resolve(&args.place, &args.credentials, lookup, context)?;
    let settings = settings(args);
    pace::check(&settings, context)?;
    let pattern = place.pattern();
    let order = Order { word: word.into(), pattern, settings };
    let request = request(&order, plan, &place, args, context);
    let guard = Guard::of(&request, &order, args.before.max_delta);
    let clock = Clock::start();
    if args.before.dry_run && order.settings.skip_unchanged {
        return dry_run::against_live_state(request, &order, &place, args, context);
    }
    if args.before.dry_run {
        let (totals, rows) = run::dry_run(request, clock, dry_run::SHOWN_ROWS)?;
        return match totals.selected {
            0 => nothing_to_do(totals, args.input.if_empty, context),
            _ => {
                let status = dry_run::show(&order, totals, &rows);
                guard.map_or(Ok(()), |guard| guard.check(totals)).map(|()| status)
            }
        };
    }
    documents.iter().try_for_each(Document::try_out)?;
    let log_file = log_file::open(&args.unattended)?;
    let _job = match job::take(args.before.job.as_ref(), &args.before.lock, context, clock)? {
        Turn::Ours(lock) => lock,
        Turn::Skipped => return Ok(ExitStatus::Ok),
    };
    // Asked for before a plan of millions is made, and before anybody has to say yes.
    let credentials = credentials::source(&args.credentials, &place, context)?;
    let planned = run::plan(request, clock)?;
    if planned.totals().selected == 0 {
        let totals = planned.totals();
        planned.discard()?;
        return nothing_to_do(totals, args.input.if_empty, context);
    }
    if let Some(Err(failure)) = guard.map(|guard| guard.check(planned.totals())) {
        planned.discard()?;
        return Err(failure);
    }
    if !args.before.yes && place.sandbox.is_none() && !confirmed(&order, &planned, context)? {
        planned.discard()?;
        return Err(Failure::new(ExitStatus::Interrupted, "nothing was sent"));
    }
    let how = Execution {
        place: &place,
        credentials: &credentials,
        display: &args.display,
        documents: &documents,
        options: &documents::options(&args.documents),
        json: args.documents.json,
        log_file,
        clock,
    };
    execute::carry_out(planned, how, Unbegun::Discard, context)
}

/// Finds the run that `--after` names.
fn followed(wanted: Option<&str>, context: &Context) -> Result<Option<RunId>, Failure> {
    let runs = run::runs_in(&context.state);
    Ok(wanted.map(|wanted| runs.find(wanted)).transpose()?)
}

fn input_options(args: &InputArgs, command: CommandSource) -> InputOptions {
    InputOptions {
        id_column: args.id_column.clone(),
        command,
        format: args.format.into(),
        delimiter: args.delimiter,
        header: if args.no_header { Header::Absent } else { Header::Present },
    }
}

fn sources(inputs: Inputs) -> Result<Vec<Source>, Failure> {
    if inputs.paths.is_empty() && inputs.ids.is_empty() {
        return Err(Failure::usage("there is no input").with_hint(
            "name a file of ids, `-` for standard input, or an id with `--id ID`".to_owned(),
        ));
    }
    if inputs.paths.iter().filter(|path| is_stdin(path)).count() > 1 {
        return Err(Failure::usage("standard input can be read only once"));
    }
    let mut sources: Vec<Source> = inputs.paths.into_iter().map(source).collect();
    if !inputs.ids.is_empty() {
        sources.push(Source::Ids(inputs.ids));
    }
    Ok(sources)
}

fn source(path: PathBuf) -> Source {
    if is_stdin(&path) {
        return Source::Stream { name: "-".into(), reader: Box::new(std::io::stdin()) };
    }
    Source::File(path)
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn settings(args: &CommonArgs) -> RunSettings {
    let mut settings = RunSettings {
        concurrency: args.pace.concurrency,
        timeout: args.call.timeout,
        connect_timeout: args.call.connect_timeout,
        max_attempts: args.call.max_attempts,
        on_doubt: args.call.on_doubt.into(),
        ramp: args.small.ramp(),
        canary: args.small.canary(),
        max_failures: args.stop.max_failures,
        outage_timeout: args.stop.outage_timeout,
        max_duration: args.stop.max_duration,
        finish_by: args.stop.finish_by,
        drain_timeout: args.stop.drain_timeout,
        skip_unchanged: args.state.skip_unchanged,
        on_unknown: args.state.on_unknown.into(),
        wait: args.state.wait(),
        sandbox: args.place.sandbox,
        ..RunSettings::default()
    };
    pace::set_rate(&mut settings, &args.pace);
    settings
}

fn request(
    order: &Order,
    plan: NewPlan,
    place: &Place,
    args: &CommonArgs,
    context: &Context,
) -> RunRequest {
    RunRequest {
        state: context.state.clone(),
        command: order.word.clone(),
        plan,
        endpoint: place.endpoint.to_string(),
        project_id: place.project.to_string(),
        job: args.before.job.as_ref().map(ToString::to_string),
        reason: args.before.reason.clone(),
        settings: order.settings.clone(),
    }
}

fn nothing_to_do(
    totals: PlanTotals,
    if_empty: EmptyInput,
    context: &Context,
) -> Result<ExitStatus, Failure> {
    match if_empty {
        // What was asked for is done: that is not an empty input.
        _ if totals.already_done > 0 => {
            let mut stderr = context.stderr;
            let tasks = plural(totals.already_done, "task", "tasks");
            stderr.line(&format!("nothing is left to do: {tasks} done already"));
            Ok(ExitStatus::Ok)
        }
        EmptyInput::Ok => Ok(ExitStatus::Ok),
        EmptyInput::Fail => {
            Err(Failure::new(ExitStatus::BadInput, "there is no task in the input")
                .with_hint("use `--if-empty ok` if that is right".to_owned()))
        }
    }
}

pub(super) fn confirmed(
    order: &Order,
    planned: &Planned,
    context: &Context,
) -> Result<bool, Failure> {
    let tasks = plural(planned.totals().selected, "batch task", "batch tasks");
    let verb = if order.word == "run" { "start or stop" } else { &order.word };
    let question = format!("{verb} {tasks} with {}?", order.pattern);
    let answer = prompt::ask(&question, context)
        .map_err(|error| Failure::new(ExitStatus::InputOutput, error))?;
    Ok(answer == prompt::Answer::Yes)
}
