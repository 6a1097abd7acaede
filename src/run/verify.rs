//! Looks at the tasks of a run after its process has ended: waits for them, or settles doubts.
//!
//! Nothing is started or stopped. The observed states are added to the run's record; the outcomes
//! of its calls stay there.

use crate::api::TaskApi;
use crate::clock::Clock;
use crate::engine::Control;
use crate::event::{EventKind, RunStarted, StopReason, Watch};
use crate::policy::SharedSlots;
use crate::reading::RunReader;
use crate::run::carry_out::group_slots;
use crate::run::control_router::ControlRouter;
use crate::run::error::RunError;
use crate::run::ledger::{RunEndedBy, StoreLedger};
use crate::run::phases::{RunPhases, Settling};
use crate::run::plan::holder;
use crate::run::settings::walker_settings;
use crate::run::target_orders::{TargetOrders, share_out};
use crate::run::targets::total_slots;
use crate::run::watchers;
use crate::settings::{RunSettings, TargetPart};
use crate::store::{RunDirectory, RunId, RunLock, RunRecord, RunWriter, StoreError};
use crate::task::Outcome;
use futures::future::join_all;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A run whose tasks are looked at.
#[derive(Debug)]
pub struct ReopenedRun {
    /// The record of the run.
    pub record: RunRecord,
    /// The number of its tasks without an outcome.
    pub unsettled: u64,
    /// Its targets; a run without targets is one part.
    pub parts: Vec<ReopenedPart>,
    runs: RunDirectory,
    lock: RunLock,
    clock: Clock,
    /// The slots of each target that are shared in a database; empty for a run in a directory.
    slots: Vec<Option<SharedSlots>>,
}

/// A target whose tasks are looked at, or all of a run.
#[derive(Debug)]
pub struct ReopenedPart {
    /// The record of the part.
    pub record: RunRecord,
    /// How lists are read; changes hold for this time alone.
    pub settings: RunSettings,
    /// The number of its tasks in doubt.
    pub doubtful: u64,
    /// The number of its tasks that were sent and not seen where they were sent.
    pub unverified: u64,
    unsettled: u64,
}

impl ReopenedPart {
    fn read(run: &RunReader) -> Result<Self, StoreError> {
        let mut doubtful = 0;
        run.for_each_failed_task::<StoreError>(|task| {
            doubtful += u64::from(task.outcome == Outcome::Ambiguous);
            Ok(())
        })?;
        let record = run.record()?;
        let settings = record.run.settings.clone();
        let (unverified, unsettled) = (run.unverified()?, run.unsettled()?);
        Ok(Self { record, settings, doubtful, unverified, unsettled })
    }

    /// Returns the name of the target, in a run of several.
    pub fn target(&self) -> Option<&str> {
        self.settings.target.as_ref().map(TargetPart::name)
    }

    fn index(&self) -> usize {
        self.settings.target.as_ref().map_or(0, |target| target.index)
    }

    /// Returns how long ago its last call ended, at least.
    fn ago(&self, clock: Clock) -> Duration {
        let last = self.record.sessions.last();
        // A session that was killed has no end; its start is the only time that is certain.
        let ended = last.map(|last| last.end.as_ref().map_or(last.started, |end| end.at));
        ended.map_or(Duration::MAX, |ended| clock.now().since(ended))
    }
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
    let mut parts = reader.of_targets(ReopenedPart::read)?;
    if parts.is_empty() {
        parts.push(ReopenedPart::read(&reader)?);
    }
    Ok(ReopenedRun { record, unsettled, parts, runs, lock, clock, slots: Vec::new() })
}

impl ReopenedRun {
    /// Returns the settings of all targets, and of a run without any its own.
    pub fn settings(&self) -> Vec<RunSettings> {
        self.parts.iter().map(|part| part.settings.clone()).collect()
    }

    /// Reads the lists of each target in these slots, which it shares with others in a database.
    pub fn share(&mut self, slots: Vec<Option<SharedSlots>>) {
        self.slots = slots;
    }

    /// Waits until the tasks that were sent are where their commands lead, at most for `patience`.
    /// Each of the parts is looked at by its own `api`, side by side.
    ///
    /// Returns the reason why it ended before, if an order stopped it.
    pub async fn wait<A: TaskApi>(
        self,
        apis: &[A],
        patience: Duration,
        watchers: Vec<Box<dyn Watch>>,
        control: mpsc::UnboundedReceiver<Control>,
    ) -> Result<Option<StopReason>, RunError> {
        let (channel, thread) = watchers::open(watchers, self.clock).map_err(RunError::Thread)?;
        let (mut waits, mut senders) = (Vec::new(), Vec::new());
        let slots = total_slots(self.parts.iter().map(|part| &part.settings), self.clock);
        for (part, api) in self.parts.iter().zip(apis) {
            let (sender, orders) = mpsc::unbounded_channel();
            let name = part.target();
            senders.push((name.unwrap_or_default().to_owned(), sender));
            let channel = name.map_or_else(|| channel.clone(), |name| channel.of_target(name));
            let phases = self.phases(part, api, channel, orders)?;
            let phases = RunPhases { slots: slots.clone().or(phases.slots.clone()), ..phases };
            waits.push(wait_for(part, phases, patience, part.ago(self.clock)));
        }
        // Every part has a channel of its own, without whose end the thread never ends.
        drop(channel);
        let (_nobody, one) = mpsc::unbounded_channel();
        let waited = tokio::select! {
            biased;
            () = share_out(TargetOrders { all: control, one }, senders) => {
                unreachable!("orders are shared out for ever")
            }
            waited = join_all(waits) => waited,
        };
        thread.close();
        let stopped = waited.into_iter().collect::<Result<Vec<_>, RunError>>()?;
        Ok(stopped.into_iter().flatten().next())
    }

    /// Looks once at the tasks of a part whose calls are in doubt.
    pub async fn settle<A: TaskApi>(
        &self,
        part: &ReopenedPart,
        api: &A,
        control: mpsc::UnboundedReceiver<Control>,
    ) -> Result<Settling, RunError> {
        let (watcher_channel, thread) =
            watchers::open(Vec::new(), self.clock).map_err(RunError::Thread)?;
        let mut phases = self.phases(part, api, watcher_channel, control)?;
        let settled = phases.settle(part.ago(self.clock)).await;
        drop(phases);
        thread.close();
        settled
    }

    fn phases<'a, A: TaskApi>(
        &self,
        part: &'a ReopenedPart,
        api: &'a A,
        watcher_channel: watchers::WatcherChannel,
        control: mpsc::UnboundedReceiver<Control>,
    ) -> Result<RunPhases<'a, A>, RunError> {
        let slots = match self.slots.get(part.index()) {
            Some(slots) => slots.clone(),
            None => group_slots(self.runs.state(), part.settings.rate_group.as_deref())?,
        };
        let now = self.clock.now();
        let writer = RunWriter::reopen(&self.runs, &self.lock, part.index(), now)?;
        Ok(RunPhases {
            exclusions: Arc::default(),
            drill: None,
            api,
            settings: &part.settings,
            slots,
            clock: self.clock,
            ledger: StoreLedger::new(writer, watcher_channel, RunEndedBy::Phases),
            control_router: ControlRouter::new(control),
        })
    }
}

/// Waits for the tasks of one part.
async fn wait_for<A: TaskApi>(
    part: &ReopenedPart,
    mut phases: RunPhases<'_, A>,
    patience: Duration,
    ago: Duration,
) -> Result<Option<StopReason>, RunError> {
    let started = RunStarted {
        selected: part.record.selected,
        settled: part.record.selected.saturating_sub(part.unsettled),
        rate_limit: walker_settings(phases.settings).rate,
        concurrency: 1,
        finds_rate: false,
        looks_at: Some(part.unverified),
    };
    // The display takes the figures of a run from this event, as in a run that sends.
    phases.ledger.emit(phases.clock.now(), EventKind::RunStarted(started)).await?;
    phases.wait(patience, ago).await
}
