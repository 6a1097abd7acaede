//! The tables of states: the temporary one of observed states, and `state` in the run's file.
//!
//! Reads and writes cells; draws no conclusion from a state.

use crate::policy::Observation;
use crate::store::codes;
use crate::task::{Command, ObservedState, Ordinal, Outcome, TaskId, TaskState, Toward};
use rusqlite::{Connection, Row, params};
use std::collections::HashSet;

/// The tasks whose states are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskSelection {
    /// Tasks without an outcome.
    Unsettled,
    /// Tasks that were sent and not yet seen where their commands lead.
    Awaited,
    /// Tasks that are ambiguous.
    Doubtful,
}

/// The tasks whose calls were, or may have been, carried out and that were not seen where their
/// commands lead. Outcomes by their numbers, see `codes`: succeeded, partial, ambiguous. A task that
/// succeeded without a sub-task has no state to reach.
pub(crate) const AWAITED: &str = "outcome JOIN task ON task.ordinal = outcome.ordinal
    LEFT JOIN state ON state.ordinal = outcome.ordinal
    LEFT JOIN attempt ON attempt.seq = outcome.seq
    WHERE outcome.outcome IN (3, 5, 9) AND outcome.attempts > 0
      AND state.verified_us IS NULL
      AND NOT (outcome.outcome = 3 AND attempt.total_count IS 0)";

/// Makes the table of observed states, if it is not there yet.
pub(crate) fn make_room(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS seen (
             id TEXT PRIMARY KEY, state TEXT NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL
         ) WITHOUT ROWID",
    )
}

/// Forgets all observed states.
pub(crate) fn forget(connection: &Connection) -> rusqlite::Result<()> {
    make_room(connection)?;
    connection.execute_batch("DELETE FROM temp.seen")
}

/// Stores observed states; the latest per task wins.
pub(crate) fn see(connection: &Connection, states: &[ObservedState]) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT OR REPLACE INTO temp.seen VALUES (?, ?, ?, ?)")?;
    for seen in states {
        let (start, stop) = (toward_code(seen.start), toward_code(seen.stop));
        insert.execute(params![seen.id.as_str(), seen.state.as_str(), start, stop])?;
    }
    Ok(())
}

fn toward_code(toward: Toward) -> i64 {
    match toward {
        Toward::Reached => 0,
        Toward::Open => 1,
        Toward::Against => 2,
    }
}

/// Reads an observation from three columns; `None` if the task was not seen.
pub(crate) fn observation(
    row: &Row<'_>,
    first: usize,
    command: Command,
) -> rusqlite::Result<Option<Observation>> {
    let Some(state) = codes::parsed_or_null(row, first)? else { return Ok(None) };
    // The list shows both directions; the plan knows which one counts.
    let toward: i64 = match command {
        Command::Start => row.get(first + 1)?,
        Command::Stop => row.get(first + 2)?,
    };
    Ok(Some(Observation { state, has_arrived: toward == toward_code(Toward::Reached) }))
}

/// Returns the ids of the selected tasks, unless there are more than `limit`.
pub(crate) fn selected_ids(
    connection: &Connection,
    selection: TaskSelection,
    limit: usize,
) -> rusqlite::Result<Option<HashSet<TaskId>>> {
    let from = match selection {
        TaskSelection::Unsettled => {
            "task WHERE ordinal NOT IN (SELECT ordinal FROM outcome)".to_owned()
        }
        TaskSelection::Awaited => AWAITED.to_owned(),
        TaskSelection::Doubtful => {
            format!("{AWAITED} AND ifnull(state.outcome, outcome.outcome) = 9")
        }
    };
    let mut query = connection.prepare(&format!("SELECT task.id FROM {from} LIMIT ?"))?;
    // One more than the limit shows that there are too many.
    let rows = query.query_map([limit + 1], |row| codes::parsed(row, 0))?;
    let ids: HashSet<TaskId> = rows.collect::<Result<_, _>>()?;
    Ok((ids.len() <= limit).then_some(ids))
}

/// Records the state of a task before anything was sent.
pub(crate) fn keep_before(
    connection: &Connection,
    ordinal: Ordinal,
    state: TaskState,
) -> rusqlite::Result<()> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO state (ordinal, before) VALUES (?1, ?2)
         ON CONFLICT (ordinal) DO UPDATE SET before = ?2",
    )?;
    upsert.execute(params![ordinal.0, state.as_str()]).map(drop)
}

/// The state of a task after its call, as it is stored.
pub(crate) struct AfterRow {
    pub(crate) state: TaskState,
    /// The time at which the task was seen where its command leads, in microseconds after the
    /// origin.
    pub(crate) verified_us: Option<i64>,
    /// The outcome of the task, if it is not that of its call.
    pub(crate) verdict: Option<Outcome>,
}

/// Records the state of a task after its call.
pub(crate) fn keep_after(
    connection: &Connection,
    ordinal: Ordinal,
    after: &AfterRow,
) -> rusqlite::Result<()> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO state (ordinal, after, verified_us, outcome) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (ordinal) DO UPDATE SET after = ?2, verified_us = ?3, outcome = ?4",
    )?;
    let verdict = after.verdict.map(codes::outcome_code);
    upsert.execute(params![ordinal.0, after.state.as_str(), after.verified_us, verdict]).map(drop)
}
