//! The list of runs, as a table or as JSON.

use crate::cli::commands::runs::{ListedRun, StateChoice};
use batchctl::store::RunId;
use batchctl::task::Outcome;
use batchctl::text::{grouped, printable};
use serde_json::{Value, json};
use std::fmt::Write;

pub(crate) fn word(state: StateChoice) -> &'static str {
    match state {
        StateChoice::Planned => "planned",
        StateChoice::Running => "running",
        StateChoice::Finished => "finished",
        StateChoice::Interrupted => "interrupted",
        StateChoice::Killed => "killed",
    }
}

/// Counts the tasks of each outcome in a few words: only what there is.
fn outcomes(run: &ListedRun) -> String {
    let settled = run.outcomes.selected();
    let open = run.record.selected.saturating_sub(settled);
    let counts = Outcome::ALL.into_iter().map(|outcome| (run.outcomes[outcome], outcome.as_str()));
    let counts = counts.chain([(open, "open")]).filter(|&(count, _)| count > 0);
    let words: Vec<String> =
        counts.map(|(count, word)| format!("{} {word}", grouped(count))).collect();
    words.join(", ")
}

pub(crate) fn as_table(listed: &[ListedRun]) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:<20}  {:<12}  {:<5}  {:<11}  {:<19}  TASKS",
        "RUN", "JOB", "WHAT", "STATE", "PLANNED (UTC)"
    );
    for run in listed {
        let planned: String = run.record.run.origin.to_string().chars().take(19).collect();
        let _ = writeln!(
            text,
            "{:<20}  {:<12}  {:<5}  {:<11}  {:<19}  {}",
            run.id,
            printable(run.record.run.job.as_deref().unwrap_or("-"), 12),
            printable(&run.record.run.command, 5),
            word(run.state),
            planned.replace('T', " "),
            outcomes(run),
        );
    }
    text
}

pub(crate) fn as_json(listed: &[ListedRun]) -> String {
    let rows: Vec<Value> = listed.iter().map(row).collect();
    let mut text = serde_json::to_string_pretty(&rows).expect("texts and numbers are JSON");
    text.push('\n');
    text
}

fn row(run: &ListedRun) -> Value {
    let settled =
        Outcome::ALL.map(|outcome| (outcome.as_str().into(), run.outcomes[outcome].into()));
    json!({
        "id": run.id.as_str(),
        "job": run.record.run.job,
        "reason": run.record.run.reason,
        "parent": run.record.run.parent.as_ref().map(RunId::as_str),
        "command": run.record.run.command,
        "profile": run.record.run.settings.profile,
        "state": word(run.state),
        "planned_at": run.record.run.origin.to_string(),
        "selected": run.record.selected,
        "settled": serde_json::Map::from_iter(settled),
    })
}
