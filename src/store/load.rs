//! Writes a plan: all rows in one load, then the index over ids, then what is doubled.
//!
//! The file appears under its name only when the plan is complete, so there is no such thing
//! as half a run. Memory does not grow with the number of rows: SQLite sorts on disk.

use super::directory::RunDirectory;
use super::directory::RunId;
use super::directory::RunLock;
use super::error::StoreError;
use super::error::file;
use super::error::sqlite;
use super::reader::PlanRow;
use super::record::NewRun;
use super::schema;
use crate::input::InputOptions;
use crate::input::Source;
use crate::plan;
use crate::plan::OnDuplicate;
use crate::plan::Place;
use crate::plan::PlanProblem;
use crate::plan::PlannedRow;
use crate::plan::Problems;
use crate::plan::Reading;
use crate::task::Command;
use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::Row;
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
    let loaded = load_file(&unfinished, run, new);
    match loaded {
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
    run: &NewRun,
    new: NewPlan,
    most: u32,
) -> Result<Result<(PlanTotals, Vec<PlanRow>), Problems>, StoreError> {
    let nowhere = Path::new("(temporary)");
    let connection = schema::temporary().map_err(sqlite(nowhere))?;
    match load(&connection, run, new).map_err(sqlite(nowhere))? {
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
    run: &NewRun,
    new: NewPlan,
) -> Result<Result<PlanTotals, Problems>, StoreError> {
    let connection = schema::create(path)?;
    let loaded = load(&connection, run, new).map_err(sqlite(path))?;
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
    run: &NewRun,
    new: NewPlan,
) -> rusqlite::Result<Result<PlanTotals, Problems>> {
    connection.execute_batch("BEGIN")?;
    let (reading, mut problems) = insert_rows(connection, new.sources, &new.options)?;
    insert_sources(connection, &reading)?;
    let mut totals = PlanTotals { rows: reading.rows, ..PlanTotals::default() };
    if problems.is_empty() {
        connection.execute_batch("CREATE INDEX task_id ON task (id)")?;
        find_doubles(connection)?;
        check_doubles(connection, new.on_duplicate, &mut problems)?;
    }
    if !problems.is_empty() {
        return Ok(Err(problems));
    }
    totals.duplicates = remove_doubles(connection)?;
    totals.selected = limit(connection, totals.rows - totals.duplicates, new.limit)?;
    insert_run(connection, run, totals)?;
    connection.execute_batch("COMMIT")?;
    Ok(Ok(totals))
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

/// Collects the ids that stand more than once, with the place of the first.
///
/// One walk along the index; only what is doubled is looked up.
fn find_doubles(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TEMP TABLE doubled AS
             SELECT id, min(ordinal) AS first FROM task GROUP BY id HAVING count(*) > 1;
         CREATE UNIQUE INDEX temp.doubled_id ON doubled (id);",
    )
}

/// Every row of a doubled id after the first, with that first one.
const LATER_ROWS: &str = "
    SELECT later.id, later_source.name, later.line, later.command,
           first_source.name, first.line, first.command
    FROM doubled
    JOIN task AS later ON later.id = doubled.id AND later.ordinal > doubled.first
    JOIN task AS first ON first.ordinal = doubled.first
    JOIN source AS later_source ON later_source.number = later.source
    JOIN source AS first_source ON first_source.number = first.source";

fn check_doubles(
    connection: &Connection,
    on_duplicate: OnDuplicate,
    problems: &mut Problems,
) -> rusqlite::Result<()> {
    let bad = match on_duplicate {
        OnDuplicate::Collapse => " WHERE later.command <> first.command",
        OnDuplicate::Error => "",
    };
    let mut query = connection.prepare(&format!("{LATER_ROWS}{bad} ORDER BY later.ordinal"))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        problems.add(doubled_problem(row)?);
    }
    Ok(())
}

fn doubled_problem(row: &Row<'_>) -> rusqlite::Result<PlanProblem> {
    let id = row.get::<_, String>(0)?.parse().expect("only checked ids are stored");
    let place = |source, line| -> rusqlite::Result<Place> {
        Ok(Place { source: row.get(source)?, line: row.get(line)? })
    };
    let (at, other) = (place(1, 2)?, place(4, 5)?);
    let (command, other_command) = (command_of(row.get(3)?), command_of(row.get(6)?));
    if command == other_command {
        return Ok(PlanProblem::Duplicate { id, at, other });
    }
    Ok(PlanProblem::Contradiction { id, at, command, other, other_command })
}

fn remove_doubles(connection: &Connection) -> rusqlite::Result<u64> {
    let removed = connection.execute(
        "DELETE FROM task WHERE ordinal IN (
             SELECT task.ordinal FROM doubled
             JOIN task ON task.id = doubled.id AND task.ordinal > doubled.first)",
        [],
    )?;
    connection.execute_batch("DROP TABLE temp.doubled")?;
    Ok(u64::try_from(removed).expect("a count is not negative"))
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
        "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
        params![
            run.id.as_str(),
            run.parent.as_ref().map(RunId::as_str),
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
        ],
    )?;
    Ok(())
}

/// Reads a command back from its number.
pub(super) fn command_of(number: i64) -> Command {
    if number == Command::Start as i64 { Command::Start } else { Command::Stop }
}
