//! Runs the command of `--on-end`, which finds the run in its environment.
//!
//! The command is run as a token command is. Whatever becomes of it never changes the exit status.
//! No secret of this process is in its environment.

use crate::cli::Context;
use crate::cli::flags::precedence::Rank;
use crate::cli::output::error::CommandError;
use crate::cli::process::runtime::runtime;
use batchctl::api::{CommandEnd, ShellCommand};
use batchctl::report::ExitStatus;
use batchctl::system::files::OsStrExt;
use batchctl::task::Outcome;
use batchctl::text::printable;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

/// The longest time that the command may take.
const LIMIT: Duration = Duration::from_secs(30);
/// The bytes of each of its streams that are kept.
const MOST_BYTES: usize = 500;
/// The bytes at the end of a stream that was cut that may be a part of a secret.
const UNSURE: usize = 16;
/// The most columns of a message that quote it.
const COLUMNS: usize = 500;

/// Runs the command, and returns what is to be warned of.
pub(crate) fn run(
    line: &str,
    verb: &str,
    status: ExitStatus,
    context: &Context,
) -> Result<Option<String>, CommandError> {
    let environment = variables(verb, status, context);
    let command = ShellCommand {
        line,
        environment: &environment,
        limit: LIMIT,
        most_bytes: MOST_BYTES as u64,
    };
    let failed = |why: &str| Some(format!("the command of `--on-end` failed: {why}"));
    Ok(match runtime()?.block_on(command.run()) {
        Ok(end) if end.status.success() => None,
        Ok(end) => failed(&last_words(&end, context)),
        Err(error) => failed(&error.to_string()),
    })
}

/// Returns whether a command of `--on-end` started this process, which then runs none by itself:
/// one that the config file names would start the next without an end.
pub(crate) fn is_within(context: &Context) -> bool {
    let is_within = context.environment.variable("BATCHCTL_EXIT").is_some();
    is_within && context.given.rank("on-end") != Rank::CommandLine
}

/// Returns how a command failed, with the beginning of what it printed.
fn last_words(end: &CommandEnd, context: &Context) -> String {
    let stream = if end.said.is_empty() { &end.output } else { &end.said };
    let is_cut = stream.len() >= MOST_BYTES;
    // A cut may go through a secret, and a part of a short one is not found.
    let kept = if is_cut { stream.len() - UNSURE } else { stream.len() };
    let said = String::from_utf8_lossy(&stream[..kept]).into_owned();
    let said = context.stderr.redactor.redact(said);
    let words: Vec<&str> = said.split_whitespace().collect();
    let said = printable(&words.join(" "), COLUMNS);
    if said.is_empty() { end.status.to_string() } else { format!("{}: {said}", end.status) }
}

/// Returns the variables of the command: those that any command sees, and those of the run.
fn variables(verb: &str, status: ExitStatus, context: &Context) -> Vec<(OsString, OsString)> {
    let end = &context.run_end;
    let report = end.report();
    let mut variables = context.environment.for_commands();
    let mut add = |name: &str, value: &OsStr| {
        variables.push((format!("BATCHCTL_{name}").into(), value.to_owned()));
    };
    // So that the command finds the run, wherever runs are kept.
    let state = std::path::absolute(&context.machine).unwrap_or_else(|_| context.machine.clone());
    add("STATE_DIR", state.as_os_str());
    add("RUN", end.run().map_or("", |run| run.as_str()).as_ref());
    add("EXIT", status.code().to_string().as_ref());
    add("COMMAND", report.map_or(verb, |report| &report.run.command).as_ref());
    let count = |count: Option<u64>| count.unwrap_or(0).to_string();
    add("SELECTED", count(report.map(|report| report.tasks.selected())).as_ref());
    for outcome in Outcome::ALL {
        let tasks = count(report.map(|report| report.tasks[outcome]));
        add(&outcome.as_str().to_uppercase(), tasks.as_ref());
    }
    let outputs: Vec<Vec<u8>> = end
        .written()
        .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
        .map(|path| path.as_os_str().as_bytes().to_owned())
        .collect();
    add("OUTPUTS", OsStr::from_bytes(&outputs.join(&b'\n')));
    variables
}
