//! `explain`: what happened to single tasks, over all runs that are kept.
//!
//! Reads run after run, the newest last, and prints each account at once, so memory does not grow
//! with the number of runs. A run that cannot be read is named, and does not hide the others.

use crate::cli::Context;
use crate::cli::flags::precedence::Rank;
use crate::cli::flags::values;
use crate::cli::flags::which_run;
use crate::cli::flags::which_run::WhichRunArgs;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::output::terminal_guard::Content;
use batchctl::reading::{RunReader, TaskHistory};
use batchctl::report::{Account, ExitStatus, RunContext, StillRunning};
use batchctl::run;
use batchctl::store::{RunDirectory, RunId, StoreError};
use batchctl::task::TaskId;
use batchctl::text::{plural, printable};
use clap::Args;
use std::collections::HashSet;
use std::io;
use std::io::Write;
use std::num::NonZeroUsize;

const EXPLAIN_HELP: &str = "\
Every attempt of each task, with times, answers and waits, and in words why it ended so. All runs
that are kept are read, the newest last.

Examples:
  batchctl explain 0d47bbf52962414bb7ae27fb6ea24230
  batchctl explain gate-1 gate-2 --last 10
  batchctl explain gate-1 --job nightly --json | jq '.histories[-1].why'";

#[derive(Debug, Args)]
#[command(after_help = EXPLAIN_HELP)]
pub(crate) struct ExplainArgs {
    /// The tasks
    #[arg(value_name = "ID", required = true, value_parser = TaskId::accepted)]
    pub(crate) ids: Vec<TaskId>,
    /// Only this run: its id, a unique beginning of it, or `latest`
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Only runs of this job
    #[arg(long = "job", id = "of_job", value_name = "NAME", value_parser = values::job)]
    pub(crate) job: Option<String>,
    /// Only the latest N
    #[arg(long, value_name = "N", value_parser = values::whole_number::<NonZeroUsize>)]
    pub(crate) last: Option<NonZeroUsize>,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// How many ids of the latest run are compared with one that is not known.
const MOST_COMPARED: usize = 200_000;
/// How many characters a misspelt id may differ in.
const MAX_TYPOS: usize = 3;

pub(crate) fn explain(args: &ExplainArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let runs = run::runs_in(&context.state);
    let chosen = chosen(args, &runs, context)?;
    let content = if args.json { Content::Json } else { Content::Text };
    let mut out = Accounts {
        out: stream::standard_output(content),
        is_json: args.json,
        context,
        found: HashSet::new(),
        written: 0,
    };
    out.begin()?;
    let wanted: HashSet<&str> = args.ids.iter().map(TaskId::as_str).collect();
    for id in &chosen {
        if let Err(error) = explain_run(&runs, id, args, &wanted, &mut out) {
            match error {
                NotExplained::Unread(error) => context.stderr.say(
                    "warning",
                    &format!("run {id} is left out: {}", printable(&error.to_string(), 300)),
                ),
                // Nobody reads on, so nothing is left to explain.
                NotExplained::Unwritten(error) => {
                    stream::printed(Err(error))?;
                    return Ok(ExitStatus::Ok);
                }
            }
        }
    }
    let mut unknown = args.ids.iter().map(TaskId::as_str);
    let unknown: Vec<&str> = unknown.by_ref().filter(|id| !out.found.contains(*id)).collect();
    out.end(&unknown)?;
    match unknown.first() {
        None => Ok(ExitStatus::Ok),
        Some(first) => Err(unknown_error(&unknown, first, &runs, &chosen)),
    }
}

/// Returns the runs that are read, the newest last.
fn chosen(
    args: &ExplainArgs,
    runs: &RunDirectory,
    context: &Context,
) -> Result<Vec<RunId>, CommandError> {
    let is_typed = |flag: &str| context.given.rank(flag) == Rank::CommandLine;
    if is_typed("run") && is_typed("last") {
        let error = "`--last` chooses among runs, and `--run` names one";
        return Err(CommandError::usage(error).with_hint("give one of them"));
    }
    // The command of `--on-end` finds its run in the variable of this flag.
    if let Some(named) = args.run.as_ref().filter(|_| !is_typed("last")) {
        let which = WhichRunArgs { run: named.clone(), job: args.job.clone() };
        return Ok(vec![which.find(&context.state)?]);
    }
    let mut chosen = Vec::new();
    let most = args.last.map_or(usize::MAX, NonZeroUsize::get);
    for id in runs.list()?.into_iter().rev() {
        if chosen.len() == most {
            break;
        }
        if args.job.as_deref().is_none_or(|job| is_of_job(runs, &id, job)) {
            chosen.push(id);
        }
    }
    if chosen.is_empty()
        && let Some(job) = &args.job
    {
        which_run::check_job(job, &which_run::jobs_in(runs)?)?;
    }
    chosen.reverse();
    Ok(chosen)
}

/// Returns whether a run belongs to a job; one that cannot be read may, and is named later.
fn is_of_job(runs: &RunDirectory, id: &RunId, job: &str) -> bool {
    which_run::job_of(runs, id).is_ok_and(|of| of.as_deref() == Some(job))
}

/// Why a run is not explained.
enum NotExplained {
    Unread(StoreError),
    Unwritten(io::Error),
}

impl From<StoreError> for NotExplained {
    fn from(error: StoreError) -> Self {
        Self::Unread(error)
    }
}

fn explain_run(
    runs: &RunDirectory,
    id: &RunId,
    args: &ExplainArgs,
    wanted: &HashSet<&str>,
    out: &mut Accounts<'_>,
) -> Result<(), NotExplained> {
    let still_running = if runs.is_locked(id)? { StillRunning::Yes } else { StillRunning::No };
    let reader = RunReader::open(runs, id)?;
    if reader.has_targets() {
        // A hold of one target says nothing about the tasks of another.
        let explain = |run: &RunReader| explain_one(run, still_running, args, wanted, out);
        return reader.of_targets(explain).map(drop);
    }
    explain_one(&reader, still_running, args, wanted, out)
}

fn explain_one(
    reader: &RunReader,
    still_running: StillRunning,
    args: &ExplainArgs,
    wanted: &HashSet<&str>,
    out: &mut Accounts<'_>,
) -> Result<(), NotExplained> {
    // Read for the first task that is found: most runs have none of them.
    let mut run: Option<RunContext> = None;
    let single = args.ids.first().filter(|_| wanted.len() == 1).map(TaskId::as_str);
    let is_wanted = |id: &str| single.map_or_else(|| wanted.contains(id), |single| single == id);
    reader.for_each_history(is_wanted, |history| {
        let run = match &mut run {
            Some(run) => run,
            none => none.insert(RunContext::read(reader, still_running)?),
        };
        out.add(run, &history).map_err(NotExplained::Unwritten)
    })
}

/// Standard output, with the accounts so far.
struct Accounts<'a> {
    out: Box<dyn Write>,
    is_json: bool,
    context: &'a Context,
    /// The ids that some run has.
    found: HashSet<String>,
    written: u64,
}

impl Accounts<'_> {
    fn begin(&mut self) -> Result<(), CommandError> {
        let head: &[u8] = if self.is_json { b"{\"schema_version\":1,\"histories\":[" } else { b"" };
        Ok(stream::printed(self.out.write_all(head))?)
    }

    fn add(&mut self, run: &RunContext, history: &TaskHistory) -> io::Result<()> {
        self.found.insert(history.task.id.as_str().to_owned());
        let account = Account::new(run, history);
        let text = if self.is_json { account.json() } else { account.to_string() };
        // What the service said was searched for the secrets of then; these are those of now.
        let text = self.context.stderr.redactor.redact(text);
        let between = match (self.is_json, self.written) {
            (true, 1..) => ",\n",
            (true, 0) => "\n",
            (false, _) => "",
        };
        self.written += 1;
        self.out.write_all(between.as_bytes())?;
        self.out.write_all(text.as_bytes())
    }

    fn end(&mut self, unknown: &[&str]) -> Result<(), CommandError> {
        if self.is_json {
            let unknown = serde_json::json!(unknown);
            let tail = format!("\n],\"unknown\":{unknown}}}\n");
            stream::printed(self.out.write_all(tail.as_bytes()))?;
        }
        Ok(stream::printed(self.out.flush())?)
    }
}

/// Names the ids that no run has, and the id that the first of them may have been meant to be.
fn unknown_error(
    unknown: &[&str],
    first: &str,
    runs: &RunDirectory,
    chosen: &[RunId],
) -> CommandError {
    if chosen.is_empty() {
        return StoreError::NoRuns.into();
    }
    let runs_read = plural(chosen.len() as u64, "run", "runs");
    let others = match unknown.len() - 1 {
        0 => String::new(),
        more => format!(", nor {}", plural(more as u64, "other id", "other ids")),
    };
    let error = format!("no task `{first}`{others} is in the {runs_read} that were read");
    let nearest = chosen.last().and_then(|latest| nearest(first, runs, latest));
    CommandError::usage(error).with_hint(match nearest {
        Some(nearest) => format!("the latest of them has `{nearest}`"),
        // The list of a service shows what is there now, and not every service has one.
        None => "`batchctl runs list` shows the runs that are kept, and `batchctl report RUN -o \
                 csv:-` the tasks of one"
            .into(),
    })
}

/// Returns the id of a run that begins like this one, or else differs from it the least.
fn nearest(id: &str, runs: &RunDirectory, latest: &RunId) -> Option<String> {
    let reader = RunReader::open(runs, latest).ok()?;
    let (mut best, mut compared) = (None::<(usize, String)>, 0);
    let read = reader.for_each_id(|other| {
        compared += 1;
        let distance = match other.starts_with(id) {
            true => 0,
            false if other.len().abs_diff(id.len()) > MAX_TYPOS => MAX_TYPOS + 1,
            false => strsim::damerau_levenshtein(id, other),
        };
        let is_nearer = best.as_ref().is_none_or(|(least, _)| distance < *least);
        if distance <= MAX_TYPOS && is_nearer {
            best = Some((distance, other.to_owned()));
        }
        compared < MOST_COMPARED
    });
    read.ok()?;
    best.map(|(_, nearest)| nearest)
}
