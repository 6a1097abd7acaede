//! Reads the tasks that did not succeed, and as little as can be of those that did.
//!
//! Most tasks of a run succeed, so that a walk which is about failures alone takes a part of the
//! time of one over all. It hands out the very rows that [`RunReader::for_each_task`] does, and
//! leaves it to that one whether the sums add up.

use crate::store::codes;
use crate::store::error::{StoreError, sqlite};
use crate::store::reading::reader::{ATTEMPT, RunReader, TASK, TASKS};
use crate::store::rows::TaskRow;
use crate::task::Outcome;
use rusqlite::{Row, params};

impl RunReader {
    /// Hands every task that is partial, failed or ambiguous, in the order of the input, to `take`.
    ///
    /// Those without an outcome of their own are among them if they were sent.
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
        let sql = format!(
            "SELECT {TASK}, {ATTEMPT} FROM {TASKS}
             WHERE ifnull(state.outcome, outcome.outcome) IN (?1, ?2, ?3)
                OR (outcome.outcome IS NULL AND task.ordinal <= ?4)
             ORDER BY task.ordinal"
        );
        let [partial, lost, ambiguous] =
            [Outcome::Partial, Outcome::Failed, Outcome::Ambiguous].map(codes::outcome_code);
        let wanted = params![partial, lost, ambiguous, last_open];
        let read = |row: &Row<'_>| self.task_row(row, open).map(Some);
        self.walk(&sql, wanted, read, |task| {
            self.check_own(&task)?;
            // Before the last task that was sent there are others that were not.
            if task.outcome == Outcome::NotAttempted { Ok(()) } else { take(task) }
        })
    }
}
