//! The history of single tasks: every attempt of each, in order.
//!
//! Of a chunk without such a task only the plan is read. Memory holds one chunk.

use crate::journal::{PlannedTask, TaskTrace};
use crate::reading::reader::RunReader;
use crate::reading::rows::{TaskHistory, TaskRow};
use crate::reading::task_rows::{attempt_row, task_row};
use crate::store::{ChunkBodies, StoreError, for_each_planned, for_each_planned_of, sqlite};
use crate::task::Ordinal;
use std::ops::ControlFlow::{Break, Continue};

impl RunReader {
    /// Calls `take` for the history of each task whose id is wanted, in the order of the input.
    ///
    /// # Errors
    ///
    /// The store's, and those of `take`.
    pub fn for_each_history<E: From<StoreError>>(
        &self,
        is_wanted: impl Fn(&str) -> bool,
        mut take: impl FnMut(TaskHistory) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_own_history(&is_wanted, &mut take)?;
        let mut others = self.others().iter();
        others.try_for_each(|it| it.with(|run| run.for_each_own_history(&is_wanted, &mut take)))
    }

    fn for_each_own_history<E: From<StoreError>>(
        &self,
        is_wanted: &impl Fn(&str) -> bool,
        take: &mut impl FnMut(TaskHistory) -> Result<(), E>,
    ) -> Result<(), E> {
        let chunks = self.home().chunks().map_err(sqlite(&self.path))?.len();
        for no in 0..chunks {
            let histories = self.histories(no, is_wanted).map_err(sqlite(&self.path))?;
            histories.into_iter().try_for_each(&mut *take)?;
        }
        Ok(())
    }

    /// Calls `take` for the id of every task, in the order of the input, as long as it wants more.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn for_each_id(&self, mut take: impl FnMut(&str) -> bool) -> Result<(), StoreError> {
        let walked = for_each_planned(self.home(), |task| {
            let goes_on = task.id.with(&mut take);
            Ok(if goes_on { Continue(()) } else { Break(()) })
        });
        walked.map_err(sqlite(&self.path))
    }

    fn histories(
        &self,
        no: u32,
        is_wanted: &impl Fn(&str) -> bool,
    ) -> rusqlite::Result<Vec<TaskHistory>> {
        let mut wanted: Vec<u32> = Vec::new();
        let _ = for_each_planned_of(self.home(), no, |task| {
            if task.id.with(is_wanted) {
                wanted.push(task.ordinal);
            }
            Ok::<_, rusqlite::Error>(Continue(()))
        })?;
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let bodies = ChunkBodies::read(self.home(), no)?;
        let traced = bodies.traced(&wanted, self.may_have_left.last())?;
        let history = |(task, trace): &(PlannedTask<'_>, _)| self.history(task, trace);
        traced.iter().map(history).collect()
    }

    fn history(
        &self,
        task: &PlannedTask<'_>,
        trace: &TaskTrace<'_>,
    ) -> rusqlite::Result<TaskHistory> {
        let ordinal = Ordinal(task.ordinal);
        let attempts = trace.attempts.iter();
        Ok(TaskHistory {
            task: TaskRow {
                target: self.target.clone(),
                ..task_row(self.origin, task, &trace.record)?
            },
            attempts: attempts.map(|one| attempt_row(self.origin, ordinal, one)).collect(),
        })
    }
}
