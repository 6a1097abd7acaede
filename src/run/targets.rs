//! Carries out a run of several targets: one engine for each, side by side.
//!
//! Each target has a file, a pace, a breaker, a canary, credentials and a limit of failures of its
//! own. So one that is down or refused ends for itself, and the others go on. They share the
//! rate of all together, the operator's orders and the watchers. See `docs/GLOSSARY.md`: target.

use crate::api::TaskApi;
use crate::clock::{Clock, Timestamp};
use crate::engine::Control;
use crate::event::{RunStats, StopReason, Watch};
use crate::loading;
use crate::loading::{NewPlan, PlannedTargets};
use crate::policy::{ProcessSlots, REMEMBERED_SENDINGS, SharedSlots};
use crate::reading::RunReader;
use crate::report::Target;
use crate::run::carry_out::{Ended, ended_by, group_slots, starting_point};
use crate::run::control_router::ControlRouter;
use crate::run::drill_targets::Drill;
use crate::run::dry_run::DryRun;
use crate::run::error::RunError;
use crate::run::ledger::StoreLedger;
use crate::run::phases::RunPhases;
use crate::run::plan::{Planned, RunRequest, TargetRun, holder, new_run};
use crate::run::running_target::{RunningTarget, run_all};
use crate::run::settings::{engine_settings, remembered_sendings};
use crate::run::target_orders::{TargetOrders, share_out};
use crate::run::watchers;
use crate::run::watchers::{WatcherChannel, WatcherThread};
use crate::run::waves::WaveOrigin;
use crate::settings::RunSettings;
use crate::store::{NewRun, RunDirectory, RunWriter, ServiceRecord};
use crate::task::TaskState;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A run of several targets that is wanted.
#[derive(Debug)]
pub struct TargetsRequest {
    /// The directory that keeps the runs.
    pub state: PathBuf,
    /// The word of the command line: `start`, `stop` or `run`.
    pub command: String,
    /// What the tasks are made from; its options say to which target a row belongs.
    pub plan: NewPlan,
    /// The job that the run belongs to.
    pub job: Option<String>,
    /// The reason for the run, for the record.
    pub reason: Option<String>,
    /// The targets, in order.
    pub targets: Vec<TargetRequest>,
}

/// A target of a run that is wanted.
#[derive(Debug, Clone)]
pub struct TargetRequest {
    /// The endpoint, as the report shows it.
    pub endpoint: String,
    /// The project, as the report shows it.
    pub project_id: String,
    /// The region, if the calls are at another service than VIAS and one was named.
    pub region: Option<String>,
    /// How it is carried out; names the target.
    pub settings: RunSettings,
}

impl TargetRequest {
    /// Returns where its tasks are called.
    pub(super) fn place(&self) -> Target {
        Target { endpoint: self.endpoint.clone(), project_id: self.project_id.clone() }
    }

    /// Returns the record of the target, in the run that `first` is of.
    pub(super) fn part_of(&self, first: &NewRun) -> NewRun {
        NewRun {
            endpoint: self.endpoint.clone(),
            project_id: self.project_id.clone(),
            settings: self.settings.clone(),
            service: first
                .service
                .clone()
                .map(|of_first| ServiceRecord { region: self.region.clone(), ..of_first }),
            ..first.clone()
        }
    }
}

/// Reads all inputs and stores the plan of every target; sends nothing.
///
/// # Errors
///
/// Invalid inputs, with all their problems; a store that cannot be used.
pub fn plan_targets(request: TargetsRequest, clock: Clock) -> Result<Planned, RunError> {
    plan_targets_in_states(request, &[], clock)
}

/// Reads all inputs and stores the plan of every target with the states that its tasks are in, each
/// in the order of its plan.
///
/// # Errors
///
/// Those of [`plan_targets`].
pub fn plan_targets_in_states(
    request: TargetsRequest,
    states: &[Vec<Option<TaskState>>],
    clock: Clock,
) -> Result<Planned, RunError> {
    let runs = RunDirectory::open(&request.state)?;
    let settings: Vec<_> = request.targets.iter().map(|it| it.settings.clone()).collect();
    let (parts, plan) = parts_of(request, clock.now());
    let holder = holder(clock.now());
    let planned = loading::plan_run_of_targets(&runs, &parts, plan, states, &holder)?;
    Planned::of_targets(planned, runs, settings, clock)
}

/// Reads all inputs and returns what a run of each target would be; stores and sends nothing.
///
/// # Errors
///
/// Invalid inputs, with all their problems.
pub fn dry_run_targets(request: TargetsRequest, clock: Clock) -> Result<Vec<DryRun>, RunError> {
    // An existing directory: a dry run must not create one.
    let runs = RunDirectory::existing(&request.state);
    let (parts, plan) = parts_of(request, clock.now());
    let plans = loading::temporary_plans(&runs, &parts, plan)?.map_err(RunError::Input)?;
    Ok(plans.into_iter().map(DryRun::on_paper).collect())
}

/// Returns the records of the targets, which have one id and one origin.
fn parts_of(request: TargetsRequest, now: Timestamp) -> (Vec<NewRun>, NewPlan) {
    let TargetsRequest { state, command, plan, job, reason, targets } = request;
    let TargetRequest { endpoint, project_id, settings, .. } = targets[0].clone();
    let request = RunRequest { state, command, plan, endpoint, project_id, job, reason, settings };
    let first = new_run(&request, now);
    (targets.iter().map(|target| target.part_of(&first)).collect(), request.plan)
}

impl Planned {
    /// Takes the run that the store has planned for some targets, or returns the problems of its
    /// inputs.
    pub(super) fn of_targets(
        planned: PlannedTargets,
        runs: RunDirectory,
        settings: Vec<RunSettings>,
        clock: Clock,
    ) -> Result<Self, RunError> {
        let selected: Vec<u64> = planned.selected();
        let first = settings[0].clone();
        let whole = Self::from_stored(planned.whole(), runs, first, clock)?;
        let target = |(index, (settings, selected))| TargetRun {
            index,
            settings,
            changes: Vec::new(),
            selected,
        };
        let targets = settings.into_iter().zip(selected).enumerate().map(target).collect();
        Ok(Self { targets, ..whole })
    }

    /// Returns the settings of each target that is carried out; none for a run without targets.
    pub fn targets(&self) -> impl Iterator<Item = &RunSettings> {
        self.targets.iter().map(|target| &target.settings)
    }

    /// Returns whether each target that is carried out has a task.
    pub fn targets_with_tasks(&self) -> impl Iterator<Item = bool> {
        self.targets.iter().map(|target| target.selected > 0)
    }

    /// Carries out all targets side by side, each by its own `api`, until every task is settled or
    /// its target was stopped. Everything is in the store then.
    ///
    /// A target without an `api` ends at once: it has no task, or its credentials could not be got.
    ///
    /// # Errors
    ///
    /// Only the store can fail a run. Everything that was recorded before stays. A target whose
    /// file fails ends alone. Unknown tasks can refuse a run, before anything is sent.
    pub async fn carry_out_targets<A: TaskApi>(
        self,
        apis: &[Option<A>],
        watchers: Vec<Box<dyn Watch>>,
        orders: TargetOrders,
    ) -> Result<Ended, RunError> {
        #[cfg(feature = "postgres")]
        if self.shared.is_some() {
            let apis: Vec<Option<&A>> = apis.iter().map(Option::as_ref).collect();
            return self.carry_out_shared(&apis, watchers, orders).await;
        }
        let begun = self.begin_targets(apis, watchers);
        let BegunTargets { parts, senders, slots, thread } =
            begun.map_err(RunError::before_the_first_call)?;
        let ran = tokio::select! {
            biased;
            () = share_out(orders, senders) => unreachable!("orders are shared out for ever"),
            ran = run_all(parts) => ran,
        };
        let watch_trouble = thread.close();
        let targets = ran?;
        let now = self.clock.now();
        let memories = self.targets.iter().map(|target| self.memory(target.index));
        let learning_trouble = memories.filter_map(|memory| memory.keep(now).err()).next();
        drop(self.lock);
        let held = targets.iter().map(|stats| stats.held).max().unwrap_or_default();
        let stats = RunStats { stopped: targets.iter().find_map(|stats| stats.stopped), held };
        let is_lost = |stats: &RunStats| stats.stopped == Some(StopReason::RateGroupLost);
        let lost = targets.iter().zip(slots).find(|(stats, _)| is_lost(stats));
        let group_trouble = lost.and_then(|(_, slots)| slots?.trouble());
        Ok(Ended { stats, targets, watch_trouble, group_trouble, learning_trouble })
    }

    /// Opens all targets. Nothing is sent before all of them are there.
    fn begin_targets<'a, A: TaskApi>(
        &'a self,
        apis: &'a [Option<A>],
        watchers: Vec<Box<dyn Watch>>,
    ) -> Result<BegunTargets<'a, A>, RunError> {
        // Before any session begins: a group that cannot be joined leaves no trace in the run.
        let slots = self.slots()?;
        let (channel, thread) = watchers::open(watchers, self.clock).map_err(RunError::Thread)?;
        let (mut parts, mut senders) = (Vec::new(), Vec::new());
        let mut waves = self.wave_origins()?;
        for ((api, target), slots) in apis.iter().zip(&self.targets).zip(&slots) {
            let (sender, receiver) = mpsc::unbounded_channel();
            senders.push((target.name().to_owned(), sender));
            let waves = waves.get_mut(target.index).map(mem::take).unwrap_or_default();
            let slots = slots.clone();
            let shared = Shared { channel: &channel, slots, orders: receiver, waves };
            parts.push(self.open_target(target, api.as_ref(), shared)?);
        }
        // Every part has a channel of its own; the thread ends with the last of them.
        Ok(BegunTargets { parts, senders, slots, thread })
    }

    /// Opens what bounds each target besides its own rate: its rate group, or the rate of all.
    fn slots(&self) -> Result<Vec<Option<SharedSlots>>, RunError> {
        let total = total_slots(self.targets(), self.clock);
        let of_target = |settings: &RunSettings| {
            let group = group_slots(self.runs.state(), settings.rate_group.as_deref())?;
            Ok(group.or_else(|| total.clone()))
        };
        self.targets().map(of_target).collect()
    }

    /// Reads where the waves of all targets stand, if any has some: before the writers, because a
    /// reader beside one would keep its log from starting anew.
    fn wave_origins(&self) -> Result<Vec<WaveOrigin>, RunError> {
        if self.targets().all(|settings| settings.waves.is_none()) {
            return Ok(Vec::new());
        }
        Ok(RunReader::open(&self.runs, &self.id)?.of_targets(WaveOrigin::of)?)
    }

    fn open_target<'a, A: TaskApi>(
        &'a self,
        target: &'a TargetRun,
        api: Option<&'a A>,
        shared: Shared<'_>,
    ) -> Result<RunningTarget<'a, A>, RunError> {
        let (settings, now) = (&target.settings, self.clock.now());
        let learnt = self.memory(target.index).before()?;
        let recall = remembered_sendings(settings).max(REMEMBERED_SENDINGS);
        let writer = RunWriter::open_target(&self.runs, &self.lock, target.index, now, recall)?;
        let mut engine = engine_settings(settings, starting_point(&writer));
        engine.pace.learnt = learnt;
        engine.origin.changes.clone_from(&target.changes);
        engine.origin.unsent = shared.waves.unsent;
        engine.origin.wave_pause_until = shared.waves.pause_until;
        engine.slots = shared.slots.clone();
        engine.max_duration = engine.max_duration.into_iter().chain(self.time_left).min();
        let watcher_channel = shared.channel.of_target(target.name());
        let ledger = StoreLedger::new(writer, watcher_channel, ended_by(settings));
        let Some(api) = api else {
            let (ledger, engine) = (Box::new(ledger), Box::new(engine));
            return Ok(RunningTarget::Over { ledger, engine, at: now });
        };
        let phases = RunPhases {
            api,
            settings,
            exclusions: Arc::clone(&self.exclusions),
            drill: Drill::of(&self.runs, &self.id, target.index, settings),
            slots: shared.slots,
            clock: self.clock,
            ledger,
            control_router: ControlRouter::new(shared.orders),
        };
        Ok(RunningTarget::Ready(Box::new((phases, engine))))
    }
}

/// Returns the slots that bound all targets together, if something does.
pub(super) fn total_slots<'a>(
    mut targets: impl Iterator<Item = &'a RunSettings>,
    clock: Clock,
) -> Option<SharedSlots> {
    let total = targets.find_map(|settings| settings.target.as_ref()?.rate_total)?;
    Some(SharedSlots::in_total(ProcessSlots::new(clock.instant().into()), total))
}

/// What a run of several targets needs before its first call.
struct BegunTargets<'a, A> {
    parts: Vec<RunningTarget<'a, A>>,
    senders: Vec<(String, mpsc::UnboundedSender<Control>)>,
    slots: Vec<Option<SharedSlots>>,
    thread: WatcherThread,
}

/// What a target shares with the others, and the orders that it is given.
struct Shared<'a> {
    channel: &'a WatcherChannel,
    slots: Option<SharedSlots>,
    orders: mpsc::UnboundedReceiver<Control>,
    waves: WaveOrigin,
}
