//! Repairs a damaged run: what is not whole is set aside, and its tasks are in doubt from then on.

use crate::clock::Timestamp;
use crate::repair::damaged_part::DamagedPart;
use crate::repair::rows::replace;
use crate::repair::stand_in::{open_damaged, ruined, stand_in};
use crate::store::schema;
use crate::store::{Home, RunDirectory, RunLock, StoreError, Watermark, part_of, sqlite};
use std::iter;
use std::path::{Path, PathBuf};

/// Takes the tasks whose records are damaged as in doubt, and returns what was damaged.
///
/// All of a file in one commit; a run of several targets has a file for each. The damaged rows are kept in a table of their own. Tasks whose ids are lost
/// with a plan chunk stay in doubt for good.
///
/// # Errors
///
/// The description of the run is damaged, or the structure of its file.
/// Nothing was changed in it then.
pub fn repair(
    runs: &RunDirectory,
    lock: &RunLock,
    now: Timestamp,
) -> Result<Vec<DamagedPart>, StoreError> {
    let run = lock.run();
    if !runs.file(run).exists() {
        return Err(StoreError::NoSuchRun { wanted: run.to_string() });
    }
    let files = readable_files(&runs.file(run))?;
    let parts = files.iter().map(|file| repair_file(file, now));
    Ok(parts.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Returns the files of a run and makes sure that each can be read, before any of them is changed.
fn readable_files(first: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let targets = targets_of(first)?;
    let others = (1..targets).map(|index| part_of(first, index));
    let files: Vec<PathBuf> = iter::once(first.to_owned()).chain(others).collect();
    files[1..].iter().try_for_each(|file| targets_of(file).map(drop))?;
    Ok(files)
}

/// Returns the number of targets of the run that a file is of.
fn targets_of(path: &Path) -> Result<usize, StoreError> {
    let (connection, _) = open_damaged(path)?;
    let head = Home::new(&connection).head().map_err(ruined(path))?;
    Ok(head.run.settings.target.map_or(1, |target| target.names.len()))
}

fn repair_file(path: &Path, now: Timestamp) -> Result<Vec<DamagedPart>, StoreError> {
    let watermark = Watermark::read(path);
    let connection = schema::open_writer(path)?;
    let failed = sqlite(path);
    connection.execute_batch("BEGIN IMMEDIATE").map_err(&failed)?;
    let rebuilt = stand_in(&connection, path, watermark, Some(now))?;
    if !rebuilt.parts.is_empty() {
        replace(&connection).map_err(&failed)?;
    }
    connection.execute_batch("COMMIT").map_err(&failed)?;
    Ok(rebuilt.parts)
}
