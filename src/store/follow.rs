//! Leaves out of a plan what an earlier run has done: by id and command, never by position.

use super::cells;
use super::directory::RunDirectory;
use super::directory::RunId;
use super::error::StoreError;
use super::error::sqlite;
use super::reader::RunReader;
use rusqlite::Connection;
use rusqlite::params;
use std::path::Path;

/// Returns a run and those it follows itself, the latest first.
pub(super) fn follow(runs: &RunDirectory, run: Option<&RunId>) -> Result<Vec<RunId>, StoreError> {
    let mut chain = Vec::new();
    let mut next = run.cloned();
    // No run follows itself, but a damaged file may say so.
    while let Some(run) = next.filter(|run| !chain.contains(run)) {
        let reader = match RunReader::open(runs, &run) {
            // An older link of the chain may have been pruned; the first one is asked for.
            Err(StoreError::NoSuchRun { .. }) if !chain.is_empty() => break,
            opened => opened?,
        };
        next = reader.record()?.run.parent;
        chain.push(run);
    }
    Ok(chain)
}

/// Leaves out every task that one of these runs has done, and returns how many there were.
///
/// What was done last to a task counts, for the latest run comes first: one that was taken back
/// is done no more.
///
/// The runs are open one after the other: a job that follows itself every night for years has
/// more of them than a process may have files.
pub(super) fn leave_out_done(
    (connection, path): (&Connection, &Path),
    runs: &RunDirectory,
    followed: &[RunId],
) -> Result<u64, StoreError> {
    if followed.is_empty() {
        return Ok(0);
    }
    let failed = sqlite(path);
    connection
        .execute_batch(
            "CREATE TEMP TABLE done (id TEXT PRIMARY KEY, command INTEGER) WITHOUT ROWID",
        )
        .map_err(&failed)?;
    let mut insert =
        connection.prepare("INSERT OR IGNORE INTO done VALUES (?, ?)").map_err(&failed)?;
    for run in followed {
        RunReader::open(runs, run)?.for_each_done(|id, command| {
            insert.execute(params![id, cells::command_code(command)]).map(|_| ())
        })?;
    }
    let left_out = connection.execute(
        "DELETE FROM task WHERE EXISTS (
             SELECT 1 FROM done WHERE done.id = task.id AND done.command = task.command)",
        [],
    );
    Ok(u64::try_from(left_out.map_err(&failed)?).expect("a count of rows fits"))
}
