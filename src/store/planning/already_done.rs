//! Leaves out of a plan the tasks that earlier runs have done: by id and command, never by
//! position.

use crate::store::codes;
use crate::store::error::StoreError;
use crate::store::files::RunDirectory;
use crate::store::ids::RunId;
use crate::store::ordinal_set::OrdinalSet;
use crate::store::planning::tables::PlanFile;
use crate::store::reading::RunReader;
use crate::task::Ordinal;
use rusqlite::{Connection, Rows, params};

/// Returns a run and the runs that it follows, the latest first.
pub(crate) fn runs_followed(
    runs: &RunDirectory,
    run: Option<&RunId>,
) -> Result<Vec<RunId>, StoreError> {
    let mut chain = Vec::new();
    let mut next = run.cloned();
    // A run never follows itself, but a damaged file may say so.
    while let Some(run) = next.filter(|run| !chain.contains(run)) {
        let reader = match RunReader::open(runs, &run) {
            // An older run of the chain may have been pruned; only the first one was asked for.
            Err(StoreError::NoSuchRun { .. }) if !chain.is_empty() => break,
            opened => opened?,
        };
        next = reader.record()?.run.parent;
        chain.push(run);
    }
    Ok(chain)
}

/// Adds to `without` every task that one of these runs has done, and returns their number.
///
/// The latest run of the chain that has a task decides about it. So a task that was reverted is
/// not done any more.
///
/// The runs are opened one after the other: a job that follows itself every night for years has
/// more runs than a process may have open files.
pub(crate) fn leave_out_done(
    plan: PlanFile<'_>,
    runs: &RunDirectory,
    followed: &[RunId],
    without: &mut OrdinalSet,
) -> Result<u64, StoreError> {
    if followed.is_empty() {
        return Ok(0);
    }
    let connection = plan.connection;
    let failed = plan.failed();
    // Without a key, because rows that come in no order are appended and sorted once.
    connection
        .execute_batch(
            "CREATE TEMP TABLE done (id TEXT NOT NULL, age INTEGER NOT NULL, command INTEGER)",
        )
        .map_err(&failed)?;
    let mut insert =
        connection.prepare("INSERT INTO temp.done VALUES (?, ?, ?)").map_err(&failed)?;
    for (age, run) in followed.iter().enumerate() {
        RunReader::open(runs, run)?.for_each_done(|id, command| {
            insert.execute(params![id, age, codes::command_code(command)]).map(|_| ())
        })?;
    }
    drop(insert);
    let done = add_done_tasks(connection, without).map_err(&failed)?;
    connection.execute_batch("DROP TABLE temp.done").map_err(&failed)?;
    Ok(done)
}

/// A task that an earlier run has done.
#[derive(Default)]
struct Done {
    id: String,
    /// The command as it is stored.
    command_code: i64,
}

impl Done {
    /// Reads the next task, into the memory of this one. Of several rows of an id the first one
    /// counts, which is that of the latest run.
    fn next(mut self, rows: &mut Rows<'_>) -> rusqlite::Result<Option<Self>> {
        while let Some(row) = rows.next()? {
            let id = row.get_ref(0)?.as_str()?;
            if self.id != id {
                self.id.replace_range(.., id);
                self.command_code = row.get(1)?;
                return Ok(Some(self));
            }
        }
        Ok(None)
    }
}

/// Finds the tasks of the plan that are done.
///
/// A merge join: both tables are read once, in the order of ids. Looking up each task would read
/// the same pages of a large table over and over.
fn add_done_tasks(connection: &Connection, without: &mut OrdinalSet) -> rusqlite::Result<u64> {
    let before = without.len();
    let mut all_done = connection.prepare("SELECT id, command FROM temp.done ORDER BY id, age")?;
    let mut all_done = all_done.query([])?;
    let mut planned =
        connection.prepare("SELECT id, command, ordinal FROM temp.planned ORDER BY id")?;
    let mut planned = planned.query([])?;
    let mut done = Done::default().next(&mut all_done)?;
    while let Some(task) = planned.next()? {
        let id = task.get_ref(0)?.as_str()?;
        while let Some(earlier) = done.take_if(|done| done.id.as_str() < id) {
            done = earlier.next(&mut all_done)?;
        }
        let Some(done) = &done else { break };
        if done.id == id && done.command_code == task.get::<_, i64>(1)? {
            without.insert(Ordinal(task.get(2)?));
        }
    }
    // A duplicate was left out already, and is not counted twice.
    Ok(without.len() - before)
}
