//! Reads a run back: while it runs, after it ended, and after it was killed.
//!
//! Streams rows in order; memory does not grow with their number. A reader sees one state of the
//! run, however much is written meanwhile.

use super::directory::RunDirectory;
use super::directory::RunId;
use super::error::StoreError;
use super::error::sqlite;
use super::load::command_of;
use super::open_tasks::OpenTask;
use super::open_tasks::Settled;
use super::open_tasks::open_tasks;
use super::record::NewRun;
use super::record::RunRecord;
use super::record::SessionRecord;
use super::record::SourceRecord;
use super::record::StoredEnd;
use super::rows::AttemptRow;
use super::rows::HoldRow;
use super::rows::PlanRow;
use super::rows::TaskRow;
use super::schema;
use super::writer::count_outcomes;
use super::writer::outcome_of;
use crate::clock::Timestamp;
use crate::event::AttemptSeq;
use crate::task::Command;
use crate::task::Counts;
use crate::task::Failure;
use crate::task::FailureKind;
use crate::task::Ordinal;
use crate::task::Outcome;
use crate::task::OutcomeCounts;
use rusqlite::Connection;
use rusqlite::Row;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A run, open for reading.
#[derive(Debug)]
pub struct RunReader {
    connection: Connection,
    path: PathBuf,
    origin: Timestamp,
}

impl RunReader {
    /// Opens a run, whether or not a process works on it.
    pub fn open(runs: &RunDirectory, run: &RunId) -> Result<Self, StoreError> {
        let path = runs.file(run);
        if !path.exists() {
            return Err(StoreError::NoSuchRun { wanted: run.to_string() });
        }
        let connection = schema::open_reader(&path)?;
        // One state for all that is read: the transaction is never written in.
        connection.execute_batch("BEGIN").map_err(sqlite(&path))?;
        let origin = connection
            .query_row("SELECT origin_us FROM run", [], |row| row.get(0))
            .map_err(sqlite(&path))?;
        Ok(Self { connection, path, origin: Timestamp::from_micros(origin) })
    }

    /// Returns what is known of the run as a whole.
    pub fn record(&self) -> Result<RunRecord, StoreError> {
        self.read_record().map_err(sqlite(&self.path))
    }

    /// Counts the outcomes there are; what is missing to the selected tasks is not settled.
    pub fn outcomes(&self) -> Result<OutcomeCounts, StoreError> {
        count_outcomes(&self.connection).map_err(sqlite(&self.path))
    }

    /// Hands out the first tasks of the plan.
    pub fn first_rows(&self, most: u32) -> Result<Vec<PlanRow>, StoreError> {
        first_rows(&self.connection, most).map_err(sqlite(&self.path))
    }

    /// Hands every task, in the order of the input, to `take`.
    ///
    /// A task without an outcome gets the one that follows from its attempts: in doubt if any
    /// of them may have been carried out, failed if all were refused, otherwise not attempted.
    pub fn for_each_task<E: From<StoreError>>(
        &self,
        mut take: impl FnMut(TaskRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = sqlite(&self.path);
        let open = self.open_tasks().map_err(&failed)?;
        let mut query = self.connection.prepare(TASKS).map_err(&failed)?;
        let mut rows = query.query([]).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            take(self.task_row(row, &open).map_err(&failed)?)?;
        }
        Ok(())
    }

    /// Hands every task that is where it was sent, with its command, to `take`.
    pub fn for_each_done(
        &self,
        mut take: impl FnMut(&str, Command) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let mut read = || {
            let mut query = self.connection.prepare(
                "SELECT task.id, task.command FROM task JOIN outcome USING (ordinal)
                 WHERE outcome.outcome IN (?, ?)",
            )?;
            let good = [Outcome::Succeeded as i64, Outcome::Unchanged as i64];
            let mut rows = query.query(good)?;
            while let Some(row) = rows.next()? {
                take(row.get_ref(0)?.as_str()?, command_of(row.get(1)?))?;
            }
            Ok(())
        };
        read().map_err(sqlite(&self.path))
    }

    /// Hands every attempt, in the order of sending, to `take`.
    pub fn for_each_attempt<E: From<StoreError>>(
        &self,
        mut take: impl FnMut(AttemptRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = sqlite(&self.path);
        let sql = format!("SELECT {ATTEMPT} FROM attempt ORDER BY seq");
        let mut query = self.connection.prepare(&sql).map_err(&failed)?;
        let mut rows = query.query([]).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            take(self.attempt_row(row, 0).map_err(&failed)?)?;
        }
        Ok(())
    }

    /// Returns the times in which the whole run waited.
    pub fn holds(&self) -> Result<Vec<HoldRow>, StoreError> {
        let read = || {
            let mut query = self
                .connection
                .prepare("SELECT from_us, until_us, reason FROM hold ORDER BY from_us")?;
            let rows = query.query_map([], |row| {
                let (from, until) = (self.at(row.get(0)?), self.at(row.get(1)?));
                Ok(HoldRow { from, until, reason: row.get(2)? })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(sqlite(&self.path))
    }

    fn open_tasks(&self) -> rusqlite::Result<BTreeMap<Ordinal, OpenTask>> {
        open_tasks(&self.connection, &Settled::read(&self.connection)?)
    }

    fn read_record(&self) -> rusqlite::Result<RunRecord> {
        let mut record = self.connection.query_row(
            "SELECT id, parent, job, reason, command, origin_us, endpoint, project_id, settings,
                 rows, selected, duplicates, invalid, outstanding_before, already_done FROM run",
            [],
            run_record,
        )?;
        record.sources = self.sources()?;
        record.sessions = self.sessions()?;
        Ok(record)
    }

    fn sources(&self) -> rusqlite::Result<Vec<SourceRecord>> {
        let mut query =
            self.connection.prepare("SELECT name, columns FROM source ORDER BY number")?;
        let rows = query.query_map([], |row| {
            let columns = serde_json::from_str(row.get_ref(1)?.as_str()?).unwrap_or_default();
            Ok(SourceRecord { name: row.get(0)?, columns })
        })?;
        rows.collect()
    }

    fn sessions(&self) -> rusqlite::Result<Vec<SessionRecord>> {
        let mut query = self.connection.prepare(
            "SELECT started_us, ended_us, stopped, held_us, process, version
             FROM session ORDER BY number",
        )?;
        let rows = query.query_map([], |row| {
            let ended: Option<i64> = row.get(1)?;
            let held = micros(row.get::<_, Option<i64>>(3)?.unwrap_or(0));
            let stopped = row.get(2)?;
            Ok(SessionRecord {
                started: self.at(row.get(0)?),
                end: ended.map(|at| StoredEnd { at: self.at(at), stopped, held }),
                process: row.get(4)?,
                version: row.get(5)?,
            })
        })?;
        rows.collect()
    }

    fn task_row(
        &self,
        row: &Row<'_>,
        open: &BTreeMap<Ordinal, OpenTask>,
    ) -> rusqlite::Result<TaskRow> {
        let ordinal = Ordinal(row.get(0)?);
        let settled: Option<i64> = row.get(6)?;
        let begun = open.get(&ordinal).filter(|_| settled.is_none());
        let outcome = match (settled, begun) {
            (Some(number), _) => outcome_of(number),
            (None, Some(task)) if task.in_doubt => Outcome::Ambiguous,
            (None, Some(_)) => Outcome::Failed,
            (None, None) => Outcome::NotAttempted,
        };
        let first_sent = row.get::<_, Option<i64>>(8)?.or(begun.map(|task| task.first_sent_us));
        let last = match (row.get::<_, Option<i64>>(FIRST_ATTEMPT_COLUMN)?, begun) {
            (Some(_), _) => Some(self.attempt_row(row, FIRST_ATTEMPT_COLUMN)?),
            (None, Some(task)) => Some(self.attempt(task.last_seq)?),
            (None, None) => None,
        };
        Ok(TaskRow {
            ordinal,
            id: row.get_ref(1)?.as_str()?.parse().expect("only checked ids are stored"),
            command: command_of(row.get(2)?),
            source: row.get(3)?,
            line: row.get(4)?,
            others: row.get(5)?,
            outcome,
            attempts: row.get::<_, Option<u32>>(7)?.or(begun.map(|t| t.attempts)).unwrap_or(0),
            first_sent: first_sent.map(|micros| self.at(micros)),
            settled: row.get::<_, Option<i64>>(9)?.map(|micros| self.at(micros)),
            last,
        })
    }

    fn attempt(&self, seq: u64) -> rusqlite::Result<AttemptRow> {
        let sql = format!("SELECT {ATTEMPT} FROM attempt WHERE seq = ?");
        self.connection.prepare_cached(&sql)?.query_row([seq], |row| self.attempt_row(row, 0))
    }

    /// Reads the columns of [`ATTEMPT`] from that one on.
    fn attempt_row(&self, row: &Row<'_>, first: usize) -> rusqlite::Result<AttemptRow> {
        let duration: Option<i64> = row.get(first + 4)?;
        Ok(AttemptRow {
            seq: AttemptSeq(row.get(first)?),
            ordinal: Ordinal(row.get(first + 1)?),
            number: row.get(first + 2)?,
            sent: self.at(row.get(first + 3)?),
            duration: duration.map(micros),
            in_doubt: duration.is_none() || row.get::<_, Option<bool>>(first + 5)?.is_some(),
            http_status: row.get(first + 6)?,
            counts: counts(row, first + 7)?,
            request_id: row.get(first + 10)?,
            failure: failure(row, first + 11)?,
        })
    }

    fn at(&self, micros: i64) -> Timestamp {
        self.origin.plus_micros(micros)
    }
}

/// The columns of an attempt, in the order in which they are read.
const ATTEMPT: &str = "attempt.seq, attempt.ordinal, attempt.number, attempt.sent_us,
    attempt.duration_us, attempt.in_doubt, attempt.http_status, attempt.total_count,
    attempt.failed_count, attempt.succeed_count, attempt.request_id, attempt.error_kind,
    attempt.error_code, attempt.error_msg, attempt.reason, attempt.advice, attempt.error_list";

/// Where the attempt's columns begin in [`TASKS`].
const FIRST_ATTEMPT_COLUMN: usize = 10;

const TASKS: &str = "
    SELECT task.ordinal, task.id, task.command, task.source, task.line, task.others,
        outcome.outcome, outcome.attempts, outcome.first_sent_us, outcome.settled_us,
        attempt.seq, attempt.ordinal, attempt.number, attempt.sent_us,
        attempt.duration_us, attempt.in_doubt, attempt.http_status, attempt.total_count,
        attempt.failed_count, attempt.succeed_count, attempt.request_id, attempt.error_kind,
        attempt.error_code, attempt.error_msg, attempt.reason, attempt.advice, attempt.error_list
    FROM task
    LEFT JOIN outcome ON outcome.ordinal = task.ordinal
    LEFT JOIN attempt ON attempt.seq = outcome.seq
    ORDER BY task.ordinal";

fn run_record(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let run = NewRun {
        id: row.get_ref(0)?.as_str()?.parse().expect("the id was checked when it was made"),
        parent: row.get::<_, Option<String>>(1)?.and_then(|parent| parent.parse().ok()),
        outstanding_before: row.get(13)?,
        job: row.get(2)?,
        reason: row.get(3)?,
        command: row.get(4)?,
        origin: Timestamp::from_micros(row.get(5)?),
        endpoint: row.get(6)?,
        project_id: row.get(7)?,
        settings: row.get(8)?,
    };
    Ok(RunRecord {
        run,
        rows: row.get(9)?,
        selected: row.get(10)?,
        duplicates: row.get(11)?,
        already_done: row.get(14)?,
        invalid: row.get(12)?,
        sources: Vec::new(),
        sessions: Vec::new(),
    })
}

fn counts(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Counts>> {
    let Some(total) = row.get(first)? else { return Ok(None) };
    let (failed, succeeded) = (row.get(first + 1)?, row.get(first + 2)?);
    Ok(Some(Counts { total, failed, succeeded }))
}

fn failure(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Failure>> {
    let Some(kind) = row.get::<_, Option<String>>(first)? else { return Ok(None) };
    let text = |index| row.get::<_, Option<String>>(first + index).map(Option::unwrap_or_default);
    let list = text(5)?;
    Ok(Some(Failure {
        // A kind that no version wrote still is a failure of the service.
        kind: kind.parse().unwrap_or(FailureKind::Service),
        code: text(1)?,
        message: text(2)?,
        reason: text(3)?,
        advice: text(4)?,
        error_list: serde_json::from_str(&list).unwrap_or_default(),
    }))
}

/// Returns the first tasks of a plan.
pub(super) fn first_rows(connection: &Connection, most: u32) -> rusqlite::Result<Vec<PlanRow>> {
    let mut query = connection.prepare(
        "SELECT task.id, task.command, source.name, task.line
         FROM task JOIN source ON source.number = task.source
         ORDER BY task.ordinal LIMIT ?",
    )?;
    let rows = query.query_map([most], |row| {
        Ok(PlanRow {
            id: row.get_ref(0)?.as_str()?.parse().expect("only checked ids are stored"),
            command: command_of(row.get(1)?),
            source: row.get(2)?,
            line: row.get(3)?,
        })
    })?;
    rows.collect()
}

fn micros(count: i64) -> Duration {
    Duration::from_micros(u64::try_from(count).unwrap_or(0))
}
