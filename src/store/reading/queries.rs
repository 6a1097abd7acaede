//! The narrower questions to a run: its failures, attempts, holds, changes and finished tasks.
//!
//! Each reads as little as it can. A walk over all tasks of a run of millions takes seconds.

use crate::store::codes;
use crate::store::error::{StoreError, sqlite};
use crate::store::reading::reader::{ATTEMPT, RunReader, TASK, TASKS};
use crate::store::rows::{AttemptRow, ChangeRow, HoldRow, PlanRow, SendingRow, TaskRow};
use crate::store::unsettled::OpenTask;
use crate::store::writing::AWAITED;
use crate::task::{Command, Ordinal, Outcome};
use rusqlite::{Connection, Row, params};

impl RunReader {
    /// Returns the first tasks of the plan.
    pub fn first_rows(&self, limit: u32) -> Result<Vec<PlanRow>, StoreError> {
        first_rows(&self.connection, limit).map_err(sqlite(&self.path))
    }

    /// Calls `take` for every task that is partial, failed or ambiguous, in the order of the
    /// input.
    ///
    /// Tasks that were sent and have no outcome are among them. The rows are the same as those of
    /// [`RunReader::for_each_task`], which also checks the sums. Most tasks of a run succeed, so
    /// this walk takes a part of that one's time.
    ///
    /// # Errors
    ///
    /// The store's, and those of `take`.
    pub fn for_each_failed_task<E: From<StoreError>>(
        &self,
        mut take: impl FnMut(TaskRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = sqlite(&self.path);
        let open = self.open_tasks().map_err(&failed)?;
        let last_open = open.last_key_value().map(|(ordinal, _)| ordinal.0);
        let is_good = self.settled().map_err(&failed)?.counts.all_good();
        if is_good && last_open.is_none() {
            return Ok(());
        }
        // Tasks without an outcome are skipped by their place: none was sent after the last open
        // one, and a run that was stopped early may have millions of them.
        let sql = format!(
            "SELECT {TASK}, {ATTEMPT} FROM {TASKS}
             WHERE ifnull(state.outcome, outcome.outcome) IN (?1, ?2, ?3)
                OR (outcome.outcome IS NULL AND task.ordinal <= ?4)
             ORDER BY task.ordinal"
        );
        let [partial, lost, ambiguous] =
            [Outcome::Partial, Outcome::Failed, Outcome::Ambiguous].map(codes::outcome_code);
        let values = params![partial, lost, ambiguous, last_open];
        let read = |row: &Row<'_>| self.task_row(row, open).map(Some);
        self.walk(&sql, values, read, |task| {
            self.check_own(&task)?;
            // Before the last task that was sent there are others that were not.
            if task.outcome == Outcome::NotAttempted { Ok(()) } else { take(task) }
        })
    }

    /// Calls `take` for the id of every task that this run settled or may have changed, in the order
    /// of ids, with the command that is done; `None` if it is not known to be.
    pub(crate) fn for_each_decided(
        &self,
        mut take: impl FnMut(&str, Option<Command>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let mut read = || {
            let open = self.open_tasks()?;
            // By the task's own outcome: an accepted call whose task never arrived is not done.
            let mut query = self.connection.prepare(
                "SELECT task.id, task.command, task.ordinal,
                     ifnull(state.outcome, outcome.outcome)
                 FROM task LEFT JOIN outcome USING (ordinal) LEFT JOIN state USING (ordinal)
                 ORDER BY task.id",
            )?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                let outcome = codes::outcome_or_null(row, 3)?;
                let ordinal = Ordinal(row.get(2)?);
                let of_attempts = || open.get(&ordinal).map(OpenTask::outcome);
                let (id, command) = (row.get_ref(0)?.as_str()?, codes::command(row, 1)?);
                match outcome.or_else(of_attempts) {
                    // Nothing left, so that earlier runs know more about it.
                    None | Some(Outcome::NotAttempted) => {}
                    Some(outcome) => take(id, outcome.is_good().then_some(command))?,
                }
            }
            Ok(())
        };
        read().map_err(sqlite(&self.path))
    }

    /// Calls `take` for every attempt that may have left, in the order of sending.
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
            // An attempt that was begun and never left is not one for a reader.
            let may_have_left =
                attempt.duration.is_some() || self.may_have_left.includes(attempt.seq.0);
            Ok(may_have_left.then_some(attempt))
        };
        self.walk(&sql, [], read, take)
    }

    /// Calls `take` for the time and the end of every attempt that may have left, in the order of
    /// sending.
    ///
    /// Most of an attempt is the text of its answer. Counting a run of millions is faster without
    /// it.
    ///
    /// # Errors
    ///
    /// The store's, and those of `take`.
    pub fn for_each_sending<E: From<StoreError>>(
        &self,
        take: impl FnMut(SendingRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = "SELECT attempt.seq, attempt.number, attempt.sent_us, attempt.duration_us,
                       attempt.http_status, failure.error_kind
                   FROM attempt LEFT JOIN failure ON failure.seq = attempt.seq
                   ORDER BY attempt.seq";
        self.walk(sql, [], |row| self.sending_row(row), take)
    }

    fn sending_row(&self, row: &Row<'_>) -> rusqlite::Result<Option<SendingRow>> {
        let duration: Option<i64> = row.get(3)?;
        if duration.is_none() && !self.may_have_left.includes(row.get(0)?) {
            return Ok(None);
        }
        Ok(Some(SendingRow {
            number: row.get(1)?,
            sent: self.at(row.get(2)?),
            duration: duration.map(codes::span),
            http_status: row.get(4)?,
            failed: codes::parsed_or_null(row, 5)?,
        }))
    }

    /// Calls `take` for every time in which the whole run waited, by its beginning.
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

    /// Returns the changes by operators while the run was under way, in order.
    pub fn changes(&self) -> Result<Vec<ChangeRow>, StoreError> {
        // By row id: two changes may have the same microsecond.
        let sql = "SELECT at_us, what, value, by FROM change ORDER BY rowid";
        let mut changes = Vec::new();
        let read = |row: &Row<'_>| {
            let at = self.at(row.get(0)?);
            Ok(Some(ChangeRow { at, what: row.get(1)?, value: row.get(2)?, by: row.get(3)? }))
        };
        self.walk::<_, StoreError>(sql, [], read, |change| {
            changes.push(change);
            Ok(())
        })?;
        Ok(changes)
    }

    /// Counts the tasks that were sent and not looked for to the end.
    ///
    /// Tasks that failed in part are not waited for.
    pub fn unverified(&self) -> Result<u64, StoreError> {
        self.count(&format!(
            "SELECT count(*) FROM {AWAITED} AND outcome.outcome IN (3, 9) AND state.after IS NULL"
        ))
    }

    /// Counts the requests for pages of the list.
    pub fn pages(&self) -> Result<u64, StoreError> {
        self.count("SELECT count(*) FROM poll")
    }
}

/// Returns the first tasks of a plan that would be called.
pub(crate) fn first_rows(connection: &Connection, limit: u32) -> rusqlite::Result<Vec<PlanRow>> {
    let mut query = connection.prepare(
        "SELECT task.id, task.command, source.name, task.line
         FROM task JOIN source ON source.number = task.source
         WHERE task.ordinal NOT IN (SELECT ordinal FROM outcome)
         ORDER BY task.ordinal LIMIT ?",
    )?;
    query.query_map([limit], plan_row)?.collect()
}

/// Reads a task of a plan from the first four columns.
pub(crate) fn plan_row(row: &Row<'_>) -> rusqlite::Result<PlanRow> {
    Ok(PlanRow {
        id: codes::parsed(row, 0)?,
        command: codes::command(row, 1)?,
        source: row.get(2)?,
        line: row.get(3)?,
    })
}
