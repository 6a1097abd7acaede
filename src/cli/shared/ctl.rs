//! `ctl` for a run of a database: asks the database, or changes the run for all its workers.

use crate::cli::Context;
use crate::cli::commands::ctl;
use crate::cli::commands::ctl::{CtlArgs, OrderArgs, done};
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::run::{control_socket, stored_plan};
use batchctl::database::{Ordered, RunStanding, WorkerStanding};
use batchctl::event::{Change, Operator};
use batchctl::report::ExitStatus;
use batchctl::run::SharedRuns;
use batchctl::store::RunId;
use batchctl::store::StoreError;
use batchctl::task::Outcome;
use batchctl::text::{grouped, plural, printable};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

/// The most columns of a name of a machine.
const LONGEST: usize = 60;

/// Carries an order out.
pub(crate) fn order(
    args: &CtlArgs,
    id: &RunId,
    database: &SharedRuns,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    let target = args.target.as_deref();
    if let OrderArgs::Status { json: true } = args.order {
        let run = wanted(standing_of(id, database)?, target, None)?;
        let text = serde_json::to_string_pretty(&as_json(&run)).expect("a value is JSON");
        stream::print_json(&(text + "\n"))?;
        return Ok(ExitStatus::Ok);
    }
    stream::print(&carry_out(&args.order, target, id, database, &operator(context))?)?;
    Ok(ExitStatus::Ok)
}

/// Returns who gives orders, as the record of the run names them.
pub(crate) fn operator(context: &Context) -> String {
    let process = Operator::Process(std::process::id()).to_string();
    let by = context.identity();
    by.map_or(process.clone(), |by| format!("{process} of {}@{}", by.user, by.host))
}

/// Gives an order to all workers of a run, at all of its targets or at one, and returns what came of it in
/// words.
pub(crate) fn carry_out(
    order: &OrderArgs,
    target: Option<&str>,
    id: &RunId,
    database: &SharedRuns,
    by: &str,
) -> Result<String, CommandError> {
    let run = standing_of(id, database)?;
    let change = match order {
        OrderArgs::Status { .. } => return Ok(as_text(&wanted(run, target, None)?)),
        OrderArgs::Pause => Change::Paused,
        OrderArgs::Resume => Change::Resumed,
        OrderArgs::Rate { limit } => Change::Rate(limit.0),
        OrderArgs::Concurrency { most } => Change::Concurrency(*most),
        OrderArgs::Drain => Change::Drained,
    };
    if run.is_unapplied() {
        return Err(stored_plan::unapplied(id));
    }
    let place = run.targets.iter().position(|it| it.target() == target);
    wanted(run, target, Some(change))?;
    let text = match database.order(id, target.and(place), change, by)? {
        Ordered::Changed => done(order),
        Ordered::AsBefore => "nothing changed, it was like that before".into(),
        Ordered::Stopping => {
            let error = format!("run {id} is coming to its end, nothing is changed any more");
            let hint = format!("`batchctl resume {id}` goes on with it");
            return Err(CommandError::new(ExitStatus::Busy, error).with_hint(hint));
        }
        Ordered::Finished => {
            let error = format!("run {id} is not running: it is finished");
            let hint = format!("`batchctl report {id}` shows its outcomes");
            return Err(CommandError::usage(error).with_hint(hint));
        }
    };
    Ok(format!("run {id}: {text}\n"))
}

/// Returns where a run stands, in one line; nothing if no worker is on it.
pub(crate) fn standing(id: &RunId, database: &SharedRuns) -> Option<String> {
    let run = standing_of(id, database).ok().filter(RunStanding::is_running)?;
    let alive = run.workers.iter().filter(|worker| worker.is_alive());
    let (mut workers, mut calls) = (BTreeSet::new(), 0);
    for worker in alive {
        // A process is a worker at each target.
        workers.insert((&worker.host, worker.process));
        calls += u64::from(worker.in_flight);
    }
    let workers = plural(workers.len() as u64, "worker", "workers");
    let (state, standing) = (state(&run), standing_words(&run));
    let text = format!("{state}: {standing} · {workers}, {calls} in flight");
    // Each target has limits of its own.
    Some(if run.targets.is_empty() { format!("{text} · {}", limits(&run)) } else { text })
}

fn standing_of(id: &RunId, database: &SharedRuns) -> Result<RunStanding, StoreError> {
    let run = database.standings(Some(id))?.pop();
    run.ok_or_else(|| StoreError::NoSuchRun { wanted: id.to_string() })
}

/// Returns the target that is named, or all of the run; refuses a target that it does not have, and a change
/// that must name one.
fn wanted(
    run: RunStanding,
    target: Option<&str>,
    change: Option<Change>,
) -> Result<RunStanding, CommandError> {
    let names: Vec<String> =
        run.targets.iter().filter_map(|it| Some(it.target()?.to_owned())).collect();
    if let Some(named) = target {
        ctl::check_target(named, &names, &run.record.run.id)?;
    }
    let names: Vec<Arc<str>> = names.into_iter().map(Arc::from).collect();
    control_socket::check_target(target, change, &names).map_err(|reason| {
        let error = format!("run {} refused the order: {reason}", run.record.run.id);
        CommandError::new(ExitStatus::Busy, error)
    })?;
    let named = run.targets.iter().find(|it| target.is_some() && it.target() == target);
    Ok(named.cloned().unwrap_or(run))
}

/// Returns the state of a run in a word.
fn state(run: &RunStanding) -> String {
    let is_open = run.outcomes.selected() < run.record.selected;
    match &run.stopping {
        _ if !is_open => "finished".into(),
        Some(_) if run.is_unapplied() => "planned".into(),
        Some(reason) => format!("stopped: {}", printable(&reason.replace('_', " "), LONGEST)),
        None if run.paused => "paused".into(),
        None if run.is_running() => "sending".into(),
        None => "waiting for workers".into(),
    }
}

fn concurrency(run: &RunStanding) -> u64 {
    let own = run.record.run.settings.concurrency.get() as u64;
    run.concurrency.map_or(own, u64::from)
}

fn standing_words(run: &RunStanding) -> String {
    let (settled, all) = (grouped(run.outcomes.selected()), grouped(run.record.selected));
    let failed = grouped(run.outcomes[Outcome::Failed]);
    let mut text = format!("{settled} of {all} settled, {failed} failed");
    if run.takeovers > 0 {
        let chunks = plural(run.takeovers, "chunk", "chunks");
        let _ = write!(text, ", {chunks} taken over ({} in doubt)", grouped(run.in_doubt));
    }
    text
}

fn limits(run: &RunStanding) -> String {
    let rate = rate_text(run);
    format!("{rate} over all workers, {} at a time each", concurrency(run))
}

fn as_text(run: &RunStanding) -> String {
    let (id, state, standing) = (&run.record.run.id, state(run), standing_words(run));
    let text = format!("run       {id} ({state})\nstanding  {standing}\n");
    if run.targets.is_empty() {
        return text + &limits_and_workers(run);
    }
    let target = |of: &RunStanding| {
        let (name, state) = (printable(of.target().unwrap_or_default(), LONGEST), self::state(of));
        let standing = standing_words(of);
        format!("target    {name} ({state}): {standing}\n{}", limits_and_workers(of))
    };
    run.targets.iter().map(target).fold(text, |text, target| text + &target)
}

fn limits_and_workers(run: &RunStanding) -> String {
    let mut text = format!("limits    {}\n", limits(run));
    for worker in &run.workers {
        let _ = writeln!(text, "worker {:<2} {}", worker.no, worker_text(worker));
    }
    text
}

fn rate_text(run: &RunStanding) -> String {
    let mut rate = match &*run.rate {
        "none" => "no rate".into(),
        rate => printable(rate, LONGEST),
    };
    if run.searches {
        rate = format!("auto up to {rate}");
    }
    match run.learnt {
        Some(learnt) => format!("{rate} (the service gives {learnt:.1}/s)"),
        None => rate,
    }
}

fn worker_text(worker: &WorkerStanding) -> String {
    let host = printable(&worker.host, LONGEST);
    let calls = plural(worker.calls, "call", "calls");
    let mut text = format!("{host}, process {}, since {}, {calls}", worker.process, worker.since);
    let seen = worker.seen.as_secs_f64();
    match worker.gone {
        Some(at) => {
            let _ = write!(text, ", left at {at}");
        }
        None if worker.is_alive() => {
            let _ = write!(text, ", {} in flight, seen {seen:.1} s ago", worker.in_flight);
        }
        None => {
            let _ = write!(text, ", lost: seen {seen:.0} s ago");
        }
    }
    text
}

fn as_json(run: &RunStanding) -> Value {
    let worker = |worker: &WorkerStanding| {
        json!({
            "no": worker.no,
            "host": worker.host,
            "process": worker.process,
            "version": worker.version,
            "since": worker.since.to_string(),
            "left_at": worker.gone.map(|at| at.to_string()),
            "calls": worker.calls,
            "in_flight": worker.in_flight,
            "seen_seconds_ago": worker.seen.as_secs_f64(),
            "alive": worker.is_alive(),
        })
    };
    let settled =
        Outcome::ALL.map(|outcome| (outcome.as_str().into(), run.outcomes[outcome].into()));
    let mut text = json!({
        "run": run.record.run.id.as_str(),
        "state": state(run),
        "selected": run.record.selected,
        "settled": Map::from_iter(settled),
        "rate_limit": run.rate,
        "finds_rate": run.searches,
        "rate_learnt": run.learnt,
        "concurrency": concurrency(run),
        "paused": run.paused,
        "stopping": run.stopping,
        "takeovers": run.takeovers,
        "in_doubt": run.in_doubt,
        "workers": run.workers.iter().map(worker).collect::<Vec<_>>(),
    });
    if !run.targets.is_empty() {
        let targets = run.targets.iter();
        let targets = targets.map(|it| (it.target().unwrap_or_default().to_owned(), as_json(it)));
        text["targets"] = Map::from_iter(targets).into();
    }
    text
}
