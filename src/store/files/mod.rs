//! The files of a state directory: runs and their locks, jobs, watermarks.
//!
//! A file is opened only by name below the directory. Its identity and its state are checked here.
//! See `docs/GLOSSARY.md`: job, run, watermark.

mod copied;
mod directory;
mod file_identity;
mod job_lock;
mod network_check;
mod paths;
#[cfg(feature = "postgres")]
mod temporary_runs;
mod trusted;
mod watermark;

pub(crate) use copied::{content_of, is_copy, place_of};
pub use directory::{RunDirectory, RunLock, find_among};
pub(crate) use directory::{absolute, part_of};
pub(crate) use file_identity::FileIdentity;
pub use job_lock::{JobLock, lock_job};
#[cfg(feature = "postgres")]
pub(crate) use paths::remove_if_there;
pub(crate) use paths::{beside, has_company};
#[cfg(feature = "postgres")]
pub use temporary_runs::TemporaryRuns;
pub use trusted::private_directory;
pub(crate) use trusted::{check_file, read_text};
pub(crate) use watermark::{CommitWriter, DepartureWriter, MayHaveLeft, Watermark};
