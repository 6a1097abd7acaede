//! The resume point of a run: its outcomes, its attempts and its last sending times.
//!
//! All of it follows from the attempts and outcomes; no total is stored that could contradict them.
//! See `docs/GLOSSARY.md`: resume point.

use crate::clock::Timestamp;
use crate::store::codes;
use crate::store::files::MayHaveLeft;
use crate::store::ordinal_set::OrdinalSet;
use crate::task::{Ordinal, OutcomeCounts};
use rusqlite::{Connection, OptionalExtension, params};

/// How much later than its recorded time an attempt without an end may have left: the time is
/// recorded before the attempt is durable.
const LATEST_START_MICROS: i64 = 2_000_000;

/// The state of a run when a process opens it to carry it out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResumePoint {
    /// The number of selected tasks.
    pub selected: u64,
    /// The outcomes so far.
    pub settled: OutcomeCounts,
    /// The highest number of an attempt that may have left.
    pub attempts: u64,
    /// The times of the last requests, the oldest first.
    pub last_sent: Vec<Timestamp>,
}

impl ResumePoint {
    /// Reads the resume point, with the last `recall` sending times, and the origin of all times.
    pub(crate) fn read(
        connection: &Connection,
        settled: &SettledTasks,
        recall: u32,
        may_have_left: MayHaveLeft,
    ) -> rusqlite::Result<(Timestamp, Self)> {
        let (origin, selected) = origin_and_selected(connection)?;
        let highest = "SELECT ifnull(max(seq), 0) FROM attempt
                       WHERE duration_us IS NOT NULL OR seq <= ?";
        let resume_point = Self {
            selected,
            settled: settled.counts,
            attempts: connection.query_row(highest, [may_have_left.last()], |row| row.get(0))?,
            last_sent: last_sent(connection, origin, recall, may_have_left)?,
        };
        Ok((origin, resume_point))
    }
}

/// Returns the origin of all times of a run, and the number of its tasks.
pub(crate) fn origin_and_selected(connection: &Connection) -> rusqlite::Result<(Timestamp, u64)> {
    connection.query_row("SELECT origin_us, selected FROM run", [], |row| {
        Ok((Timestamp::from_micros(row.get(0)?), row.get(1)?))
    })
}

/// Returns the times of the last requests, the oldest first, requests for pages included.
pub(crate) fn last_sent(
    connection: &Connection,
    origin: Timestamp,
    limit: u32,
    may_have_left: MayHaveLeft,
) -> rusqlite::Result<Vec<Timestamp>> {
    // A time that is too late is safe: the request then counts longer against the rate.
    let mut query = connection.prepare(
        "SELECT * FROM (SELECT sent_us + iif(duration_us IS NULL, ?1, 0) FROM attempt
                       WHERE duration_us IS NOT NULL OR seq <= ?3 ORDER BY seq DESC LIMIT ?2)
         UNION ALL
         SELECT * FROM (SELECT sent_us + ?1 FROM poll ORDER BY rowid DESC LIMIT ?2)",
    )?;
    let values = params![LATEST_START_MICROS, limit, may_have_left.last()];
    let rows = query.query_map(values, |row| row.get::<_, i64>(0))?;
    // Attempts and requests for pages share the rate, so the last of both together count.
    let mut sent: Vec<i64> = rows.collect::<Result<_, _>>()?;
    sent.sort_unstable();
    let older = sent.len().saturating_sub(usize::try_from(limit).expect("a u32 fits a usize"));
    sent.drain(..older);
    Ok(sent.into_iter().map(|micros| origin.plus_micros(micros)).collect())
}

/// The tasks that have an outcome.
#[derive(Debug, Default)]
pub(crate) struct SettledTasks {
    /// Their places in the plan.
    pub(crate) ordinals: OrdinalSet,
    /// Their numbers by outcome.
    pub(crate) counts: OutcomeCounts,
}

impl SettledTasks {
    /// Reads all outcomes in one walk.
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

    /// Moves each task from the outcome of its call to its own, if they differ.
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

/// Returns whether the last process that worked on the run ended in order.
pub(crate) fn ended_cleanly(connection: &Connection) -> rusqlite::Result<bool> {
    let last = "SELECT ended_us IS NOT NULL FROM session ORDER BY number DESC LIMIT 1";
    // A run without a session was not written to since its plan was published.
    let ended = connection.query_row(last, [], |row| row.get(0)).optional()?;
    Ok(ended.unwrap_or(true))
}

/// Returns the number of the last session, if there was one.
pub(crate) fn last_session(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT max(number) FROM session", [], |row| row.get(0))
}

/// Begins the session of this process and returns its number.
pub(crate) fn begin_session(connection: &Connection, started_us: i64) -> rusqlite::Result<i64> {
    // Its own insertion is the first commit of the session.
    connection.execute(
        "INSERT INTO session (started_us, process, version, commits) VALUES (?, ?, ?, 1)",
        params![started_us, std::process::id(), env!("CARGO_PKG_VERSION")],
    )?;
    Ok(connection.last_insert_rowid())
}
