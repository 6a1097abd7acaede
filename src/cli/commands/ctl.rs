//! `ctl`: asks or changes a run that another process carries out.

use crate::cli::Context;
use crate::cli::flags::known_values;
use crate::cli::flags::values;
use crate::cli::flags::values::FixedRate;
use crate::cli::flags::which_run::WhichRunArgs;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::run::control_protocol;
use crate::cli::run::control_protocol::{
    ControlOrder, ControlReply, ControlRequest, ReplyKind, VERSION,
};
use crate::cli::run::socket_address::Address;
use batchctl::event::{Change, StopReason};
use batchctl::reading::RunReader;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::store::{RunDirectory, RunId, StoreError};
use batchctl::system::sockets::UnixStream;
use batchctl::text::printable;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::io;
use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

const CTL_HELP: &str = "\
For a run of the same user, in whatever terminal or cron job it is. A change is in effect at once,
stands in the run's record and its report, and holds until the run ends: `resume` goes on with the
settings the run was planned with. A paused run waits without end, but --max-duration and
--finish-by go on.

Examples:
  batchctl ctl status                        where the latest run stands
  batchctl ctl 20240705 rate 5/s             more gently from now on
  batchctl ctl latest --job nightly pause
  batchctl ctl rate 40/s --target north      one of several targets";

const STATUS_HELP: &str = "\
Examples:
  batchctl ctl status
  batchctl ctl latest --job nightly status --json";

const PAUSE_HELP: &str = "\
Examples:
  batchctl ctl pause
  batchctl ctl 20240705 resume";

const RATE_HELP: &str = "\
Examples:
  batchctl ctl rate 5/s
  batchctl ctl latest --job nightly rate 300/m";

const CONCURRENCY_HELP: &str = "\
Examples:
  batchctl ctl concurrency 2
  batchctl ctl 20240705 concurrency 64";

const DRAIN_HELP: &str = "\
Examples:
  batchctl ctl drain
  batchctl ctl latest --job nightly drain";

#[derive(Debug, Args)]
#[command(after_help = CTL_HELP, arg_required_else_help = true)]
pub(crate) struct CtlArgs {
    #[command(flatten)]
    pub(crate) which: WhichRunArgs,
    /// Only this target, in a run of several
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) target: Option<String>,
    #[command(subcommand)]
    pub(crate) order: OrderArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum OrderArgs {
    /// Show the progress of the run
    #[command(after_help = STATUS_HELP)]
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Send nothing new until it is resumed; what is on the wire finishes
    #[command(after_help = PAUSE_HELP)]
    Pause,
    /// Go on after a pause
    #[command(after_help = PAUSE_HELP)]
    Resume,
    /// Set the most sendings: N or N/s a second, N/m, N/h, or `none`
    #[command(after_help = RATE_HELP)]
    Rate {
        #[arg(value_name = "RATE", value_parser = values::fixed_rate)]
        limit: FixedRate,
    },
    /// Set the most calls on the wire at a time
    #[command(after_help = CONCURRENCY_HELP)]
    Concurrency {
        #[arg(value_name = "N", value_parser = values::concurrency)]
        most: NonZeroUsize,
    },
    /// End the run as Ctrl-C does, with 3: what is on the wire finishes, the rest can be resumed
    #[command(after_help = DRAIN_HELP)]
    Drain,
}

impl From<&OrderArgs> for ControlOrder {
    fn from(args: &OrderArgs) -> Self {
        match args {
            OrderArgs::Status { .. } => Self::Status,
            OrderArgs::Pause => Self::Pause,
            OrderArgs::Resume => Self::Resume,
            OrderArgs::Rate { limit } => {
                let limit = Change::Rate(limit.0).value();
                Self::Rate { limit: limit.expect("a rate has a value") }
            }
            OrderArgs::Concurrency { most } => Self::Concurrency { most: *most },
            OrderArgs::Drain => Self::Drain,
        }
    }
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most bytes of an answer.
const LONGEST_ANSWER: u64 = 1 << 16;

pub(crate) fn order(args: &CtlArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let runs = run::runs_in(&context.state);
    let id = args.which.find(&context.state)?;
    if let Some(named) = &args.target {
        check_target(named, &targets_of(&id, &runs)?, &id)?;
    }
    stream::print(&carry_out(&args.order, args.target.as_deref(), &id, &runs)?)?;
    Ok(ExitStatus::Ok)
}

/// Refuses a target that a run does not have.
pub(crate) fn check_target(named: &str, known: &[String], id: &RunId) -> Result<(), CommandError> {
    if known.is_empty() {
        let error = format!("run {id} has no targets");
        return Err(CommandError::usage(error).with_hint("leave out `--target`"));
    }
    if known.iter().any(|target| target == named) {
        return Ok(());
    }
    let error = format!("run {id} has no target `{}`", printable(named, 60));
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Err(known_values::refuse(error, named, "its targets are", &known))
}

fn targets_of(id: &RunId, runs: &RunDirectory) -> Result<Vec<String>, StoreError> {
    let name = |target: &RunReader| {
        let settings = target.record()?.run.settings;
        Ok::<_, StoreError>(settings.target.map(|target| target.name().to_owned()))
    };
    Ok(RunReader::open(runs, id)?.of_targets(name)?.into_iter().flatten().collect())
}

/// Gives an order to a run or to one of its targets, and returns what came of it in words.
pub(crate) fn carry_out(
    order: &OrderArgs,
    target: Option<&str>,
    id: &RunId,
    runs: &RunDirectory,
) -> Result<String, CommandError> {
    let answer = match ask(&runs.socket(id), target, order) {
        Ok(answer) => answer,
        // With nothing on the wire a run may be over before its answer has left.
        Err(error) if is_drained(order, &error, id, runs) => {
            return Ok(format!("run {id}: {}\n", done(order)));
        }
        Err(error) => return Err(unreachable(&error, id, runs)),
    };
    let answer: ControlReply = serde_json::from_str(&answer)
        .map_err(|_| CommandError::new(ExitStatus::Busy, other_version(id)))?;
    match answer.reply {
        ReplyKind::Status { status } => Ok(status_text(&status, order, id)),
        ReplyKind::Changed => Ok(format!("run {id}: {}\n", done(order))),
        ReplyKind::AsBefore => Ok(format!("run {id}: nothing changed, it was like that before\n")),
        ReplyKind::NotNow => {
            let error = format!("run {id} looks at the states of its tasks now and sends nothing");
            Err(CommandError::new(ExitStatus::Busy, error).with_hint("try once more later"))
        }
        ReplyKind::Stopping => {
            let error = format!("run {id} is coming to its end, nothing is changed any more");
            Err(CommandError::new(ExitStatus::Busy, error))
        }
        ReplyKind::Refused { reason } => {
            let error = format!("run {id} refused the order: {reason}");
            Err(CommandError::new(ExitStatus::Busy, error))
        }
    }
}

/// Returns where a run stands, in one line; nothing if it does not answer.
pub(crate) fn standing(id: &RunId, runs: &RunDirectory) -> Option<String> {
    let answer = ask(&runs.socket(id), None, &OrderArgs::Status { json: false }).ok()?;
    let answer: ControlReply = serde_json::from_str(&answer).ok()?;
    let ReplyKind::Status { status } = answer.reply else { return None };
    let StatusWords { state, standing, limits } = StatusWords::of(&status);
    Some(format!("{state}: {standing} · {limits}"))
}

fn other_version(id: &RunId) -> String {
    format!("run {id} answered what this version of batchctl does not understand")
}

fn ask(socket: &Path, target: Option<&str>, order: &OrderArgs) -> io::Result<String> {
    let mut stream = UnixStream::connect(Address::new(socket)?.path())?;
    // A stopped process (SIGSTOP) accepts connections and never answers.
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (target, order) = (target.map(str::to_owned), ControlOrder::from(order));
    let request = ControlRequest { version: VERSION, target, order };
    stream.write_all(control_protocol::line(&request).as_bytes())?;
    let mut answer = String::new();
    match BufReader::new(stream.take(LONGEST_ANSWER)).read_line(&mut answer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(answer),
    }
}

/// Returns whether a run that broke off the connection did so because it was drained.
fn is_drained(order: &OrderArgs, error: &io::Error, id: &RunId, runs: &RunDirectory) -> bool {
    let is_cut =
        matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset);
    let ended = || {
        let record = RunReader::open(runs, id).and_then(|reader| reader.record()).ok()?;
        let ends = record.last_sessions().into_iter().filter_map(|last| last.end.as_ref()?.stopped);
        Some(ends.collect::<Vec<_>>())
    };
    let was_drained = || ended().is_some_and(|stopped| stopped.contains(&StopReason::Drained));
    is_cut && matches!(order, OrderArgs::Drain) && was_drained()
}

/// Explains a missing answer.
fn unreachable(error: &io::Error, id: &RunId, runs: &RunDirectory) -> CommandError {
    // The lock distinguishes a busy run from one that has ended: both refuse connections.
    let is_held = runs.is_locked(id).unwrap_or(false);
    match error.kind() {
        io::ErrorKind::PermissionDenied => CommandError::new(
            ExitStatus::NotAuthorised,
            format!("run {id} belongs to another user"),
        ),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut if is_held => {
            let error = format!("run {id} gave no answer within 2 s");
            CommandError::new(ExitStatus::Busy, error).with_hint(format!(
                "what was ordered may still be done; see `batchctl ctl {id} status`"
            ))
        }
        _ if is_held => {
            let error = format!("run {id} takes no orders: it is just beginning or ending");
            CommandError::new(ExitStatus::Busy, error).with_hint("try once more")
        }
        _ => not_running(id, runs),
    }
}

fn not_running(id: &RunId, runs: &RunDirectory) -> CommandError {
    let unsettled = RunReader::open(runs, id).and_then(|reader| reader.unsettled());
    let (state, hint) = match unsettled {
        Ok(0) => ("it is finished", format!("`batchctl report {id}` shows its outcomes")),
        Ok(_) => ("it was cut short", format!("`batchctl resume {id}` goes on with it")),
        Err(error) => return error.into(),
    };
    CommandError::usage(format!("run {id} is not running: {state}"))
        .with_hint(format!("{hint}; `batchctl runs list --state running` shows what runs"))
}

pub(crate) fn done(order: &OrderArgs) -> String {
    match order {
        OrderArgs::Status { .. } => "".into(),
        OrderArgs::Pause => "paused, nothing new is sent; what is on the wire finishes".into(),
        OrderArgs::Resume => "going on".into(),
        OrderArgs::Rate { limit } => match limit.0 {
            Some(limit) => format!("{limit} from now on"),
            None => "no rate limit from now on".into(),
        },
        OrderArgs::Concurrency { most } => format!("{most} at a time from now on"),
        OrderArgs::Drain => "draining, it ends once what is on the wire has finished".into(),
    }
}

fn status_text(status: &Value, order: &OrderArgs, id: &RunId) -> String {
    if matches!(order, OrderArgs::Status { json: true }) {
        let mut status = status.clone();
        status["run"] = id.as_str().into();
        return serde_json::to_string_pretty(&status).expect("a value is JSON") + "\n";
    }
    let StatusWords { state, standing, limits } = StatusWords::of(status);
    format!("run       {id} ({state})\nstanding  {standing}\nlimits    {limits}\n")
}

/// The status of a run in words.
struct StatusWords {
    state: String,
    standing: String,
    limits: String,
}

impl StatusWords {
    fn of(status: &Value) -> Self {
        let text = |name: &str| printable(status[name].as_str().unwrap_or("unknown"), 500);
        let limit = status["rate_limit"]
            .as_str()
            .map_or_else(|| "no fixed rate".to_owned(), |limit| printable(limit, 40));
        let service = status["set_by_service"]
            .as_f64()
            .map_or_else(String::new, |limit| format!(", the service sets the pace: {limit:.1}/s"));
        let at_a_time = status["at_a_time_set_by_service"]
            .as_u64()
            .map_or_else(String::new, |most| format!(", the service works on {most} at a time"));
        let most = &status["concurrency"];
        let limits = format!("{limit}, {most} at a time{service}{at_a_time}");
        Self { state: text("state"), standing: text("line"), limits }
    }
}
