//! Makes the plan of a run out of another run's tasks.

use crate::plan::PlannedRow;
use crate::store::error::{StoreError, sqlite};
use crate::store::files::RunDirectory;
use crate::store::planning::load::{
    INSERT_TASK, PlanTotals, PlannedRun, insert_run, insert_task, store_plan,
};
use crate::store::reading::{NewRun, RunReader};
use crate::store::rows::TaskRow;
use rusqlite::{Connection, params};
use std::path::Path;

/// Stores the plan of a run that does what `pick` makes of another run's tasks.
///
/// The new run keeps order, sources and other cells, so that its results look like the other's.
pub fn plan_again(
    runs: &RunDirectory,
    run: &NewRun,
    of: &RunReader,
    pick: impl Fn(TaskRow) -> Option<TaskRow>,
    holder: &str,
) -> Result<PlannedRun, StoreError> {
    store_plan(runs, run, holder, |connection, path| {
        let failed = sqlite(path);
        connection.execute_batch("BEGIN").map_err(&failed)?;
        copy_sources(connection, of, path)?;
        let totals = copy_tasks(connection, of, pick, path)?;
        insert_run(connection, run, totals).map_err(&failed)?;
        connection.execute_batch("COMMIT").map_err(&failed)?;
        Ok(Ok(totals))
    })
}

fn copy_sources(connection: &Connection, of: &RunReader, path: &Path) -> Result<(), StoreError> {
    let failed = sqlite(path);
    let mut insert = connection
        .prepare("INSERT INTO source (number, name, columns) VALUES (?, ?, ?)")
        .map_err(&failed)?;
    for (number, source) in of.record()?.sources.iter().enumerate() {
        let columns = serde_json::to_string(&source.columns).expect("texts are JSON");
        insert.execute(params![number, source.name, columns]).map_err(&failed)?;
    }
    Ok(())
}

fn copy_tasks(
    connection: &Connection,
    of: &RunReader,
    pick: impl Fn(TaskRow) -> Option<TaskRow>,
    path: &Path,
) -> Result<PlanTotals, StoreError> {
    let mut totals = PlanTotals::default();
    let mut insert = connection.prepare(INSERT_TASK).map_err(sqlite(path))?;
    of.for_each_task::<StoreError>(|task| {
        if let Some(task) = pick(task) {
            totals.rows += 1;
            totals.selected += 1;
            insert_task(&mut insert, planned(task)).map_err(sqlite(path))?;
        }
        Ok(())
    })?;
    Ok(totals)
}

fn planned(task: TaskRow) -> PlannedRow {
    let TaskRow { ordinal, id, command, source, line, others, .. } = task;
    PlannedRow { ordinal, id, command, source, line, column: None, others }
}
