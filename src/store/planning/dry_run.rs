//! A plan that only looks: in a temporary file that vanishes with it.

use crate::clock::Timestamp;
use crate::plan::Problems;
use crate::store::error::{StoreError, sqlite};
use crate::store::files::RunDirectory;
use crate::store::planning::load::{NewPlan, PlanTotals, load};
use crate::store::reading::{NewRun, first_rows};
use crate::store::rows::PlanRow;
use crate::store::schema;
use crate::store::writing::{Purpose, Survey, Surveyed, survey};
use crate::task::{ObservedState, TaskId};
use rusqlite::Connection;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// What stands in the place of a file's name.
const NOWHERE: &str = "(temporary)";

/// A plan for a dry run.
#[derive(Debug)]
pub struct Draft {
    connection: Connection,
    totals: PlanTotals,
    origin: Timestamp,
}

/// Reads all inputs without storing anything that stays.
pub fn draft(
    runs: &RunDirectory,
    run: &NewRun,
    new: NewPlan,
) -> Result<Result<Draft, Problems>, StoreError> {
    let connection = schema::temporary().map_err(failed)?;
    let loaded = load((&connection, Path::new(NOWHERE)), runs, run, new)?;
    Ok(loaded.map(|totals| Draft { connection, totals, origin: run.origin }))
}

impl Draft {
    /// Returns how many rows and tasks there are.
    pub fn totals(&self) -> PlanTotals {
        self.totals
    }

    /// Returns the first tasks that would be called.
    pub fn first_rows(&self, most: u32) -> Result<Vec<PlanRow>, StoreError> {
        first_rows(&self.connection, most).map_err(failed)
    }

    /// Forgets all sightings, and returns the ids of the tasks, unless there are more than `most`.
    pub fn look_for(&self, most: usize) -> Result<Option<HashSet<TaskId>>, StoreError> {
        survey::forget(&self.connection).map_err(failed)?;
        survey::unsettled_ids(&self.connection, most).map_err(failed)
    }

    /// Keeps what was seen.
    pub fn see(&self, sightings: &[ObservedState]) -> Result<(), StoreError> {
        survey::see(&self.connection, sightings).map_err(failed)
    }

    /// Counts what the tasks are; what would be left alone is not called any more.
    pub fn survey(&self, purpose: Purpose, now: Timestamp) -> Result<Surveyed, StoreError> {
        let open = BTreeMap::new();
        let (connection, origin) = (&self.connection, self.origin);
        Survey { connection, open: &open, origin, now, purpose }.carry_out().map_err(failed)
    }
}

fn failed(error: rusqlite::Error) -> StoreError {
    sqlite(Path::new(NOWHERE))(error)
}
