//! Carries a planned run out: wires store, engine, survey and watchers together.

use crate::api::TaskApi;
use crate::engine::{Control, EngineSettings, Numbering, StartingPoint};
use crate::event::{RunStats, StopReason, Watch};
use crate::policy::{REMEMBERED_SENDINGS, SharedSlots, SlotTrouble};
use crate::run::control_router::ControlRouter;
use crate::run::drill_targets::Drill;
use crate::run::error::RunError;
use crate::run::ledger::{RunEndedBy, StoreLedger};
use crate::run::phases::RunPhases;
use crate::run::plan::Planned;
use crate::run::rate_memory::RateMemory;
use crate::run::settings::{engine_settings, remembered_sendings};
#[cfg(feature = "postgres")]
use crate::run::target_orders::TargetOrders;
use crate::run::watchers;
use crate::run::watchers::{WatchTrouble, WatcherChannel, WatcherThread};
use crate::run::waves::WaveOrigin;
use crate::settings::RunSettings;
use crate::slots::FileSlots;
use crate::store::{RunDirectory, RunWriter, StoreError};
use std::path::Path;
use tokio::sync::mpsc;

/// The end of this process's part in a run; the rest is in the report.
#[derive(Debug)]
pub struct Ended {
    /// The figures of the engine.
    pub stats: RunStats,
    /// Those of each target that was carried out, in a run of several.
    pub targets: Vec<RunStats>,
    /// The trouble of the watchers.
    pub watch_trouble: WatchTrouble,
    /// The reason why the slots of the rate group were given up, if they were.
    pub group_trouble: Option<SlotTrouble>,
    /// The reason why the learnt rate could not be kept for the next run, if it could not.
    pub learning_trouble: Option<StoreError>,
}

impl Planned {
    /// Carries the run out: calls `api` for every task, shows the events to `watchers` and obeys
    /// `control`.
    ///
    /// Returns when every task is settled or the run was stopped. Everything is in the store then.
    ///
    /// # Errors
    ///
    /// Only the store can fail a run. Everything that was recorded before stays.
    pub async fn carry_out<A: TaskApi>(
        self,
        api: &A,
        watchers: Vec<Box<dyn Watch>>,
        control: mpsc::UnboundedReceiver<Control>,
    ) -> Result<Ended, RunError> {
        #[cfg(feature = "postgres")]
        if self.shared.is_some() {
            // No order names a target.
            let orders = TargetOrders { all: control, one: mpsc::unbounded_channel().1 };
            return self.carry_out_shared(&[Some(api)], watchers, orders).await;
        }
        let memory = self.memory(0);
        let begun = self.begin_whole(&memory, watchers);
        let Begun { writer, engine, watcher_channel, thread } =
            begun.map_err(RunError::before_the_first_call)?;
        let slots = engine.slots.clone();
        let phases = RunPhases {
            api,
            settings: &self.settings,
            exclusions: self.exclusions.clone(),
            slots: slots.clone(),
            clock: self.clock,
            ledger: StoreLedger::new(writer, watcher_channel, ended_by(&self.settings)),
            control_router: ControlRouter::new(control),
            drill: Drill::of(&self.runs, &self.id, 0, &self.settings),
        };
        // Dropping the phases closes the watchers' channel, without which their thread never ends.
        let ran = phases.run(engine).await;
        let watch_trouble = thread.close();
        let stats = ran?;
        let is_lost = stats.stopped == Some(StopReason::RateGroupLost);
        let group_trouble = slots.filter(|_| is_lost).and_then(|slots| slots.trouble());
        let learning_trouble = memory.keep(self.clock.now()).err();
        // Last, so that the next holder of the lock finds the learnt rate as well.
        drop(self.lock);
        let targets = Vec::new();
        Ok(Ended { stats, targets, watch_trouble, group_trouble, learning_trouble })
    }

    /// Returns what keeps the rate of one target, or of a run without targets.
    pub(super) fn memory(&self, part: usize) -> RateMemory<'_> {
        let profile = self.profile.as_deref();
        RateMemory { runs: &self.runs, run: &self.id, part, profile }
    }

    /// Opens all that the run needs. Nothing is sent before all of it is there.
    fn begin_whole(
        &self,
        memory: &RateMemory<'_>,
        watchers: Vec<Box<dyn Watch>>,
    ) -> Result<Begun, RunError> {
        let learnt = memory.before()?;
        // Also without a rate limit: an operator may set one while the run is under way.
        let recall = remembered_sendings(&self.settings).max(REMEMBERED_SENDINGS);
        // Before the session begins: a group that cannot be joined leaves no trace in the run.
        let slots = group_slots(self.runs.state(), self.settings.rate_group.as_deref())?;
        // Before the writer, because a reader beside it would keep the log from starting anew.
        let waves = match &self.settings.waves {
            Some(_) => WaveOrigin::read(&self.runs, &self.id)?,
            None => WaveOrigin::default(),
        };
        let writer = RunWriter::open(&self.runs, &self.lock, self.clock.now(), recall)?;
        let mut engine = engine_settings(&self.settings, starting_point(&writer));
        engine.pace.learnt = learnt;
        engine.origin.changes.clone_from(&self.changes);
        engine.origin.unsent = waves.unsent;
        engine.origin.wave_pause_until = waves.pause_until;
        engine.slots = slots;
        engine.max_duration = engine.max_duration.into_iter().chain(self.time_left).min();
        let (watcher_channel, thread) =
            watchers::open(watchers, self.clock).map_err(RunError::Thread)?;
        Ok(Begun { writer, engine, watcher_channel, thread })
    }
}

/// What a run needs before its first call.
struct Begun {
    writer: RunWriter,
    engine: EngineSettings,
    watcher_channel: WatcherChannel,
    thread: WatcherThread,
}

/// Returns which part emits the end of a session.
pub(super) fn ended_by(settings: &RunSettings) -> RunEndedBy {
    match settings.wait {
        None if settings.drill.is_none() => RunEndedBy::Engine,
        // With these phases the run ends after them and not with the engine.
        None | Some(_) => RunEndedBy::Phases,
    }
}

/// Opens the slots that a rate group shares in a state directory; nothing without a group.
///
/// # Errors
///
/// The state directory or the file of the group cannot be used.
pub fn group_slots(state: &Path, group: Option<&str>) -> Result<Option<SharedSlots>, RunError> {
    let Some(group) = group else { return Ok(None) };
    // Refuses a state directory that others can write to, as for every file in it.
    RunDirectory::open(state)?;
    let slots = FileSlots::open(state, group);
    let failed = |source| RunError::RateGroup { group: group.into(), source };
    slots.map(|slots| Some(SharedSlots::new(slots))).map_err(failed)
}

pub(super) fn starting_point(writer: &RunWriter) -> StartingPoint {
    let resumed = writer.resume_point();
    StartingPoint {
        selected: resumed.selected,
        settled: resumed.settled.selected(),
        unsent: 0,
        wave_pause_until: None,
        // Each process tolerates failures anew: an operator who resumes a run has seen the others.
        failed: 0,
        attempts: resumed.attempts,
        numbering: Numbering::Counted,
        last_sent: resumed.last_sent.clone(),
        changes: Vec::new(),
    }
}
