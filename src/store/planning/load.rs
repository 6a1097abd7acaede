//! Writes a plan: all rows in one load, then what is doubled is found and taken out.
//!
//! The file appears under its name only when the plan is complete, so there is no such thing
//! as half a run, and never over another one. Memory does not grow with the number of rows.

use crate::input::{InputOptions, Source};
use crate::plan;
use crate::plan::{OnDuplicate, PlannedRow, Problems, Reading};
use crate::store::error::{StoreError, file, sqlite};
use crate::store::files::{RunDirectory, RunId, RunLock};
use crate::store::ordinal_set::OrdinalSet;
use crate::store::planning::already_done::{follow, leave_out_done};
use crate::store::planning::dry_run::draft;
use crate::store::planning::duplicates::Duplicates;
use crate::store::reading::NewRun;
use crate::store::rows::PlanRow;
use crate::store::{codes, schema};
use rusqlite::{Connection, OptionalExtension, Statement, params};
use std::fs;
use std::fs::File;
use std::path::Path;

/// What a plan is made from.
#[derive(Debug)]
pub struct NewPlan {
    /// The inputs, in order.
    pub sources: Vec<Source>,
    /// How they are read.
    pub options: InputOptions,
    /// What to do with a row that says the same as an earlier one.
    pub on_duplicate: OnDuplicate,
    /// A run whose successful tasks, and those of the runs it follows, are left out.
    pub after: Option<RunId>,
    /// The most tasks to select, from the first on.
    pub limit: Option<u64>,
}

/// How many rows a plan has, and of what kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanTotals {
    /// Rows in the inputs.
    pub rows: u64,
    /// Tasks to carry out.
    pub selected: u64,
    /// Rows that say the same as an earlier one.
    pub duplicates: u64,
    /// Rows whose task was done by the run that this one follows.
    pub already_done: u64,
}

/// A complete plan, or what is wrong with its inputs.
#[derive(Debug)]
pub enum PlannedRun {
    /// The plan is stored, and its run locked for this process.
    Ready {
        /// How many rows it has.
        totals: PlanTotals,
        /// The right to carry it out.
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
    store_plan(runs, run, holder, |connection, path| load((connection, path), runs, run, new))
}

/// What a plan is filled with: the rows, or what is wrong with them.
type Filled = Result<Result<PlanTotals, Problems>, StoreError>;

/// Makes the file of a new run, has it filled, and lets it appear when it is complete.
pub(crate) fn store_plan(
    runs: &RunDirectory,
    run: &NewRun,
    holder: &str,
    fill: impl FnOnce(&Connection, &Path) -> Filled,
) -> Result<PlannedRun, StoreError> {
    // What is left over there is in nobody's way; it only takes up space.
    let _ = runs.sweep();
    let lock = runs.lock(&run.id, holder)?;
    // Under the lock nobody else can make it meanwhile.
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
            // The first error is the one to tell; this one would be its consequence.
            let _ = runs.remove(lock);
            Err(error)
        }
    }
}

/// Reads all inputs without storing anything that stays, for a dry run.
///
/// Returns how many rows there are, and the first `most` tasks.
pub fn plan_only(
    runs: &RunDirectory,
    run: &NewRun,
    new: NewPlan,
    most: u32,
) -> Result<Result<(PlanTotals, Vec<PlanRow>), Problems>, StoreError> {
    match draft(runs, run, new)? {
        Ok(draft) => Ok(Ok((draft.totals(), draft.first_rows(most)?))),
        Err(problems) => Ok(Err(problems)),
    }
}

fn fill_file(
    runs: &RunDirectory,
    run: &NewRun,
    fill: impl FnOnce(&Connection, &Path) -> Filled,
) -> Filled {
    let unfinished = runs.unfinished_file(&run.id);
    let connection = schema::create(&unfinished)?;
    let filled = fill(&connection, &unfinished)?;
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
    let parent = target.parent().expect("a run's file is in the directory of runs");
    File::open(parent).and_then(|d| d.sync_all()).map_err(file(parent))
}

pub(crate) fn load(
    (connection, path): (&Connection, &Path),
    runs: &RunDirectory,
    run: &NewRun,
    new: NewPlan,
) -> Filled {
    let failed = sqlite(path);
    let followed = follow(runs, new.after.as_ref())?;
    connection.execute_batch("BEGIN").map_err(&failed)?;
    let mut totals = match read_rows(connection, new.sources, &new.options, new.on_duplicate)
        .map_err(&failed)?
    {
        Ok(totals) => totals,
        Err(problems) => return Ok(Err(problems)),
    };
    totals.already_done = leave_out_done((connection, path), runs, &followed)?;
    let left = totals.rows - totals.duplicates - totals.already_done;
    totals.selected = limit(connection, left, new.limit).map_err(&failed)?;
    insert_run(connection, run, totals).map_err(&failed)?;
    connection.execute_batch("COMMIT").map_err(&failed)?;
    Ok(Ok(totals))
}

/// Reads all inputs into the store and takes out what is doubled.
fn read_rows(
    connection: &Connection,
    sources: Vec<Source>,
    options: &InputOptions,
    on_duplicate: OnDuplicate,
) -> rusqlite::Result<Result<PlanTotals, Problems>> {
    let (reading, mut problems) = insert_rows(connection, sources, options)?;
    insert_sources(connection, &reading)?;
    if !problems.is_empty() {
        return Ok(Err(problems));
    }
    let duplicates = Duplicates::find(connection, on_duplicate)?;
    duplicates.tell(connection, &mut problems)?;
    if !problems.is_empty() {
        return Ok(Err(problems));
    }
    let duplicates = duplicates.remove(connection)?;
    Ok(Ok(PlanTotals { rows: reading.rows, duplicates, ..PlanTotals::default() }))
}

fn insert_rows(
    connection: &Connection,
    sources: Vec<Source>,
    options: &InputOptions,
) -> rusqlite::Result<(Reading, Problems)> {
    let mut insert = connection.prepare(INSERT_TASK)?;
    plan::read(sources, options, |row| insert_task(&mut insert, row))
}

/// What puts a task into a plan.
pub(crate) const INSERT_TASK: &str =
    "INSERT INTO task (ordinal, id, command, source, line, position, others)
     VALUES (?, ?, ?, ?, ?, ?, ?)";

pub(crate) fn insert_task(insert: &mut Statement<'_>, row: PlannedRow) -> rusqlite::Result<()> {
    let PlannedRow { ordinal, id, command, source, line, column, others } = row;
    let line = i64::try_from(line).unwrap_or(i64::MAX);
    insert.execute(params![
        ordinal.0,
        id.as_str(),
        codes::command_code(command),
        source,
        line,
        column,
        others
    ])?;
    Ok(())
}

fn insert_sources(connection: &Connection, reading: &Reading) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare("INSERT INTO source (number, name, columns) VALUES (?, ?, ?)")?;
    for (number, source) in reading.sources.iter().enumerate() {
        let columns = serde_json::to_string(&source.columns).expect("texts are JSON");
        insert.execute(params![number, source.name, columns])?;
    }
    Ok(())
}

/// Takes tasks out of the plan, and returns how many they were.
pub(crate) fn remove_tasks(connection: &Connection, tasks: &OrdinalSet) -> rusqlite::Result<u64> {
    let mut delete = connection.prepare("DELETE FROM task WHERE ordinal = ?")?;
    tasks.iter().try_for_each(|ordinal| delete.execute([ordinal.0]).map(|_| ()))?;
    Ok(tasks.len())
}

/// Leaves out all tasks after the first `most`.
fn limit(connection: &Connection, all: u64, most: Option<u64>) -> rusqlite::Result<u64> {
    let Some(most) = most.filter(|&most| most < all) else { return Ok(all) };
    let beyond: Option<i64> = connection
        .query_row("SELECT ordinal FROM task ORDER BY ordinal LIMIT 1 OFFSET ?", [most], |row| {
            row.get(0)
        })
        .optional()?;
    connection.execute("DELETE FROM task WHERE ordinal >= ?", [beyond])?;
    Ok(most)
}

pub(crate) fn insert_run(
    connection: &Connection,
    run: &NewRun,
    totals: PlanTotals,
) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
        params![
            run.id.as_str(),
            run.parent.as_ref().map(RunId::as_str),
            run.outstanding_before,
            run.job,
            run.reason,
            run.command,
            run.origin.as_micros(),
            run.endpoint,
            run.project_id,
            codes::to_json(&run.settings),
            totals.rows,
            totals.selected,
            totals.duplicates,
            totals.already_done,
        ],
    )?;
    Ok(())
}
