//! Makes the plan of a run out of another run's tasks.

use crate::plan::PlannedRow;
use crate::store::error::{StoreError, sqlite};
use crate::store::files::RunDirectory;
use crate::store::planning::load::{PlannedRun, store_plan};
use crate::store::planning::tables;
use crate::store::planning::tables::{ChunkLoader, PlanFile, PlanTotals};
use crate::store::reading::{NewRun, RunReader};
use crate::store::rows::TaskRow;
use crate::task::Outcome;

/// Stores the plan of a run with those tasks of another run that `pick` returns.
///
/// The new run keeps order, sources and other cells, so that its results look like the other's.
pub fn plan_from_run(
    runs: &RunDirectory,
    run: &NewRun,
    parent: &RunReader,
    pick: impl Fn(TaskRow) -> Option<TaskRow>,
    holder: &str,
) -> Result<PlannedRun, StoreError> {
    store_plan(runs, run, holder, |plan| {
        let failed = plan.failed();
        plan.connection.execute_batch("BEGIN").map_err(&failed)?;
        let totals = copy_tasks(plan, parent, pick)?;
        let sources = parent.record()?.sources;
        tables::insert_run(plan.connection, run, totals, None, sources).map_err(&failed)?;
        plan.connection.execute_batch("COMMIT").map_err(&failed)?;
        Ok(Ok(totals))
    })
}

fn copy_tasks(
    plan: PlanFile<'_>,
    parent: &RunReader,
    pick: impl Fn(TaskRow) -> Option<TaskRow>,
) -> Result<PlanTotals, StoreError> {
    let mut totals = PlanTotals::default();
    let mut loader = ChunkLoader::new(plan.connection);
    parent.for_each_task::<StoreError>(|task| {
        if let Some(task) = pick(task) {
            // Every row of such a plan is a task: its parent has no duplicates.
            totals.rows += 1;
            totals.selected += 1;
            let row = planned(task);
            totals.deletes |= row.command.is_final();
            loader.push(&tables::planned_task(&row)).map_err(sqlite(plan.path))?;
        }
        Ok(())
    })?;
    loader.finish().map_err(plan.failed())?;
    Ok(totals)
}

/// Returns the row of a task in the new plan. Its column in the input is not recorded, because
/// only the messages of a plan need it.
fn planned(task: TaskRow) -> PlannedRow {
    let TaskRow { ordinal, id, command, source, line, others, outcome, .. } = task;
    let doubted = outcome == Outcome::Ambiguous && command.is_final();
    PlannedRow { ordinal, id, command, source, line, column: None, others, doubted }
}
