//! Loads a plan: writes all rows in one pass, then finds the duplicates and takes them out.
//!
//! The file appears under its name only when the plan is complete, so half a plan is never
//! visible and no other run is overwritten. Memory does not grow with the number of rows.

use crate::input::{InputOptions, Source};
use crate::journal::OrdinalSet;
use crate::loading::already_done::{leave_out_done, runs_followed};
use crate::loading::duplicates::Duplicates;
use crate::loading::id_sorter::IdSorter;
use crate::loading::left_out::{leave_out_excluded, leave_out_unsampled};
use crate::loading::plan_files::{FilledParts, PlanPart, PlannedRun, PlannedTargets, store_parts};
use crate::loading::planned_states::keep_states;
use crate::loading::tables;
use crate::loading::tables::{ChunkLoader, Kept, PlanTotals, Remainder, keep};
use crate::plan;
use crate::plan::{Exclusions, OnDuplicate, PlannedRow, Problems, Reading, ServiceRows};
use crate::policy::Sample;
use crate::store::{
    NewRun, RunDirectory, RunId, ServiceRecord, SourceRecord, StoreError, file, sqlite,
};
use crate::task::{Ordinal, TaskState};
use ring::digest::{SHA256, digest};
use std::mem;
use std::path::Path;
use std::sync::Arc;

/// The service of a plan, and how its rows are checked.
#[derive(Debug, Clone)]
pub struct ServicePlan {
    /// The service as the run keeps it.
    pub record: ServiceRecord,
    /// How its rows are read and checked.
    pub rows: ServiceRows,
}

impl ServicePlan {
    /// Returns the plan of a service with this name and file.
    pub fn of(name: &str, text: &str, rows: ServiceRows) -> Arc<Self> {
        let sha256 = digest(&SHA256, text.as_bytes());
        let record = ServiceRecord {
            name: name.into(),
            sha256: sha256.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
            text: text.into(),
            actions: rows.actions(),
            counts: rows.has_counts(),
            region: rows.region(),
        };
        Arc::new(Self { record, rows })
    }
}

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
    /// The service that its tasks are of; `None` for VIAS.
    pub service: Option<Arc<ServicePlan>>,
}

impl NewPlan {
    /// Returns a plan of all tasks of some inputs, for VIAS; a row that repeats another one counts once.
    pub fn of(sources: Vec<Source>, options: InputOptions) -> Self {
        Self {
            sources,
            options,
            on_duplicate: OnDuplicate::Collapse,
            exclusions: Arc::default(),
            after: None,
            sample: None,
            offset: 0,
            limit: None,
            service: None,
        }
    }
}

/// Reads all inputs and stores the plan of a new run without targets.
pub fn plan_run(
    runs: &RunDirectory,
    run: &NewRun,
    new: NewPlan,
    holder: &str,
) -> Result<PlannedRun, StoreError> {
    let planned = plan_run_of_targets(runs, std::slice::from_ref(run), new, &[], holder)?;
    Ok(planned.whole())
}

/// Reads all inputs and stores the plan of a new run; `parts` are its runs, one for each target, with
/// the same id. A run without targets is one part.
///
/// `states` are those that the tasks of each target are in, in the order of its plan, if they are
/// kept.
pub fn plan_run_of_targets(
    runs: &RunDirectory,
    parts: &[NewRun],
    new: NewPlan,
    states: &[Vec<Option<TaskState>>],
    holder: &str,
) -> Result<PlannedTargets, StoreError> {
    store_parts(runs, parts, holder, |parts| {
        let loaded = load_parts(parts, runs, new)?;
        if loaded.is_ok() {
            parts.iter().zip(states).try_for_each(|(part, states)| keep_in(*part, states))?;
        }
        Ok(loaded)
    })
}

/// Keeps the states of the tasks of a plan.
fn keep_in(plan: PlanPart<'_>, states: &[Option<TaskState>]) -> Result<(), StoreError> {
    let failed = plan.failed();
    plan.connection.execute_batch("BEGIN").map_err(&failed)?;
    keep_states(plan.connection, states).map_err(&failed)?;
    plan.connection.execute_batch("COMMIT").map_err(&failed)
}

/// Fills the plans of all targets from inputs.
pub(super) fn load_parts(parts: &[PlanPart<'_>], runs: &RunDirectory, new: NewPlan) -> FilledParts {
    // Before anything is read: a run that cannot be followed must not cost the reading of inputs.
    let followed = runs_followed(runs, new.after.as_ref())?;
    for part in parts {
        part.connection.execute_batch("BEGIN").map_err(part.failed())?;
    }
    let left_out = LeaveOut {
        runs,
        followed,
        exclusions: new.exclusions,
        sample: new.sample,
        offset: new.offset,
        limit: new.limit.unwrap_or(u64::MAX),
    };
    let rows = RowsOfPlan {
        sources: new.sources,
        options: &new.options,
        service: new.service.as_ref().map(|service| &service.rows),
    };
    let loaded = read_rows(parts, rows, new.on_duplicate)?;
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(problems) => return Ok(Err(problems)),
    };
    let mut totals = Vec::with_capacity(parts.len());
    for (part, rows) in parts.iter().zip(loaded) {
        totals.push(left_out.finish(*part, rows)?);
    }
    for part in parts {
        part.connection.execute_batch("COMMIT").map_err(part.failed())?;
    }
    Ok(Ok(totals))
}

/// Which of the tasks that were read are none of the plan.
struct LeaveOut<'a> {
    runs: &'a RunDirectory,
    followed: Vec<RunId>,
    exclusions: Arc<Exclusions>,
    sample: Option<Sample>,
    offset: u64,
    limit: u64,
}

impl LeaveOut<'_> {
    /// Takes them out of the plan of one target, and records its run.
    fn finish(&self, part: PlanPart<'_>, loaded: LoadedRows) -> Result<PlanTotals, StoreError> {
        let (connection, failed) = (part.connection, part.failed());
        let LoadedRows { rows, not_matched, deletes, sources, mut without, mut sorted } = loaded;
        let duplicates = without.len();
        let mut run = part.run.clone();
        let left_out = &mut run.settings.choice.left_out;
        leave_out_excluded(connection, &self.exclusions, &mut without, left_out)
            .map_err(&failed)?;
        let excluded = left_out.excluded;
        let already_done =
            leave_out_done(part, self.runs, &self.followed, &mut sorted, &mut without)?;
        let mut totals = PlanTotals {
            rows,
            duplicates,
            not_matched,
            excluded,
            already_done,
            deletes,
            ..PlanTotals::default()
        };
        // The sample, the offset and the limit come last, so that they count tasks that are really
        // to be carried out. They are those of all shards together.
        if let Some(sample) = self.sample {
            let left_out = leave_out_unsampled(connection, sample, totals.left(), &mut without);
            totals.not_sampled = left_out.map_err(&failed)?;
        }
        totals.before_offset = self.offset.min(totals.left());
        let kept = Kept {
            without: &without,
            offset: totals.before_offset,
            limit: self.limit,
            shard: run.settings.shard,
        };
        let Remainder { selected, sharded } =
            keep(connection, totals.left(), kept).map_err(&failed)?;
        totals.selected = selected;
        totals.of_other_shards = sharded.map_or(0, |plan| plan.tasks - selected);
        let left_out = &mut run.settings.choice.left_out;
        left_out.not_matched = totals.not_matched;
        left_out.not_sampled = totals.not_sampled;
        left_out.before_offset = totals.before_offset;
        tables::insert_run(connection, &run, totals, sharded, sources).map_err(&failed)?;
        Ok(totals)
    }
}

/// All rows of one target, and those of them that are no tasks.
struct LoadedRows {
    rows: u64,
    not_matched: u64,
    deletes: bool,
    sources: Vec<SourceRecord>,
    without: OrdinalSet,
    sorted: IdSorter,
}

/// The inputs of a plan, and how they are read.
struct RowsOfPlan<'a> {
    sources: Vec<Source>,
    options: &'a InputOptions,
    service: Option<&'a ServiceRows>,
}

/// Reads all inputs into the plans of the targets, and finds the duplicates in each.
fn read_rows(
    parts: &[PlanPart<'_>],
    rows: RowsOfPlan<'_>,
    on_duplicate: OnDuplicate,
) -> Result<Result<Vec<LoadedRows>, Problems>, StoreError> {
    let mut all: Vec<_> = parts.iter().map(|part| PartRows::new(*part)).collect();
    let (mut reading, mut problems) = insert_rows(rows, &mut all)?;
    // With invalid rows the search for duplicates is spared: it sorts the whole plan.
    if !problems.is_empty() {
        return Ok(Err(problems));
    }
    let sources = tables::source_records(mem::take(&mut reading.sources));
    let mut loaded = Vec::with_capacity(parts.len());
    // Rows that do not meet the conditions name no target that counts: they are with the first.
    let mut not_matched = reading.not_matched;
    for (part, PartRows { loader, mut sorted, rows, deletes, .. }) in parts.iter().zip(all) {
        loader.finish().map_err(part.failed())?;
        let duplicates = sorted.sorted();
        let duplicates = duplicates.and_then(|rows| Duplicates::find(rows, on_duplicate));
        let duplicates = duplicates.map_err(file(part.path))?;
        let reported = duplicates.report(part.connection, &sources, &mut problems);
        reported.map_err(part.failed())?;
        let not_matched = mem::take(&mut not_matched);
        let (rows, without, sources) = (rows + not_matched, duplicates.rows, sources.clone());
        loaded.push(LoadedRows { rows, not_matched, deletes, sources, without, sorted });
    }
    Ok(if problems.is_empty() { Ok(loaded) } else { Err(problems) })
}

/// The rows of one target while they are read.
struct PartRows<'a> {
    path: &'a Path,
    loader: ChunkLoader<'a>,
    sorted: IdSorter,
    rows: u64,
    deletes: bool,
}

impl<'a> PartRows<'a> {
    fn new(part: PlanPart<'a>) -> Self {
        let loader = ChunkLoader::new(part.connection);
        let sorted = IdSorter::new(&part.directory());
        Self { path: part.path, loader, sorted, rows: 0, deletes: false }
    }

    fn push(&mut self, row: &PlannedRow) -> Result<(), StoreError> {
        self.rows += 1;
        self.deletes |= row.command.is_final();
        let path = self.path;
        // A path is copied only for an error: there may be millions of rows.
        self.loader.push(&tables::planned_task(row)).map_err(|error| sqlite(path)(error))?;
        let number = tables::sort_number(row);
        self.sorted.push(row.id.as_str(), number).map_err(|error| file(path)(error))
    }
}

/// Reads all inputs; each row goes to its target, or to all of them.
fn insert_rows(
    RowsOfPlan { sources, options, service }: RowsOfPlan<'_>,
    parts: &mut [PartRows<'_>],
) -> Result<(Reading, Problems), StoreError> {
    let count = u32::try_from(parts.len()).expect("there are few targets");
    plan::read(sources, options, service, |mut row| match (row.target, &mut *parts) {
        (Some(target), parts) => parts[target].push(&row),
        (None, [all]) => all.push(&row),
        (None, parts) => {
            let first = row.ordinal.0 * count;
            (first..).zip(parts).try_for_each(|(ordinal, part)| {
                row.ordinal = Ordinal(ordinal);
                part.push(&row)
            })
        }
    })
}
