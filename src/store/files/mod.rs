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

pub use directory::RunDirectory;
pub use directory::RunId;
pub use directory::RunIdError;
pub use directory::RunLock;
pub(crate) use file_identity::FileIdentity;
pub use job_lock::JobLock;
pub use job_lock::JobName;
pub use job_lock::JobNameError;
pub use job_lock::lock_job;
pub use learned_rates::RateKey;
pub use learned_rates::keep_learnt_rate;
pub use learned_rates::learnt_rate;
pub(crate) use watermark::Departed;
pub(crate) use watermark::Departures;
pub(crate) use watermark::Remembered;
pub(crate) use watermark::Watermark;
