//! Writes a plan: all rows in one load, then the index over ids, then what is doubled.
//!
//! The file appears under its name only when the plan is complete, so there is no such thing
//! as half a run. Memory does not grow with the number of rows: SQLite sorts on disk.

use super::directory::RunDirectory;
use super::directory::RunId;
use super::directory::RunLock;
use super::doubles::check_doubles;
use super::doubles::find_doubles;
use super::doubles::remove_doubles;
use super::error::StoreError;
use super::error::file;
use super::error::sqlite;
use super::reader::RunReader;
use super::record::NewRun;
use super::rows::PlanRow;
use super::schema;
use crate::input::InputOptions;
use crate::input::Source;
use crate::plan;
use crate::plan::OnDuplicate;
use crate::plan::PlannedRow;
use crate::plan::Problems;
use crate::plan::Reading;
use crate::task::Command;
use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::params;
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
    let lock = runs.lock(&run.id, holder)?;
    let unfinished = runs.unfinished_file(&run.id);
    match load_file(&unfinished, runs, run, new) {
        Ok(Ok(totals)) => {
            publish(&unfinished, &runs.file(&run.id))?;
            Ok(PlannedRun::Ready { totals, lock })
        }
        Ok(Err(problems)) => {
            discard(runs, run, &unfinished)?;
            Ok(PlannedRun::Refused(problems))
        }
        Err(error) => {
            // The first error is the one to tell; this one would be its consequence.
            let _ = discard(runs, run, &unfinished);
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
    let nowhere = Path::new("(temporary)");
    let connection = schema::temporary().map_err(sqlite(nowhere))?;
    match load(&connection, nowhere, runs, run, new)? {
        Ok(totals) => {
            let rows = super::reader::first_rows(&connection, most).map_err(sqlite(nowhere))?;
            Ok(Ok((totals, rows)))
        }
        Err(problems) => Ok(Err(problems)),
    }
}

fn discard(runs: &RunDirectory, run: &NewRun, unfinished: &Path) -> Result<(), StoreError> {
    if unfinished.exists() {
        fs::remove_file(unfinished).map_err(file(unfinished))?;
    }
    runs.remove(&run.id)
}

fn load_file(
    path: &Path,
    runs: &RunDirectory,
    run: &NewRun,
    new: NewPlan,
) -> Result<Result<PlanTotals, Problems>, StoreError> {
    let connection = schema::create(path)?;
    let loaded = load(&connection, path, runs, run, new)?;
    connection.close().map_err(|(_, error)| sqlite(path)(error))?;
    Ok(loaded)
}

/// Makes a complete file durable, and only then visible.
fn publish(unfinished: &Path, target: &Path) -> Result<(), StoreError> {
    File::open(unfinished).and_then(|f| f.sync_all()).map_err(file(unfinished))?;
    fs::rename(unfinished, target).map_err(file(target))?;
    let parent = target.parent().expect("a run's file is in the directory of runs");
    File::open(parent).and_then(|d| d.sync_all()).map_err(file(parent))
}

fn load(
    connection: &Connection,
    path: &Path,
    runs: &RunDirectory,
    run: &NewRun,
    new: NewPlan,
) -> Result<Result<PlanTotals, Problems>, StoreError> {
    let failed = sqlite(path);
    let followed = follow(runs, new.after.as_ref())?;
    connection.execute_batch("BEGIN").map_err(&failed)?;
    let read = read_rows(connection, new.sources, &new.options, new.on_duplicate);
    let (rows, problems) = read.map_err(&failed)?;
    if !problems.is_empty() {
        return Ok(Err(problems));
    }
    let duplicates = remove_doubles(connection).map_err(&failed)?;
    let already_done = leave_out_done(connection, path, &followed)?;
    let left = rows - duplicates - already_done;
    let selected = limit(connection, left, new.limit).map_err(&failed)?;
    let totals = PlanTotals { rows, selected, duplicates, already_done };
    insert_run(connection, run, totals).map_err(&failed)?;
    connection.execute_batch("COMMIT").map_err(&failed)?;
    Ok(Ok(totals))
}

/// Reads all inputs into the store, and finds out what is wrong with them.
fn read_rows(
    connection: &Connection,
    sources: Vec<Source>,
    options: &InputOptions,
    on_duplicate: OnDuplicate,
) -> rusqlite::Result<(u64, Problems)> {
    let (reading, mut problems) = insert_rows(connection, sources, options)?;
    insert_sources(connection, &reading)?;
    if problems.is_empty() {
        connection.execute_batch("CREATE INDEX task_id ON task (id)")?;
        find_doubles(connection)?;
        check_doubles(connection, on_duplicate, &mut problems)?;
    }
    Ok((reading.rows, problems))
}

/// Opens a run and those it follows itself.
fn follow(runs: &RunDirectory, run: Option<&RunId>) -> Result<Vec<RunReader>, StoreError> {
    let mut chain = Vec::new();
    let mut next = run.cloned();
    while let Some(run) = next {
        let reader = match RunReader::open(runs, &run) {
            // An older link of the chain may have been pruned; the first one is asked for.
            Err(StoreError::NoSuchRun { .. }) if !chain.is_empty() => break,
            opened => opened?,
        };
        next = reader.record()?.run.parent;
        chain.push(reader);
    }
    Ok(chain)
}

/// Leaves out every task that one of these runs has done, by id and command.
fn leave_out_done(
    connection: &Connection,
    path: &Path,
    followed: &[RunReader],
) -> Result<u64, StoreError> {
    if followed.is_empty() {
        return Ok(0);
    }
    let failed = sqlite(path);
    connection
        .execute_batch(
            "CREATE TEMP TABLE done (id TEXT, command INTEGER, PRIMARY KEY (id, command))
             WITHOUT ROWID",
        )
        .map_err(&failed)?;
    let mut insert =
        connection.prepare("INSERT OR IGNORE INTO done VALUES (?, ?)").map_err(&failed)?;
    for reader in followed {
        reader
            .for_each_done(|id, command| insert.execute(params![id, command as i64]).map(|_| ()))?;
    }
    let left_out = connection.execute(
        "DELETE FROM task WHERE EXISTS (
             SELECT 1 FROM done WHERE done.id = task.id AND done.command = task.command)",
        [],
    );
    Ok(counted(left_out.map_err(&failed)?))
}

pub(super) fn counted(rows: usize) -> u64 {
    u64::try_from(rows).expect("a count of rows fits")
}

fn insert_rows(
    connection: &Connection,
    sources: Vec<Source>,
    options: &InputOptions,
) -> rusqlite::Result<(Reading, Problems)> {
    let mut insert = connection.prepare(
        "INSERT INTO task (ordinal, id, command, source, line, others) VALUES (?, ?, ?, ?, ?, ?)",
    )?;
    plan::read(sources, options, |row: PlannedRow| {
        let PlannedRow { ordinal, id, command, source, line, others } = row;
        let line = i64::try_from(line).unwrap_or(i64::MAX);
        insert.execute(params![ordinal.0, id.as_str(), command as i64, source, line, others])?;
        Ok(())
    })
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

fn insert_run(connection: &Connection, run: &NewRun, totals: PlanTotals) -> rusqlite::Result<()> {
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
            run.settings,
            totals.rows,
            totals.selected,
            totals.duplicates,
            totals.already_done,
        ],
    )?;
    Ok(())
}

/// Reads a command back from its number.
pub(super) fn command_of(number: i64) -> Command {
    if number == Command::Start as i64 { Command::Start } else { Command::Stop }
}
