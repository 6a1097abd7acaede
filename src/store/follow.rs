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

/// Opens a run and those it follows itself.
pub(super) fn follow(
    runs: &RunDirectory,
    run: Option<&RunId>,
) -> Result<Vec<RunReader>, StoreError> {
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

/// Leaves out every task that one of these runs has done, and returns how many there were.
pub(super) fn leave_out_done(
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
        reader.for_each_done(|id, command| {
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
