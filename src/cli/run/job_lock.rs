//! Takes the job's lock, waits for it, or skips the run.

use crate::cli::Context;
use crate::cli::flags::run::{IfBusy, LockArgs};
use crate::cli::output::error::CommandError;
use crate::cli::run::opened_source::OpenedSource;
#[cfg(feature = "postgres")]
use crate::cli::shared;
use batchctl::clock::Clock;
use batchctl::run;
use batchctl::run::RunError;
#[cfg(feature = "postgres")]
use batchctl::run::SharedJob;
use batchctl::store::{JobLock, JobName, RunId, StoreError};

/// Whose turn it is.
pub(crate) enum JobAccess {
    /// Ours, with the lock if there is a job to lock.
    Ours(Option<HeldJob>),
    /// Another run's, and that is fine.
    Skipped,
}

/// The lock of a job; dropping it frees the job.
pub(crate) struct HeldJob {
    /// That of this machine.
    _here: Option<JobLock>,
    /// That of all machines.
    #[cfg(feature = "postgres")]
    everywhere: Option<SharedJob>,
}

impl HeldJob {
    /// Returns under which epoch it is taken in a database.
    #[cfg(feature = "postgres")]
    pub(crate) fn epoch(&self) -> Option<i32> {
        self.everywhere.as_ref().map(SharedJob::epoch)
    }
}

/// Takes the lock of the job to which a run that is launched belongs. After all checks: a run that has
/// waited for its job must not fail for its flags then.
pub(crate) fn take_for(
    opened: &OpenedSource<'_>,
    args: &LockArgs,
    clock: Clock,
    context: &Context,
) -> Result<JobAccess, CommandError> {
    take(opened.job().as_ref(), opened.taken_up().as_ref(), args, clock, context)
}

/// Takes the lock of a job, as the flags want it; `run` is the run to go on with, if there is one.
fn take(
    job: Option<&JobName>,
    run: Option<&RunId>,
    args: &LockArgs,
    clock: Clock,
    context: &Context,
) -> Result<JobAccess, CommandError> {
    let Some(job) = job else { return Ok(JobAccess::Ours(None)) };
    match hold(job, run, args, clock, context) {
        Ok(lock) => Ok(JobAccess::Ours(Some(lock))),
        Err(RunError::Store(busy @ StoreError::JobBusy { .. })) if args.if_busy == IfBusy::Skip => {
            context.stderr.line(&format!("skipped: {busy}"));
            Ok(JobAccess::Skipped)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "a file is for any run"))]
fn hold(
    job: &JobName,
    run: Option<&RunId>,
    args: &LockArgs,
    clock: Clock,
    context: &Context,
) -> Result<HeldJob, RunError> {
    #[cfg(feature = "postgres")]
    if let Some(database) = context.store.database() {
        let (process, host) = (std::process::id(), shared::share::host());
        let holder = format!("process {process} on {host} since {}", clock.now());
        let everywhere = SharedJob::take(database, job, run, &holder, args.lock_wait)?;
        return Ok(HeldJob { _here: None, everywhere: Some(everywhere) });
    }
    let here = run::lock_job(&context.state, job, args.lock_wait, clock)?;
    Ok(HeldJob {
        _here: Some(here),
        #[cfg(feature = "postgres")]
        everywhere: None,
    })
}
