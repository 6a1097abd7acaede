//! Looks at the tasks of a run after its process has ended: waits for them, or settles doubts.
//!
//! Nothing is started or stopped. The observed states are added to the run's record; the outcomes
//! of its calls stay there.

use crate::api::TaskApi;
use crate::clock::Clock;
use crate::engine::Control;
use crate::event::{EventKind, RunStarted, StopReason, Watch};
use crate::run::carry_out::group_slots;
use crate::run::control_router::ControlRouter;
use crate::run::error::RunError;
use crate::run::ledger::{RunEndedBy, StoreLedger};
use crate::run::phases::{RunPhases, Settling};
use crate::run::plan::holder;
use crate::run::settings::walker_settings;
use crate::run::watchers;
use crate::settings::RunSettings;
use crate::store::{RunDirectory, RunId, RunLock, RunReader, RunRecord, RunWriter, StoreError};
use crate::task::Outcome;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;

/// A run whose tasks are looked at.
#[derive(Debug)]
pub struct ReopenedRun {
    /// The record of the run.
    pub record: RunRecord,
    /// How lists are read; changes hold for this time alone.
    pub settings: RunSettings,
    /// The number of its tasks without an outcome.
    pub unsettled: u64,
    /// Which target of a run of several is looked at, otherwise 0.
    index: usize,
    runs: RunDirectory,
    lock: RunLock,
    clock: Clock,
}

/// Takes a run to look at its tasks.
///
/// # Errors
///
/// Another process works on it; the store cannot be used.
pub fn reopen(state: &Path, id: &RunId, clock: Clock) -> Result<ReopenedRun, RunError> {
    let runs = RunDirectory::open(state)?;
    let lock = runs.lock(id, &holder(clock.now()))?;
    // Under the lock: no other process adds outcomes after they were counted.
    let reader = RunReader::open(&runs, id)?;
    let (record, unsettled) = (reader.record()?, reader.unsettled()?);
    let settings = record.run.settings.clone();
    Ok(ReopenedRun { record, settings, unsettled, index: 0, runs, lock, clock })
}

impl ReopenedRun {
    /// Returns the record of each target with tasks in doubt, in order.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn targets_in_doubt(&self) -> Result<Vec<RunRecord>, RunError> {
        let reader = RunReader::open(&self.runs, &self.record.run.id)?;
        let in_doubt = |run: &RunReader| {
            let mut is_any = false;
            run.for_each_failed_task::<StoreError>(|task| {
                is_any |= task.outcome == Outcome::Ambiguous;
                Ok(())
            })?;
            Ok::<_, StoreError>(is_any.then_some(run.record()?))
        };
        Ok(reader.of_targets(in_doubt)?.into_iter().flatten().collect())
    }

    /// Looks at one target from now on; its record is one of
    /// [`targets_in_doubt`](Self::targets_in_doubt).
    pub fn select(&mut self, target: RunRecord) {
        self.index = target.run.settings.target.as_ref().map_or(0, |target| target.index);
        self.settings = target.run.settings.clone();
        self.record = target;
    }

    /// Waits until the tasks that were sent are where their commands lead, at most for `patience`.
    ///
    /// Returns the reason why it ended before, if an order stopped it.
    pub async fn wait<A: TaskApi>(
        self,
        api: &A,
        patience: Duration,
        watchers: Vec<Box<dyn Watch>>,
        control: mpsc::UnboundedReceiver<Control>,
    ) -> Result<Option<StopReason>, RunError> {
        let (watcher_channel, thread) =
            watchers::open(watchers, self.clock).map_err(RunError::Thread)?;
        let mut phases = self.phases(api, watcher_channel, control)?;
        let started = RunStarted {
            selected: self.record.selected,
            settled: self.record.selected.saturating_sub(self.unsettled),
            rate_limit: walker_settings(phases.settings).rate,
            concurrency: 1,
            finds_rate: false,
        };
        // The display takes the figures of a run from this event, as in a run that sends.
        phases.ledger.emit(self.clock.now(), EventKind::RunStarted(started)).await?;
        let waited = phases.wait(patience, self.ago()).await;
        // Closes the watchers' channel, without which their thread never ends.
        drop(phases);
        thread.close();
        waited
    }

    /// Looks once at the tasks whose calls are in doubt.
    pub async fn settle<A: TaskApi>(
        &self,
        api: &A,
        control: mpsc::UnboundedReceiver<Control>,
    ) -> Result<Settling, RunError> {
        let (watcher_channel, thread) =
            watchers::open(Vec::new(), self.clock).map_err(RunError::Thread)?;
        let mut phases = self.phases(api, watcher_channel, control)?;
        let settled = phases.settle(self.ago()).await;
        drop(phases);
        thread.close();
        settled
    }

    fn phases<'a, A: TaskApi>(
        &'a self,
        api: &'a A,
        watcher_channel: watchers::WatcherChannel,
        control: mpsc::UnboundedReceiver<Control>,
    ) -> Result<RunPhases<'a, A>, RunError> {
        let slots = group_slots(self.runs.state(), self.settings.rate_group.as_deref())?;
        let writer = RunWriter::reopen(&self.runs, &self.lock, self.index, self.clock.now())?;
        Ok(RunPhases {
            exclusions: std::sync::Arc::default(),
            drill: None,
            api,
            settings: &self.settings,
            slots,
            clock: self.clock,
            ledger: StoreLedger { writer, watcher_channel, ended_by: RunEndedBy::Phases },
            control_router: ControlRouter::new(control),
        })
    }

    /// Returns how long ago the run's last call ended, at least.
    fn ago(&self) -> Duration {
        let last = self.record.sessions.last();
        // A session that was killed has no end; its start is the only time that is certain.
        let ended = last.map(|last| last.end.as_ref().map_or(last.started, |end| end.at));
        ended.map_or(Duration::MAX, |ended| self.clock.now().since(ended))
    }
}
