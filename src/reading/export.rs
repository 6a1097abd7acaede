//! Writes a run as plain tables into a new SQLite file, for whoever wants to query it.
//!
//! The file is complete or not there. Times are texts, as in all documents.

use crate::clock::TimestampText;
use crate::reading::reader::RunReader;
use crate::reading::rows::{AttemptRow, TaskRow};
use crate::store::{StoreError, sqlite};
use crate::task::{Failure, Outcome, TaskState};
use crate::whole_file::{FOR_ITS_OWNER, WholeFile, directory_of, without_place};
use rusqlite::{Connection, params};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::NamedTempFile;

const TABLES: &str = "
PRAGMA journal_mode = off;
PRAGMA synchronous = off;
CREATE TABLE task (
    ordinal INTEGER PRIMARY KEY, id TEXT NOT NULL, command TEXT NOT NULL, source TEXT NOT NULL,
    line INTEGER NOT NULL, others TEXT
) STRICT;
CREATE TABLE attempt (
    seq INTEGER PRIMARY KEY, ordinal INTEGER NOT NULL, number INTEGER NOT NULL,
    sent TEXT NOT NULL, duration_us INTEGER, in_doubt INTEGER NOT NULL, http_status INTEGER,
    total_count INTEGER, failed_count INTEGER, succeed_count INTEGER, request_id TEXT
) STRICT;
CREATE TABLE outcome (
    ordinal INTEGER PRIMARY KEY, outcome TEXT NOT NULL, attempts INTEGER NOT NULL, last INTEGER,
    first_sent TEXT, settled TEXT, call TEXT, state_before TEXT, state_after TEXT, verified TEXT
) STRICT;
CREATE TABLE failure (
    seq INTEGER PRIMARY KEY, error_kind TEXT NOT NULL, error_code TEXT NOT NULL,
    error_msg TEXT NOT NULL, detail TEXT NOT NULL, reason TEXT NOT NULL, advice TEXT NOT NULL,
    params TEXT NOT NULL, error_list TEXT NOT NULL
) STRICT;
CREATE TABLE hold (\"from\" TEXT NOT NULL, until TEXT NOT NULL, reason TEXT NOT NULL) STRICT;
CREATE TABLE change (at TEXT NOT NULL, what TEXT NOT NULL, value TEXT, by TEXT NOT NULL) STRICT;
BEGIN;
";

/// The file cannot be written, or the run cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// There is such a file already.
    #[error("`{}` exists", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The run or the file failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RunReader {
    /// Writes the run as plain tables into a new file.
    ///
    /// # Errors
    ///
    /// The file exists or cannot be written, or the run cannot be read. No file is left then.
    pub fn export(&self, path: &Path) -> Result<(), ExportError> {
        if path.exists() {
            return Err(ExportError::Exists { path: path.into() });
        }
        let failed = |source| ExportError::Write { path: path.into(), source };
        // Before the work, because the directory may be missing. Ids and messages are not for everybody.
        let mut whole = WholeFile::begin(path, FOR_ITS_OWNER).map_err(failed)?;
        let mut tables = self.tables_beside(path)?;
        io::copy(&mut tables, &mut whole).map_err(failed)?;
        whole.file().sync_all().map_err(failed)?;
        whole.create_new().map_err(failed)?;
        Ok(())
    }

    /// Returns the file of the tables, which has no name any more, so that it is gone with this process.
    fn tables_beside(&self, path: &Path) -> Result<File, ExportError> {
        let failed = |source| ExportError::Write { path: path.into(), source };
        let made = NamedTempFile::new_in(directory_of(path)).map_err(without_place);
        let made = made.map_err(failed)?;
        let connection = Connection::open(made.path()).map_err(sqlite(path))?;
        // SQLite opens by name, and what had a name once cannot be given another: it is copied.
        let (tables, name) = made.into_parts();
        name.close().map_err(failed)?;
        let export = Export { run: self, connection: &connection, path };
        export.write().map_err(|error| not_written(error, path))?;
        connection.close().map_err(|(_, error)| sqlite(path)(error))?;
        Ok(tables)
    }
}

/// Tells an export without space as such: the words of the store are about a run that cannot go on.
fn not_written(error: StoreError, path: &Path) -> ExportError {
    let kind = match &error {
        StoreError::Full { path: full } if full == path => io::ErrorKind::StorageFull,
        StoreError::Limited { path: full, .. } if full == path => io::ErrorKind::FileTooLarge,
        _ => return error.into(),
    };
    ExportError::Write { path: path.into(), source: kind.into() }
}

/// An export on its way.
struct Export<'a> {
    run: &'a RunReader,
    connection: &'a Connection,
    path: &'a Path,
}

impl Export<'_> {
    fn write(&self) -> Result<(), StoreError> {
        let failed = sqlite(self.path);
        self.connection.execute_batch(TABLES).map_err(&failed)?;
        let sources = self.run.record()?.sources;
        self.run.for_each_task::<StoreError>(|task| {
            let source = usize::try_from(task.source).ok().and_then(|place| sources.get(place));
            let source = source.map_or("", |source| &source.name);
            self.write_task(&task, source).map_err(&failed)
        })?;
        self.run.for_each_attempt::<StoreError>(|attempt| {
            self.write_attempt(&attempt).map_err(&failed)
        })?;
        self.write_run()?;
        self.connection.execute_batch("COMMIT").map_err(&failed)
    }

    fn write_task(&self, task: &TaskRow, source: &str) -> rusqlite::Result<()> {
        let mut insert =
            self.connection.prepare_cached("INSERT INTO task VALUES (?, ?, ?, ?, ?, ?)")?;
        let (ordinal, command) = (task.ordinal.0, task.command.as_str());
        let line = i64::try_from(task.line).unwrap_or(i64::MAX);
        insert.execute(params![ordinal, task.id.as_str(), command, source, line, task.others])?;
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO outcome VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
        let time = |at: Option<_>| at.map(|at| TimestampText::default().format(at).to_owned());
        insert.execute(params![
            ordinal,
            task.outcome.as_str(),
            task.attempts,
            task.last.as_ref().map(|last| last.seq.0),
            time(task.first_sent),
            time(task.settled),
            task.seen.call.map(Outcome::as_str),
            task.seen.before.map(TaskState::as_str),
            task.seen.after.map(TaskState::as_str),
            time(task.seen.verified),
        ])?;
        Ok(())
    }

    fn write_attempt(&self, attempt: &AttemptRow) -> rusqlite::Result<()> {
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
        let counts = attempt.counts;
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        insert.execute(params![
            attempt.seq.0,
            attempt.ordinal.0,
            attempt.number,
            attempt.sent.to_string(),
            attempt.duration.map(micros),
            attempt.in_doubt,
            attempt.http_status,
            counts.map(|counts| count(counts.total)),
            counts.map(|counts| count(counts.failed)),
            counts.map(|counts| count(counts.succeeded)),
            attempt.request_id,
        ])?;
        let written = attempt.failure.as_ref().map(|found| self.write_failure(attempt, found));
        written.unwrap_or(Ok(()))
    }

    fn write_failure(&self, attempt: &AttemptRow, failure: &Failure) -> rusqlite::Result<()> {
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO failure VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
        let list = |texts: &[String]| serde_json::to_string(texts).expect("texts are JSON");
        insert.execute(params![
            attempt.seq.0,
            failure.kind.as_str(),
            failure.code,
            failure.message,
            failure.detail,
            failure.reason,
            failure.advice,
            list(&failure.params),
            list(&failure.error_list),
        ])?;
        Ok(())
    }

    fn write_run(&self) -> Result<(), StoreError> {
        let failed = sqlite(self.path);
        for hold in self.run.holds()? {
            let values = (hold.from.to_string(), hold.until.to_string(), hold.reason);
            let sql = "INSERT INTO hold VALUES (?, ?, ?)";
            self.connection.execute(sql, values).map_err(&failed)?;
        }
        for change in self.run.changes()? {
            let values = (change.at.to_string(), change.what, change.value, change.by);
            let sql = "INSERT INTO change VALUES (?, ?, ?, ?)";
            self.connection.execute(sql, values).map_err(&failed)?;
        }
        Ok(())
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
