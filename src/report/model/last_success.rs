//! Finds when a job last succeeded, so that monitoring can alert if that was too long ago.

use crate::clock::Timestamp;
use crate::reading::RunReader;
use crate::report::model::{ExitStatus, Report, StillRunning};
use crate::store::{RunDirectory, RunId, RunRecord, StoreError};

/// Returns when the latest successful run ended: this one, or an earlier one with the same job,
/// command and project. `None` if no such run is kept.
///
/// A rehearsal in the sandbox counts for rehearsals only. A run succeeded if every task is where
/// its command leads. For a retry this must also hold for the runs before it. A run that cannot be
/// read is skipped.
///
/// # Errors
///
/// The runs cannot be listed.
pub fn last_success(runs: &RunDirectory, report: &Report) -> Result<Option<Timestamp>, StoreError> {
    if let Some(at) = success(report) {
        return Ok(Some(at));
    }
    // Ids sort by the time of planning.
    let earlier = runs.list()?.into_iter().rev().filter(|id| *id < report.run.id);
    Ok(earlier.filter_map(|id| success_of(runs, &id, report).ok().flatten()).next())
}

/// Returns whether a job is good again: the run of a report succeeded, and the last run of its job
/// before it did not. A run that was resumed is itself that last run.
///
/// Runs count as for [`last_success`].
///
/// # Errors
///
/// The runs cannot be listed.
pub fn is_recovery(runs: &RunDirectory, report: &Report) -> Result<bool, StoreError> {
    if report.run.job.is_none() || success(report).is_none() {
        return Ok(false);
    }
    if report.run.worked.len() > 1 {
        return Ok(true);
    }
    let earlier = runs.list()?.into_iter().rev().filter(|id| *id < report.run.id);
    let mut alike = earlier.filter(|id| {
        let record = RunReader::open(runs, id).and_then(|run| run.record());
        record.is_ok_and(|record| is_alike(&record, report))
    });
    let Some(last) = alike.next() else { return Ok(false) };
    Ok(success_of(runs, &last, report)?.is_none())
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
    // Counting is quick. The whole report is read only if the counts allow a success.
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

/// Returns when the run of a report ended, if it succeeded.
fn success(report: &Report) -> Option<Timestamp> {
    let run = &report.run;
    let is_success = report.exit == Some(ExitStatus::Ok) && run.outstanding == 0;
    // A run killed after its last outcome recorded no end; its last record stands in for it.
    let last_known = || {
        let micros = i64::try_from(run.duration.as_micros()).ok()?;
        Some(run.started_at?.plus_micros(micros))
    };
    is_success.then(|| run.finished_at.or_else(last_known)).flatten()
}
