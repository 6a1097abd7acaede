//! Looks at the tasks of a run after its process has ended: waits for them, or settles doubts.
//!
//! Nothing is started or stopped. What is seen is added to the run's record; what its calls came
//! to stays there.

use crate::api::TaskApi;
use crate::clock::Clock;
use crate::engine::Control;
use crate::event::{EventKind, RunStarted, StopReason, Watch};
use crate::run::control_router::ControlRouter;
use crate::run::ledger::{Ending, StoreLedger};
use crate::run::phases::RunPhases;
use crate::run::settings::walker_settings;
use crate::run::{RunError, holder, watchers};
use crate::settings::RunSettings;
use crate::store::{RunDirectory, RunId, RunLock, RunReader, RunRecord, RunWriter};
use crate::survey::WalkEnd;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;

/// A run whose tasks are to be looked at.
#[derive(Debug)]
pub struct Afterwards {
    /// What is known of the run.
    pub record: RunRecord,
    /// How lists are read; what is changed here holds for this time alone.
    pub settings: RunSettings,
    /// How many of its tasks have no outcome.
    pub unsettled: u64,
    runs: RunDirectory,
    lock: RunLock,
    clock: Clock,
}

/// What looking at the calls in doubt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settling {
    /// All of them were looked at.
    Done {
        /// How many are where they were sent.
        succeeded: u64,
        /// How many are not, or were not seen.
        doubtful: u64,
        /// Whether the whole list was read.
        end: WalkEnd,
    },
    /// Somebody asked to stop.
    Stopped(StopReason),
}

/// Takes a run to look at its tasks.
///
/// # Errors
///
/// Another process works on it; the store cannot be used.
pub fn afterwards(state: &Path, id: &RunId, clock: Clock) -> Result<Afterwards, RunError> {
    let runs = RunDirectory::open(state)?;
    let lock = runs.lock(id, &holder(clock.now()))?;
    let reader = RunReader::open(&runs, id)?;
    let (record, unsettled) = (reader.record()?, reader.unsettled()?);
    let settings = record.run.settings.clone();
    Ok(Afterwards { record, settings, unsettled, runs, lock, clock })
}

impl Afterwards {
    /// Waits until the tasks that were sent are where they were sent, for that long at the most.
    ///
    /// Returns why it ended before, if somebody asked for that.
    pub async fn wait<A: TaskApi>(
        self,
        api: &A,
        patience: Duration,
        watchers: Vec<Box<dyn Watch>>,
        control: mpsc::UnboundedReceiver<Control>,
    ) -> Result<Option<StopReason>, RunError> {
        let (watcher_channel, thread) =
            watchers::open(watchers, self.clock).map_err(RunError::Thread)?;
        let mut course = self.course(api, watcher_channel, control)?;
        let started = RunStarted {
            selected: self.record.selected,
            settled: self.record.selected.saturating_sub(self.unsettled),
            rate_limit: walker_settings(course.settings).rate,
            concurrency: 1,
            finds_rate: false,
        };
        course.ledger.tell(self.clock.now(), EventKind::RunStarted(started)).await?;
        let waited = course.wait(patience, self.ago()).await;
        drop(course);
        thread.close();
        waited
    }

    /// Looks once at the tasks whose calls are in doubt.
    pub async fn settle<A: TaskApi>(
        self,
        api: &A,
        control: mpsc::UnboundedReceiver<Control>,
    ) -> Result<Settling, RunError> {
        let (watcher_channel, thread) =
            watchers::open(Vec::new(), self.clock).map_err(RunError::Thread)?;
        let mut course = self.course(api, watcher_channel, control)?;
        let settled = course.settle(self.ago()).await;
        drop(course);
        thread.close();
        settled
    }

    fn course<'a, A: TaskApi>(
        &'a self,
        api: &'a A,
        watcher_channel: watchers::WatcherChannel,
        control: mpsc::UnboundedReceiver<Control>,
    ) -> Result<RunPhases<'a, A>, RunError> {
        let writer = RunWriter::reopen(&self.runs, &self.lock, self.clock.now())?;
        Ok(RunPhases {
            api,
            settings: &self.settings,
            clock: self.clock,
            ledger: StoreLedger { writer, watcher_channel, ending: Ending::Later },
            control_router: ControlRouter::new(control),
        })
    }

    /// Returns how long ago the run's last call can have ended.
    fn ago(&self) -> Duration {
        let last = self.record.sessions.last();
        let ended = last.map(|last| last.end.as_ref().map_or(last.started, |end| end.at));
        ended.map_or(Duration::MAX, |ended| self.clock.now().since(ended))
    }
}
