//! Carries out what a page orders: as `ctl` does, or by another process of this program.

use crate::cli::Context;
use crate::cli::commands::ctl;
use crate::cli::commands::ctl::OrderArgs;
use crate::cli::flags::values::FixedRate;
use crate::cli::output::error::CommandError;
use batchctl::run;
use batchctl::store::{RunDirectory, RunId};
use batchctl::text::printable;
use batchctl::ui::{Operator, UiOrder};
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// How often a new run is asked whether it was refused, and how long between two questions.
const LOOKS: u32 = 30;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// The most bytes that are shown of what a refused run says.
const LONGEST_REFUSAL: u64 = 4_096;

/// What this program can do with runs.
pub(super) struct CommandLine {
    takes_orders: bool,
    runs: RunDirectory,
    program: PathBuf,
    /// The flags with which another process finds the same runs and the same configuration.
    flags: Vec<OsString>,
}

impl CommandLine {
    pub(super) fn new(takes_orders: bool, context: &Context) -> Result<Self, CommandError> {
        let mut flags: Vec<OsString> = vec!["--state-dir".into(), context.machine.clone().into()];
        if context.state != context.machine {
            flags.extend(["--store".into(), context.state.clone().into()]);
        }
        if context.given.is_given("profile") {
            flags.extend(["--profile".into(), context.profile.clone().into()]);
        }
        let program = std::env::current_exe().map_err(CommandError::io)?;
        Ok(Self { takes_orders, runs: run::runs_in(&context.state), program, flags })
    }

    fn give(&self, run: &RunId, order: &OrderArgs) -> Result<String, String> {
        let carried_out = ctl::carry_out(order, None, run, &self.runs);
        carried_out.map_err(|error| error.said())
    }

    /// Begins a new run that goes on by itself.
    fn retry(&self, run: &RunId, group: &str) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command.args(&self.flags).args(["retry", run.as_str(), "--group", group]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // A group of its own, so that Ctrl-C ends this server and no run with it.
        let child = command.process_group(0).spawn();
        let mut child = child.map_err(|error| format!("no run was begun: {error}"))?;
        for _ in 0..LOOKS {
            match child.try_wait().map_err(|error| error.to_string())? {
                // Statuses above 1 are those of a run that could not begin or go on.
                Some(status) if status.code().is_none_or(|code| code > 1) => {
                    return Err(said(child));
                }
                Some(_) => {
                    return Ok(format!(
                        "the tasks of {group} were sent again; the list has the new run"
                    ));
                }
                None => thread::sleep(BETWEEN_LOOKS),
            }
        }
        thread::spawn(move || said(child));
        Ok(format!("the tasks of {group} are sent again; the list has the new run"))
    }
}

/// Reads what a process says until it ends, and returns the beginning of that.
fn said(mut child: Child) -> String {
    let mut text = Vec::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.by_ref().take(LONGEST_REFUSAL).read_to_end(&mut text);
        // All of it is read, because a full pipe would hold the process.
        let _ = std::io::copy(&mut stderr, &mut std::io::sink());
    }
    let _ = child.wait();
    let text = String::from_utf8_lossy(&text);
    text.lines().map(|line| printable(line, 400)).collect::<Vec<_>>().join("\n")
}

impl Operator for CommandLine {
    fn standing(&self, run: &RunId) -> Option<String> {
        ctl::standing(run, &self.runs)
    }

    fn takes_orders(&self) -> bool {
        self.takes_orders
    }

    fn carry_out(&self, run: &RunId, order: &UiOrder) -> Result<String, String> {
        let order = match order {
            UiOrder::Pause => OrderArgs::Pause,
            UiOrder::Resume => OrderArgs::Resume,
            UiOrder::Rate(limit) => OrderArgs::Rate { limit: FixedRate(*limit) },
            UiOrder::Concurrency(most) => OrderArgs::Concurrency { most: *most },
            UiOrder::Drain => OrderArgs::Drain,
            UiOrder::Retry(group) => return self.retry(run, &group.to_string()),
        };
        self.give(run, &order)
    }
}
