//! The lock of a job in a database, as a launch holds it.

use crate::database::{DatabaseRuns, JobAnswer, KEEP_EVERY};
use crate::run::error::RunError;
use crate::run::shared_runs::SharedRuns;
use crate::store::{JobName, RunId, StoreError};
use std::sync::mpsc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Builder;

/// How often a job is asked for that another run has.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The right to run a job. Dropping it frees the job, unless a worker is on the run by then.
#[derive(Debug)]
pub struct SharedJob {
    /// Which taking of the job it is.
    epoch: i32,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl SharedJob {
    /// Takes a job, or waits for it, at most for `patience`; `run` is the run to go on with, if there
    /// is one.
    ///
    /// # Errors
    ///
    /// Another run has it; the error names the holder. The database is away.
    pub fn take(
        runs: &SharedRuns,
        job: &JobName,
        run: Option<&RunId>,
        holder: &str,
        patience: Duration,
    ) -> Result<Self, RunError> {
        let mut waited = Duration::ZERO;
        let epoch = loop {
            match runs.take_job(job, run, holder)? {
                JobAnswer::Ours(epoch) => break epoch,
                JobAnswer::Busy(holder) if waited >= patience => {
                    return Err(StoreError::JobBusy { job: job.clone(), holder }.into());
                }
                JobAnswer::Busy(_) => {
                    let step = ASK_AGAIN.min(patience - waited);
                    thread::sleep(step);
                    waited += step;
                }
            }
        };
        Self::keep(runs, job, epoch)
    }

    /// Returns under which epoch it is taken.
    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    /// Renews the lease until the job is freed: a plan may take long, and so may an answer.
    fn keep(runs: &SharedRuns, job: &JobName, epoch: i32) -> Result<Self, RunError> {
        let mut database = DatabaseRuns::at(runs.address().clone()).map_err(StoreError::from)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(RunError::Thread)?;
        let (stop, stopped) = mpsc::channel();
        let job = job.to_string();
        let work = move || {
            while stopped.recv_timeout(KEEP_EVERY) == Err(RecvTimeoutError::Timeout) {
                // A lease that cannot be renewed ends by itself.
                let _ = runtime.block_on(database.keep_job(&job, epoch));
            }
            let _ = runtime.block_on(database.free_job(&job, epoch));
        };
        let thread = thread::Builder::new().name("job".into()).spawn(work);
        let thread = thread.map_err(RunError::Thread)?;
        Ok(Self { epoch, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for SharedJob {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // What it could not free is free when the lease is over.
            let _ = thread.join();
        }
    }
}
