//! Repairs a damaged run: what is not whole is set aside, and its tasks are in doubt from then on.

use crate::clock::Timestamp;
use crate::store::error::{StoreError, sqlite};
use crate::store::files::{RunDirectory, RunLock, Watermark};
use crate::store::reading::{RunReader, stand_in};
use crate::store::repair::{DamagedPart, replace};
use crate::store::schema;
use std::path::Path;

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
    let others = RunReader::open_damaged(runs, run)?.others().len();
    let parts = (0..=others).map(|index| repair_file(&runs.part_file(run, index), now));
    Ok(parts.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
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
