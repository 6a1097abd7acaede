//! Copies a run out of the database into the files of a directory: one, or one for each target.
//!
//! All of it is from one snapshot, so that the targets are of one moment.

use crate::database::copied::Failed;
use crate::database::copy::{CopyMark, OnDamage, copy_row};
use crate::database::plan::LOAD_TIMEOUT;
use crate::database::runs::DatabaseRuns;
use crate::store::{RunDirectory, RunId, StoreError, beside, file, remove_if_there};
use std::fs;
use tokio_postgres::{Client, IsolationLevel};

const HEAD: &str = "
SELECT r.no, r.head, r.crc, r.stopping, EXISTS (
    SELECT FROM worker w WHERE w.run = r.no AND w.gone IS NULL AND w.seen > clock_timestamp() - r.lease)
FROM run r WHERE split_part(r.id, '.', 1) = $1 ORDER BY length(r.id), r.id";

/// A run that was copied.
#[derive(Debug)]
pub struct Copied {
    /// Whether a worker is on it.
    pub is_running: bool,
    /// Where the copy of each target ends; of a run without any that of the run.
    pub marks: Vec<CopyMark>,
}

/// Which copy is wanted.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    /// The one target that is copied; nothing for all of them.
    part: Option<usize>,
    /// What becomes of rows that are not what was written.
    on_damage: OnDamage,
}

impl DatabaseRuns {
    /// Copies a run into its file in a directory, or into one for each of its targets, in place of an
    /// earlier copy.
    ///
    /// # Errors
    ///
    /// There is no such run, it is damaged, the database is away, or the file cannot be written.
    pub async fn copy(&mut self, id: &RunId, runs: &RunDirectory) -> Result<Copied, StoreError> {
        self.copy_wanted(id, runs, Wanted { part: None, on_damage: OnDamage::Refuse }).await
    }

    /// Copies a run of which parts may be damaged; what is not whole is not whole in the file either.
    ///
    /// # Errors
    ///
    /// Those of [`DatabaseRuns::copy`]; the description of the run is damaged.
    pub async fn copy_damaged(
        &mut self,
        id: &RunId,
        runs: &RunDirectory,
    ) -> Result<Copied, StoreError> {
        self.copy_wanted(id, runs, Wanted { part: None, on_damage: OnDamage::Keep }).await
    }

    /// Copies one target of a run, and returns where its copy ends; of a run without targets there is
    /// only the first.
    ///
    /// # Errors
    ///
    /// Those of [`DatabaseRuns::copy`].
    pub(crate) async fn copy_part(
        &mut self,
        id: &RunId,
        part: usize,
        runs: &RunDirectory,
    ) -> Result<CopyMark, StoreError> {
        let wanted = Wanted { part: Some(part), on_damage: OnDamage::Refuse };
        let copied = self.copy_wanted(id, runs, wanted).await?;
        let no_such_run = || StoreError::NoSuchRun { wanted: id.to_string() };
        copied.marks.into_iter().next().ok_or_else(no_such_run)
    }

    async fn copy_wanted(
        &mut self,
        id: &RunId,
        runs: &RunDirectory,
        wanted: Wanted,
    ) -> Result<Copied, StoreError> {
        let copier = Copier { id, runs, shown: self.link.shown().to_owned(), wanted };
        let copied =
            self.link.with_limit(LOAD_TIMEOUT, async |client| match copier.copy(client).await {
                Err(Failed::Client(error)) => Err(error),
                Err(Failed::Store(error)) => Ok(Err(error)),
                Ok(copied) => Ok(Ok(copied)),
            });
        let copied = copied.await??;
        let first = wanted.part.unwrap_or_default();
        // The first file as the last one: with it the run is there.
        for index in (first..first + copied.marks.len()).rev() {
            let (unfinished, target) = (runs.unfinished_part(id, index), runs.part_file(id, index));
            // The watermark of an earlier copy would ask for commits that this one does not have.
            for old in ["-wal", "-shm", "-mark"].map(|ending| beside(&target, ending)) {
                remove_if_there(&old).map_err(file(&old))?;
            }
            fs::rename(&unfinished, &target).map_err(file(&target))?;
        }
        Ok(copied)
    }
}

/// What is copied, and where to.
struct Copier<'a> {
    id: &'a RunId,
    runs: &'a RunDirectory,
    shown: String,
    wanted: Wanted,
}

impl Copier<'_> {
    /// Copies all that is wanted from one snapshot, into files that are not in their places yet.
    async fn copy(&self, client: &mut Client) -> Result<Copied, Failed> {
        let snapshot = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
        let snapshot = snapshot.read_only(true).start().await?;
        snapshot.batch_execute("SET LOCAL statement_timeout = 0").await?;
        let rows = snapshot.query(HEAD, &[&self.id.as_str()]).await?;
        if rows.is_empty() {
            return Err(StoreError::NoSuchRun { wanted: self.id.to_string() }.into());
        }
        let mut copied = Copied { is_running: false, marks: Vec::new() };
        let is_wanted = |index: &usize| self.wanted.part.is_none_or(|part| part == *index);
        for (index, row) in rows.iter().enumerate().filter(|(index, _)| is_wanted(index)) {
            let path = self.runs.unfinished_part(self.id, index);
            remove_if_there(&path).map_err(file(&path)).map_err(Failed::Store)?;
            copied.is_running |= row.get::<_, bool>(4);
            copied
                .marks
                .push(copy_row(&snapshot, row, &path, &self.shown, self.wanted.on_damage).await?);
        }
        snapshot.commit().await?;
        Ok(copied)
    }
}
