//! `runs list`: a table of what is kept.

use super::Context;
use super::args::RunsListArgs;
use super::failure::Failure;
use super::stream;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::store::RunDirectory;
use batchctl::store::RunId;
use batchctl::store::RunReader;
use batchctl::store::RunRecord;
use batchctl::store::StoreError;
use batchctl::task::Outcome;
use batchctl::task::OutcomeCounts;
use batchctl::text::grouped;
use batchctl::text::printable;
use serde_json::Value;
use serde_json::json;
use std::fmt::Write;

/// One line of the table.
struct Listed {
    id: RunId,
    state: &'static str,
    record: RunRecord,
    outcomes: OutcomeCounts,
}

pub(super) fn list(args: &RunsListArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let runs = run::runs_in(&context.state);
    let mut listed = Vec::new();
    for id in runs.list()?.into_iter().rev() {
        match read(&runs, &id) {
            Ok(run) => listed.push(run),
            // One damaged run does not hide the others.
            Err(error) => {
                let mut stderr = context.stderr;
                stderr.say("warning", &printable(&error.to_string(), 300));
            }
        }
    }
    let text = if args.json { as_json(&listed) } else { as_table(&listed) };
    stream::print(&text).map_err(|error| Failure::new(ExitStatus::InputOutput, error))?;
    Ok(ExitStatus::Ok)
}

fn read(runs: &RunDirectory, id: &RunId) -> Result<Listed, StoreError> {
    let is_held = runs.is_locked(id)?;
    let reader = RunReader::open(runs, id)?;
    let (record, outcomes) = (reader.record()?, reader.outcomes()?);
    Ok(Listed { id: id.clone(), state: state(&record, is_held), record, outcomes })
}

/// Says how a run stands: from its last session, and whether a process holds it.
fn state(record: &RunRecord, is_held: bool) -> &'static str {
    match record.sessions.last().map(|session| &session.end) {
        _ if is_held => "running",
        Some(Some(end)) if end.stopped.is_some() => "interrupted",
        Some(Some(_)) => "finished",
        Some(None) => "killed",
        None => "planned",
    }
}

fn as_table(listed: &[Listed]) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:<20}  {:<5}  {:<11}  {:<19}  {:>10}  {:>10}  JOB",
        "RUN", "WHAT", "STATE", "PLANNED (UTC)", "TASKS", "SUCCEEDED"
    );
    for run in listed {
        let planned: String = run.record.run.origin.to_string().chars().take(19).collect();
        let _ = writeln!(
            text,
            "{:<20}  {:<5}  {:<11}  {:<19}  {:>10}  {:>10}  {}",
            run.id,
            run.record.run.command,
            run.state,
            planned.replace('T', " "),
            grouped(run.record.selected),
            grouped(run.outcomes[Outcome::Succeeded] + run.outcomes[Outcome::Unchanged]),
            printable(run.record.run.job.as_deref().unwrap_or("-"), 30),
        );
    }
    text
}

fn as_json(listed: &[Listed]) -> String {
    let rows: Vec<Value> = listed.iter().map(row).collect();
    let mut text = serde_json::to_string_pretty(&rows).expect("texts and numbers are JSON");
    text.push('\n');
    text
}

fn row(run: &Listed) -> Value {
    let settled =
        Outcome::ALL.map(|outcome| (outcome.as_str().into(), run.outcomes[outcome].into()));
    json!({
        "id": run.id.as_str(),
        "job": run.record.run.job,
        "reason": run.record.run.reason,
        "command": run.record.run.command,
        "state": run.state,
        "planned_at": run.record.run.origin.to_string(),
        "selected": run.record.selected,
        "settled": serde_json::Map::from_iter(settled),
    })
}
