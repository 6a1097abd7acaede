//! Carries out what a page orders: as `ctl` does, or by another process of this program.

use crate::cli::Context;
use crate::cli::commands::ctl;
use crate::cli::commands::ctl::OrderArgs;
use crate::cli::flags::precedence::Rank;
use crate::cli::flags::values::FixedRate;
use crate::cli::output::error::CommandError;
#[cfg(feature = "postgres")]
use crate::cli::shared;
use batchctl::run;
#[cfg(feature = "postgres")]
use batchctl::run::SharedRuns;
use batchctl::store::{RunDirectory, RunId};
use batchctl::system::process::CommandExt;
use batchctl::text::printable;
use batchctl::ui::{Operator, UiAction, UiOrder};
use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
#[cfg(feature = "postgres")]
use std::sync::Arc;
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
    /// The database of the runs, and who gives orders to it.
    #[cfg(feature = "postgres")]
    database: Option<(Arc<SharedRuns>, String)>,
    program: PathBuf,
    /// The flags with which another process finds the same runs and the same configuration.
    flags: Vec<OsString>,
}

impl CommandLine {
    pub(super) fn new(takes_orders: bool, context: &Context) -> Result<Self, CommandError> {
        let mut flags: Vec<OsString> = vec!["--state-dir".into(), context.machine.clone().into()];
        // An address of a database that was not typed may hold a password: it is found there again.
        let is_shown =
            !context.store.is_elsewhere() || context.given.rank("store") == Rank::CommandLine;
        if let Some(store) = context.given.value::<String>("store").filter(|_| is_shown) {
            flags.extend(["--store".into(), store.into()]);
        }
        if context.given.is_given("profile") {
            flags.extend(["--profile".into(), context.profile.clone().into()]);
        }
        let program = std::env::current_exe().map_err(CommandError::io)?;
        Ok(Self {
            takes_orders,
            runs: run::runs_in(&context.state),
            #[cfg(feature = "postgres")]
            database: context
                .store
                .database()
                .map(|database| (Arc::clone(database), shared::ctl::operator(context))),
            program,
            flags,
        })
    }

    fn give(&self, run: &RunId, order: &OrderArgs, target: Option<&str>) -> Result<String, String> {
        #[cfg(feature = "postgres")]
        if let Some((database, by)) = &self.database {
            let carried_out = shared::ctl::carry_out(order, target, run, database, by);
            return carried_out.map_err(|error| error.said());
        }
        let carried_out = ctl::carry_out(order, target, run, &self.runs);
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
        #[cfg(feature = "postgres")]
        if let Some((database, _)) = &self.database {
            return shared::ctl::standing(run, database);
        }
        ctl::standing(run, &self.runs)
    }

    fn takes_orders(&self) -> bool {
        self.takes_orders
    }

    fn carry_out(&self, run: &RunId, order: &UiOrder) -> Result<String, String> {
        let UiOrder { action, target } = order;
        let order = match action {
            UiAction::Pause => OrderArgs::Pause,
            UiAction::Resume => OrderArgs::Resume,
            UiAction::Rate(limit) => OrderArgs::Rate { limit: FixedRate(*limit) },
            UiAction::Concurrency(most) => OrderArgs::Concurrency { most: *most },
            UiAction::Drain => OrderArgs::Drain,
            UiAction::Retry(group) => return self.retry(run, &group.to_string()),
        };
        self.give(run, &order, target.as_deref())
    }
}
