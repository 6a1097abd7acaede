//! What can be wrong with the store, in words that say what to do.

use crate::store::ids::{JobName, RunId};
use rusqlite::{Error, ErrorCode};
use std::io;
use std::path::{Path, PathBuf};

/// Why the store cannot be used, or not any longer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file or directory cannot be made, read or written.
    #[error("cannot use `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else owns it or can replace it, or it is a link.
    #[error("cannot trust `{}`: {reason}", path.display())]
    Untrusted {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
    /// No space is left.
    #[error("no space is left for the run store `{}`", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Its content is damaged.
    #[error("the run store `{}` is damaged: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// It is a file of something else.
    #[error("`{}` is not a run of batchctl", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer version made it.
    #[error(
        "the run store `{}` has version {found}; this batchctl knows versions up to {known}",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest known.
        known: i64,
    },
    /// Runs cannot be kept there.
    #[error("`{}` is on {kind}, where a run store does not work", path.display())]
    Network {
        /// The directory.
        path: PathBuf,
        /// Which network file system it is.
        kind: &'static str,
    },
    /// It was removed, or put somewhere else, by somebody else.
    #[error("the run store `{}` is gone: it was removed or replaced", path.display())]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// Another process works on it.
    #[error("run {run} is in use by {holder}")]
    Busy {
        /// The run.
        run: RunId,
        /// Who holds it.
        holder: String,
    },
    /// Another run of the job is under way.
    #[error("job {job} is being run by {holder}")]
    JobBusy {
        /// The job.
        job: JobName,
        /// Who runs it.
        holder: String,
    },
    /// There is no such run.
    #[error("there is no run `{wanted}`")]
    NoSuchRun {
        /// What was asked for.
        wanted: String,
    },
    /// The id of a new run is taken.
    #[error("there is a run {run} already")]
    Exists {
        /// The run.
        run: RunId,
    },
    /// Several runs begin like this.
    #[error("`{wanted}` fits {count} runs, such as {first} and {second}")]
    AmbiguousRun {
        /// What was asked for.
        wanted: String,
        /// How many it fits.
        count: usize,
        /// One of them.
        first: RunId,
        /// Another.
        second: RunId,
    },
    /// SQLite failed in another way.
    #[error("the run store `{}` failed", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// How.
        source: Error,
    },
    /// The thread that writes is gone.
    #[error("the writer of the run store ended before the run did")]
    WriterGone,
}

impl StoreError {
    /// Returns what helps against it, if something does.
    pub fn hint(&self) -> String {
        match self {
            Self::File { .. } | Self::Foreign { .. } => {
                "name another place with `--state-dir DIR`".into()
            }
            Self::Untrusted { remedy, .. } => remedy.clone(),
            Self::Network { .. } => "name a local directory with `--state-dir DIR`".into(),
            Self::Full { .. } => {
                "free some space there; `batchctl resume` goes on with a run that had begun".into()
            }
            Self::Gone { .. } => {
                "nothing was sent that it did not hold; put it back, or start anew".into()
            }
            Self::Damaged { path, .. } => format!(
                "nothing was changed in it; save what can be read with `sqlite3 {} .recover`",
                path.display()
            ),
            Self::Newer { .. } => "use the version that made it, or a newer one".into(),
            Self::Busy { .. } => "wait until that process has ended".into(),
            Self::JobBusy { .. } => {
                "wait for it with `--lock-wait 10m`, or leave it at that with `--if-busy skip`"
                    .into()
            }
            Self::NoSuchRun { .. } => "`batchctl runs list` shows the runs there are".into(),
            Self::AmbiguousRun { .. } => "give more characters of its id".into(),
            Self::Exists { .. } => "nothing was changed in it; try once more".into(),
            Self::Sqlite { .. } => "check the disk, its limits and the rights there; \
                 `batchctl resume` goes on with a run that had begun"
                .into(),
            Self::WriterGone => "`batchctl resume` goes on from what was recorded".into(),
        }
    }
}

/// Tells apart the failures of SQLite that need different words.
pub(crate) fn sqlite(path: &Path) -> impl Fn(Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { path: path.clone() },
        Some(ErrorCode::NotADatabase) => StoreError::Foreign { path: path.clone() },
        _ if is_damage(&source) => {
            StoreError::Damaged { path: path.clone(), detail: source.to_string() }
        }
        _ => StoreError::Sqlite { path: path.clone(), source },
    }
}

/// Tells whether an error says that the file does not hold what was written to it.
fn is_damage(error: &Error) -> bool {
    match error {
        // A value that is missing or was never stored like this; a statement that does not fit
        // the tables, for all fit those that were made.
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..)
        | Error::Utf8Error(..)
        | Error::QueryReturnedNoRows
        | Error::SqlInputError { .. } => true,
        Error::SqliteFailure(_, Some(message)) if message.starts_with("no such ") => true,
        _ => error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt),
    }
}

pub(crate) fn file(path: &Path) -> impl Fn(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull => StoreError::Full { path: path.clone() },
        _ => StoreError::File { path: path.clone(), source },
    }
}
