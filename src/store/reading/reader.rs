//! Reads a run back: while it runs, after it ended, and after it was killed.
//!
//! Streams rows in order; memory does not grow with their number. A reader sees one snapshot of
//! the run, however much is written meanwhile. `queries.rs` has the narrower questions.

use crate::clock::Timestamp;
use crate::event::AttemptSeq;
use crate::store::error::{StoreError, sqlite};
use crate::store::files::{MayHaveLeft, RunDirectory, Watermark};
use crate::store::ids::RunId;
use crate::store::reading::record;
use crate::store::reading::record::RunRecord;
use crate::store::rows::{AttemptRow, SeenCells, TaskResult, TaskRow};
use crate::store::unsettled::{OpenTask, open_tasks};
use crate::store::writing::{SettledTasks, resume_point};
use crate::store::{codes, schema};
use crate::task::{Ordinal, OutcomeCounts};
use rusqlite::{Connection, Params, Row};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A run, open for reading.
///
/// It keeps its snapshot, and so keeps the log of a live run from starting anew: while the reader
/// is open, the log grows by some hundred bytes per task, and then shrinks to its usual size. A
/// report takes seconds; nobody should keep a reader for hours.
#[derive(Debug)]
pub struct RunReader {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) origin: Timestamp,
    selected: u64,
    pub(crate) may_have_left: MayHaveLeft,
    // Every walk needs both, and within one snapshot they never change: so they are read once.
    settled: OnceCell<SettledTasks>,
    open: OnceCell<BTreeMap<Ordinal, OpenTask>>,
}

impl RunReader {
    /// Opens a run, whether or not a process works on it.
    pub fn open(runs: &RunDirectory, run: &RunId) -> Result<Self, StoreError> {
        let path = runs.file(run);
        if !path.exists() {
            return Err(StoreError::NoSuchRun { wanted: run.to_string() });
        }
        // Before the snapshot: a commit in between would be remembered and not be in it.
        let before = Watermark::read(&path);
        let connection = schema::open_reader(&path)?;
        let (origin, selected) =
            resume_point::origin_and_selected(&connection).map_err(sqlite(&path))?;
        before.check(&path, &connection)?;
        // After the snapshot: an attempt that left in between then counts as "may have left",
        // which is the safe side.
        let Watermark { may_have_left, .. } = Watermark::read(&path);
        let (settled, open) = (OnceCell::new(), OnceCell::new());
        Ok(Self { connection, path, origin, selected, may_have_left, settled, open })
    }

    /// Returns the record of the run as a whole.
    pub fn record(&self) -> Result<RunRecord, StoreError> {
        record::read(&self.connection).map_err(sqlite(&self.path))
    }

    /// Counts the outcomes; the selected tasks that are missing in them are not settled.
    pub fn outcomes(&self) -> Result<OutcomeCounts, StoreError> {
        self.settled().map(|settled| settled.counts).map_err(sqlite(&self.path))
    }

    /// Counts the tasks without an outcome, and reads none of the outcomes.
    pub fn unsettled(&self) -> Result<u64, StoreError> {
        let settled = self.count("SELECT count(*) FROM outcome")?;
        Ok(self.selected.saturating_sub(settled))
    }

    /// Calls `take` for every task, in the order of the input.
    ///
    /// A task without an outcome gets the one that follows from its attempts: in doubt if any
    /// of them may have been carried out, failed if all were refused, and not attempted if no byte
    /// of any of them left.
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

    /// Calls `take` for every row of which `read` returns a value.
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

    pub(crate) fn count(&self, sql: &str) -> Result<u64, StoreError> {
        self.connection.query_row(sql, [], |row| row.get(0)).map_err(sqlite(&self.path))
    }

    /// Returns the tasks that have an outcome.
    pub(crate) fn settled(&self) -> rusqlite::Result<&SettledTasks> {
        if let Some(known) = self.settled.get() {
            return Ok(known);
        }
        let settled = SettledTasks::read(&self.connection)?;
        Ok(self.settled.get_or_init(|| settled))
    }

    /// Returns the tasks that were begun and have no outcome, each with its attempts in sum.
    pub(crate) fn open_tasks(&self) -> rusqlite::Result<&BTreeMap<Ordinal, OpenTask>> {
        if let Some(known) = self.open.get() {
            return Ok(known);
        }
        let settled = &self.settled()?.ordinals;
        // A finished run has no open task, and its attempts need not be read to know that.
        let open = if settled.len() == self.selected {
            BTreeMap::new()
        } else {
            open_tasks(&self.connection, settled, self.may_have_left)?
        };
        Ok(self.open.get_or_init(|| open))
    }

    /// Checks that the last attempt of a task is one of its own.
    pub(crate) fn check_own(&self, task: &TaskRow) -> Result<(), StoreError> {
        if task.last.as_ref().is_none_or(|last| last.ordinal == task.ordinal) {
            return Ok(());
        }
        Err(self.damaged("an attempt is not of the task that ended with it".into()))
    }

    /// Checks that no task is missing and that each outcome belongs to a task of its own.
    ///
    /// A report whose sums do not add up is worse than none.
    fn check_sums(
        &self,
        settled: &SettledTasks,
        with_outcome: u64,
        all: u64,
    ) -> Result<(), StoreError> {
        let outcomes = settled.counts.selected();
        if outcomes != settled.ordinals.len() || outcomes != with_outcome {
            return Err(self.damaged(format!("{with_outcome} tasks have {outcomes} outcomes")));
        }
        if all != self.selected {
            return Err(self.damaged(format!("the plan has {all} of {} tasks", self.selected)));
        }
        Ok(())
    }

    fn damaged(&self, detail: String) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), detail }
    }

    /// Reads the columns of [`TASK`] and [`ATTEMPT`].
    pub(crate) fn task_row(
        &self,
        row: &Row<'_>,
        open: &BTreeMap<Ordinal, OpenTask>,
    ) -> rusqlite::Result<TaskRow> {
        let ordinal = Ordinal(row.get(0)?);
        let mut result = match (codes::outcome_or_null(row, 6)?, open.get(&ordinal)) {
            (Some(_), _) => self.settled_result(row)?,
            (None, Some(task)) => self.open_result(task)?,
            (None, None) => TaskResult::NEVER_SENT,
        };
        // The call's own outcome stays in `result`: the row shows it beside that of the task.
        let seen = SeenCells::read(row, 10)?;
        seen.amend(&mut result.last);
        Ok(TaskRow {
            ordinal,
            id: codes::parsed(row, 1)?,
            command: codes::command(row, 2)?,
            source: row.get(3)?,
            line: row.get(4)?,
            others: row.get(5)?,
            outcome: seen.outcome(result.outcome),
            attempts: result.attempts,
            first_sent: result.first_sent_us.map(|micros| self.at(micros)),
            settled: result.settled_us.map(|micros| self.at(micros)),
            last: result.last,
            seen: seen.row(self.origin, result.outcome),
        })
    }

    fn settled_result(&self, row: &Row<'_>) -> rusqlite::Result<TaskResult> {
        let last = match row.get::<_, Option<i64>>(FIRST_ATTEMPT_COLUMN)? {
            Some(_) => Some(self.attempt_row(row, FIRST_ATTEMPT_COLUMN)?),
            None => None,
        };
        // With one attempt the outcome has no time of its own: see `schema`.
        let first_sent_us: Option<i64> = match row.get(8)? {
            Some(micros) => Some(micros),
            None => row.get(FIRST_ATTEMPT_COLUMN + 3)?,
        };
        let lasted: i64 = row.get(9)?;
        let attempts = row.get(7)?;
        Ok(TaskResult {
            outcome: codes::outcome(row, 6)?,
            attempts,
            // Without an attempt that time is when the task was settled, not when it was sent.
            first_sent_us: first_sent_us.filter(|_| attempts > 0),
            settled_us: first_sent_us.map(|first| first.saturating_add(lasted)),
            last,
        })
    }

    fn open_result(&self, task: &OpenTask) -> rusqlite::Result<TaskResult> {
        Ok(TaskResult {
            outcome: task.outcome(),
            attempts: task.attempts,
            first_sent_us: Some(task.first_sent_us),
            settled_us: None,
            last: Some(self.attempt(task.last_seq)?),
        })
    }

    /// Returns the task with this place.
    pub(crate) fn task(&self, ordinal: Ordinal) -> rusqlite::Result<TaskRow> {
        let open = self.open_tasks()?;
        let sql = format!("SELECT {TASK}, {ATTEMPT} FROM {TASKS} WHERE task.ordinal = ?");
        let mut query = self.connection.prepare_cached(&sql)?;
        query.query_row([ordinal.0], |row| self.task_row(row, open))
    }

    fn attempt(&self, seq: u64) -> rusqlite::Result<AttemptRow> {
        let sql = format!(
            "SELECT {ATTEMPT} FROM attempt LEFT JOIN failure ON failure.seq = attempt.seq
             WHERE attempt.seq = ?"
        );
        self.connection.prepare_cached(&sql)?.query_row([seq], |row| self.attempt_row(row, 0))
    }

    /// Reads the columns of [`ATTEMPT`], starting at `first`.
    pub(crate) fn attempt_row(&self, row: &Row<'_>, first: usize) -> rusqlite::Result<AttemptRow> {
        let duration: Option<i64> = row.get(first + 4)?;
        Ok(AttemptRow {
            seq: AttemptSeq(row.get(first)?),
            ordinal: Ordinal(row.get(first + 1)?),
            number: row.get(first + 2)?,
            sent: self.at(row.get(first + 3)?),
            duration: duration.map(codes::span),
            // An attempt that never ended may have been carried out.
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

/// The columns of an attempt, in the order of [`RunReader::attempt_row`].
pub(crate) const ATTEMPT: &str = "attempt.seq, attempt.ordinal, attempt.number, attempt.sent_us,
    attempt.duration_us, attempt.in_doubt, attempt.http_status, attempt.total_count,
    attempt.failed_count, attempt.succeed_count, attempt.request_id, failure.error_kind,
    failure.error_code, failure.error_msg, failure.reason, failure.advice, failure.error_list,
    failure.detail, failure.params";

/// The columns of a task in front of those of its last attempt.
pub(crate) const TASK: &str =
    "task.ordinal, task.id, task.command, task.source, task.line, task.others,
    outcome.outcome, outcome.attempts, outcome.first_sent_us, outcome.duration_us,
    state.ordinal, state.before, state.after, state.verified_us, state.outcome";

/// Every task beside its outcome and last attempt. `state` is joined before `attempt`: a query
/// for tasks of some outcomes then reads no attempts of the others.
pub(crate) const TASKS: &str = "task LEFT JOIN outcome ON outcome.ordinal = task.ordinal
    LEFT JOIN state ON state.ordinal = task.ordinal
    LEFT JOIN attempt ON attempt.seq = outcome.seq
    LEFT JOIN failure ON failure.seq = outcome.seq";

/// The column of a task's row at which its last attempt begins.
const FIRST_ATTEMPT_COLUMN: usize = 15;
