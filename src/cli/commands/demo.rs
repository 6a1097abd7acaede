//! `demo`: a rehearsal that explains itself, with faults, a pause, a kill and a resume.
//!
//! Everything is a call of this program that anybody could type, against a sandbox in a process of
//! its own: a sandbox within the run would die with it.

use crate::cli::Context;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::process::runtime::runtime;
use batchctl::report::ExitStatus;
use batchctl::system::signals::{SignalKind, signal};
use batchctl::text::{Style, printable};
use clap::Args;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::sleep;

const DEMO_HELP: &str = "\
Nothing leaves this machine, and nothing is written outside DIR.

Examples:
  batchctl demo  half a minute, and batchctl-demo/report.html stays behind
  batchctl demo /tmp/demo";

#[derive(Debug, Args)]
#[command(after_help = DEMO_HELP)]
pub(crate) struct DemoArgs {
    /// A new directory for the input, the runs and the report
    #[arg(value_name = "DIR", default_value = "batchctl-demo")]
    directory: PathBuf,
}

/// The input: so many cameras, some of which always behave in their own way.
const CAMERAS: usize = 200;
/// Every so many-th camera gets a trouble, one after the other.
const TROUBLED: usize = 20;
const TROUBLES: [&str; 5] = ["-refused", "-partial", "-drop", "-flaky", "-failed"];
/// After so many calls the run is paused.
const PAUSED_AFTER: usize = 50;
/// After so many it is killed.
const KILLED_AFTER: usize = 110;
/// How long the pause is, so that it can be seen.
const PAUSE: Duration = Duration::from_secs(2);
/// How often the service's log is looked at.
const LOOK: Duration = Duration::from_millis(20);

const LOG: &str = "calls.log";
const REPORT: &str = "report.html";

/// The variables that calls of the program see besides their own.
const PASSED_ON: [&str; 6] = ["PATH", "TERM", "LANG", "LC_ALL", "NO_COLOR", "COLUMNS"];

/// A rehearsal under way; its processes end with it.
struct Demo<'a> {
    directory: &'a Path,
    program: PathBuf,
    /// The address of the service.
    endpoint: String,
    context: &'a Context,
    step: usize,
}

pub(crate) fn demo(args: &DemoArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let directory = new_directory(&args.directory)?;
    runtime()?.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::io)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::io)?;
        tokio::select! {
            ended = rehearse(&directory, &args.directory, context) => ended,
            _ = interrupt.recv() => Ok(ExitStatus::Interrupted),
            _ = terminate.recv() => Ok(ExitStatus::Terminated),
        }
    })
}

/// Makes the directory, and returns its absolute path.
fn new_directory(named: &Path) -> Result<PathBuf, CommandError> {
    fs::create_dir(named).map_err(|error| {
        let name = printable(&named.to_string_lossy(), 200);
        match error.kind() {
            io::ErrorKind::AlreadyExists => CommandError::usage(format!("`{name}` exists already"))
                .with_hint("remove it, or name another directory: `batchctl demo DIR`"),
            _ => CommandError::io(format!("cannot make `{name}`: {error}")),
        }
    })?;
    fs::canonicalize(named).map_err(CommandError::io)
}

async fn rehearse(
    directory: &Path,
    named: &Path,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    fs::write(directory.join("cameras.csv"), cameras()).map_err(CommandError::io)?;
    let program = std::env::current_exe().map_err(CommandError::io)?;
    let mut demo = Demo { directory, program, endpoint: String::new(), context, step: 0 };
    let latency = ["--latency", "20ms..60ms"];
    let mut service = demo.command(&[&["sandbox", "--access-log", LOG][..], &latency].concat());
    let mut service = service.stdout(Stdio::piped()).spawn().map_err(CommandError::io)?;
    demo.endpoint = first_line(&mut service).await?;
    demo.look_first().await?;
    demo.begin_pause_and_kill().await?;
    demo.go_on().await?;
    demo.ask_why().await?;
    let name = printable(&named.to_string_lossy(), 200);
    demo.say(&format!(
        "Left behind\n  {name}/{REPORT}   for a browser\n  {name}/results.csv   for a spreadsheet\n\n\
         The service has ended, so the commands above are for reading. `rm -r {name}`\n\
         removes everything. With an account, `batchctl config init` comes next.\n"
    ))?;
    Ok(ExitStatus::Ok)
}

/// Writes the input.
fn cameras() -> String {
    let mut table = String::from("id,site\n");
    for number in 1..=CAMERAS {
        let is_troubled = number % TROUBLED == 0;
        let trouble = TROUBLES[number / TROUBLED % TROUBLES.len()];
        let suffix = if is_troubled { trouble } else { "" };
        let site = ["north", "south"][number % 2];
        writeln!(table, "camera-{number:03}{suffix},{site}").expect("a text takes every line");
    }
    table
}

/// Returns the first line that a service prints: its address.
async fn first_line(service: &mut Child) -> Result<String, CommandError> {
    let output = service.stdout.take().expect("it is piped");
    let line = BufReader::new(output).lines().next_line().await.map_err(CommandError::io)?;
    line.ok_or_else(|| CommandError::io("the sandbox has ended at once"))
}

impl Demo<'_> {
    async fn look_first(&mut self) -> Result<(), CommandError> {
        self.explain(
            "What would be called?",
            "A simulated service runs on this machine. 200 cameras are to be stopped; some of them\n\
             will make trouble. Nothing is sent yet.",
        )?;
        self.call(&["stop", "cameras.csv", "--rate", "40/s", "--dry-run"], &[0]).await
    }

    async fn begin_pause_and_kill(&mut self) -> Result<(), CommandError> {
        self.explain(
            "Stop them, at most 40 calls in any second",
            "A run can be asked and changed from any other terminal. This one is paused for two\n\
             seconds, and then goes on.",
        )?;
        let words = ["stop", "cameras.csv", "--rate", "40/s", "--yes"];
        self.show(&words)?;
        let mut run = self.command(&words).spawn().map_err(CommandError::io)?;
        self.until_called(PAUSED_AFTER, &mut run).await?;
        self.call(&["ctl", "pause"], &[0]).await?;
        sleep(PAUSE).await;
        self.call(&["ctl", "resume"], &[0]).await?;
        self.until_called(KILLED_AFTER, &mut run).await?;
        run.kill().await.map_err(CommandError::io)?;
        self.explain(
            "Killed, as by a power failure: `kill -9`",
            "Each outcome was on disk before it was shown, and each call before it was sent. So the\n\
             run knows what is settled, what was on the wire, and what was never sent.",
        )?;
        Ok(())
    }

    async fn go_on(&mut self) -> Result<(), CommandError> {
        self.explain(
            "Go on",
            "Nothing that is settled is sent again. Calls that were on the wire are in doubt and are\n\
             repeated, because stopping twice changes nothing.",
        )?;
        self.call(&["resume", "--yes", "-o", "results.csv", "-o", REPORT], &[1]).await
    }

    async fn ask_why(&mut self) -> Result<(), CommandError> {
        self.explain(
            "Why did one of them fail?",
            "The summary groups failures by their cause. The whole way of a single task is kept, too.",
        )?;
        self.call(&["explain", "camera-100-refused"], &[0]).await
    }

    /// Waits until the service has answered so many calls.
    async fn until_called(&self, calls: usize, run: &mut Child) -> Result<(), CommandError> {
        let log = self.directory.join(LOG);
        loop {
            let lines = fs::read_to_string(&log).unwrap_or_default().lines().count();
            if lines >= calls {
                return Ok(());
            }
            if let Some(status) = run.try_wait().map_err(CommandError::io)? {
                return Err(CommandError::io(format!("the run ended too early: {status}")));
            }
            sleep(LOOK).await;
        }
    }

    /// Shows a call of the program and carries it out; any other exit status is an error.
    async fn call(&self, words: &[&str], expected: &[i32]) -> Result<(), CommandError> {
        self.show(words)?;
        let status = self.command(words).status().await.map_err(CommandError::io)?;
        if status.code().is_some_and(|code| expected.contains(&code)) {
            return Ok(());
        }
        Err(CommandError::io(format!("`batchctl {}` ended with {status}", words.join(" "))))
    }

    /// Returns a call of the program that knows nothing but this rehearsal.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).current_dir(self.directory).env_clear().kill_on_drop(true);
        for name in PASSED_ON {
            command.envs(self.context.environment.variable(name).map(|value| (name, value)));
        }
        command.env("HOME", self.directory).env("BATCHCTL_STATE_DIR", self.directory.join("state"));
        command.env("BATCHCTL_ENDPOINT", &self.endpoint).env("BATCHCTL_PROJECT_ID", "demo");
        command.env("BATCHCTL_TOKEN", "demo").stdin(Stdio::null());
        command
    }

    fn explain(&mut self, title: &str, text: &str) -> Result<(), CommandError> {
        self.step += 1;
        let title = format!("{}. {title}", self.step);
        let title = match self.context.stdout_style {
            Style::Coloured => format!("\x1b[1m{title}\x1b[0m"),
            Style::Plain => title,
        };
        self.say(&format!("{title}\n{text}\n"))
    }

    fn show(&self, words: &[&str]) -> Result<(), CommandError> {
        self.say(&format!("$ batchctl {}\n", words.join(" ")))
    }

    fn say(&self, text: &str) -> Result<(), CommandError> {
        Ok(stream::print_bytes(format!("\n{text}").as_bytes())?)
    }
}
