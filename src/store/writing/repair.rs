//! Repairs a damaged run: what is not whole is set aside, and its tasks are in doubt from then on.

use crate::clock::Timestamp;
use crate::store::error::{StoreError, sqlite};
use crate::store::files::{RunDirectory, RunLock, Watermark};
use crate::store::reading::stand_in;
use crate::store::repair::{DamagedPart, replace};
use crate::store::schema;

/// Takes the tasks whose records are damaged as in doubt, and returns what was damaged.
///
/// All in one commit. The damaged rows are kept in a table of their own. Tasks whose ids are lost
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
    let path = runs.file(lock.run());
    if !path.exists() {
        return Err(StoreError::NoSuchRun { wanted: lock.run().to_string() });
    }
    let watermark = Watermark::read(&path);
    let connection = schema::open_writer(&path)?;
    let failed = sqlite(&path);
    connection.execute_batch("BEGIN IMMEDIATE").map_err(&failed)?;
    let rebuilt = stand_in(&connection, &path, watermark, Some(now))?;
    if !rebuilt.parts.is_empty() {
        replace(&connection).map_err(&failed)?;
    }
    connection.execute_batch("COMMIT").map_err(&failed)?;
    Ok(rebuilt.parts)
}
