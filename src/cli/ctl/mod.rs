//! `ctl`: asks or changes a run that another process carries out.

mod address;
mod protocol;
mod server;

pub(crate) use crate::cli::ctl::server::ControlState;
pub(crate) use crate::cli::ctl::server::Served;
pub(crate) use crate::cli::ctl::server::serve;

use crate::cli::Context;
use crate::cli::args::CtlArgs;
use crate::cli::args::OrderArgs;
use crate::cli::ctl::address::Address;
use crate::cli::ctl::protocol::Answer;
use crate::cli::ctl::protocol::Order;
use crate::cli::ctl::protocol::Reply;
use crate::cli::ctl::protocol::Request;
use crate::cli::ctl::protocol::VERSION;
use crate::cli::failure::Failure;
use crate::cli::runs;
use crate::cli::stream;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::store::RunId;
use batchctl::text::printable;
use serde_json::Value;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most bytes of an answer.
const LONGEST_ANSWER: u64 = 1 << 16;

pub(crate) fn order(args: &CtlArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let runs = run::runs_in(&context.state);
    let id = runs::find(&args.which, context)?;
    let answer = match ask(&runs.socket(&id), Order::from(&args.order)) {
        Ok(answer) => answer,
        Err(error) => return Err(unreachable(&error, &id, context)),
    };
    let answer: Answer = serde_json::from_str(&answer)
        .map_err(|_| Failure::new(ExitStatus::Busy, other_version(&id)))?;
    let text = match answer.reply {
        Reply::Status { status } => told(&status, &args.order, &id),
        Reply::Changed => format!("run {id}: {}\n", done(&args.order)),
        Reply::AsBefore => format!("run {id}: nothing changed, it was like that before\n"),
        Reply::NotNow => {
            let error = format!("run {id} looks at the states of its tasks now and sends nothing");
            return Err(
                Failure::new(ExitStatus::Busy, error).with_hint("try once more later".to_owned())
            );
        }
        Reply::Stopping => {
            let error = format!("run {id} is coming to its end, nothing is changed any more");
            return Err(Failure::new(ExitStatus::Busy, error));
        }
        Reply::Refused { reason } => {
            let error = format!("run {id} refused the order: {reason}");
            return Err(Failure::new(ExitStatus::Busy, error));
        }
    };
    stream::print(&text).map_err(|error| Failure::new(ExitStatus::InputOutput, error))?;
    Ok(ExitStatus::Ok)
}

fn other_version(id: &RunId) -> String {
    format!("run {id} answered what this version of batchctl does not understand")
}

fn ask(socket: &Path, order: Order) -> io::Result<String> {
    let mut stream = UnixStream::connect(Address::of(socket)?.path())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(protocol::line(&Request { version: VERSION, order }).as_bytes())?;
    let mut answer = String::new();
    match BufReader::new(stream.take(LONGEST_ANSWER)).read_line(&mut answer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(answer),
    }
}

/// Says why there is no answer.
fn unreachable(error: &io::Error, id: &RunId, context: &Context) -> Failure {
    let is_held = run::runs_in(&context.state).is_locked(id).unwrap_or(false);
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Failure::new(ExitStatus::NotAuthorised, format!("run {id} belongs to another user"))
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut if is_held => {
            let error = format!("run {id} gave no answer within 2 s");
            Failure::new(ExitStatus::Busy, error).with_hint(format!(
                "what was ordered may still be done; see `batchctl ctl {id} status`"
            ))
        }
        _ if is_held => {
            let error = format!("run {id} takes no orders: it is just beginning or ending");
            Failure::new(ExitStatus::Busy, error).with_hint("try once more".to_owned())
        }
        _ => not_running(id, context),
    }
}

fn not_running(id: &RunId, context: &Context) -> Failure {
    let (state, hint) = match runs::state_of(id, context) {
        Ok(runs::Resumability::Finished) => {
            ("it is finished", format!("`batchctl report {id}` tells what it came to"))
        }
        Ok(runs::Resumability::Open) => {
            ("it was cut short", format!("`batchctl resume {id}` goes on with it"))
        }
        Err(failure) => return failure,
    };
    Failure::usage(format!("run {id} is not running: {state}"))
        .with_hint(format!("{hint}; `batchctl runs list --state running` shows what runs"))
}

fn done(order: &OrderArgs) -> String {
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

fn told(status: &Value, order: &OrderArgs, id: &RunId) -> String {
    if matches!(order, OrderArgs::Status { json: true }) {
        let mut status = status.clone();
        status["run"] = id.as_str().into();
        return serde_json::to_string_pretty(&status).expect("a value is JSON") + "\n";
    }
    let text = |name: &str| printable(status[name].as_str().unwrap_or("unknown"), 500);
    let limit = status["rate_limit"]
        .as_str()
        .map_or_else(|| "no fixed rate".to_owned(), |limit| printable(limit, 40));
    let service = status["set_by_service"]
        .as_f64()
        .map_or_else(String::new, |limit| format!(", the service sets the pace: {limit:.1}/s"));
    format!(
        "run       {id} ({})\nstanding  {}\nlimits    {limit}, {} at a time{service}\n",
        text("state"),
        text("line"),
        status["concurrency"]
    )
}
