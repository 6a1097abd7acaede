//! The tables of a plan: writes its rows, takes tasks out again, and records the run they belong to.
//!
//! Knows the columns and nothing of where rows come from or why a task is left out.

use crate::plan::PlannedRow;
use crate::store::codes;
use crate::store::error::{StoreError, sqlite};
use crate::store::ids::RunId;
use crate::store::ordinal_set::OrdinalSet;
use crate::store::reading::NewRun;
use rusqlite::{Connection, OptionalExtension, Statement, params};
use std::path::Path;

/// The file of a plan while it is filled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlanFile<'a> {
    pub(crate) connection: &'a Connection,
    /// The path for messages: a dry run has a file without a name.
    pub(crate) path: &'a Path,
}

impl PlanFile<'_> {
    /// Returns the conversion of SQLite's errors that names this file.
    pub(crate) fn failed(&self) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
        sqlite(self.path)
    }
}

/// The numbers of rows and tasks of a plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanTotals {
    /// Rows in the inputs.
    pub rows: u64,
    /// Tasks to carry out.
    pub selected: u64,
    /// Rows that repeat the id and command of an earlier row.
    pub duplicates: u64,
    /// Rows whose task was done by the run that this one follows.
    pub already_done: u64,
}

impl PlanTotals {
    /// Returns whether the plan has no task.
    pub fn is_empty(&self) -> bool {
        self.selected == 0
    }
}

/// The statement that adds a task to a plan.
pub(crate) const INSERT_TASK: &str =
    "INSERT INTO task (ordinal, id, command, source, line, position, others)
     VALUES (?, ?, ?, ?, ?, ?, ?)";

/// Adds a task, with the prepared [`INSERT_TASK`].
pub(crate) fn insert_task(insert: &mut Statement<'_>, row: PlannedRow) -> rusqlite::Result<()> {
    let PlannedRow { ordinal, id, command, source, line, column, others } = row;
    // SQLite's integers are signed; no input has that many lines.
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

/// Records the inputs, in order, each with its name and its other columns.
pub(crate) fn insert_sources<'a>(
    connection: &Connection,
    sources: impl IntoIterator<Item = (&'a str, &'a [String])>,
) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare("INSERT INTO source (number, name, columns) VALUES (?, ?, ?)")?;
    for (number, (name, columns)) in sources.into_iter().enumerate() {
        let columns = serde_json::to_string(columns).expect("texts are JSON");
        insert.execute(params![number, name, columns])?;
    }
    Ok(())
}

/// Takes tasks out of the plan and returns their number.
pub(crate) fn remove_tasks(connection: &Connection, tasks: &OrdinalSet) -> rusqlite::Result<u64> {
    let mut delete = connection.prepare("DELETE FROM task WHERE ordinal = ?")?;
    for ordinal in tasks.iter() {
        delete.execute([ordinal.0])?;
    }
    Ok(tasks.len())
}

/// Keeps the first `limit` of `all` tasks and returns the number of tasks that are left.
pub(crate) fn keep_first(
    connection: &Connection,
    all: u64,
    limit: Option<u64>,
) -> rusqlite::Result<u64> {
    let Some(limit) = limit.filter(|&limit| limit < all) else { return Ok(all) };
    // Ordinals have gaps where rows were taken out, so the first one beyond is looked up.
    let beyond: Option<i64> = connection
        .query_row("SELECT ordinal FROM task ORDER BY ordinal LIMIT 1 OFFSET ?", [limit], |row| {
            row.get(0)
        })
        .optional()?;
    connection.execute("DELETE FROM task WHERE ordinal >= ?", [beyond])?;
    Ok(limit)
}

/// Records the run itself; a plan without this row is not complete.
pub(crate) fn insert_run(
    connection: &Connection,
    run: &NewRun,
    totals: PlanTotals,
) -> rusqlite::Result<()> {
    // `invalid` is 0 for ever: a plan with invalid rows is refused.
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
