//! Loads a plan: writes all rows in one pass, then finds the duplicates and takes them out.
//!
//! The file appears under its name only when the plan is complete, so half a plan is never
//! visible and no other run is overwritten. Memory does not grow with the number of rows.

use crate::input::{InputOptions, Source};
use crate::plan;
use crate::plan::{Exclusions, OnDuplicate, Problems, Reading};
use crate::policy::Sample;
use crate::store::error::{StoreError, file, sqlite};
use crate::store::files::{RunDirectory, RunLock};
use crate::store::ids::RunId;
use crate::store::ordinal_set::OrdinalSet;
use crate::store::planning::already_done::{leave_out_done, runs_followed};
use crate::store::planning::duplicates::Duplicates;
use crate::store::planning::id_sorter::SortedRows;
use crate::store::planning::left_out::{leave_out_excluded, leave_out_unsampled};
use crate::store::planning::planned_states::keep_states;
use crate::store::planning::tables;
use crate::store::planning::tables::{ChunkLoader, Kept, PlanFile, PlanTotals, Remainder, keep};
use crate::store::reading::{NewRun, SourceRecord};
use crate::store::schema;
use crate::task::TaskState;
use std::fs;
use std::fs::File;
use std::mem;
use std::path::Path;
use std::sync::Arc;

/// What a plan is made from.
#[derive(Debug)]
pub struct NewPlan {
    /// The inputs, in order.
    pub sources: Vec<Source>,
    /// How they are read.
    pub options: InputOptions,
    /// The policy for a row that repeats the id and command of an earlier row.
    pub on_duplicate: OnDuplicate,
    /// The tasks that are never called.
    pub exclusions: Arc<Exclusions>,
    /// A run whose successful tasks, and those of the runs it follows, are left out.
    pub after: Option<RunId>,
    /// The sample of all tasks that is taken.
    pub sample: Option<Sample>,
    /// The number of tasks before the first one that is taken.
    pub offset: u64,
    /// The maximum number of tasks, counted from the first.
    pub limit: Option<u64>,
}

/// A complete plan, or the problems of its inputs.
#[derive(Debug)]
pub enum PlannedRun {
    /// The plan is stored, and its run is locked for this process.
    Ready {
        /// The numbers of rows and tasks.
        totals: PlanTotals,
        /// The right to carry the run out.
        lock: RunLock,
    },
    /// Nothing was stored.
    Refused(Problems),
}

/// Reads all inputs and stores the plan of a new run.
pub fn plan_run(
    runs: &RunDirectory,
    run: &NewRun,
    new: NewPlan,
    holder: &str,
) -> Result<PlannedRun, StoreError> {
    store_plan(runs, run, holder, |plan| load(plan, runs, run, new))
}

/// Reads all inputs and stores the plan of a new run with the states that its tasks are in, in the
/// order of the plan.
pub fn plan_run_in_states(
    runs: &RunDirectory,
    run: &NewRun,
    new: NewPlan,
    states: &[Option<TaskState>],
    holder: &str,
) -> Result<PlannedRun, StoreError> {
    store_plan(runs, run, holder, |plan| {
        let loaded = load(plan, runs, run, new)?;
        if loaded.is_ok() {
            let failed = plan.failed();
            plan.connection.execute_batch("BEGIN").map_err(&failed)?;
            keep_states(plan.connection, states).map_err(&failed)?;
            plan.connection.execute_batch("COMMIT").map_err(&failed)?;
        }
        Ok(loaded)
    })
}

/// The totals of a plan that was filled, or the problems of its inputs.
pub(crate) type Filled = Result<Result<PlanTotals, Problems>, StoreError>;

/// Makes the file of a new run, calls `fill` for it, and publishes the complete file.
pub(crate) fn store_plan(
    runs: &RunDirectory,
    run: &NewRun,
    holder: &str,
    fill: impl FnOnce(PlanFile<'_>) -> Filled,
) -> Result<PlannedRun, StoreError> {
    // Failing to clean up is harmless: the leftovers only take space.
    let _ = runs.sweep();
    let lock = runs.lock(&run.id, holder)?;
    // Under the lock no other process can create the file between this check and the rename.
    if runs.file(&run.id).exists() {
        return Err(StoreError::Exists { run: run.id.clone() });
    }
    match fill_file(runs, run, fill) {
        Ok(Ok(totals)) => Ok(PlannedRun::Ready { totals, lock }),
        Ok(Err(problems)) => {
            runs.remove(lock)?;
            Ok(PlannedRun::Refused(problems))
        }
        Err(error) => {
            // The first error is the cause; an error here would only be its consequence.
            let _ = runs.remove(lock);
            Err(error)
        }
    }
}

fn fill_file(
    runs: &RunDirectory,
    run: &NewRun,
    fill: impl FnOnce(PlanFile<'_>) -> Filled,
) -> Filled {
    let unfinished = runs.unfinished_file(&run.id);
    let connection = schema::create(&unfinished)?;
    let filled = fill(PlanFile { connection: &connection, path: &unfinished })?;
    if filled.is_err() {
        return Ok(filled);
    }
    schema::finish(&connection).map_err(sqlite(&unfinished))?;
    connection.close().map_err(|(_, error)| sqlite(&unfinished)(error))?;
    publish(&unfinished, &runs.file(&run.id))?;
    Ok(filled)
}

/// Makes a complete file durable, and only then visible.
fn publish(unfinished: &Path, target: &Path) -> Result<(), StoreError> {
    File::open(unfinished).and_then(|f| f.sync_all()).map_err(file(unfinished))?;
    fs::rename(unfinished, target).map_err(file(target))?;
    // The name itself is durable only when its directory is.
    let parent = target.parent().expect("a run's file is in the directory of runs");
    File::open(parent).and_then(|d| d.sync_all()).map_err(file(parent))
}

/// Fills a plan from inputs.
pub(crate) fn load(plan: PlanFile<'_>, runs: &RunDirectory, run: &NewRun, new: NewPlan) -> Filled {
    let connection = plan.connection;
    let failed = plan.failed();
    // Before anything is read: a run that cannot be followed must not cost the reading of inputs.
    let followed = runs_followed(runs, new.after.as_ref())?;
    connection.execute_batch("BEGIN").map_err(&failed)?;
    let mut sorted = SortedRows::new(&plan.directory());
    let loaded = read_rows(plan, new.sources, &new.options, new.on_duplicate, &mut sorted)?;
    let LoadedRows { rows, not_matched, deletes, sources, mut without } = match loaded {
        Ok(loaded) => loaded,
        Err(problems) => return Ok(Err(problems)),
    };
    let duplicates = without.len();
    let mut run = run.clone();
    let left_out = &mut run.settings.choice.left_out;
    leave_out_excluded(connection, &new.exclusions, &mut without, left_out).map_err(&failed)?;
    let excluded = left_out.excluded;
    let already_done = leave_out_done(plan, runs, &followed, &mut sorted, &mut without)?;
    let mut totals = PlanTotals {
        rows,
        duplicates,
        not_matched,
        excluded,
        already_done,
        deletes,
        ..PlanTotals::default()
    };
    // The sample, the offset and the limit come last, so that they count tasks that are really to
    // be carried out. They are those of all shards together.
    if let Some(sample) = new.sample {
        let left_out = leave_out_unsampled(connection, sample, totals.left(), &mut without);
        totals.not_sampled = left_out.map_err(&failed)?;
    }
    totals.before_offset = new.offset.min(totals.left());
    let kept = Kept {
        without: &without,
        offset: totals.before_offset,
        limit: new.limit.unwrap_or(u64::MAX),
        shard: run.settings.shard,
    };
    let Remainder { selected, sharded } = keep(connection, totals.left(), kept).map_err(&failed)?;
    totals.selected = selected;
    totals.of_other_shards = sharded.map_or(0, |plan| plan.tasks - selected);
    let left_out = &mut run.settings.choice.left_out;
    left_out.not_matched = totals.not_matched;
    left_out.not_sampled = totals.not_sampled;
    left_out.before_offset = totals.before_offset;
    tables::insert_run(connection, &run, totals, sharded, sources).map_err(&failed)?;
    connection.execute_batch("COMMIT").map_err(&failed)?;
    Ok(Ok(totals))
}

/// All rows of the inputs, and those of them that are no tasks.
struct LoadedRows {
    rows: u64,
    not_matched: u64,
    deletes: bool,
    sources: Vec<SourceRecord>,
    without: OrdinalSet,
}

/// Reads all inputs into the plan and finds the duplicates.
fn read_rows(
    plan: PlanFile<'_>,
    sources: Vec<Source>,
    options: &InputOptions,
    on_duplicate: OnDuplicate,
    sorted: &mut SortedRows,
) -> Result<Result<LoadedRows, Problems>, StoreError> {
    let (mut reading, mut problems, deletes) = insert_rows(plan, sources, options, sorted)?;
    // With invalid rows the search for duplicates is spared: it sorts the whole plan.
    if !problems.is_empty() {
        return Ok(Err(problems));
    }
    let sources = tables::source_records(mem::take(&mut reading.sources));
    let duplicates = sorted.sorter.sorted().and_then(|rows| Duplicates::find(rows, on_duplicate));
    let duplicates = duplicates.map_err(file(plan.path))?;
    let reported = duplicates.report(plan.connection, &sources, &mut problems);
    reported.map_err(plan.failed())?;
    if !problems.is_empty() {
        return Ok(Err(problems));
    }
    let Reading { rows, not_matched, .. } = reading;
    Ok(Ok(LoadedRows { rows, not_matched, deletes, sources, without: duplicates.rows }))
}

fn insert_rows(
    plan: PlanFile<'_>,
    sources: Vec<Source>,
    options: &InputOptions,
    sorted: &mut SortedRows,
) -> Result<(Reading, Problems, bool), StoreError> {
    let (failed, failed_to_sort) = (plan.failed(), file(plan.path));
    let mut loader = ChunkLoader::new(plan.connection);
    let mut deletes = false;
    let (reading, problems) = plan::read(sources, options, |row| {
        deletes |= row.command.is_final();
        loader.push(&tables::planned_task(&row)).map_err(&failed)?;
        let number = tables::sort_number(&row);
        sorted.sorter.push(row.id.as_str(), number).map_err(&failed_to_sort)
    })?;
    loader.finish().map_err(&failed)?;
    Ok((reading, problems, deletes))
}
