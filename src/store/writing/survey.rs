//! What the list of the service says of a run's tasks, and what follows from it.
//!
//! Sightings are gathered beside the run's file, in a table of this process alone; what follows
//! from a whole walk is written in one transaction. A process that is killed before has changed
//! nothing. Memory does not grow with the number of tasks.

use crate::clock::Timestamp;
use crate::event::SurveyCounts;
use crate::store::codes;
use crate::store::unsettled::OpenTask;
use crate::task::{Command, ObservedState, Ordinal, Outcome, TaskId, TaskState, Toward};
use rusqlite::{Connection, Row, params};
use std::collections::{BTreeMap, HashSet};

/// The most tasks that are shown as examples.
const MOST_EXAMPLES: usize = 5;

/// What a task is that was not in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMissing {
    /// Nothing is known: the list may not have been whole.
    Unread,
    /// The project does not know it; it is called all the same.
    Unknown,
    /// The project does not know it, and it is not called.
    Skipped,
}

/// What is done with the tasks of a run once their states are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Those that are there already are left alone.
    LeaveAlone(IfMissing),
    /// The states are kept for the record.
    Record,
}

/// What a survey came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surveyed {
    /// How many tasks are in which position.
    pub counts: SurveyCounts,
    /// Some of those that the project does not know.
    pub unknown: Vec<TaskId>,
    /// Some of those that are in trouble.
    pub in_trouble: Vec<TaskId>,
}

/// Forgets all sightings.
pub(crate) fn forget(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS seen (
             id TEXT PRIMARY KEY, state TEXT NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL
         ) WITHOUT ROWID;
         DELETE FROM temp.seen",
    )
}

/// Keeps sightings; of two of one task the later counts.
pub(crate) fn see(connection: &Connection, sightings: &[ObservedState]) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT OR REPLACE INTO temp.seen VALUES (?, ?, ?, ?)")?;
    for seen in sightings {
        let (start, stop) = (code(seen.start), code(seen.stop));
        insert.execute(params![seen.id.as_str(), seen.state.as_str(), start, stop])?;
    }
    Ok(())
}

fn code(toward: Toward) -> i64 {
    match toward {
        Toward::Reached => 0,
        Toward::Open => 1,
        Toward::Against => 2,
    }
}

/// What was seen of a task, on the way of its own command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation {
    pub(crate) state: TaskState,
    pub(crate) has_arrived: bool,
}

impl Observation {
    /// Reads it from three cells; nothing, if the task was not seen.
    pub(crate) fn of(
        row: &Row<'_>,
        first: usize,
        command: Command,
    ) -> rusqlite::Result<Option<Self>> {
        let Some(state) = codes::parsed_or_null(row, first)? else { return Ok(None) };
        let toward: i64 = match command {
            Command::Start => row.get(first + 1)?,
            Command::Stop => row.get(first + 2)?,
        };
        Ok(Some(Self { state, has_arrived: toward == code(Toward::Reached) }))
    }
}

/// Returns the ids of the tasks without an outcome, unless there are more than that.
pub(crate) fn unsettled_ids(
    connection: &Connection,
    most: usize,
) -> rusqlite::Result<Option<HashSet<TaskId>>> {
    ids(
        connection,
        "SELECT id FROM task WHERE ordinal NOT IN (SELECT ordinal FROM outcome) LIMIT ?",
        most,
    )
}

/// Returns the ids of the tasks that are waited for, unless there are more than that.
pub(crate) fn awaited_ids(
    connection: &Connection,
    most: usize,
) -> rusqlite::Result<Option<HashSet<TaskId>>> {
    let sql = format!("SELECT task.id FROM {AWAITED} LIMIT ?");
    ids(connection, &sql, most)
}

/// Returns the ids of the tasks that are ambiguous, unless there are more than that.
pub(crate) fn doubtful_ids(
    connection: &Connection,
    most: usize,
) -> rusqlite::Result<Option<HashSet<TaskId>>> {
    let sql = format!(
        "SELECT task.id FROM {AWAITED} AND ifnull(state.outcome, outcome.outcome) = 9 LIMIT ?"
    );
    ids(connection, &sql, most)
}

fn ids(
    connection: &Connection,
    sql: &str,
    most: usize,
) -> rusqlite::Result<Option<HashSet<TaskId>>> {
    let mut query = connection.prepare(sql)?;
    let rows = query.query_map([most + 1], |row| codes::parsed(row, 0))?;
    let ids: HashSet<TaskId> = rows.collect::<Result<_, _>>()?;
    Ok((ids.len() <= most).then_some(ids))
}

/// The tasks whose calls were, or may have been, carried out and that have not been seen where
/// they were sent. Outcomes by their numbers, see `codes`: succeeded, partial, ambiguous.
pub(crate) const AWAITED: &str = "outcome JOIN task ON task.ordinal = outcome.ordinal
    LEFT JOIN state ON state.ordinal = outcome.ordinal
    WHERE outcome.outcome IN (3, 5, 9) AND outcome.attempts > 0
      AND state.verified_us IS NULL";

/// A survey of the tasks without an outcome.
pub(crate) struct Survey<'a> {
    pub(crate) connection: &'a Connection,
    /// Those that were begun by earlier processes.
    pub(crate) open: &'a BTreeMap<Ordinal, OpenTask>,
    pub(crate) origin: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) purpose: Purpose,
}

impl Survey<'_> {
    /// Counts what the tasks are, and settles what is to be left alone.
    pub(crate) fn carry_out(&self) -> rusqlite::Result<Surveyed> {
        let mut query = self.connection.prepare(
            "SELECT task.ordinal, task.id, task.command, seen.state, seen.start, seen.stop
             FROM task LEFT JOIN temp.seen ON seen.id = task.id
             WHERE task.ordinal NOT IN (SELECT ordinal FROM outcome)",
        )?;
        let mut surveyed = Surveyed::default();
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let seen = Observation::of(row, 3, codes::command(row, 2)?)?;
            self.take(row, seen, &mut surveyed)?;
        }
        Ok(surveyed)
    }

    fn take(
        &self,
        row: &Row<'_>,
        seen: Option<Observation>,
        surveyed: &mut Surveyed,
    ) -> rusqlite::Result<()> {
        let ordinal = Ordinal(row.get(0)?);
        let counts = &mut surveyed.counts;
        let Some(seen) = seen else {
            return match self.purpose {
                Purpose::Record | Purpose::LeaveAlone(IfMissing::Unread) => {
                    counts.unread += 1;
                    Ok(())
                }
                Purpose::LeaveAlone(absence) => {
                    keep_example(&mut surveyed.unknown, row)?;
                    counts.unknown += 1;
                    let is_left_out = absence == IfMissing::Skipped && !self.was_begun(ordinal);
                    counts.skipped += u64::from(is_left_out);
                    if is_left_out { self.settle(ordinal, Outcome::Failed) } else { Ok(()) }
                }
            };
        };
        if !self.was_begun(ordinal) {
            self.keep_before(ordinal, seen.state)?;
        }
        let is_doubtful = self.open.get(&ordinal).is_some_and(|open| open.in_doubt);
        if seen.has_arrived && (is_doubtful || self.purpose != Purpose::Record) {
            return self.leave_alone(ordinal, seen.state, counts);
        }
        if seen.state == TaskState::Bad {
            keep_example(&mut surveyed.in_trouble, row)?;
            counts.in_trouble += 1;
            return Ok(());
        }
        counts.will_change += 1;
        Ok(())
    }

    fn was_begun(&self, ordinal: Ordinal) -> bool {
        self.open.contains_key(&ordinal)
    }

    /// Settles a task that is where it is to be sent: it was never called, or what was in doubt is
    /// so no longer. One whose calls were all refused is called once more; that does no harm.
    fn leave_alone(
        &self,
        ordinal: Ordinal,
        state: TaskState,
        counts: &mut SurveyCounts,
    ) -> rusqlite::Result<()> {
        match self.open.get(&ordinal) {
            None => {
                counts.unchanged += 1;
                self.settle(ordinal, Outcome::Unchanged)
            }
            Some(open) if open.in_doubt => {
                counts.confirmed += 1;
                self.settle_doubt(ordinal, open, state)
            }
            Some(_) => {
                counts.will_change += 1;
                Ok(())
            }
        }
    }

    /// Settles a task that was never called.
    fn settle(&self, ordinal: Ordinal, outcome: Outcome) -> rusqlite::Result<()> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO outcome (ordinal, outcome, seq, attempts, first_sent_us, duration_us)
             VALUES (?, ?, 0, 0, ?, 0)",
        )?;
        let now = self.micros(self.now);
        insert.execute(params![ordinal.0, codes::outcome_code(outcome), now]).map(drop)
    }

    fn settle_doubt(
        &self,
        ordinal: Ordinal,
        open: &OpenTask,
        state: TaskState,
    ) -> rusqlite::Result<()> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO outcome (ordinal, outcome, seq, attempts, first_sent_us, duration_us)
             VALUES (?, ?, ?, ?, ?, ?)",
        )?;
        let now = self.micros(self.now);
        insert.execute(params![
            ordinal.0,
            codes::outcome_code(Outcome::Ambiguous),
            open.last_seq,
            open.attempts,
            open.first_sent_us,
            now.saturating_sub(open.first_sent_us),
        ])?;
        let verdict = Some(Outcome::Succeeded);
        keep_after(self.connection, ordinal, &After { state, verified: Some(now), verdict })
    }

    fn keep_before(&self, ordinal: Ordinal, state: TaskState) -> rusqlite::Result<()> {
        let mut upsert = self.connection.prepare_cached(
            "INSERT INTO state (ordinal, before) VALUES (?1, ?2)
             ON CONFLICT (ordinal) DO UPDATE SET before = ?2",
        )?;
        upsert.execute(params![ordinal.0, state.as_str()]).map(drop)
    }

    fn micros(&self, at: Timestamp) -> i64 {
        at.as_micros().saturating_sub(self.origin.as_micros())
    }
}

fn keep_example(examples: &mut Vec<TaskId>, row: &Row<'_>) -> rusqlite::Result<()> {
    if examples.len() < MOST_EXAMPLES {
        examples.push(codes::parsed(row, 1)?);
    }
    Ok(())
}

/// What was seen of a task after its call.
pub(crate) struct After {
    pub(crate) state: TaskState,
    /// When it was seen where it was sent, in microseconds after the origin.
    pub(crate) verified: Option<i64>,
    /// What became of it, if that is not what its call came to.
    pub(crate) verdict: Option<Outcome>,
}

/// Records what was seen of a task after its call.
pub(crate) fn keep_after(
    connection: &Connection,
    ordinal: Ordinal,
    after: &After,
) -> rusqlite::Result<()> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO state (ordinal, after, verified_us, outcome) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (ordinal) DO UPDATE SET after = ?2, verified_us = ?3, outcome = ?4",
    )?;
    let verdict = after.verdict.map(codes::outcome_code);
    upsert.execute(params![ordinal.0, after.state.as_str(), after.verified, verdict]).map(drop)
}
