//! The lock of a job: two runs of one job never overlap.
//!
//! `flock` on a file for each job in the state directory. The kernel frees it when its holder
//! dies, so it can never be stale; what the file says is only for messages.

use crate::store::error::{StoreError, file};
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;
use std::{fmt, fs, thread};

/// How often a held lock is asked for again.
const STEP: Duration = Duration::from_millis(100);

/// The name of a job: 1 to 64 letters, digits, `.`, `_` and `-`, not beginning with a dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobName(String);

/// The text cannot be the name of a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a job's name has 1 to 64 letters, digits, `.`, `_` and `-`, and begins with no dot")]
pub struct JobNameError;

impl FromStr for JobName {
    type Err = JobNameError;

    fn from_str(text: &str) -> Result<Self, JobNameError> {
        let belongs = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(belongs);
        if fits && !text.starts_with('.') { Ok(Self(text.into())) } else { Err(JobNameError) }
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The right to run a job; dropping it, or dying, gives it up.
#[derive(Debug)]
pub struct JobLock {
    _handle: File,
}

/// Takes the lock of a job, or waits for it that long at the most.
///
/// # Errors
///
/// Somebody else has it, and is named.
pub fn lock_job(
    state: &Path,
    job: &JobName,
    holder: &str,
    patience: Duration,
) -> Result<JobLock, StoreError> {
    let directory = state.join("jobs");
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)
        .map_err(file(&directory))?;
    let path = directory.join(format!("{job}.lock"));
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut handle = options.open(&path).map_err(file(&path))?;
    let mut waited = Duration::ZERO;
    loop {
        match handle.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if waited < patience => {
                let step = STEP.min(patience - waited);
                thread::sleep(step);
                waited += step;
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                handle.read_to_string(&mut holder).map_err(file(&path))?;
                return Err(StoreError::JobBusy { job: job.clone(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(file(&path)(error)),
        }
    }
    let written = handle.set_len(0).and_then(|()| handle.write_all(holder.as_bytes()));
    written.map_err(file(&path))?;
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
    fn a_lock_that_is_given_up_in_time_is_taken() {
        let state = tempfile::tempdir().unwrap();
        let job: JobName = "nightly".parse().unwrap();
        let first = lock_job(state.path(), &job, "first", Duration::ZERO).unwrap();
        let (path, other) = (state.path().to_owned(), job.clone());
        let waiting =
            thread::spawn(move || lock_job(&path, &other, "second", Duration::from_secs(3_600)));
        drop(first);
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn a_name_stays_in_its_directory() {
        assert!("nightly-stop_2.a".parse::<JobName>().is_ok());
        for text in ["", ".", "..", ".hidden", "a/b", "a b", "ä", &"a".repeat(65)] {
            assert!(text.parse::<JobName>().is_err(), "{text}");
        }
    }
}
