//! `start`, `stop` and `run`: plan, ask, carry out, report.

use crate::cli::Context;
use crate::cli::commands::dry_run;
use crate::cli::connect::destination::{Destination, Lookup};
use crate::cli::connect::{credentials, destination};
use crate::cli::flags::connection::{CredentialArgs, PlaceArgs};
use crate::cli::flags::input::InputArgs;
use crate::cli::flags::output::{DisplayArgs, DocumentArgs};
use crate::cli::flags::pace::{PaceArgs, StartSmallArgs};
use crate::cli::flags::run::{BeforeArgs, CallArgs, StateArgs, StopArgs, UnattendedArgs};
use crate::cli::flags::values::EmptyInput;
use crate::cli::output::documents::Document;
use crate::cli::output::error::CommandError;
use crate::cli::output::{documents, prompt};
use crate::cli::run::execute::{Execution, IfNotStarted};
use crate::cli::run::job_lock::JobAccess;
use crate::cli::run::list_size_guard::ListSizeGuard;
use crate::cli::run::settings::SettingFlags;
use crate::cli::run::{execute, job_lock, log_file, settings};
use batchctl::clock::Clock;
use batchctl::input::{CommandSource, Header, InputOptions, Source};
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::run::{Planned, RunRequest};
use batchctl::settings::RunSettings;
use batchctl::store::{NewPlan, PlanTotals, RunId};
use batchctl::task::Command;
use batchctl::text::plural;
use clap::Args;
use std::path::{Path, PathBuf};

const ACTION_HELP: &str = "\
Examples:
  batchctl stop tasks.csv --region cn-north-4 --project-id ID --token-file ~/.token
  batchctl stop --id 0d47bbf52962414bb7ae27fb6ea24230 --dry-run
  jq -r .id tasks.json | batchctl start - --rate 5/s --yes -o results.csv";

const RUN_HELP: &str = "\
Examples:
  batchctl run plan.csv --dry-run            plan.csv has the columns id and command
  batchctl run plan.csv --command-column todo -o results.csv";

#[derive(Debug, Args)]
#[command(after_help = ACTION_HELP)]
pub(crate) struct ActionArgs {
    /// Files that name batch tasks; `-` for standard input
    #[arg(value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// A batch task (repeatable)
    #[arg(long = "id", value_name = "ID", help_heading = "Input")]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
#[command(after_help = RUN_HELP)]
pub(crate) struct RunArgs {
    /// Files that name batch tasks and commands; `-` for standard input
    #[arg(value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// The column that says `start` or `stop`
    #[arg(long, value_name = "NAME", default_value = "command", help_heading = "Input")]
    pub(crate) command_column: String,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What `start`, `stop` and `run` share.
#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) before: BeforeArgs,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) small: StartSmallArgs,
    #[command(flatten)]
    pub(crate) call: CallArgs,
    #[command(flatten)]
    pub(crate) stop: StopArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    #[command(flatten)]
    pub(crate) documents: DocumentArgs,
    #[command(flatten)]
    pub(crate) display: DisplayArgs,
    #[command(flatten)]
    pub(crate) unattended: UnattendedArgs,
}

impl CommonArgs {
    /// Returns the flags that become settings of the run.
    pub(crate) fn setting_flags(&self) -> SettingFlags<'_> {
        SettingFlags {
            pace: &self.pace,
            small: &self.small,
            call: &self.call,
            stop: &self.stop,
            state: &self.state,
        }
    }
}

/// What was ordered, in the terms of the library.
pub(crate) struct Order {
    /// `start`, `stop` or `run`.
    pub(crate) word: String,
    /// The URLs that are called.
    pub(crate) pattern: String,
    pub(crate) settings: RunSettings,
}

/// Where the tasks come from.
struct Inputs {
    paths: Vec<PathBuf>,
    ids: Vec<String>,
    command: CommandSource,
}

pub(crate) fn start_or_stop(
    args: ActionArgs,
    command: Command,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    let command_source = CommandSource::Fixed(command);
    let inputs = Inputs { paths: args.inputs, ids: args.ids, command: command_source };
    act(command.as_str(), inputs, &args.common, context)
}

pub(crate) fn run(args: RunArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let command = CommandSource::Column(args.command_column);
    let inputs = Inputs { paths: args.inputs, ids: Vec::new(), command };
    act("run", inputs, &args.common, context)
}

/// What was ordered, and where it goes.
struct Ordered<'a> {
    order: Order,
    place: Destination,
    guard: Option<ListSizeGuard>,
    args: &'a CommonArgs,
    clock: Clock,
}

fn act(
    word: &str,
    inputs: Inputs,
    args: &CommonArgs,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
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
    let place = destination::resolve(&args.place, &args.credentials, lookup, context)?;
    let mut settings = args.setting_flags().of_new_run();
    settings.sandbox = place.sandbox.is_some();
    settings.profile = context.profile.clone();
    settings::check(&settings, &context.given)?;
    let order = Order { word: word.into(), pattern: place.pattern(), settings };
    let request = request(&order, plan, &place, args, context);
    let guard = ListSizeGuard::of(&request, &order, args.before.max_delta);
    let ordered = Ordered { order, place, guard, args, clock: Clock::start() };
    match args.before.dry_run {
        true => ordered.preview(request, context),
        false => ordered.begin(request, &documents, context),
    }
}

impl Ordered<'_> {
    /// Says what would be called; sends nothing.
    fn preview(&self, request: RunRequest, context: &Context) -> Result<ExitStatus, CommandError> {
        if self.order.settings.skip_unchanged {
            return dry_run::against_live_state(
                request,
                &self.order,
                &self.place,
                self.args,
                context,
            );
        }
        let (totals, rows) = run::dry_run(request, self.clock, dry_run::SHOWN_ROWS)?;
        if totals.selected == 0 {
            return nothing_to_do(totals, self.args.input.if_empty, context);
        }
        let status = dry_run::show(&self.order, totals, &rows, context);
        self.check(totals).map(|()| status)
    }

    /// Plans the run in its job's turn, and carries it out unless somebody says no.
    fn begin(
        &self,
        mut request: RunRequest,
        documents: &[Document],
        context: &Context,
    ) -> Result<ExitStatus, CommandError> {
        let Self { place, args, clock, .. } = self;
        documents.iter().try_for_each(Document::try_out)?;
        let log_file = log_file::open(&args.unattended)?;
        let _job =
            match job_lock::take(args.before.job.as_ref(), &args.before.lock, context, *clock)? {
                JobAccess::Ours(lock) => lock,
                JobAccess::Skipped => return Ok(ExitStatus::Ok),
            };
        // Asked for before a plan of millions is made, and before anybody has to say yes.
        let credentials = credentials::source(&args.credentials, place, context)?;
        if place.sandbox.is_none() {
            let kind = credentials::kind::of_source(&credentials, context);
            request.settings.credentials = Some(kind);
        }
        let planned = run::plan(request, *clock)?;
        match self.may_begin(&planned, documents, context) {
            Ok(MayBegin::Yes) => {}
            Ok(MayBegin::NothingToDo) => {
                planned.discard()?;
                return Ok(ExitStatus::Ok);
            }
            Err(failure) => {
                planned.discard()?;
                return Err(failure);
            }
        }
        let how = Execution {
            place,
            credentials: &credentials,
            display: &args.display,
            documents,
            options: &documents::options(&args.documents),
            json: args.documents.json,
            log_file,
            clock: *clock,
        };
        execute::carry_out(planned, how, IfNotStarted::Discard, context)
    }

    fn may_begin(
        &self,
        planned: &Planned,
        documents: &[Document],
        context: &Context,
    ) -> Result<MayBegin, CommandError> {
        let (totals, args) = (planned.totals(), self.args);
        if totals.selected == 0 {
            nothing_to_do(totals, args.input.if_empty, context)?;
            // The documents of yesterday must not stand for the empty list of today.
            return match documents.is_empty() && !args.documents.json {
                true => Ok(MayBegin::NothingToDo),
                false => Ok(MayBegin::Yes),
            };
        }
        self.check(totals)?;
        let asks = !args.before.yes && self.place.sandbox.is_none();
        if asks && !confirmed(&self.order, planned, context)? {
            return Err(CommandError::new(ExitStatus::Interrupted, "nothing was sent"));
        }
        Ok(MayBegin::Yes)
    }

    fn check(&self, totals: PlanTotals) -> Result<(), CommandError> {
        self.guard.as_ref().map_or(Ok(()), |guard| guard.check(totals))
    }
}

/// Whether a planned run is carried out.
enum MayBegin {
    Yes,
    /// It has no task, and nobody waits for what it leaves.
    NothingToDo,
}

/// Finds the run that `--after` names.
fn followed(wanted: Option<&str>, context: &Context) -> Result<Option<RunId>, CommandError> {
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

fn sources(inputs: Inputs) -> Result<Vec<Source>, CommandError> {
    if inputs.paths.is_empty() && inputs.ids.is_empty() {
        return Err(CommandError::usage("there is no input")
            .with_hint("name a file of ids, `-` for standard input, or an id with `--id ID`"));
    }
    if inputs.paths.iter().filter(|path| is_stdin(path)).count() > 1 {
        return Err(CommandError::usage("standard input can be read only once"));
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

fn request(
    order: &Order,
    plan: NewPlan,
    place: &Destination,
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
) -> Result<ExitStatus, CommandError> {
    match if_empty {
        // What was asked for is done: that is not an empty input.
        _ if totals.already_done > 0 => {
            let tasks = plural(totals.already_done, "task", "tasks");
            context.stderr.line(&format!("nothing is left to do: {tasks} done already"));
            Ok(ExitStatus::Ok)
        }
        EmptyInput::Ok => Ok(ExitStatus::Ok),
        EmptyInput::Fail => {
            Err(CommandError::new(ExitStatus::BadInput, "there is no task in the input")
                .with_hint("use `--if-empty ok` if that is right"))
        }
    }
}

pub(crate) fn confirmed(
    order: &Order,
    planned: &Planned,
    context: &Context,
) -> Result<bool, CommandError> {
    let tasks = plural(planned.totals().selected, "batch task", "batch tasks");
    let verb = if order.word == "run" { "start or stop" } else { &order.word };
    let question = format!("{verb} {tasks} with {}?", order.pattern);
    let answer = prompt::ask(&question, context).map_err(CommandError::io)?;
    Ok(answer == prompt::Answer::Yes)
}
