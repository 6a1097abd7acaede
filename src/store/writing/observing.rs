//! What a run's writer does for those who look at the states of its tasks.
//!
//! Each call is one job of the writer's thread, between commits and in their order. What follows
//! from looking is one commit, whole or not at all.

use crate::clock::Timestamp;
use crate::event::ArrivalCounts;
use crate::store::error::{StoreError, sqlite};
use crate::store::files::MayHaveLeft;
use crate::store::writing::handle::RunWriter;
use crate::store::writing::resume_point::SettledTasks;
use crate::store::writing::survey::{Purpose, Survey, Surveyed};
use crate::store::writing::task_queue::TaskQueue;
use crate::store::writing::thread::WriterThread;
use crate::store::writing::verify::{Arrivals, VerifyRound};
use crate::store::writing::{resume_point, survey};
use crate::task::{ObservedState, OutcomeCounts, TaskId};
use std::collections::HashSet;

/// Which tasks are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskSelection {
    /// Those without an outcome.
    Unsettled,
    /// Those that were sent and not seen there.
    Awaited,
    /// Those that are ambiguous.
    Doubtful,
}

impl RunWriter {
    /// Forgets all sightings, and returns the ids that are looked for, unless there are more than
    /// `most`.
    pub fn look_for(
        &self,
        wanted: TaskSelection,
        most: usize,
    ) -> impl Future<Output = Result<Option<HashSet<TaskId>>, StoreError>> + Send + 'static {
        self.with(move |writing| {
            let connection = &writing.connection;
            let ids = match wanted {
                TaskSelection::Unsettled => survey::unsettled_ids(connection, most),
                TaskSelection::Awaited => survey::awaited_ids(connection, most),
                TaskSelection::Doubtful => survey::doubtful_ids(connection, most),
            };
            survey::forget(connection).and(ids).map_err(sqlite(&writing.path))
        })
    }

    /// Keeps what was seen, for this process alone.
    pub fn see(
        &self,
        sightings: Vec<ObservedState>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        self.with(move |writing| {
            let transaction = writing.connection.transaction().map_err(sqlite(&writing.path))?;
            let seen = survey::see(&transaction, &sightings);
            seen.and_then(|()| transaction.commit()).map_err(sqlite(&writing.path))
        })
    }

    /// Settles what was seen to be left alone, before any task is handed out.
    pub fn survey(
        &self,
        purpose: Purpose,
        now: Timestamp,
    ) -> impl Future<Output = Result<Surveyed, StoreError>> + Send + 'static {
        self.with(move |writing| {
            let origin = writing.origin;
            let open = writing.queue.take_open();
            let surveyed = writing.commit_patiently(|connection| {
                Survey { connection, open: &open, origin, now, purpose }.carry_out()
            })?;
            writing.begin_claims().map_err(sqlite(&writing.path))?;
            Ok(surveyed)
        })
    }

    /// Records what has arrived.
    pub fn arrivals(
        &self,
        look: VerifyRound,
        now: Timestamp,
    ) -> impl Future<Output = Result<ArrivalCounts, StoreError>> + Send + 'static {
        self.with(move |writing| {
            let origin = writing.origin;
            writing.commit_patiently(|connection| {
                Arrivals { connection, origin, now, look }.carry_out()
            })
        })
    }

    /// Returns the last sending times by now, the oldest first.
    pub fn last_sent(
        &self,
        most: u32,
    ) -> impl Future<Output = Result<Vec<Timestamp>, StoreError>> + Send + 'static {
        self.with(move |writing| {
            // What never left was forgotten when the run was opened.
            resume_point::last_sent(&writing.connection, writing.origin, most, MayHaveLeft::Any)
                .map_err(sqlite(&writing.path))
        })
    }

    /// Counts the outcomes by now.
    pub fn outcomes(
        &self,
    ) -> impl Future<Output = Result<OutcomeCounts, StoreError>> + Send + 'static {
        self.with(move |writing| {
            let settled = SettledTasks::read(&writing.connection).map_err(sqlite(&writing.path))?;
            Ok(settled.counts)
        })
    }
}

impl WriterThread {
    /// Begins to hand out anew what is not settled; nothing may have been handed out.
    fn begin_claims(&mut self) -> rusqlite::Result<()> {
        let settled = SettledTasks::read(&self.connection)?;
        self.queue =
            TaskQueue::new(&self.connection, settled.ordinals, self.origin, MayHaveLeft::Any)?;
        Ok(())
    }
}
