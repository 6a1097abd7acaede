//! The turn of a job: taken, waited for, or left to whoever has it.

use crate::cli::Context;
use crate::cli::flags::run::{IfBusy, LockArgs};
use crate::cli::output::error::CommandError;
use batchctl::clock::Clock;
use batchctl::run;
use batchctl::store::{JobLock, JobName, StoreError};

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
    context: &Context,
    clock: Clock,
) -> Result<JobAccess, CommandError> {
    let Some(job) = job else { return Ok(JobAccess::Ours(None)) };
    match run::lock_job(&context.state, job, args.lock_wait, clock) {
        Ok(lock) => Ok(JobAccess::Ours(Some(lock))),
        Err(busy @ StoreError::JobBusy { .. }) if args.if_busy == IfBusy::Skip => {
            context.stderr.line(&format!("skipped: {busy}"));
            Ok(JobAccess::Skipped)
        }
        Err(error) => Err(error.into()),
    }
}
