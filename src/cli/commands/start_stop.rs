//! `do`, `start`, `stop`, `delete` and `run`: carry out a command on every task of the input.

use crate::cli::Context;
use crate::cli::connect::run_service::RunService;
use crate::cli::flags::connection::ConnectionArgs;
use crate::cli::flags::effect;
use crate::cli::flags::input::{ExcludeArgs, InputArgs, MaxTasksArgs, TableArgs};
use crate::cli::flags::precedence::{GivenFlags, Rank};
use crate::cli::flags::run::{BeforeArgs, ReportingArgs, SettingArgs};
use crate::cli::flags::shared::{SharedPlanArgs, StoreArgs};
use crate::cli::flags::targets::TargetArgs;
use crate::cli::flags::values;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream::Stderr;
use crate::cli::run::awaited_stream::AwaitedStream;
use crate::cli::run::input_run::{InputRun, Purpose};
use crate::cli::run::launch::launch;
use crate::cli::run::scene::{LaunchFlags, SharedFlags};
use crate::cli::run::shard;
use crate::cli::run::source::RunSource;
use crate::cli::run::target_flags;
use batchctl::input::{CommandSource, Header, InputOptions, Lists, Source};
use batchctl::loading::NewPlan;
use batchctl::policy::{OnDoubt, Sample};
use batchctl::report::ExitStatus;
use batchctl::store::RunId;
use batchctl::system::files::FileTypeExt;
use batchctl::task::{Command, Level};
use batchctl::text::printable;
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};

const ACTION_HELP: &str = "\
Examples:
  batchctl stop tasks.csv --region cn-north-4 --project-id ID --token-file token
  batchctl stop --id 0d47bbf52962414bb7ae27fb6ea24230 --dry-run
  jq -r .id tasks.json | batchctl start - --rate 5/s --yes -o results.csv
  batchctl tasks --run latest --state bad | batchctl start --level task -";

const RUN_HELP: &str = "\
Examples:
  batchctl run plan.csv --dry-run  plan.csv has the columns id and command
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
    /// What the ids name: batch tasks, or single sub-tasks as `tasks` lists them
    #[arg(long, value_name = "LEVEL", default_value = "batch", value_parser = values::level(),
        help_heading = "Input")]
    pub(crate) level: Level,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

const DO_HELP: &str = "\
Carries out an action of the service that --service names, once for each id. A file describes the
service; without --service it is VIAS, whose actions are start, stop and delete. A call in doubt is
sent again only if the file says that repeating it does no harm.

Examples:
  batchctl do on things.csv --service shop.toml -n
  batchctl do on things.csv --service shop.toml --sandbox  a rehearsal
  batchctl do on things.csv --service shop.toml --token-file token -o out.csv";

#[derive(Debug, Args)]
#[command(after_help = DO_HELP)]
pub(crate) struct DoArgs {
    /// The action
    #[arg(value_name = "ACTION")]
    pub(crate) action: String,
    #[command(flatten)]
    pub(crate) on: ActionArgs,
}

const DELETE_HELP: &str = "\
Deletes batch tasks with their sub-tasks, for good: there is no revert. On a terminal it asks for their
number to be typed; elsewhere --confirm says it, and with another number nothing is sent. A call in
doubt is not sent again: `settle`, or --wait, looks whether its task is gone.

Examples:
  batchctl delete old.csv -n
  batchctl delete old.csv --confirm 120 -o results.csv";

#[derive(Debug, Args)]
#[command(after_help = DELETE_HELP)]
pub(crate) struct DeleteArgs {
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
    /// The column that says `start`, `stop` or `delete`
    #[arg(long, value_name = "NAME", default_value = "command", help_heading = "Input")]
    pub(crate) command_column: String,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What `start`, `stop`, `delete` and `run` share.
#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) targets: TargetArgs,
    #[command(flatten)]
    pub(crate) excluded: ExcludeArgs,
    #[command(flatten)]
    pub(crate) before: BeforeArgs,
    #[command(flatten)]
    pub(crate) most: MaxTasksArgs,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    #[command(flatten)]
    pub(crate) reporting: ReportingArgs,
    #[command(flatten)]
    pub(crate) shared: SharedPlanArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

impl CommonArgs {
    fn launch_flags(&self) -> LaunchFlags<'_> {
        LaunchFlags {
            connection: &self.connection,
            max_tasks: self.most.max_tasks,
            exclude: &self.excluded.exclude,
            yes: self.before.yes,
            confirm: self.before.confirmed.confirm,
            lock: &self.before.lock,
            settings: Some(&self.settings),
            reporting: &self.reporting,
            shared: SharedFlags::of_a_plan(&self.shared, self.store),
        }
    }
}

/// Where the tasks come from.
pub(crate) struct Inputs {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) ids: Vec<String>,
    pub(crate) command: CommandSource,
    pub(crate) level: Level,
}

/// Carries out an action of VIAS, or of the service that a flag names.
pub(crate) fn act_on_all(
    args: ActionArgs,
    action: &str,
    purpose: Purpose,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    let service = RunService::chosen(&args.common.connection, context)?;
    let command = match &service {
        Some(service) => service.command(action)?,
        None => command_of_vias(action)?,
    };
    if command.is_final() {
        check_repetition(&args.common, context)?;
    }
    let (paths, ids, level) = (args.inputs, args.ids, args.level);
    let inputs = Inputs { paths, ids, command: CommandSource::Fixed(command), level };
    act(Wanted { word: command.as_str(), service, inputs }, &args.common, purpose, context)
}

fn command_of_vias(action: &str) -> Result<Command, CommandError> {
    action.parse().map_err(|_| {
        let action = printable(action, 60);
        CommandError::usage(format!("VIAS has no action `{action}`: it has start, stop and delete"))
            .with_hint("name the file of another service with `--service FILE`")
    })
}

/// Refuses to repeat deletions that may have been carried out.
fn check_repetition(args: &CommonArgs, context: &Context) -> Result<(), CommandError> {
    let on_doubt = args.settings.call.on_doubt;
    if context.given.rank("on-doubt") == Rank::CommandLine && on_doubt == OnDoubt::Retry {
        let error = "`--on-doubt retry` would repeat a deletion that may have been carried out";
        let hint = "leave it out; `batchctl settle` looks afterwards whether the task is gone";
        return Err(CommandError::usage(error).with_hint(hint));
    }
    Ok(())
}

pub(crate) fn delete(
    args: DeleteArgs,
    purpose: Purpose,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    let DeleteArgs { inputs, ids, common } = args;
    let args = ActionArgs { inputs, ids, level: Level::Batch, common };
    act_on_all(args, Command::DELETE.as_str(), purpose, context)
}

pub(crate) fn run(
    args: RunArgs,
    purpose: Purpose,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    let command = CommandSource::Column(args.command_column);
    let inputs = Inputs { paths: args.inputs, ids: Vec::new(), command, level: Level::Batch };
    let service = RunService::chosen(&args.common.connection, context)?;
    act(Wanted { word: "run", service, inputs }, &args.common, purpose, context)
}

/// What is wanted of which tasks.
struct Wanted {
    word: &'static str,
    /// `None` for VIAS.
    service: Option<RunService>,
    inputs: Inputs,
}

fn act(
    Wanted { word, service, inputs }: Wanted,
    args: &CommonArgs,
    purpose: Purpose,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    // The plan consumes the paths, and the documents are compared with them later.
    let (files, level) = (inputs.paths.clone(), inputs.level);
    let mut plan = new_plan(inputs, &args.input, context)?;
    let targets = target_flags::chosen(&args.targets, context)?.map(Box::new);
    if let Some(service) = &service {
        service.apply(&mut plan);
    }
    if args.input.shard.is_some() && args.input.sample.is_some() && args.input.seed.is_none() {
        let error = "each shard would draw another sample";
        return Err(CommandError::usage(error).with_hint("give all of them the same `--seed N`"));
    }
    let shard = args.input.shard.map(|choice| shard::choose(choice, &context.environment));
    let purpose = match purpose {
        Purpose::CarryOut if args.before.dry_run => Purpose::DryRun,
        purpose => purpose,
    };
    let source = RunSource::New(Box::new(InputRun {
        word,
        inputs: files,
        plan,
        service: service.map(Box::new),
        shard: shard.transpose()?,
        before: &args.before,
        if_empty: args.input.if_empty,
        purpose,
        level,
        targets,
    }));
    launch(source, &args.launch_flags(), context)
}

/// Returns the plan of inputs, before they are read.
fn new_plan(inputs: Inputs, args: &InputArgs, context: &Context) -> Result<NewPlan, CommandError> {
    effect::check_of_sample(&context.given)?;
    if args.shard.is_some() && args.after.is_some() {
        let error = "`--after` is about a run of this machine, and other shards do not know it";
        return Err(CommandError::usage(error).with_hint("leave out `--after` or `--shard`"));
    }
    let mut plan = plan_of_all(inputs, &args.table, context)?;
    plan.options.conditions.clone_from(&args.conditions);
    Ok(NewPlan {
        on_duplicate: args.on_duplicate,
        after: find_after(args.after.as_deref(), &context.state)?,
        sample: sample(args, context),
        offset: args.offset,
        limit: args.limit,
        ..plan
    })
}

/// Returns the plan of all tasks of inputs, before they are read.
pub(crate) fn plan_of_all(
    inputs: Inputs,
    table: &TableArgs,
    context: &Context,
) -> Result<NewPlan, CommandError> {
    if inputs.paths.is_empty() && !inputs.ids.is_empty() {
        effect::check_without_file(&context.given)?;
    }
    let options = InputOptions {
        level: Some(inputs.level),
        ..input_options(table, inputs.command.clone(), &context.given)
    };
    // That an input is awaited is progress.
    let stderr = (!context.given.is_on("quiet")).then_some(context.stderr);
    // Exclusions are read later, because a resumed run has files of its own.
    Ok(NewPlan::of(sources(inputs, stderr)?, options))
}

/// Returns the sample that is wanted; a seed that is drawn is said, so that it can be used again.
fn sample(args: &InputArgs, context: &Context) -> Option<Sample> {
    let size = args.sample?;
    let seed = args.seed.unwrap_or_else(|| {
        let drawn = u64::from(fastrand::u32(..));
        context.stderr.line(&format!("sample of {size}: `--seed {drawn}` takes the same tasks"));
        drawn
    });
    Some(Sample { size, seed })
}

/// Finds the run that `--after` names.
fn find_after(named: Option<&str>, state: &Path) -> Result<Option<RunId>, CommandError> {
    let runs = batchctl::run::runs_in(state);
    let Some(named) = named else { return Ok(None) };
    Ok(Some(runs.find(named)?))
}

fn input_options(args: &TableArgs, command: CommandSource, given: &GivenFlags) -> InputOptions {
    // A variable or the config file names the column for tables, beside lists.
    let is_typed = given.rank("id-column") == Rank::CommandLine;
    InputOptions {
        id_column: args.id_column.clone(),
        lists: if is_typed { Lists::Refused } else { Lists::Accepted },
        level: None,
        command,
        format: args.format,
        delimiter: args.delimiter,
        header: if args.no_header { Header::Absent } else { Header::Present },
        conditions: Vec::new(),
        targets: None,
        rules: None,
    }
}

fn sources(inputs: Inputs, stderr: Option<Stderr>) -> Result<Vec<Source>, CommandError> {
    if inputs.paths.is_empty() && inputs.ids.is_empty() {
        return Err(CommandError::usage("there is no input")
            .with_hint("name a file of ids, `-` for standard input, or an id with `--id ID`"));
    }
    if inputs.paths.iter().filter(|path| is_stdin(path)).count() > 1 {
        return Err(CommandError::usage("standard input can be read only once")
            .with_hint("put the lists together: `cat A B | batchctl … -`"));
    }
    let mut sources: Vec<Source> =
        inputs.paths.into_iter().map(|path| source(path, stderr)).collect();
    if !inputs.ids.is_empty() {
        sources.push(Source::Ids(inputs.ids));
    }
    Ok(sources)
}

fn source(path: PathBuf, stderr: Option<Stderr>) -> Source {
    let is_stdin = is_stdin(&path);
    if !is_stdin && !fs::metadata(&path).is_ok_and(|found| found.file_type().is_fifo()) {
        return Source::File(path);
    }
    let name = path.to_string_lossy().into_owned();
    let stream =
        if is_stdin { AwaitedStream::stdin(stderr) } else { AwaitedStream::pipe(path, stderr) };
    Source::Stream { name, reader: Box::new(stream) }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}
