//! Repairs a damaged run, so that it can be resumed.

use crate::clock::Clock;
use crate::run::plan::holder;
use crate::store;
use crate::store::{DamagedPart, RunDirectory, RunId, StoreError};
use std::path::Path;

/// Takes the tasks of a run whose records are damaged as in doubt, and returns what was damaged.
///
/// # Errors
///
/// Another process works on the run; or so much is lost that it cannot be resumed.
pub fn repair(state: &Path, id: &RunId, clock: Clock) -> Result<Vec<DamagedPart>, StoreError> {
    let runs = RunDirectory::open(state)?;
    let lock = runs.lock(id, &holder(clock.now()))?;
    store::repair(&runs, &lock)
}
