//! The plan of a dry run: in a temporary file that vanishes with it.

use crate::clock::Timestamp;
use crate::plan::Problems;
use crate::policy::{EarlierCalls, FirstLook, Observation};
use crate::store::error::{StoreError, sqlite};
use crate::store::files::RunDirectory;
use crate::store::planning::load::{NewPlan, load};
use crate::store::planning::tables::{PlanFile, PlanTotals};
use crate::store::reading::{NewRun, first_rows, plan_row};
use crate::store::rows::PlanRow;
use crate::store::schema;
use crate::store::writing::{Survey, Surveyed, TaskSelection, state_rows};
use crate::task::{ObservedState, TaskId};
use rusqlite::Connection;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// The path of the temporary file in messages.
const NOWHERE: &str = "(temporary)";

/// A plan for a dry run.
#[derive(Debug)]
pub struct TemporaryPlan {
    connection: Connection,
    totals: PlanTotals,
    origin: Timestamp,
}

/// Reads all inputs and keeps nothing after the plan is dropped.
pub fn temporary_plan(
    runs: &RunDirectory,
    run: &NewRun,
    new: NewPlan,
) -> Result<Result<TemporaryPlan, Problems>, StoreError> {
    let connection = schema::temporary().map_err(failed)?;
    let plan = PlanFile { connection: &connection, path: Path::new(NOWHERE) };
    let loaded = load(plan, runs, run, new)?;
    Ok(loaded.map(|totals| TemporaryPlan { connection, totals, origin: run.origin }))
}

impl TemporaryPlan {
    /// Returns the numbers of rows and tasks.
    pub fn totals(&self) -> PlanTotals {
        self.totals
    }

    /// Returns the first tasks that would be called.
    pub fn first_rows(&self, limit: u32) -> Result<Vec<PlanRow>, StoreError> {
        first_rows(&self.connection, limit).map_err(failed)
    }

    /// Calls `take` for every task, in the order of the inputs, with the state that was observed.
    ///
    /// # Errors
    ///
    /// The store's, and those of `take`.
    pub fn for_each_row<E: From<StoreError>>(
        &self,
        mut take: impl FnMut(PlanRow, Option<Observation>) -> Result<(), E>,
    ) -> Result<(), E> {
        state_rows::make_room(&self.connection).map_err(failed)?;
        let mut query = self
            .connection
            .prepare(
                "SELECT task.id, task.command, source.name, task.line,
                        seen.state, seen.start, seen.stop
                 FROM task JOIN source ON source.number = task.source
                     LEFT JOIN temp.seen ON seen.id = task.id
                 ORDER BY task.ordinal",
            )
            .map_err(failed)?;
        let mut rows = query.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let planned = plan_row(row).map_err(failed)?;
            let seen = state_rows::observation(row, 4, planned.command).map_err(failed)?;
            take(planned, seen)?;
        }
        Ok(())
    }

    /// Forgets all observed states and returns the ids of the tasks, unless there are more than
    /// `limit`.
    pub fn look_for(&self, limit: usize) -> Result<Option<HashSet<TaskId>>, StoreError> {
        state_rows::forget(&self.connection).map_err(failed)?;
        state_rows::selected_ids(&self.connection, TaskSelection::Unsettled, limit).map_err(failed)
    }

    /// Keeps observed states.
    pub fn see(&self, states: &[ObservedState]) -> Result<(), StoreError> {
        state_rows::see(&self.connection, states).map_err(failed)
    }

    /// Counts the tasks by their states; a task that would be left alone is not called any more.
    pub fn survey(
        &self,
        decide: impl Fn(Option<Observation>, EarlierCalls) -> FirstLook,
        now: Timestamp,
    ) -> Result<Surveyed, StoreError> {
        let open = BTreeMap::new();
        let (connection, origin) = (&self.connection, self.origin);
        Survey { connection, open: &open, origin, now }.carry_out(decide).map_err(failed)
    }
}

fn failed(error: rusqlite::Error) -> StoreError {
    sqlite(Path::new(NOWHERE))(error)
}
