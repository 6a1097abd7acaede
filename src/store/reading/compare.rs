//! Pairs the tasks of two runs.
//!
//! A merge join in the order of ids, so that memory does not grow with the number of tasks. SQLite
//! sorts within its cache, and in temporary files beyond that.

use crate::journal::{FailureTexts, PlannedTask, TaskRecord};
use crate::store::codes;
use crate::store::error::{StoreError, sqlite};
use crate::store::reading::reader::RunReader;
use crate::task::{Command, Failure, Ordinal, Outcome, TaskId};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Row, Rows, params};
use std::cmp::Ordering;

/// A task in one of two runs, or in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskPair {
    /// The batch task.
    pub id: TaskId,
    /// The command for it.
    pub command: Command,
    /// Its outcome in the first run, if that has it.
    pub before: Option<Outcome>,
    /// Its outcome in the second run, if that has it.
    pub after: Option<Outcome>,
    /// Its places in both runs.
    ordinals: (Option<Ordinal>, Option<Ordinal>),
}

/// Calls `take` for every task of two runs, in the order of their ids.
///
/// A task without an outcome has the one that follows from its attempts.
///
/// # Errors
///
/// The store's, and those of `take`.
pub fn for_each_pair<E: From<StoreError>>(
    before: &RunReader,
    after: &RunReader,
    mut take: impl FnMut(TaskPair) -> Result<(), E>,
) -> Result<(), E> {
    let (failed_before, failed_after) = (sqlite(&before.path), sqlite(&after.path));
    stage(before)?;
    stage(after)?;
    // One statement per run, stepped in turn: joining two files in SQLite would need one connection
    // with two snapshots.
    let mut query_before = before.connection.prepare(BY_ID).map_err(&failed_before)?;
    let mut query_after = after.connection.prepare(BY_ID).map_err(&failed_after)?;
    let mut rows_before = query_before.query([]).map_err(&failed_before)?;
    let mut rows_after = query_after.query([]).map_err(&failed_after)?;
    let mut one = next(&mut rows_before).map_err(&failed_before)?;
    let mut other = next(&mut rows_after).map_err(&failed_after)?;
    loop {
        let order = match (&one, &other) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.key().cmp(&other.key()),
        };
        // The smaller key goes; of equal keys both go, as one pair.
        let (mut left, mut right) = (None, None);
        if order.is_le() {
            let following = next(&mut rows_before).map_err(&failed_before)?;
            left = std::mem::replace(&mut one, following);
        }
        if order.is_ge() {
            let following = next(&mut rows_after).map_err(&failed_after)?;
            right = std::mem::replace(&mut other, following);
        }
        if let Some(pair) = paired(left, right) {
            take(pair)?;
        }
    }
}

impl TaskPair {
    /// Returns why the task failed in the second run, or in the first if it did not fail there.
    ///
    /// `None` for a task without an outcome of its own.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn failure(
        &self,
        before: &RunReader,
        after: &RunReader,
    ) -> Result<Option<Failure>, StoreError> {
        let is_bad = |outcome: Option<Outcome>| outcome.is_some_and(|outcome| !outcome.is_good());
        // The present failure is the more useful one.
        match (self.ordinals, is_bad(self.before), is_bad(self.after)) {
            ((_, Some(ordinal)), _, true) => failure_in(after, ordinal),
            ((Some(ordinal), _), true, _) => failure_in(before, ordinal),
            _ => Ok(None),
        }
    }
}

/// The sorted rows are narrow; failures are looked up only if they are needed.
const BY_ID: &str = "SELECT id, command, ordinal, outcome FROM temp.by_id ORDER BY id, command";

/// Folds a run into the temporary tables that are sorted and looked up.
fn stage(run: &RunReader) -> Result<(), StoreError> {
    let failed = sqlite(&run.path);
    run.connection
        .execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS by_id (id TEXT, command INTEGER, ordinal INTEGER,
                 outcome INTEGER);
             CREATE TEMP TABLE IF NOT EXISTS last_failure (ordinal INTEGER PRIMARY KEY, body BLOB);
             DELETE FROM temp.by_id;
             DELETE FROM temp.last_failure",
        )
        .map_err(&failed)?;
    run.for_each_record(|task, record| stage_task(&run.connection, task, record).map_err(&failed))
}

fn stage_task(
    connection: &Connection,
    task: &PlannedTask<'_>,
    record: &TaskRecord<'_>,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO temp.by_id VALUES (?, ?, ?, ?)")?;
    let (id, command) = (codes::task_id(task.id)?, codes::command_code(task.command));
    insert.execute(params![id.as_str(), command, task.ordinal, record.outcome() as u8])?;
    let last = record.settled.and(record.last.as_ref());
    let failure = last.and_then(|last| last.ended.as_ref()).and_then(|end| end.failure.as_ref());
    let Some(failure) = failure else { return Ok(()) };
    let mut insert = connection.prepare_cached("INSERT INTO temp.last_failure VALUES (?, ?)")?;
    insert.execute(params![task.ordinal, failure.to_body()]).map(drop)
}

/// A task of one run.
struct Sorted {
    id: TaskId,
    /// The command as it is stored, because rows are sorted by it.
    command_code: i64,
    command: Command,
    ordinal: Ordinal,
    outcome: Outcome,
}

impl Sorted {
    fn key(&self) -> (&str, i64) {
        (self.id.as_str(), self.command_code)
    }
}

fn next(rows: &mut Rows<'_>) -> rusqlite::Result<Option<Sorted>> {
    rows.next()?.map(sorted).transpose()
}

fn sorted(row: &Row<'_>) -> rusqlite::Result<Sorted> {
    let ordinal = Ordinal(row.get(2)?);
    let number: u8 = row.get(3)?;
    let outcome = Outcome::ALL.into_iter().find(|&outcome| outcome as u8 == number);
    let outcome = outcome.ok_or(Error::IntegralValueOutOfRange(3, i64::from(number)))?;
    let (command_code, command) = (row.get(1)?, codes::command(row, 1)?);
    Ok(Sorted { id: codes::parsed(row, 0)?, command_code, command, ordinal, outcome })
}

fn paired(before: Option<Sorted>, after: Option<Sorted>) -> Option<TaskPair> {
    let outcome = |task: &Option<Sorted>| task.as_ref().map(|task| task.outcome);
    let ordinal = |task: &Option<Sorted>| task.as_ref().map(|task| task.ordinal);
    let (outcomes, ordinals) =
        ((outcome(&before), outcome(&after)), (ordinal(&before), ordinal(&after)));
    let Sorted { id, command, .. } = after.or(before)?;
    Some(TaskPair { id, command, before: outcomes.0, after: outcomes.1, ordinals })
}

fn failure_in(run: &RunReader, ordinal: Ordinal) -> Result<Option<Failure>, StoreError> {
    let read = || {
        let mut query = run
            .connection
            .prepare_cached("SELECT body FROM temp.last_failure WHERE ordinal = ?")?;
        query
            .query_row([ordinal.0], |row| {
                let failure = FailureTexts::from_body(row.get_ref(0)?.as_blob()?);
                failure.map_err(|bad| Error::FromSqlConversionFailure(0, Type::Blob, Box::new(bad)))
            })
            .optional()
    };
    read().map_err(sqlite(&run.path))
}
