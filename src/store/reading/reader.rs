//! Reads a run back: while it runs, after it ended, and after it was killed.
//!
//! Streams rows in order; memory does not grow with their number. A reader sees one state of the
//! run, however much is written meanwhile.

use crate::clock::Timestamp;
use crate::event::AttemptSeq;
use crate::store::error::{StoreError, sqlite};
use crate::store::fate::{SeenCells, TaskResult};
use crate::store::files::{Departed, Remembered, RunDirectory, RunId};
use crate::store::reading::divided::Divided;
use crate::store::reading::record::{
    RunRecord, SessionRecord, SourceRecord, StoredEnd, run_record,
};
use crate::store::rows::{AttemptRow, HoldRow, PlanRow, TaskRow};
use crate::store::unsettled::OpenTask;
use crate::store::writing::{Settled, resume_point};
use crate::store::{codes, schema};
use crate::task::{Command, Ordinal, Outcome, OutcomeCounts};
use rusqlite::{Connection, Params, Row};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A run, open for reading.
///
/// It keeps the state it was opened at, and so keeps a live run's log from being started anew:
/// for as long as it is open that grows by some hundred bytes for each task, and goes back to
/// its usual 4 MiB afterwards. A report takes seconds; nobody should keep a reader for hours.
#[derive(Debug)]
pub struct RunReader {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) origin: Timestamp,
    pub(crate) selected: u64,
    pub(crate) departed: Departed,
    pub(crate) divided: Divided,
}

impl RunReader {
    /// Opens a run, whether or not a process works on it.
    pub fn open(runs: &RunDirectory, run: &RunId) -> Result<Self, StoreError> {
        let path = runs.file(run);
        if !path.exists() {
            return Err(StoreError::NoSuchRun { wanted: run.to_string() });
        }
        let remembered = Remembered::of(&path);
        let connection = schema::open_reader(&path)?;
        // One state for all that is read: the transaction is never written in.
        connection.execute_batch("BEGIN").map_err(sqlite(&path))?;
        let (origin, selected) =
            resume_point::origin_and_selected(&connection).map_err(sqlite(&path))?;
        remembered.check(&path, &connection)?;
        // After the state that is read: what it has begun and is told to have left only later is
        // taken for what may have left.
        let departed = Departed::of(&path);
        Ok(Self { connection, path, origin, selected, departed, divided: Divided::default() })
    }

    /// Returns what is known of the run as a whole.
    pub fn record(&self) -> Result<RunRecord, StoreError> {
        self.read_record().map_err(sqlite(&self.path))
    }

    /// Counts the outcomes there are; what is missing to the selected tasks is not settled.
    pub fn outcomes(&self) -> Result<OutcomeCounts, StoreError> {
        self.settled().map(|settled| settled.counts).map_err(sqlite(&self.path))
    }

    /// Counts the tasks that have no outcome, without a look at the outcomes there are.
    pub fn unsettled(&self) -> Result<u64, StoreError> {
        let count = "SELECT count(*) FROM outcome";
        let settled = self.connection.query_row(count, [], |row| row.get::<_, u64>(0));
        Ok(self.selected.saturating_sub(settled.map_err(sqlite(&self.path))?))
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
        let open = self.open_tasks().map_err(sqlite(&self.path))?;
        let sql = format!("SELECT {TASK}, {ATTEMPT} FROM {TASKS} ORDER BY task.ordinal");
        let (mut count, mut with_outcome) = (0, 0);
        let read = |row: &Row<'_>| self.task_row(row, open).map(Some);
        self.walk(&sql, [], read, |task| {
            with_outcome += u64::from(task.settled.is_some());
            self.check_own(&task)?;
            count += 1;
            take(task)
        })?;
        let settled = self.settled().map_err(sqlite(&self.path))?;
        Ok(self.check_sums(settled, with_outcome, count)?)
    }

    /// Hands what is read of each row to `take`; a row of which nothing is read is passed over.
    pub(crate) fn walk<T, E: From<StoreError>>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<Option<T>>,
        mut take: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = sqlite(&self.path);
        let mut query = self.connection.prepare(sql).map_err(&failed)?;
        let mut rows = query.query(values).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            if let Some(value) = read(row).map_err(&failed)? {
                take(value)?;
            }
        }
        Ok(())
    }

    /// Makes sure that the last attempt of a task is one of its own.
    pub(crate) fn check_own(&self, task: &TaskRow) -> Result<(), StoreError> {
        if task.last.as_ref().is_none_or(|last| last.ordinal == task.ordinal) {
            return Ok(());
        }
        Err(self.damaged("an attempt is not of the task that ended with it".into()))
    }

    fn damaged(&self, detail: String) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), detail }
    }

    /// Makes sure that no task went missing and every outcome is of one, and of another than the
    /// others: a report whose sums do not add up is worse than none.
    fn check_sums(&self, settled: &Settled, with_outcome: u64, all: u64) -> Result<(), StoreError> {
        let outcomes = settled.counts.selected();
        if outcomes != settled.ordinals.len() || outcomes != with_outcome {
            return Err(self.damaged(format!("{with_outcome} tasks have {outcomes} outcomes")));
        }
        if all != self.selected {
            return Err(self.damaged(format!("the plan has {all} of {} tasks", self.selected)));
        }
        Ok(())
    }

    /// Hands every task that is where it was sent, with its command, to `take`; in the order of ids.
    pub(crate) fn for_each_done(
        &self,
        mut take: impl FnMut(&str, Command) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let mut read = || {
            let mut query = self.connection.prepare(
                "SELECT task.id, task.command FROM task JOIN outcome USING (ordinal)
                 LEFT JOIN state USING (ordinal)
                 WHERE ifnull(state.outcome, outcome.outcome) IN (?, ?)
                 ORDER BY task.id",
            )?;
            let good = [Outcome::Succeeded, Outcome::Unchanged].map(codes::outcome_code);
            let mut rows = query.query(good)?;
            while let Some(row) = rows.next()? {
                take(row.get_ref(0)?.as_str()?, codes::command(row, 1)?)?;
            }
            Ok(())
        };
        read().map_err(sqlite(&self.path))
    }

    /// Hands every attempt that may have left, in the order of sending, to `take`.
    pub fn for_each_attempt<E: From<StoreError>>(
        &self,
        take: impl FnMut(AttemptRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = format!(
            "SELECT {ATTEMPT} FROM attempt LEFT JOIN failure ON failure.seq = attempt.seq
             ORDER BY attempt.seq"
        );
        let read = |row: &Row<'_>| {
            let attempt = self.attempt_row(row, 0)?;
            let may_have_left =
                attempt.duration.is_some() || self.departed.may_include(attempt.seq.0);
            Ok(may_have_left.then_some(attempt))
        };
        self.walk(&sql, [], read, take)
    }

    /// Hands every time in which the whole run waited, by its beginning, to `take`.
    pub fn for_each_hold<E: From<StoreError>>(
        &self,
        take: impl FnMut(HoldRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = "SELECT from_us, until_us, reason FROM hold ORDER BY from_us";
        self.walk(sql, [], |row| self.hold_row(row).map(Some), take)
    }

    /// Returns the times in which the whole run waited.
    pub fn holds(&self) -> Result<Vec<HoldRow>, StoreError> {
        let mut holds = Vec::new();
        self.for_each_hold::<StoreError>(|hold| {
            holds.push(hold);
            Ok(())
        })?;
        Ok(holds)
    }

    fn hold_row(&self, row: &Row<'_>) -> rusqlite::Result<HoldRow> {
        let (from, until) = (self.at(row.get(0)?), self.at(row.get(1)?));
        Ok(HoldRow { from, until, reason: row.get(2)? })
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
            Ok(SourceRecord { name: row.get(0)?, columns: codes::texts(row, 1)? })
        })?;
        rows.collect()
    }

    fn sessions(&self) -> rusqlite::Result<Vec<SessionRecord>> {
        let mut query = self.connection.prepare(
            "SELECT started_us, ended_us, stopped, held_us, process, version, rate_learnt
             FROM session ORDER BY number",
        )?;
        let rows = query.query_map([], |row| {
            let ended: Option<i64> = row.get(1)?;
            let held = codes::span(row.get::<_, Option<i64>>(3)?.unwrap_or(0));
            let stopped = codes::parsed_or_null(row, 2)?;
            Ok(SessionRecord {
                started: self.at(row.get(0)?),
                end: ended.map(|at| StoredEnd { at: self.at(at), stopped, held }),
                process: row.get(4)?,
                version: row.get(5)?,
                rate_learnt: row.get(6)?,
            })
        })?;
        rows.collect()
    }

    pub(crate) fn task_row(
        &self,
        row: &Row<'_>,
        open: &BTreeMap<Ordinal, OpenTask>,
    ) -> rusqlite::Result<TaskRow> {
        let ordinal = Ordinal(row.get(0)?);
        let mut fate = match codes::outcome_or_null(row, 6)? {
            Some(outcome) => self.settled_fate(row, outcome)?,
            None => open
                .get(&ordinal)
                .map_or(Ok(TaskResult::NEVER_SENT), |task| self.open_fate(task))?,
        };
        let seen = SeenCells::of(row, 10)?;
        seen.amend(&mut fate.last);
        Ok(TaskRow {
            ordinal,
            id: codes::parsed(row, 1)?,
            command: codes::command(row, 2)?,
            source: row.get(3)?,
            line: row.get(4)?,
            others: row.get(5)?,
            outcome: seen.outcome(fate.outcome),
            attempts: fate.attempts,
            first_sent: fate.first_sent_us.map(|micros| self.at(micros)),
            settled: fate.settled_us.map(|micros| self.at(micros)),
            last: fate.last,
            seen: seen.row(self.origin, fate.outcome),
        })
    }

    fn settled_fate(&self, row: &Row<'_>, outcome: Outcome) -> rusqlite::Result<TaskResult> {
        let last = match row.get::<_, Option<i64>>(FIRST_ATTEMPT_COLUMN)? {
            Some(_) => Some(self.attempt_row(row, FIRST_ATTEMPT_COLUMN)?),
            None => None,
        };
        let first_sent_us = match row.get(8)? {
            Some(micros) => Some(micros),
            None => row.get(FIRST_ATTEMPT_COLUMN + 3)?,
        };
        let lasted: i64 = row.get(9)?;
        let attempts = row.get(7)?;
        Ok(TaskResult {
            outcome,
            attempts,
            first_sent_us: first_sent_us.filter(|_| attempts > 0),
            settled_us: first_sent_us.map(|first: i64| first.saturating_add(lasted)),
            last,
        })
    }

    fn open_fate(&self, task: &OpenTask) -> rusqlite::Result<TaskResult> {
        Ok(TaskResult {
            outcome: task.outcome(),
            attempts: task.attempts,
            first_sent_us: Some(task.first_sent_us),
            settled_us: None,
            last: Some(self.attempt(task.last_seq)?),
        })
    }

    fn attempt(&self, seq: u64) -> rusqlite::Result<AttemptRow> {
        let sql = format!(
            "SELECT {ATTEMPT} FROM attempt LEFT JOIN failure ON failure.seq = attempt.seq
             WHERE attempt.seq = ?"
        );
        self.connection.prepare_cached(&sql)?.query_row([seq], |row| self.attempt_row(row, 0))
    }

    /// Reads what [`ATTEMPT`] names, from that column on.
    fn attempt_row(&self, row: &Row<'_>, first: usize) -> rusqlite::Result<AttemptRow> {
        let duration: Option<i64> = row.get(first + 4)?;
        Ok(AttemptRow {
            seq: AttemptSeq(row.get(first)?),
            ordinal: Ordinal(row.get(first + 1)?),
            number: row.get(first + 2)?,
            sent: self.at(row.get(first + 3)?),
            duration: duration.map(codes::span),
            in_doubt: duration.is_none() || row.get::<_, Option<bool>>(first + 5)?.is_some(),
            http_status: row.get(first + 6)?,
            counts: codes::counts(row, first + 7)?,
            request_id: row.get(first + 10)?,
            failure: codes::failure(row, first + 11)?,
        })
    }

    pub(crate) fn at(&self, micros: i64) -> Timestamp {
        self.origin.plus_micros(micros)
    }
}

/// What is read of an attempt, in this order.
pub(crate) const ATTEMPT: &str = "attempt.seq, attempt.ordinal, attempt.number, attempt.sent_us,
    attempt.duration_us, attempt.in_doubt, attempt.http_status, attempt.total_count,
    attempt.failed_count, attempt.succeed_count, attempt.request_id, failure.error_kind,
    failure.error_code, failure.error_msg, failure.reason, failure.advice, failure.error_list";

/// What is read of a task before its last attempt.
pub(crate) const TASK: &str =
    "task.ordinal, task.id, task.command, task.source, task.line, task.others,
    outcome.outcome, outcome.attempts, outcome.first_sent_us, outcome.duration_us,
    state.ordinal, state.before, state.after, state.verified_us, state.outcome";

/// Every task beside its outcome and last attempt. `state` stands before `attempt`: whoever wants
/// tasks of some outcomes needs no look at the attempts of the others.
pub(crate) const TASKS: &str = "task LEFT JOIN outcome ON outcome.ordinal = task.ordinal
    LEFT JOIN state ON state.ordinal = task.ordinal
    LEFT JOIN attempt ON attempt.seq = outcome.seq
    LEFT JOIN failure ON failure.seq = outcome.seq";

/// Where the last attempt begins in a task's row.
const FIRST_ATTEMPT_COLUMN: usize = 15;

/// Returns the first tasks of a plan.
pub(crate) fn first_rows(connection: &Connection, most: u32) -> rusqlite::Result<Vec<PlanRow>> {
    let mut query = connection.prepare(
        "SELECT task.id, task.command, source.name, task.line
         FROM task JOIN source ON source.number = task.source
         WHERE task.ordinal NOT IN (SELECT ordinal FROM outcome)
         ORDER BY task.ordinal LIMIT ?",
    )?;
    let rows = query.query_map([most], |row| {
        Ok(PlanRow {
            id: codes::parsed(row, 0)?,
            command: codes::command(row, 1)?,
            source: row.get(2)?,
            line: row.get(3)?,
        })
    })?;
    rows.collect()
}
