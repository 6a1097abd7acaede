//! Pairs the tasks of two runs.
//!
//! A merge join in the order of ids, so that memory does not grow with the number of tasks. SQLite
//! sorts within its cache, and in temporary files beyond that.

use crate::store::codes;
use crate::store::error::{StoreError, sqlite};
use crate::store::reading::reader::RunReader;
use crate::store::rows::TaskRow;
use crate::store::unsettled::OpenTask;
use crate::task::{Command, Ordinal, Outcome, TaskId};
use rusqlite::{Row, Rows};
use std::cmp::Ordering;
use std::collections::BTreeMap;

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
    let open_before = before.open_tasks().map_err(&failed_before)?;
    let open_after = after.open_tasks().map_err(&failed_after)?;
    // One statement per run, stepped in turn: joining two files in SQLite would need one connection
    // with two snapshots.
    let mut query_before = before.connection.prepare(BY_ID).map_err(&failed_before)?;
    let mut query_after = after.connection.prepare(BY_ID).map_err(&failed_after)?;
    let mut rows_before = query_before.query([]).map_err(&failed_before)?;
    let mut rows_after = query_after.query([]).map_err(&failed_after)?;
    let mut one = next(&mut rows_before, open_before).map_err(&failed_before)?;
    let mut other = next(&mut rows_after, open_after).map_err(&failed_after)?;
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
            let following = next(&mut rows_before, open_before).map_err(&failed_before)?;
            left = std::mem::replace(&mut one, following);
        }
        if order.is_ge() {
            let following = next(&mut rows_after, open_after).map_err(&failed_after)?;
            right = std::mem::replace(&mut other, following);
        }
        if let Some(pair) = paired(left, right) {
            take(pair)?;
        }
    }
}

impl TaskPair {
    /// Returns the task as it failed in the second run, or in the first if it did not fail there.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn failed_row(
        &self,
        before: &RunReader,
        after: &RunReader,
    ) -> Result<Option<TaskRow>, StoreError> {
        let is_bad = |outcome: Option<Outcome>| outcome.is_some_and(|outcome| !outcome.is_good());
        // The present failure is the more useful one.
        let (run, ordinal) = match (self.ordinals, is_bad(self.before), is_bad(self.after)) {
            ((_, Some(ordinal)), _, true) => (after, ordinal),
            ((Some(ordinal), _), true, _) => (before, ordinal),
            _ => return Ok(None),
        };
        run.task(ordinal).map(Some).map_err(sqlite(&run.path))
    }
}

/// The sorted rows are narrow; everything else is looked up only if it is needed.
const BY_ID: &str = "SELECT task.id, task.command, task.ordinal,
        ifnull(state.outcome, outcome.outcome)
    FROM task LEFT JOIN outcome ON outcome.ordinal = task.ordinal
    LEFT JOIN state ON state.ordinal = task.ordinal
    ORDER BY task.id, task.command";

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

fn next(
    rows: &mut Rows<'_>,
    open: &BTreeMap<Ordinal, OpenTask>,
) -> rusqlite::Result<Option<Sorted>> {
    rows.next()?.map(|row| sorted(row, open)).transpose()
}

fn sorted(row: &Row<'_>, open: &BTreeMap<Ordinal, OpenTask>) -> rusqlite::Result<Sorted> {
    let ordinal = Ordinal(row.get(2)?);
    let outcome = match row.get::<_, Option<i64>>(3)? {
        Some(_) => codes::outcome(row, 3)?,
        // The outcome that follows from its attempts, as in every other walk.
        None => open.get(&ordinal).map_or(Outcome::NotAttempted, OpenTask::outcome),
    };
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
