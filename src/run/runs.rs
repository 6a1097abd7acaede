//! The runs and jobs of a state directory: locks a job, removes a run, opens the directory.

use crate::clock::Clock;
use crate::reading::RunReader;
use crate::run::plan::holder;
use crate::store;
use crate::store::{JobLock, JobName, RunDirectory, RunId, StoreError};
use std::path::Path;
use std::time::Duration;

/// Takes the lock of a job, or waits for it, at most for `patience`.
///
/// # Errors
///
/// Another process runs the job; the error names it.
pub fn lock_job(
    state: &Path,
    job: &JobName,
    patience: Duration,
    clock: Clock,
) -> Result<JobLock, StoreError> {
    store::lock_job(state, job, &holder(clock.now()), patience)
}

/// Removes a run for good.
///
/// # Errors
///
/// A process works on it.
pub fn remove(state: &Path, run: &RunId) -> Result<(), StoreError> {
    let runs = RunDirectory::existing(state);
    runs.remove(runs.lock(run, "a process that removes it")?)
}

/// Returns whether a run has several targets.
///
/// # Errors
///
/// It cannot be read.
pub fn has_targets(state: &Path, run: &RunId) -> Result<bool, StoreError> {
    Ok(RunReader::open(&runs_in(state), run)?.has_targets())
}

/// Returns the runs kept in a state directory, for reading.
pub fn runs_in(state: &Path) -> RunDirectory {
    RunDirectory::existing(state)
}
