//! The files of a state directory: runs and their locks, jobs, watermarks, learned rates.
//!
//! A file is opened only by name below the directory; its identity and its state are checked here.

mod directory;
mod file_identity;
pub(crate) mod integrity_check;
mod job_lock;
mod learned_rates;
mod network_check;
mod watermark;

pub use directory::{RunDirectory, RunId, RunIdError, RunLock};
pub(crate) use file_identity::FileIdentity;
pub use job_lock::{JobLock, JobName, JobNameError, lock_job};
pub use learned_rates::{RateKey, keep_learnt_rate, learnt_rate};
pub(crate) use watermark::{Departed, Departures, Remembered, Watermark};
