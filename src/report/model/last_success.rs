//! Finds when a job last succeeded, for whoever is woken if that was too long ago.

use crate::clock::Timestamp;
use crate::report::ExitStatus;
use crate::report::model::Report;
use crate::report::model::StillRunning;
use crate::store::RunDirectory;
use crate::store::RunId;
use crate::store::RunReader;
use crate::store::RunRecord;
use crate::store::StoreError;

/// Returns when the latest successful run ended that is this one or came before it, and that
/// is of its job, command and project; nothing if none is kept.
///
/// A rehearsal in the sandbox counts for rehearsals only. A run has succeeded if every task is
/// where it was sent; a retry, if that holds for the runs before it, too. A run that cannot be
/// read is passed over.
///
/// # Errors
///
/// The runs cannot be listed.
pub fn last_success(runs: &RunDirectory, report: &Report) -> Result<Option<Timestamp>, StoreError> {
    if let Some(at) = success(report) {
        return Ok(Some(at));
    }
    let earlier = runs.list()?.into_iter().rev().filter(|id| *id < report.run.id);
    Ok(earlier.filter_map(|id| success_of(runs, &id, report).ok().flatten()).next())
}

fn success_of(
    runs: &RunDirectory,
    id: &RunId,
    report: &Report,
) -> Result<Option<Timestamp>, StoreError> {
    let run = RunReader::open(runs, id)?;
    let record = run.record()?;
    if !is_alike(&record, report) {
        return Ok(None);
    }
    // Counting is quick; the whole report is read only of a run that may be the one.
    let outcomes = run.outcomes()?;
    if !outcomes.all_good() || outcomes.selected() != record.selected || runs.is_locked(id)? {
        return Ok(None);
    }
    Ok(success(&Report::read(&run, StillRunning::No)?))
}

fn is_alike(record: &RunRecord, report: &Report) -> bool {
    record.run.job == report.run.job
        && record.run.command == report.run.command
        && record.run.project_id == report.target.project_id
        && record.run.settings.sandbox == report.settings.sandbox
}

/// Returns when a run ended, if it succeeded.
fn success(report: &Report) -> Option<Timestamp> {
    let run = &report.run;
    let is_success = report.exit == Some(ExitStatus::Ok) && run.outstanding == 0;
    let last_known = || {
        let micros = i64::try_from(run.duration.as_micros()).ok()?;
        Some(run.started_at?.plus_micros(micros))
    };
    is_success.then(|| run.finished_at.or_else(last_known)).flatten()
}
