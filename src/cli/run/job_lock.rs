//! Takes the job's lock, waits for it, or skips the run.

use crate::cli::flags::run::{IfBusy, LockArgs};
use crate::cli::output::error::CommandError;
use crate::cli::output::stream::Stderr;
use batchctl::clock::Clock;
use batchctl::run;
use batchctl::store::{JobLock, JobName, StoreError};
use std::path::Path;

/// Whose turn it is.
pub(crate) enum JobAccess {
    /// Ours, with the lock if there is a job to lock.
    Ours(Option<JobLock>),
    /// Another run's, and that is fine.
    Skipped,
}

/// Takes the lock of a job, as the flags want it.
pub(crate) fn take(
    job: Option<&JobName>,
    args: &LockArgs,
    state: &Path,
    clock: Clock,
    stderr: &Stderr,
) -> Result<JobAccess, CommandError> {
    let Some(job) = job else { return Ok(JobAccess::Ours(None)) };
    match run::lock_job(state, job, args.lock_wait, clock) {
        Ok(lock) => Ok(JobAccess::Ours(Some(lock))),
        Err(busy @ StoreError::JobBusy { .. }) if args.if_busy == IfBusy::Skip => {
            stderr.line(&format!("skipped: {busy}"));
            Ok(JobAccess::Skipped)
        }
        Err(error) => Err(error.into()),
    }
}
