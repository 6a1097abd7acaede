//! Makes the plan of a run out of another run's tasks.

use crate::loading::plan_files::{FilledParts, PlanPart, PlannedTargets, store_parts};
use crate::loading::tables;
use crate::loading::tables::{ChunkLoader, PlanTotals};
use crate::plan::PlannedRow;
use crate::reading::{RunReader, TaskRow};
use crate::settings::TargetPart;
use crate::store::{NewRun, RunDirectory, StoreError, sqlite};
use crate::task::Outcome;

/// Stores the plan of a run with those tasks of another run that `pick` returns. `parts` are its
/// runs, one for each target of the other run.
///
/// The new run keeps order, sources and other cells, so that its results look like the other's.
pub fn plan_from_run(
    runs: &RunDirectory,
    parts: &[NewRun],
    parent: &RunReader,
    pick: impl Fn(TaskRow) -> Option<TaskRow>,
    holder: &str,
) -> Result<PlannedTargets, StoreError> {
    store_parts(runs, parts, holder, |parts| copy_tasks(parts, parent, pick))
}

fn copy_tasks(
    parts: &[PlanPart<'_>],
    parent: &RunReader,
    pick: impl Fn(TaskRow) -> Option<TaskRow>,
) -> FilledParts {
    for part in parts {
        part.connection.execute_batch("BEGIN").map_err(part.failed())?;
    }
    let mut totals = vec![PlanTotals::default(); parts.len()];
    let mut loaders: Vec<_> = parts.iter().map(|part| ChunkLoader::new(part.connection)).collect();
    let sources = parent.record()?.sources;
    parent.for_each_task::<StoreError>(|task| {
        if let Some(task) = pick(task) {
            let at = task.target.as_deref().map_or(0, |target| place_of(target, parts));
            // Every row of such a plan is a task: its parent has no duplicates.
            totals[at].rows += 1;
            totals[at].selected += 1;
            let row = planned(task);
            totals[at].deletes |= row.command.is_final();
            let path = parts[at].path;
            loaders[at].push(&tables::planned_task(&row)).map_err(|error| sqlite(path)(error))?;
        }
        Ok(())
    })?;
    for ((part, loader), totals) in parts.iter().zip(loaders).zip(&totals) {
        let failed = part.failed();
        loader.finish().map_err(&failed)?;
        tables::insert_run(part.connection, part.run, *totals, None, sources.clone())
            .map_err(&failed)?;
        part.connection.execute_batch("COMMIT").map_err(failed)?;
    }
    Ok(Ok(totals))
}

fn place_of(target: &str, parts: &[PlanPart<'_>]) -> usize {
    let is_it = |part: &PlanPart<'_>| {
        part.run.settings.target.as_ref().map(TargetPart::name) == Some(target)
    };
    parts.iter().position(is_it).unwrap_or_default()
}

fn planned(task: TaskRow) -> PlannedRow {
    let TaskRow { ordinal, id, command, source, line, others, outcome, .. } = task;
    let doubted = outcome == Outcome::Ambiguous && command.is_final();
    PlannedRow { ordinal, id, command, source, line, column: None, others, target: None, doubted }
}
