//! The plan of a dry run: in a temporary file that vanishes with it.

use crate::clock::Timestamp;
use crate::loading::load::{NewPlan, load_parts};
use crate::loading::plan_files::PlanPart;
use crate::loading::tables::PlanTotals;
use crate::plan::Problems;
use crate::policy::{EarlierCalls, FirstLook, Goal, Observation};
use crate::reading::{PlanRow, first_rows, plan_row};
use crate::settings::LeftOut;
use crate::store::observed_states;
use crate::store::schema;
use crate::store::{
    Home, NewRun, RunDirectory, StoreError, Survey, Surveyed, TaskSelection, WalkError,
    for_each_planned, sqlite, told, write_alone,
};
use crate::task::{ObservedState, TaskId};
use rusqlite::Connection;
use std::collections::HashSet;
use std::ops::ControlFlow::Continue;
use std::path::Path;

/// The path of the temporary file in messages.
const NOWHERE: &str = "(temporary)";

/// A plan for a dry run.
#[derive(Debug)]
pub struct TemporaryPlan {
    connection: Connection,
    totals: PlanTotals,
    origin: Timestamp,
    left_out: LeftOut,
}

/// Reads all inputs and keeps nothing after the plan is dropped.
pub fn temporary_plan(
    runs: &RunDirectory,
    run: &NewRun,
    new: NewPlan,
) -> Result<Result<TemporaryPlan, Problems>, StoreError> {
    let plans = temporary_plans(runs, std::slice::from_ref(run), new)?;
    Ok(plans.map(|mut plans| plans.remove(0)))
}

/// Reads all inputs into a plan for each target, and keeps nothing after the plans are dropped.
pub fn temporary_plans(
    runs: &RunDirectory,
    parts: &[NewRun],
    new: NewPlan,
) -> Result<Result<Vec<TemporaryPlan>, Problems>, StoreError> {
    let connections = parts.iter().map(|_| schema::temporary().map_err(failed));
    let connections = connections.collect::<Result<Vec<_>, _>>()?;
    let path = Path::new(NOWHERE);
    let plan = |(connection, run)| PlanPart { connection, path, run };
    let plans: Vec<_> = connections.iter().zip(parts).map(plan).collect();
    let totals = match load_parts(&plans, runs, new)? {
        Ok(totals) => totals,
        Err(problems) => return Ok(Err(problems)),
    };
    let plan = |((connection, run), totals): ((Connection, &NewRun), PlanTotals)| {
        let left_out = Home::new(&connection).head().map_err(failed)?.run.settings.choice.left_out;
        Ok(TemporaryPlan { connection, totals, origin: run.origin, left_out })
    };
    let plans = connections.into_iter().zip(parts).zip(totals).map(plan);
    plans.collect::<Result<Vec<_>, StoreError>>().map(Ok)
}

impl TemporaryPlan {
    /// Returns the numbers of rows and tasks.
    pub fn totals(&self) -> PlanTotals {
        self.totals
    }

    /// Returns which tasks are left out.
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
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
        observed_states::make_room(&self.connection).map_err(failed)?;
        let home = Home::new(&self.connection);
        let sources = home.head().map_err(failed)?.sources;
        let walked = for_each_planned(home, |task| {
            let seen = observed_states::observation(&self.connection, task)?;
            take(plan_row(task, &sources)?, seen).map_err(WalkError::Callback)?;
            Ok(Continue(()))
        });
        told(walked, Path::new(NOWHERE))
    }

    /// Forgets all observed states and returns the ids of the tasks, unless there are more than
    /// `limit`.
    pub fn look_for(&self, limit: usize) -> Result<Option<HashSet<TaskId>>, StoreError> {
        observed_states::forget(&self.connection).map_err(failed)?;
        observed_states::selected_ids(&self.connection, TaskSelection::Unsettled, limit)
            .map_err(failed)
    }

    /// Keeps observed states.
    pub fn see(&self, states: &[ObservedState]) -> Result<(), StoreError> {
        observed_states::see(&self.connection, states).map_err(failed)
    }

    /// Counts the tasks by their states; a task that would be left alone is not called any more.
    pub fn survey(
        &self,
        decide: impl Fn(Option<Observation>, EarlierCalls, Goal) -> FirstLook,
        now: Timestamp,
    ) -> Result<Surveyed, StoreError> {
        let (connection, now_us) = (&self.connection, now.micros_since(self.origin));
        let carry_out = || {
            write_alone(connection, 1, |batch| {
                Survey { connection, now_us }.carry_out(batch, decide)
            })
        };
        carry_out().map_err(failed)
    }
}

fn failed(error: rusqlite::Error) -> StoreError {
    sqlite(Path::new(NOWHERE))(error)
}
