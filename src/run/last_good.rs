//! Finds what a new run of a job is compared with: the last one that went well.
//!
//! A list that was cut short, or is another one, shows by its size before anything is sent.

use crate::run::runs_in;
use crate::store::{RunDirectory, RunId, RunReader, StoreError};
use crate::task::Outcome;
use std::path::Path;

/// Which runs are comparable with a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparable {
    /// Runs of this job,
    pub job: String,
    /// with this command,
    pub command: String,
    /// in this project,
    pub project_id: String,
    /// and rehearsals only if this is one.
    pub sandbox: bool,
}

/// A run in which every task succeeded or was left as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoodRun {
    /// Its id.
    pub id: RunId,
    /// How many tasks its input named, whatever a limit left out.
    pub tasks: u64,
}

/// Returns the last run of a job that went well, if one did.
///
/// A retry is none, for it has but a part of a list. A run that cannot be read is passed over: it
/// must not keep tonight's from being begun.
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
    if !is_comparable {
        return Ok(None);
    }
    let outcomes = reader.outcomes()?;
    let well = Outcome::ALL.into_iter().filter(|outcome| outcome.is_good());
    let well: u64 = well.map(|outcome| outcomes[outcome]).sum();
    let tasks = record.rows - record.duplicates;
    Ok((well == record.selected).then(|| GoodRun { id: id.clone(), tasks }))
}
