//! The narrower questions to a run: its failures, attempts, holds, changes and finished tasks.

use crate::journal::{ChunkFold, PlannedTask, RunRecord as Fact};
use crate::reading::reader::RunReader;
use crate::reading::rows::{AttemptRow, ChangeRow, HoldRow, PlanRow, SendingRow, TaskRow};
use crate::reading::rows_in_order;
use crate::reading::rows_in_order::{Attempts, FailedTasks, Holds, Sendings, Tasks};
use crate::settings::LeftOut;
use crate::store::codes;
use crate::store::{
    Home, MayHaveLeft, SourceRecord, StoreError, Walk, awaited, for_each_fact, sqlite,
};
use crate::task::{Command, Outcome};
use rusqlite::Connection;
use rusqlite::types::Type;

impl RunReader {
    /// Returns the first tasks of the plan.
    pub fn first_rows(&self, limit: u32) -> Result<Vec<PlanRow>, StoreError> {
        first_rows(&self.connection, limit).map_err(sqlite(&self.path))
    }

    /// Calls `take` for every task, in the order of the input.
    ///
    /// A task without an outcome gets the one that follows from its attempts: in doubt if any
    /// of them may have been carried out, failed if all were refused, and not attempted if no byte
    /// of any of them left.
    pub fn for_each_task<E: From<StoreError>>(
        &self,
        take: impl FnMut(TaskRow) -> Result<(), E>,
    ) -> Result<(), E> {
        rows_in_order::for_each::<Tasks, E>(self, take)
    }

    /// Calls `take` for every task that is partial, failed or ambiguous, in the order of the
    /// input.
    ///
    /// Tasks that were sent and have no outcome are among them. The rows are the same as those of
    /// [`RunReader::for_each_task`]. Most tasks of a run succeed, so this walk takes a part of that
    /// one's time.
    ///
    /// # Errors
    ///
    /// The store's, and those of `take`.
    pub fn for_each_failed_task<E: From<StoreError>>(
        &self,
        take: impl FnMut(TaskRow) -> Result<(), E>,
    ) -> Result<(), E> {
        rows_in_order::for_each::<FailedTasks, E>(self, take)
    }

    /// Calls `take` for the id of every task that this run settled or may have changed, with the
    /// command that is done; `None` if it is not known to be.
    pub(crate) fn for_each_decided(
        &self,
        mut take: impl FnMut(&str, Option<Command>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        // By the task's own outcome: an accepted call whose task never arrived is not done.
        self.for_each_record(|task, record| match record.outcome() {
            // Nothing left, so that earlier runs know more about it.
            Outcome::NotAttempted => Ok(()),
            outcome => task.id.with(|id| take(id, outcome.is_good().then_some(task.command))),
        })
    }

    /// Calls `take` for every attempt that may have left, in the order of sending.
    pub fn for_each_attempt<E: From<StoreError>>(
        &self,
        take: impl FnMut(AttemptRow) -> Result<(), E>,
    ) -> Result<(), E> {
        rows_in_order::for_each::<Attempts, E>(self, take)
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
        rows_in_order::for_each::<Sendings, E>(self, take)
    }

    /// Calls `take` for every time in which the whole run waited, in the order of recording.
    pub fn for_each_hold<E: From<StoreError>>(
        &self,
        take: impl FnMut(HoldRow) -> Result<(), E>,
    ) -> Result<(), E> {
        rows_in_order::for_each::<Holds, E>(self, take)
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

    /// Returns the changes by operators while the run was under way, in order.
    pub fn changes(&self) -> Result<Vec<ChangeRow>, StoreError> {
        let changes = self.each_file(Self::own_changes).collect::<Result<Vec<_>, _>>()?;
        let mut changes: Vec<ChangeRow> = changes.into_iter().flatten().collect();
        // Stable, so that the changes of one file keep their order.
        changes.sort_by_key(|change| change.at);
        Ok(changes)
    }

    fn own_changes(&self) -> Result<Vec<ChangeRow>, StoreError> {
        let mut changes = Vec::new();
        self.for_each_own_fact(|fact| {
            if let Fact::Changed { at_us, what, value, by } = fact {
                let (at, value) = (self.at(at_us), value.map(str::to_owned));
                changes.push(ChangeRow { at, what: what.to_owned(), value, by: by.to_owned() });
            }
            Ok(())
        })?;
        Ok(changes)
    }

    /// Returns the tasks that became excluded after the run was planned, and were not settled yet.
    pub fn excluded_later(&self) -> Result<LeftOut, StoreError> {
        let mut all = LeftOut::default();
        self.others().iter().try_for_each(|other| {
            all.add(other.with(Self::excluded_later)?);
            Ok::<(), StoreError>(())
        })?;
        self.for_each_own_fact(|fact| {
            if let Fact::Excluded { tasks } = fact {
                let tasks = serde_json::from_str(tasks);
                all.add(tasks.map_err(|error| codes::unfit(Type::Text, error))?);
            }
            Ok(())
        })?;
        Ok(all)
    }

    /// Counts the tasks that were sent and not looked for to the end.
    ///
    /// Tasks that failed in part are not waited for.
    pub fn unverified(&self) -> Result<u64, StoreError> {
        self.each_file(Self::own_unverified).sum()
    }

    fn own_unverified(&self) -> Result<u64, StoreError> {
        let mut count = 0;
        self.for_each_record::<StoreError>(|task, record| {
            let called = awaited(task.command, record).filter(|&called| called != Outcome::Partial);
            count += u64::from(called.is_some() && record.after.is_none());
            Ok(())
        })?;
        Ok(count)
    }

    /// Counts the requests for pages of the list.
    pub fn pages(&self) -> Result<u64, StoreError> {
        self.each_file(Self::own_pages).sum()
    }

    fn own_pages(&self) -> Result<u64, StoreError> {
        let mut count = 0;
        self.for_each_own_fact(|fact| {
            count += u64::from(matches!(fact, Fact::Polled { .. }));
            Ok(())
        })?;
        Ok(count)
    }

    /// Calls `take` for every fact about the run in this file.
    pub(super) fn for_each_own_fact(
        &self,
        mut take: impl FnMut(Fact<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        for_each_fact(self.home(), |_, fact| take(fact)).map_err(sqlite(&self.path))
    }
}

/// Returns the first tasks of a plan that would be called.
pub(crate) fn first_rows(connection: &Connection, limit: u32) -> rusqlite::Result<Vec<PlanRow>> {
    let limit = usize::try_from(limit).expect("a u32 fits a usize");
    let sources = Home::new(connection).head()?.sources;
    let mut walk = Walk::new(connection, MayHaveLeft::Any)?;
    let mut rows = Vec::new();
    let mut add = |fold: &ChunkFold<'_>| {
        let open = fold.tasks.iter().filter(|(_, record)| record.settled.is_none());
        let room = limit - rows.len();
        let new = open.take(room).map(|(task, _)| plan_row(task, &sources));
        rows.extend(new.collect::<rusqlite::Result<Vec<_>>>()?);
        Ok(rows.len() < limit)
    };
    while walk.next_chunk(&mut add)?.unwrap_or(false) {}
    Ok(rows)
}

/// Returns a task of a plan as it is shown.
pub(crate) fn plan_row(
    task: &PlannedTask<'_>,
    sources: &[SourceRecord],
) -> rusqlite::Result<PlanRow> {
    let source = usize::try_from(task.source).ok().and_then(|at| sources.get(at));
    let source = source.map_or_else(String::new, |source| source.name.clone());
    Ok(PlanRow { id: codes::task_id(task)?, command: task.command, source, line: task.line })
}
