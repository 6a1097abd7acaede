//! Leaves out of a plan the tasks that earlier runs have done: by id and command, never by
//! position.

use crate::store::codes;
use crate::store::error::StoreError;
use crate::store::files::RunDirectory;
use crate::store::ids::RunId;
use crate::store::ordinal_set::OrdinalSet;
use crate::store::planning::tables::{PlanFile, remove_tasks};
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

/// Leaves out every task that one of these runs has done, and returns their number.
///
/// The latest run of the chain that sent a task, or settled it otherwise, decides about it. So a
/// task that was reverted, or that failed since, is not done any more.
///
/// The runs are opened one after the other: a job that follows itself every night for years has
/// more runs than a process may have open files.
pub(crate) fn leave_out_done(
    plan: PlanFile<'_>,
    runs: &RunDirectory,
    followed: &[RunId],
) -> Result<u64, StoreError> {
    if followed.is_empty() {
        return Ok(0);
    }
    let connection = plan.connection;
    let failed = plan.failed();
    connection
        .execute_batch(
            "CREATE TEMP TABLE done (id TEXT PRIMARY KEY, command INTEGER) WITHOUT ROWID",
        )
        .map_err(&failed)?;
    // `OR IGNORE` keeps the row of the latest run, which comes first.
    let mut insert =
        connection.prepare("INSERT OR IGNORE INTO done VALUES (?, ?)").map_err(&failed)?;
    for run in followed {
        RunReader::open(runs, run)?.for_each_decided(|id, done| {
            let code = done.map_or(NOT_DONE, codes::command_code);
            insert.execute(params![id, code]).map(|_| ())
        })?;
    }
    let done = done_tasks(connection).map_err(&failed)?;
    remove_tasks(connection, &done).map_err(&failed)
}

/// Stands for no command: the task was sent, and it is not where it was sent.
const NOT_DONE: i64 = 0;

/// A task that an earlier run has decided about.
#[derive(Default)]
struct Done {
    id: String,
    /// The command as it is stored.
    command_code: i64,
}

impl Done {
    /// Reads the next task, into the memory of this one.
    fn next(mut self, rows: &mut Rows<'_>) -> rusqlite::Result<Option<Self>> {
        let Some(row) = rows.next()? else { return Ok(None) };
        self.id.replace_range(.., row.get_ref(0)?.as_str()?);
        self.command_code = row.get(1)?;
        Ok(Some(self))
    }
}

/// Finds the tasks of the plan that are done.
///
/// A merge join: both tables are read once, in the order of ids. Looking up each task would read
/// the same pages of a large table over and over.
fn done_tasks(connection: &Connection) -> rusqlite::Result<OrdinalSet> {
    let mut found = OrdinalSet::default();
    let mut all_done = connection.prepare("SELECT id, command FROM done ORDER BY id")?;
    let mut all_done = all_done.query([])?;
    let mut planned = connection.prepare("SELECT id, command, ordinal FROM task ORDER BY id")?;
    let mut planned = planned.query([])?;
    let mut done = Done::default().next(&mut all_done)?;
    while let Some(task) = planned.next()? {
        let id = task.get_ref(0)?.as_str()?;
        while let Some(earlier) = done.take_if(|done| done.id.as_str() < id) {
            done = earlier.next(&mut all_done)?;
        }
        let Some(done) = &done else { break };
        if done.id == id && done.command_code == task.get::<_, i64>(1)? {
            found.insert(Ordinal(task.get(2)?));
        }
    }
    Ok(found)
}
