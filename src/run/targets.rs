//! Carries out a run of several targets: one engine for each, side by side.
//!
//! Each target has a file, a pace, a breaker, a canary, credentials and a limit of failures of its
//! own. So one that is down or refused ends for itself, and the others go on. They share the
//! rate of all together, the operator's orders and the watchers. See `docs/GLOSSARY.md`: target.

use crate::api::TaskApi;
use crate::clock::{Clock, Timestamp};
use crate::engine::{ChangeAnswer, Control, EngineSettings};
use crate::event::{RunStats, Watch};
use crate::policy::{ProcessSlots, REMEMBERED_SENDINGS, SharedSlots};
use crate::run::carry_out::{Ended, starting_point};
use crate::run::control_router::ControlRouter;
use crate::run::error::RunError;
use crate::run::ledger::{RunEndedBy, StoreLedger};
use crate::run::phases::RunPhases;
use crate::run::plan::{Planned, RunRequest, TargetRun, holder, new_run};
use crate::run::resume::totals_of;
use crate::run::settings::{engine_settings, remembered_sendings};
use crate::run::watchers;
use crate::run::watchers::WatcherChannel;
use crate::run::waves::WaveOrigin;
use crate::settings::RunSettings;
use crate::store;
use crate::store::{
    NewPlan, NewRun, PlanRow, PlanTotals, RunDirectory, RunReader, RunWriter, StoreError,
};
use futures::future::join_all;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

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
    /// How it is carried out; names the target.
    pub settings: RunSettings,
}

/// Reads all inputs and stores the plan of every target; sends nothing.
///
/// # Errors
///
/// Invalid inputs, with all their problems; a store that cannot be used.
pub fn plan_targets(request: TargetsRequest, clock: Clock) -> Result<Planned, RunError> {
    let runs = RunDirectory::open(&request.state)?;
    let settings: Vec<_> = request.targets.iter().map(|it| it.settings.clone()).collect();
    let (parts, plan) = parts_of(request, clock.now());
    let planned = store::plan_run_of_targets(&runs, &parts, plan, &holder(clock.now()))?;
    let first = settings[0].clone();
    Ok(Planned::from_stored(planned.whole(), runs, first, clock)?.with_targets(settings))
}

/// The plan of one target, as a dry run shows it.
#[derive(Debug)]
pub struct TargetPreview {
    /// How it would be carried out.
    pub settings: RunSettings,
    /// The numbers of its rows and tasks.
    pub totals: PlanTotals,
    /// The first of its tasks.
    pub first: Vec<PlanRow>,
}

/// Reads all inputs and returns the plan of every target; keeps and sends nothing.
///
/// # Errors
///
/// Those of [`plan_targets`].
pub fn preview_targets(
    request: TargetsRequest,
    rows: u32,
    clock: Clock,
) -> Result<Vec<TargetPreview>, RunError> {
    let temporary = tempfile::tempdir();
    let place = tempfile::env::temp_dir();
    let failed = |source| StoreError::File { path: place, source };
    let temporary = temporary.map_err(failed)?;
    let planned =
        plan_targets(TargetsRequest { state: temporary.path().into(), ..request }, clock)?;
    let preview = |run: &RunReader| {
        let record = run.record()?;
        let (totals, first) = (totals_of(&record), run.first_rows(rows)?);
        Ok::<_, StoreError>(TargetPreview { settings: record.run.settings, totals, first })
    };
    Ok(RunReader::open(&planned.runs, &planned.id)?.of_targets(preview)?)
}

/// Returns the records of the targets, which have one id and one origin.
fn parts_of(request: TargetsRequest, now: Timestamp) -> (Vec<NewRun>, NewPlan) {
    let TargetsRequest { state, command, plan, job, reason, targets } = request;
    let TargetRequest { endpoint, project_id, settings } = targets[0].clone();
    let request = RunRequest { state, command, plan, endpoint, project_id, job, reason, settings };
    let first = new_run(&request, now);
    let part = |target: &TargetRequest| NewRun {
        endpoint: target.endpoint.clone(),
        project_id: target.project_id.clone(),
        settings: target.settings.clone(),
        ..first.clone()
    };
    (targets.iter().map(part).collect(), request.plan)
}

impl Planned {
    /// Takes the settings of all targets, in their order.
    pub(super) fn with_targets(self, settings: Vec<RunSettings>) -> Self {
        let targets = settings.into_iter().enumerate();
        let target = |(index, settings)| TargetRun { index, settings, changes: Vec::new() };
        Self { targets: targets.map(target).collect(), ..self }
    }

    /// Returns the settings of each target that is carried out; none for a run without targets.
    pub fn targets(&self) -> impl Iterator<Item = &RunSettings> {
        self.targets.iter().map(|target| &target.settings)
    }

    /// Carries out all targets side by side, each by its own `api`, until every task is settled or
    /// its target was stopped. Everything is in the store then.
    ///
    /// # Errors
    ///
    /// Only the store can fail a run. Everything that was recorded before stays. A target whose
    /// file fails ends alone.
    pub async fn carry_out_targets<A: TaskApi>(
        self,
        apis: &[A],
        watchers: Vec<Box<dyn Watch>>,
        control: mpsc::UnboundedReceiver<Control>,
    ) -> Result<Ended, RunError> {
        let (channel, thread) = watchers::open(watchers, self.clock).map_err(RunError::Thread)?;
        let total = self.targets().find_map(|it| it.target.as_ref()?.rate_total);
        let start = self.clock.instant().into();
        let slots = total.map(|rate| SharedSlots::in_total(ProcessSlots::new(start), rate));
        let mut phases = Vec::new();
        let mut orders = Vec::new();
        let mut waves = self.wave_origins()?;
        for (api, target) in apis.iter().zip(&self.targets) {
            let (sender, receiver) = mpsc::unbounded_channel();
            orders.push(sender);
            let waves = waves.get_mut(target.index).map(mem::take).unwrap_or_default();
            let slots = slots.clone();
            let shared = Shared { channel: &channel, slots, orders: receiver, waves };
            phases.push(self.open_target(target, api, shared)?);
        }
        // Every phase has a channel of its own; the thread ends with the last of them.
        drop(channel);
        let all = join_all(phases.into_iter().map(|(phases, engine)| phases.run(engine)));
        let ran = tokio::select! {
            biased;
            () = share_out(control, orders) => unreachable!("orders are shared out for ever"),
            ran = all => ran,
        };
        let watch_trouble = thread.close();
        let targets = ran.into_iter().collect::<Result<Vec<_>, RunError>>()?;
        drop(self.lock);
        let held = targets.iter().map(|stats| stats.held).max().unwrap_or_default();
        let stats = RunStats { stopped: targets.iter().find_map(|stats| stats.stopped), held };
        let (group_trouble, learning_trouble) = (None, None);
        Ok(Ended { stats, targets, watch_trouble, group_trouble, learning_trouble })
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
        &self,
        target: &'a TargetRun,
        api: &'a A,
        shared: Shared<'_>,
    ) -> Result<(RunPhases<'a, A>, EngineSettings), RunError> {
        let (settings, now) = (&target.settings, self.clock.now());
        let recall = remembered_sendings(settings).max(REMEMBERED_SENDINGS);
        let writer = RunWriter::open_target(&self.runs, &self.lock, target.index, now, recall)?;
        let mut engine = engine_settings(settings, starting_point(&writer));
        engine.origin.changes.clone_from(&target.changes);
        engine.origin.unsent = shared.waves.unsent;
        engine.origin.wave_pause_until = shared.waves.pause_until;
        engine.slots = shared.slots.clone();
        engine.max_duration = engine.max_duration.into_iter().chain(self.time_left).min();
        let ended_by = match settings.wait {
            Some(_) => RunEndedBy::Phases,
            None => RunEndedBy::Engine,
        };
        let name = settings.target.as_ref().map_or("", |target| target.name());
        let watcher_channel = shared.channel.of_target(name);
        let phases = RunPhases {
            api,
            settings,
            exclusions: Arc::clone(&self.exclusions),
            drill: None,
            slots: shared.slots,
            clock: self.clock,
            ledger: StoreLedger { writer, watcher_channel, ended_by },
            control_router: ControlRouter::new(shared.orders),
        };
        Ok((phases, engine))
    }
}

/// What a target shares with the others, and the orders that it is given.
struct Shared<'a> {
    channel: &'a WatcherChannel,
    slots: Option<SharedSlots>,
    orders: mpsc::UnboundedReceiver<Control>,
    waves: WaveOrigin,
}

/// Gives every target each order, and answers with what became of it.
async fn share_out(
    mut orders: mpsc::UnboundedReceiver<Control>,
    targets: Vec<mpsc::UnboundedSender<Control>>,
) {
    while let Some(order) = orders.recv().await {
        match order {
            // A target that receives nothing any more has ended.
            Control::Stop(reason) => targets.iter().for_each(|target| {
                let _ = target.send(Control::Stop(reason));
            }),
            Control::Abandon => targets.iter().for_each(|target| {
                let _ = target.send(Control::Abandon);
            }),
            Control::Change { change, by, answer } => {
                let asked = targets.iter().map(|target| {
                    let (sender, answer) = oneshot::channel();
                    let order = Control::Change { change, by, answer: Some(sender) };
                    let _ = target.send(order);
                    answer
                });
                let asked: Vec<_> = asked.collect();
                let answered = async { join_all(asked).await.into_iter().flatten().collect() };
                let answers: Vec<ChangeAnswer> = answered.await;
                if let Some((client, said)) = answer.zip(in_one(&answers)) {
                    let _ = client.send(said);
                }
            }
        }
    }
    std::future::pending::<()>().await;
}

/// Returns the answer of all targets: a change that holds for one of them is one.
fn in_one(answers: &[ChangeAnswer]) -> Option<ChangeAnswer> {
    let order = [
        ChangeAnswer::Changed,
        ChangeAnswer::AsBefore,
        ChangeAnswer::NotNow,
        ChangeAnswer::Stopping,
    ];
    order.into_iter().find(|answer| answers.contains(answer))
}
