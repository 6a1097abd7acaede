//! The lock of a job: two runs of one job never overlap.
//!
//! `flock` on a file for each job in the state directory. The kernel frees it when its holder
//! dies, so it can never be stale. The text in the file is only for messages.

use crate::store::error::{StoreError, file};
use crate::store::files::directory::{holder_named_in, name_holder};
use crate::store::files::trusted::{open_to_write, private_directory};
use crate::store::ids::JobName;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// The interval at which a held lock is tried again.
const STEP: Duration = Duration::from_millis(100);

/// The right to run a job; dropping it, or dying, gives it up.
#[derive(Debug)]
pub struct JobLock {
    _handle: File,
}

/// Takes the lock of a job, or waits for it, at most for `patience`.
///
/// # Errors
///
/// Another process has it; the error names it.
pub fn lock_job(
    state: &Path,
    job: &JobName,
    holder: &str,
    patience: Duration,
) -> Result<JobLock, StoreError> {
    let directory = private_directory(state, "jobs")?;
    let path = directory.join(format!("{job}.lock"));
    let mut handle = open_to_write(&path)?;
    let mut waited = Duration::ZERO;
    loop {
        match handle.try_lock() {
            Ok(()) => break,
            // The kernel has no lock with a time-out, so it is tried again and again.
            Err(TryLockError::WouldBlock) if waited < patience => {
                let step = STEP.min(patience - waited);
                thread::sleep(step);
                waited += step;
            }
            Err(TryLockError::WouldBlock) => {
                let holder = holder_named_in(&handle).map_err(file(&path))?;
                return Err(StoreError::JobBusy { job: job.clone(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(file(&path)(error)),
        }
    }
    // Only the holder writes, so the text always names the present one.
    name_holder(&mut handle, holder).map_err(file(&path))?;
    Ok(JobLock { _handle: handle })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_runs_once_at_a_time_and_names_its_holder() {
        let state = tempfile::tempdir().unwrap();
        let job: JobName = "nightly".parse().unwrap();
        let take = || lock_job(state.path(), &job, "process 7", Duration::ZERO);
        let first = take().unwrap();
        let refused = take().unwrap_err();
        assert_eq!(refused.to_string(), "job nightly is being run by process 7");
        drop(first);
        take().unwrap();
    }

    #[test]
    fn a_lock_that_is_released_in_time_is_taken() {
        let state = tempfile::tempdir().unwrap();
        let job: JobName = "nightly".parse().unwrap();
        let first = lock_job(state.path(), &job, "first", Duration::ZERO).unwrap();
        let (path, other) = (state.path().to_owned(), job.clone());
        let waiting =
            thread::spawn(move || lock_job(&path, &other, "second", Duration::from_secs(3_600)));
        drop(first);
        waiting.join().unwrap().unwrap();
    }
}
