//! Plans a run: reads all inputs and stores the plan, or only shows it.
//!
//! Nothing is sent here. A planned run is locked for this process until it is dropped.

use crate::clock::{Clock, Timestamp};
use crate::event::Change;
use crate::loading;
use crate::loading::{NewPlan, PlanTotals, PlannedRun};
use crate::plan::Exclusions;
use crate::report::Target;
use crate::run::error::RunError;
#[cfg(feature = "postgres")]
use crate::run::shared_run::SharedRun;
use crate::settings::RunSettings;
use crate::store::{NewRun, RunDirectory, RunId, RunLock, StoreError};
use crate::task::TaskState;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The run that is wanted.
#[derive(Debug)]
pub struct RunRequest {
    /// The directory that keeps the runs.
    pub state: PathBuf,
    /// The word of the command line: `start`, `stop` or `run`.
    pub command: String,
    /// What the tasks are made from.
    pub plan: NewPlan,
    /// The endpoint, as the report shows it.
    pub endpoint: String,
    /// The project, as the report shows it.
    pub project_id: String,
    /// The job that the run belongs to.
    pub job: Option<String>,
    /// The reason for the run, for the record.
    pub reason: Option<String>,
    /// How it is carried out.
    pub settings: RunSettings,
}

/// A run whose plan is stored and locked for this process; nothing was sent.
#[derive(Debug)]
pub struct Planned {
    pub(crate) runs: RunDirectory,
    pub(crate) id: RunId,
    pub(crate) lock: RunLock,
    pub(crate) settings: RunSettings,
    /// The time in which new requests may be sent, besides the limits of the settings.
    pub(crate) time_left: Option<Duration>,
    /// The profile for which the learnt rate is kept.
    pub(crate) profile: Option<String>,
    pub(crate) clock: Clock,
    pub(crate) totals: PlanTotals,
    /// The tasks that are not sent any more, though they are in the plan.
    pub(crate) exclusions: Arc<Exclusions>,
    /// What is done otherwise than before the run was taken up.
    pub(crate) changes: Vec<Change>,
    /// The database in which other workers have the run as well.
    #[cfg(feature = "postgres")]
    pub(crate) shared: Option<SharedRun>,
    /// The targets that are carried out, in a run of several.
    pub(crate) targets: Vec<TargetRun>,
}

/// A target of a run that is carried out.
#[derive(Debug, Clone)]
pub(crate) struct TargetRun {
    /// Its place among all targets of the run.
    pub(crate) index: usize,
    pub(crate) settings: RunSettings,
    /// What is done otherwise than before the run was taken up.
    pub(crate) changes: Vec<Change>,
    /// The number of its tasks.
    pub(crate) selected: u64,
}

impl TargetRun {
    pub(crate) fn name(&self) -> &str {
        self.settings.target.as_ref().map_or("", |target| target.name())
    }
}

/// Reads all inputs and stores the plan; sends nothing.
///
/// # Errors
///
/// Invalid inputs, with all their problems; a store that cannot be used.
pub fn plan(request: RunRequest, clock: Clock) -> Result<Planned, RunError> {
    plan_with(request, &[], clock)
}

/// Reads all inputs and stores the plan with the states that its tasks are in, in its order.
///
/// # Errors
///
/// Those of [`plan`].
pub fn plan_in_states(
    request: RunRequest,
    states: &[Option<TaskState>],
    clock: Clock,
) -> Result<Planned, RunError> {
    plan_with(request, &[states.to_vec()], clock)
}

fn plan_with(
    request: RunRequest,
    states: &[Vec<Option<TaskState>>],
    clock: Clock,
) -> Result<Planned, RunError> {
    let runs = RunDirectory::open(&request.state)?;
    // The id is fixed before the inputs are read, because the plan is written to the run's own file.
    let run = new_run(&request, clock.now());
    let (parts, holder) = (std::slice::from_ref(&run), holder(clock.now()));
    let planned = loading::plan_run_of_targets(&runs, parts, request.plan, states, &holder)?;
    Planned::from_stored(planned.whole(), runs, request.settings, clock)
}

pub(crate) fn new_run(request: &RunRequest, now: Timestamp) -> NewRun {
    NewRun {
        id: RunId::new(now, &mut fastrand::Rng::new()),
        parent: request.plan.after.clone(),
        outstanding_before: None,
        job: request.job.clone(),
        reason: request.reason.clone(),
        command: request.command.clone(),
        origin: now,
        endpoint: request.endpoint.clone(),
        project_id: request.project_id.clone(),
        settings: request.settings.clone(),
        service: request.plan.service.as_ref().map(|service| service.record.clone()),
    }
}

/// Returns the record of a new run that takes its tasks from `parent`, for a target of its own.
///
/// A retry keeps the job and the command of its parent; a revert changes both.
pub(crate) fn child_run(
    parent: &NewRun,
    target: Target,
    reason: Option<String>,
    settings: &RunSettings,
    now: Timestamp,
) -> NewRun {
    NewRun {
        id: RunId::new(now, &mut fastrand::Rng::new()),
        parent: Some(parent.id.clone()),
        outstanding_before: None,
        job: parent.job.clone(),
        reason,
        command: parent.command.clone(),
        origin: now,
        endpoint: target.endpoint,
        project_id: target.project_id,
        settings: settings.clone(),
        service: parent.service.clone(),
    }
}

/// Returns the settings that a run which takes its tasks from another begins with.
pub fn child_settings(parent: &RunSettings) -> RunSettings {
    RunSettings { choice: parent.choice.inherited(), planned_with: None, ..parent.clone() }
}

/// Returns the name of this process for messages of others that find the run locked.
pub(crate) fn holder(now: Timestamp) -> String {
    format!("process {} since {now}", std::process::id())
}

impl Planned {
    /// Takes a run that is locked for this process.
    pub(crate) fn new(
        runs: RunDirectory,
        lock: RunLock,
        totals: PlanTotals,
        settings: RunSettings,
        clock: Clock,
    ) -> Self {
        // From the lock, so that nobody can carry out a run that another process holds.
        let id = lock.run().clone();
        Self {
            runs,
            id,
            lock,
            settings,
            time_left: None,
            profile: None,
            clock,
            totals,
            exclusions: Arc::default(),
            changes: Vec::new(),
            #[cfg(feature = "postgres")]
            shared: None,
            targets: Vec::new(),
        }
    }

    /// Takes the run that the store has planned, or returns the problems of its inputs.
    pub(crate) fn from_stored(
        planned: PlannedRun,
        runs: RunDirectory,
        settings: RunSettings,
        clock: Clock,
    ) -> Result<Self, RunError> {
        match planned {
            PlannedRun::Ready { totals, lock } => {
                Ok(Self::new(runs, lock, totals, settings, clock))
            }
            PlannedRun::Refused(problems) => Err(RunError::Input(problems)),
        }
    }

    /// Returns the id of the run.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// Returns the numbers of rows and tasks.
    pub fn totals(&self) -> PlanTotals {
        self.totals
    }

    /// Returns how the run is carried out.
    pub fn settings(&self) -> &RunSettings {
        &self.settings
    }

    /// Returns the path of the run's file.
    pub fn file(&self) -> PathBuf {
        self.runs.file(&self.id)
    }

    /// Returns the directory of this and all other runs.
    pub fn runs(&self) -> &RunDirectory {
        &self.runs
    }

    /// Ends new requests after this time at the latest; `max_duration` may end them earlier.
    pub fn finish_within(&mut self, time_left: Duration) {
        self.time_left = Some(time_left);
    }

    /// Starts `--rate auto` from the rate that this profile's runs have learnt, and keeps the rate
    /// that this run learns.
    pub fn learn_for(&mut self, profile: &str) {
        self.profile = Some(profile.to_owned());
    }

    /// Lowers the number of calls on the wire at a time, for this process.
    pub fn narrow(&mut self, concurrency: NonZeroUsize) {
        // The stored settings keep the wish: another process may have room for more.
        self.settings.concurrency = self.settings.concurrency.min(concurrency);
        for target in &mut self.targets {
            let settings = &mut target.settings;
            settings.concurrency = settings.concurrency.min(concurrency);
        }
    }

    /// Removes the run before anything was sent.
    pub fn discard(self) -> Result<(), StoreError> {
        self.runs.remove(self.lock)
    }
}
