//! Finds the last successful run of a job, with which a new run is compared.
//!
//! A list that was cut short, or is another one, shows by its size before anything is sent.

use crate::reading::RunReader;
use crate::run::runs::runs_in;
use crate::store::{RunDirectory, RunId, StoreError};
use crate::task::Outcome;
use std::path::Path;

/// The properties of the runs that are comparable with a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparable {
    /// The job.
    pub job: String,
    /// The command.
    pub command: String,
    /// The project.
    pub project_id: String,
    /// Whether the run is a rehearsal.
    pub sandbox: bool,
}

/// A run in which every task succeeded or was left unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoodRun {
    /// Its id.
    pub id: RunId,
    /// The number of tasks in its input, before any limit.
    pub tasks: u64,
}

/// Returns the last comparable run in which every task succeeded, if there is one.
///
/// Retries are left out, because they have only a part of a list. A run that cannot be read is
/// skipped: it must not keep tonight's run from starting.
pub fn last_good(state: &Path, wanted: &Comparable) -> Result<Option<GoodRun>, StoreError> {
    let runs = runs_in(state);
    let ids = runs.list()?.into_iter().rev();
    Ok(ids.filter_map(|id| good(&runs, &id, wanted).ok().flatten()).next())
}

fn good(
    runs: &RunDirectory,
    id: &RunId,
    wanted: &Comparable,
) -> Result<Option<GoodRun>, StoreError> {
    let reader = RunReader::open(runs, id)?;
    let record = reader.record()?;
    let run = &record.run;
    let is_comparable = run.outstanding_before.is_none()
        && run.job.as_ref() == Some(&wanted.job)
        && run.command == wanted.command
        && run.project_id == wanted.project_id
        && run.settings.sandbox == wanted.sandbox;
    // The record is one row; the outcomes are as many rows as there are tasks.
    if !is_comparable {
        return Ok(None);
    }
    let outcomes = reader.outcomes()?;
    let good = Outcome::ALL.into_iter().filter(|outcome| outcome.is_good());
    let good: u64 = good.map(|outcome| outcomes[outcome]).sum();
    let tasks = record.rows - record.duplicates;
    Ok((good == record.selected).then(|| GoodRun { id: id.clone(), tasks }))
}
