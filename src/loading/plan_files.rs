//! Makes the files of a new run: one, or one for each of its targets.
//!
//! They appear under their names only when all of the plan is complete, the run's own file as the
//! last. So half a plan is never visible, and no other run is overwritten.

use crate::loading::tables::PlanTotals;
use crate::plan::Problems;
use crate::store::schema;
use crate::store::{NewRun, RunDirectory, RunLock, StoreError, file, sqlite};
use rusqlite::Connection;
use std::fs;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A complete plan, or the problems of its inputs.
#[derive(Debug)]
pub enum PlannedRun {
    /// The plan is stored, and its run is locked for this process.
    Ready {
        /// The numbers of rows and tasks.
        totals: PlanTotals,
        /// The right to carry the run out.
        lock: RunLock,
    },
    /// Nothing was stored.
    Refused(Problems),
}

/// The complete plans of all targets of a run, or the problems of its inputs.
#[derive(Debug)]
pub enum PlannedTargets {
    /// The plans are stored, and their run is locked for this process.
    Ready {
        /// The numbers of rows and tasks of each target.
        totals: Vec<PlanTotals>,
        /// The right to carry the run out.
        lock: RunLock,
    },
    /// Nothing was stored.
    Refused(Problems),
}

impl PlannedTargets {
    /// Returns how many tasks each target has.
    pub fn selected(&self) -> Vec<u64> {
        match self {
            Self::Ready { totals, .. } => totals.iter().map(|totals| totals.selected).collect(),
            Self::Refused(_) => Vec::new(),
        }
    }

    /// Returns them as one plan, with the sums of their numbers.
    pub fn whole(self) -> PlannedRun {
        match self {
            Self::Ready { totals, lock } => {
                PlannedRun::Ready { totals: totals.into_iter().sum(), lock }
            }
            Self::Refused(problems) => PlannedRun::Refused(problems),
        }
    }
}

/// The plan of one target while it is filled; of a run without targets it is all of the plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlanPart<'a> {
    pub(super) connection: &'a Connection,
    /// The path for messages: a dry run has a file without a name.
    pub(super) path: &'a Path,
    pub(super) run: &'a NewRun,
}

impl PlanPart<'_> {
    /// Returns the directory for what is sorted: beside the run, where that needs space as well.
    pub(super) fn directory(&self) -> PathBuf {
        let beside = self.path.parent().filter(|parent| parent.is_dir());
        beside.map_or_else(tempfile::env::temp_dir, Path::to_path_buf)
    }

    /// Returns the conversion of SQLite's errors that names this file.
    pub(super) fn failed(&self) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
        sqlite(self.path)
    }
}

/// The totals of all targets, or the problems of their inputs.
pub(super) type FilledParts = Result<Result<Vec<PlanTotals>, Problems>, StoreError>;

/// Makes the files of the targets of a new run, calls `fill` for them, and publishes them.
///
/// The runs have the same id, or the next one that no other run has: two processes that begin at the
/// same moment may have chosen the same.
pub(super) fn store_parts(
    runs: &RunDirectory,
    parts: &[NewRun],
    holder: &str,
    fill: impl FnOnce(&[PlanPart<'_>]) -> FilledParts,
) -> Result<PlannedTargets, StoreError> {
    // Failing to clean up is harmless: the leftovers only take space.
    let _ = runs.sweep();
    let lock = runs.lock_free(&parts[0].id, holder)?;
    let renamed = |part: &NewRun| NewRun { id: lock.run().clone(), ..part.clone() };
    let parts: Vec<NewRun> = parts.iter().map(renamed).collect();
    match fill_files(runs, &parts, fill) {
        Ok(Ok(totals)) => Ok(PlannedTargets::Ready { totals, lock }),
        Ok(Err(problems)) => {
            runs.remove(lock)?;
            Ok(PlannedTargets::Refused(problems))
        }
        Err(error) => {
            // The first error is the cause; an error here would only be its consequence.
            let _ = runs.remove(lock);
            Err(error)
        }
    }
}

fn fill_files(
    runs: &RunDirectory,
    parts: &[NewRun],
    fill: impl FnOnce(&[PlanPart<'_>]) -> FilledParts,
) -> FilledParts {
    let create = |(index, run): (usize, &NewRun)| {
        let unfinished = runs.unfinished_part(&run.id, index);
        schema::create(&unfinished).map(|connection| (unfinished, connection))
    };
    let files = parts.iter().enumerate().map(create);
    let files = files.collect::<Result<Vec<(PathBuf, Connection)>, StoreError>>()?;
    let open = files.iter().zip(parts);
    let open = open.map(|((path, connection), run)| PlanPart { connection, path, run });
    let filled = fill(&open.collect::<Vec<_>>())?;
    if filled.is_err() {
        return Ok(filled);
    }
    for (unfinished, connection) in &files {
        schema::finish(connection).map_err(sqlite(unfinished))?;
    }
    // From the last to the first: the run is visible from the moment that the first file is.
    for (index, (unfinished, connection)) in files.into_iter().enumerate().rev() {
        connection.close().map_err(|(_, error)| sqlite(&unfinished)(error))?;
        publish(&unfinished, &runs.part_file(&parts[index].id, index))?;
    }
    Ok(filled)
}

/// Makes a complete file durable, and only then visible.
fn publish(unfinished: &Path, target: &Path) -> Result<(), StoreError> {
    File::open(unfinished).and_then(|f| f.sync_all()).map_err(file(unfinished))?;
    fs::rename(unfinished, target).map_err(file(target))?;
    // The name itself is durable only when its directory is.
    let parent = target.parent().expect("a run's file is in the directory of runs");
    File::open(parent).and_then(|d| d.sync_all()).map_err(file(parent))
}
