//! Where a run stands when a process takes it up: what is settled, what was begun, what was sent.
//!
//! All of it follows from the attempts and outcomes; no total is kept that could contradict them.

use crate::clock::Timestamp;
use crate::store::codes;
use crate::store::files::MayHaveLeft;
use crate::store::ordinal_set::OrdinalSet;
use crate::task::{Ordinal, OutcomeCounts};
use rusqlite::{Connection, OptionalExtension, params};

/// How much later an attempt that never ended may have left than it says: its time was noted
/// before it was made durable.
const LATEST_START_MICROS: i64 = 2_000_000;

/// Where a run stands when it is opened to be carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResumePoint {
    /// How many tasks were selected.
    pub selected: u64,
    /// How many of them ended with each outcome so far.
    pub settled: OutcomeCounts,
    /// The highest number of an attempt that may have left.
    pub attempts: u64,
    /// When the last attempts were sent, oldest first.
    pub last_sent: Vec<Timestamp>,
}

impl ResumePoint {
    /// Reads it; `recall` is how many of the last sending times are wanted.
    pub(crate) fn read(
        connection: &Connection,
        settled: &SettledTasks,
        recall: u32,
        may_have_left: MayHaveLeft,
    ) -> rusqlite::Result<Self> {
        let (origin, selected) = origin_and_selected(connection)?;
        let highest = "SELECT ifnull(max(seq), 0) FROM attempt
                       WHERE duration_us IS NOT NULL OR seq <= ?";
        Ok(Self {
            selected,
            settled: settled.counts,
            attempts: connection.query_row(highest, [may_have_left.last()], |row| row.get(0))?,
            last_sent: last_sent(connection, origin, recall, may_have_left)?,
        })
    }
}

/// Returns what all times of a run count from, and how many tasks it has.
pub(crate) fn origin_and_selected(connection: &Connection) -> rusqlite::Result<(Timestamp, u64)> {
    connection.query_row("SELECT origin_us, selected FROM run", [], |row| {
        Ok((Timestamp::from_micros(row.get(0)?), row.get(1)?))
    })
}

/// Returns when the last requests were sent, the oldest first, those for pages included.
pub(crate) fn last_sent(
    connection: &Connection,
    origin: Timestamp,
    most: u32,
    may_have_left: MayHaveLeft,
) -> rusqlite::Result<Vec<Timestamp>> {
    let mut query = connection.prepare(
        "SELECT * FROM (SELECT sent_us + iif(duration_us IS NULL, ?1, 0) FROM attempt
                       WHERE duration_us IS NOT NULL OR seq <= ?3 ORDER BY seq DESC LIMIT ?2)
         UNION ALL
         SELECT * FROM (SELECT sent_us + ?1 FROM poll ORDER BY rowid DESC LIMIT ?2)",
    )?;
    let values = params![LATEST_START_MICROS, most, may_have_left.last()];
    let rows = query.query_map(values, |row| row.get::<_, i64>(0))?;
    let mut sent: Vec<i64> = rows.collect::<Result<_, _>>()?;
    sent.sort_unstable();
    let older = sent.len().saturating_sub(usize::try_from(most).expect("a u32 fits a usize"));
    sent.drain(..older);
    Ok(sent.into_iter().map(|micros| origin.plus_micros(micros)).collect())
}

/// The tasks that have an outcome.
#[derive(Debug, Default)]
pub(crate) struct SettledTasks {
    /// Which.
    pub(crate) ordinals: OrdinalSet,
    /// How many with which one.
    pub(crate) counts: OutcomeCounts,
}

impl SettledTasks {
    /// Reads them in one walk.
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut settled = Self::default();
        let mut query = connection.prepare("SELECT ordinal, outcome FROM outcome")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            settled.ordinals.insert(Ordinal(row.get(0)?));
            settled.counts[codes::outcome(row, 1)?] += 1;
        }
        settled.amend(connection)?;
        Ok(settled)
    }

    /// Counts each task for what became of it, where that is not what its call came to.
    fn amend(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut query = connection.prepare(
            "SELECT outcome.outcome, state.outcome FROM state JOIN outcome USING (ordinal)
             WHERE state.outcome IS NOT NULL",
        )?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            self.counts[codes::outcome(row, 0)?] -= 1;
            self.counts[codes::outcome(row, 1)?] += 1;
        }
        Ok(())
    }
}

/// Tells whether the last process that worked on the run came to its end.
pub(crate) fn ended_cleanly(connection: &Connection) -> rusqlite::Result<bool> {
    let last = "SELECT ended_us IS NOT NULL FROM session ORDER BY number DESC LIMIT 1";
    let ended = connection.query_row(last, [], |row| row.get(0)).optional()?;
    Ok(ended.unwrap_or(true))
}

/// Returns the number of the last session, if there was one.
pub(crate) fn last_session(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT max(number) FROM session", [], |row| row.get(0))
}

/// Begins the session of this process and returns its number.
pub(crate) fn begin_session(connection: &Connection, started_us: i64) -> rusqlite::Result<i64> {
    connection.execute(
        "INSERT INTO session (started_us, process, version, commits) VALUES (?, ?, ?, 1)",
        params![started_us, std::process::id(), env!("CARGO_PKG_VERSION")],
    )?;
    Ok(connection.last_insert_rowid())
}
