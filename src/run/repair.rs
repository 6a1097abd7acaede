//! Repairs a damaged run, so that it can be resumed.

use crate::clock::Clock;
use crate::repair;
use crate::repair::DamagedPart;
use crate::run::plan::holder;
use crate::store::{RunDirectory, RunId, StoreError};
use std::path::Path;

/// Takes the tasks of a run whose records are damaged as in doubt, and returns what was damaged.
///
/// # Errors
///
/// Another process works on the run; its description is damaged, or the structure of its file.
pub fn repair(state: &Path, id: &RunId, clock: Clock) -> Result<Vec<DamagedPart>, StoreError> {
    let now = clock.now();
    let runs = RunDirectory::open(state)?;
    let lock = runs.lock(id, &holder(now))?;
    repair::repair(&runs, &lock, now)
}
