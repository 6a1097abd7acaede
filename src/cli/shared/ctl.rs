//! `ctl` for a run of a database: asks the database, or changes the run for all its workers.

use crate::cli::Context;
use crate::cli::commands::ctl::{OrderArgs, done};
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::run::stored_plan;
use batchctl::event::{Change, Operator};
use batchctl::report::ExitStatus;
use batchctl::run::SharedRuns;
use batchctl::store::RunId;
use batchctl::store::StoreError;
use batchctl::store::database::{Ordered, RunStanding, WorkerStanding};
use batchctl::task::Outcome;
use batchctl::text::{grouped, plural, printable};
use serde_json::{Value, json};
use std::fmt::Write;

/// The most columns of a name of a machine.
const LONGEST: usize = 60;

/// Carries an order out.
pub(crate) fn order(
    order: &OrderArgs,
    id: &RunId,
    database: &SharedRuns,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    if let OrderArgs::Status { json } = order {
        return status(id, *json, database);
    }
    stream::print(&carry_out(order, id, database, &operator(context))?)?;
    Ok(ExitStatus::Ok)
}

/// Returns who gives orders, as the record of the run names them.
pub(crate) fn operator(context: &Context) -> String {
    let process = Operator::Process(std::process::id()).to_string();
    let by = context.identity();
    by.map_or(process.clone(), |by| format!("{process} of {}@{}", by.user, by.host))
}

/// Gives an order to all workers of a run, and returns what came of it in words.
pub(crate) fn carry_out(
    order: &OrderArgs,
    id: &RunId,
    database: &SharedRuns,
    by: &str,
) -> Result<String, CommandError> {
    let change = match order {
        OrderArgs::Status { .. } => return Ok(as_text(&standing_of(id, database)?)),
        OrderArgs::Pause => Change::Paused,
        OrderArgs::Resume => Change::Resumed,
        OrderArgs::Rate { limit } => Change::Rate(limit.0),
        OrderArgs::Concurrency { most } => Change::Concurrency(*most),
        OrderArgs::Drain => Change::Drained,
    };
    if standing_of(id, database)?.is_unapplied() {
        return Err(stored_plan::unapplied(id));
    }
    let text = match database.order(id, change, by)? {
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
    let (workers, calls) = alive.fold((0, 0), |(workers, calls), worker| {
        (workers + 1, calls + u64::from(worker.in_flight))
    });
    let workers = plural(workers, "worker", "workers");
    let (state, standing, limits) = (state(&run), standing_words(&run), limits(&run));
    Some(format!("{state}: {standing} · {workers}, {calls} in flight · {limits}"))
}

fn standing_of(id: &RunId, database: &SharedRuns) -> Result<RunStanding, StoreError> {
    let run = database.standings(Some(id))?.pop();
    run.ok_or_else(|| StoreError::NoSuchRun { wanted: id.to_string() })
}

fn status(id: &RunId, json: bool, database: &SharedRuns) -> Result<ExitStatus, CommandError> {
    let run = standing_of(id, database)?;
    if json {
        let text = serde_json::to_string_pretty(&as_json(&run)).expect("a value is JSON");
        stream::print_json(&(text + "\n"))?;
    } else {
        stream::print(&as_text(&run))?;
    }
    Ok(ExitStatus::Ok)
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
    let (id, state) = (&run.record.run.id, state(run));
    let (standing, limits) = (standing_words(run), limits(run));
    let mut text = format!("run       {id} ({state})\nstanding  {standing}\nlimits    {limits}\n");
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
    json!({
        "run": run.record.run.id.as_str(),
        "state": state(run),
        "selected": run.record.selected,
        "settled": serde_json::Map::from_iter(settled),
        "rate_limit": run.rate,
        "finds_rate": run.searches,
        "rate_learnt": run.learnt,
        "concurrency": concurrency(run),
        "paused": run.paused,
        "stopping": run.stopping,
        "takeovers": run.takeovers,
        "in_doubt": run.in_doubt,
        "workers": run.workers.iter().map(worker).collect::<Vec<_>>(),
    })
}
