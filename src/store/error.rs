//! The errors of the store, with hints that say what to do.

use crate::journal::Damage;
use crate::store::files::{content_of, place_of};
use crate::store::ids::{JobName, RunId};
use crate::store::other_home::OtherHomeError;
use crate::system::io::Errno;
use crate::system::process::{Resource, getrlimit};
use crate::text::shell_quoted;
use rusqlite::ffi::{SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE};
use rusqlite::types::Type;
use rusqlite::{Error, ErrorCode};
use std::io;
use std::path::{Path, PathBuf};

/// Why the store cannot be used, or not any longer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file or directory cannot be created, read or written.
    #[error("cannot use `{}`", place_of(path).display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Somebody else owns it or can replace it, or it is a link.
    #[error("cannot trust `{}`: {reason}", place_of(path).display())]
    Untrusted {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
    /// No space is left.
    #[error("no space is left for the run store `{}`", place_of(path).display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The file has reached the limit of the system on file sizes.
    #[error("the run store `{}` may not grow: no file may have more than {most} bytes", place_of(path).display())]
    Limited {
        /// The file.
        path: PathBuf,
        /// The limit.
        most: u64,
    },
    /// The content of a file is damaged.
    #[error("{} is damaged: {detail}", content_of(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The damage that was found.
        detail: String,
    },
    /// So much of a file is damaged that nothing of it can be read.
    #[error("{} is damaged beyond repair: {detail}", content_of(path))]
    Ruined {
        /// The file.
        path: PathBuf,
        /// The damage that was found.
        detail: String,
    },
    /// The file belongs to another program.
    #[error("`{}` is not a run of batchctl", place_of(path).display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A version of batchctl before the journal made the file.
    #[error("{} has the old form, version {found}", content_of(path))]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// A newer version of batchctl made the file.
    #[error("{} has version {found}; this batchctl knows versions up to {known}", content_of(path))]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that is known.
        known: i64,
    },
    /// The directory is on a network file system.
    #[error("`{}` is on {kind}, where a run store does not work", path.display())]
    Network {
        /// The directory.
        path: PathBuf,
        /// The name of the file system.
        kind: &'static str,
    },
    /// Somebody removed or moved the file while it was in use.
    #[error("{} is gone: it was removed or replaced", content_of(path))]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// Another process works on the run.
    #[error("run {run} is in use by {holder}")]
    Busy {
        /// The run.
        run: RunId,
        /// The process that holds it.
        holder: String,
    },
    /// Another run of the job is under way.
    #[error("job {job} is being run by {holder}")]
    JobBusy {
        /// The job.
        job: JobName,
        /// The process that runs it.
        holder: String,
    },
    /// The latest run is wanted, and there is none.
    #[error("no run is kept")]
    NoRuns,
    /// The run does not exist.
    #[error("there is no run `{wanted}`")]
    NoSuchRun {
        /// The text that was asked for.
        wanted: String,
    },
    /// The id of a new run is taken.
    #[error("there is a run {run} already")]
    Exists {
        /// The run.
        run: RunId,
    },
    /// Several runs have ids that begin like this.
    #[error("`{wanted}` fits {count} runs, such as {first} and {second}")]
    AmbiguousRun {
        /// The text that was asked for.
        wanted: String,
        /// The number of such runs.
        count: usize,
        /// One of them.
        first: RunId,
        /// Another.
        second: RunId,
    },
    /// SQLite failed in another way.
    #[error("the run store `{}` failed", place_of(path).display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// The failure.
        source: Error,
    },
    /// Another home of runs than files cannot be used.
    #[error(transparent)]
    OtherHome(#[from] OtherHomeError),
    /// The thread of the writer is gone.
    #[error("the writer of the run store ended before the run did")]
    WriterGone,
}

impl StoreError {
    /// Returns what the operator can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::File { source, .. } if is_out_of_descriptors(source) => {
                "raise the limit of open files (`ulimit -n`)".into()
            }
            Self::File { .. } => "name another place with `--state-dir DIR`".into(),
            Self::Foreign { .. } => {
                "put back a copy of it if it was a run; otherwise move it elsewhere".into()
            }
            Self::Untrusted { remedy, .. } => remedy.clone(),
            Self::Network { .. } => "name a local directory with `--state-dir DIR`".into(),
            Self::Full { .. } => {
                "free some space there; `batchctl resume` goes on with a run that had begun".into()
            }
            Self::Limited { .. } => {
                "raise the limit of file sizes (`ulimit -f`); `batchctl resume` \
                 goes on with a run that had begun"
                    .into()
            }
            Self::Gone { .. } => {
                "nothing was sent that it did not hold; put it back, or start anew".into()
            }
            Self::Damaged { path, .. } => {
                let run = path.file_stem().unwrap_or_default().to_string_lossy();
                let run = shell_quoted(&run);
                format!(
                    "nothing was changed in it; `batchctl report {run}` shows what is whole, and \
                     `batchctl resume {run} --repair` takes the rest as in doubt"
                )
            }
            Self::Ruined { .. } => "put back a copy of it, or carry out its input anew: \
                 `batchctl stop INPUT --skip-unchanged` leaves alone what is stopped already"
                .into(),
            Self::Older { .. } => {
                "read it with the version that made it: its `batchctl report` writes every format"
                    .into()
            }
            Self::Newer { .. } => "use the version that made it, or a newer one".into(),
            Self::Busy { .. } => "wait until that process has ended".into(),
            Self::JobBusy { .. } => {
                "wait for it with `--lock-wait 10m`, or leave it at that with `--if-busy skip`"
                    .into()
            }
            Self::NoRuns => "`batchctl start`, `stop`, `run` or `do` begins one".into(),
            Self::NoSuchRun { .. } => "`batchctl runs list` shows the runs there are".into(),
            Self::AmbiguousRun { .. } => "give more characters of its id".into(),
            Self::Exists { .. } => "nothing was changed in it; try once more".into(),
            Self::Sqlite { .. } => "check the disk, its limits and the rights there; \
                 `batchctl resume` goes on with a run that had begun"
                .into(),
            Self::OtherHome(error) => error.hint().to_owned(),
            Self::WriterGone => "`batchctl resume` goes on from what was recorded".into(),
        }
    }
}

/// Returns the conversion of SQLite's failures that names a file.
pub(crate) fn sqlite(path: &Path) -> impl Fn(Error) -> StoreError + use<> {
    // Owned, so that the conversion may outlive the borrow of the connection's path.
    let path = path.to_owned();
    move |source| match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { path: path.clone() },
        // The index of the log could not be made as large as it has to be.
        Some(_) if extended(&source) == SQLITE_IOERR_SHMSIZE => match size_limit() {
            Some(most) => StoreError::Limited { path: path.clone(), most },
            None => StoreError::Full { path: path.clone() },
        },
        Some(ErrorCode::NotADatabase) => StoreError::Foreign { path: path.clone() },
        _ if is_damage(&source) => {
            StoreError::Damaged { path: path.clone(), detail: detail_of(&source) }
        }
        _ => match size_limit().filter(|_| extended(&source) == SQLITE_IOERR_WRITE) {
            Some(most) => StoreError::Limited { path: path.clone(), most },
            None => StoreError::Sqlite { path: path.clone(), source },
        },
    }
}

/// Returns the error of damage that was found in a body; its place becomes the detail.
pub(crate) fn damage(damage: Damage) -> Error {
    Error::FromSqlConversionFailure(0, Type::Blob, Box::new(damage))
}

fn detail_of(error: &Error) -> String {
    match error {
        Error::FromSqlConversionFailure(_, Type::Blob, reason) if reason.is::<Damage>() => {
            reason.to_string()
        }
        _ => error.to_string(),
    }
}

/// Returns the limit on file sizes, if there is one.
///
/// SQLite keeps no reason for a write that failed, other than a full disk.
fn size_limit() -> Option<u64> {
    getrlimit(Resource::Fsize).current
}

/// Returns the code that tells most of an error, 0 without one.
fn extended(error: &Error) -> i32 {
    error.sqlite_error().map_or(0, |failure| failure.extended_code)
}

/// Returns whether an error means that the file does not hold what was written to it.
fn is_damage(error: &Error) -> bool {
    match error {
        // A value that is missing or that no version stores; a statement that does not fit the
        // tables, because every statement fits the tables of an undamaged file.
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

/// Returns whether this process, or the machine, may open no more files.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    let is = |known: Errno| error.raw_os_error() == Some(known.raw_os_error());
    is(Errno::MFILE) || is(Errno::NFILE)
}

/// Returns the conversion of the failures of files that names a file.
pub(crate) fn file(path: &Path) -> impl Fn(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            StoreError::Full { path: path.clone() }
        }
        _ => StoreError::File { path: path.clone(), source },
    }
}
