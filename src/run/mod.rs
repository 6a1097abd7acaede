//! The front door: plans a run, carries it out, and tells where its report is to be had.
//!
//! Wires plan, store, engine and watchers together and holds no rule of its own.

mod control_router;
mod dry_run;
mod last_good;
mod ledger;
mod phases;
mod rate_learning;
mod resume;
mod retry;
mod revert;
mod settings;
mod survey_recorder;
mod verify;
mod watchers;

pub use dry_run::LivePlan;
pub use dry_run::dry_run_live;
pub use last_good::Comparable;
pub use last_good::GoodRun;
pub use last_good::last_good;
pub use resume::Resumable;
pub use resume::Resumption;
pub use resume::resume;
pub use retry::Retry;
pub use retry::RetryFilter;
pub use retry::retry;
pub use revert::Revert;
pub use revert::Reverted;
pub use revert::revert;
pub use verify::Afterwards;
pub use verify::Settling;
pub use verify::afterwards;
pub use watchers::WatchTrouble;

use crate::api::TaskApi;
use crate::clock::Clock;
use crate::clock::Timestamp;
use crate::engine::Control;
use crate::engine::LedgerError;
use crate::engine::StartingPoint;
use crate::event::RunStats;
use crate::event::Watch;
use crate::plan::Problems;
use crate::policy::REMEMBERED_SENDINGS;
use crate::report::GroupLabel;
use crate::run::control_router::ControlRouter;
use crate::run::ledger::Ending;
use crate::run::ledger::StoreLedger;
use crate::run::phases::RunPhases;
use crate::run::rate_learning::Learning;
use crate::run::settings::{engine_settings, remembered_sendings};
use crate::settings::RunSettings;
use crate::store;
use crate::store::JobLock;
use crate::store::JobName;
use crate::store::NewPlan;
use crate::store::NewRun;
use crate::store::PlanRow;
use crate::store::PlanTotals;
use crate::store::PlannedRun;
use crate::store::RunDirectory;
use crate::store::RunId;
use crate::store::RunLock;
use crate::store::RunWriter;
use crate::store::StoreError;
use crate::task::TaskId;
use std::num::NonZeroUsize;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;

/// Why a run cannot be planned, or not be carried out to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The inputs cannot be used; nothing was stored and nothing will be sent.
    #[error(transparent)]
    Input(Problems),
    /// No group of failures is called so.
    #[error("run {run} has no group of failures `{wanted}`: there {}", counted(*groups))]
    NoSuchGroup {
        /// The label that was asked for.
        wanted: GroupLabel,
        /// The run.
        run: RunId,
        /// How many groups it has.
        groups: usize,
    },
    /// The store cannot be used, or not any longer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store ended the run.
    #[error("the run stopped, for what happens could not be recorded any longer")]
    Ledger(#[source] LedgerError),
    /// The project does not know some of the tasks; nothing was sent.
    #[error("the project does not know {count} of the tasks")]
    UnknownTasks {
        /// How many.
        count: u64,
        /// Some of them.
        examples: Vec<TaskId>,
    },
    /// A thread could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}

fn counted(groups: usize) -> String {
    match groups {
        0 => "is none".into(),
        1 => "is only `F1`".into(),
        _ => format!("are `F1` to `F{groups}`"),
    }
}

/// What a run is to be.
#[derive(Debug)]
pub struct RunRequest {
    /// The directory that keeps the runs.
    pub state: PathBuf,
    /// The word for what is done: `start`, `stop` or `run`.
    pub command: String,
    /// What the tasks are made from.
    pub plan: NewPlan,
    /// The endpoint, as the report shows it.
    pub endpoint: String,
    /// The project, as the report shows it.
    pub project_id: String,
    /// The job it is one run of.
    pub job: Option<String>,
    /// Why it is started.
    pub reason: Option<String>,
    /// How it is carried out.
    pub settings: RunSettings,
}

/// A run whose plan is stored and locked for this process; nothing was sent.
#[derive(Debug)]
pub struct Planned {
    runs: RunDirectory,
    id: RunId,
    lock: RunLock,
    totals: PlanTotals,
    settings: RunSettings,
    /// How long new sendings may go on, whatever the settings say.
    time_left: Option<Duration>,
    /// For whom it is kept what the run learns of the rate.
    profile: Option<String>,
    clock: Clock,
}

/// What carrying out a run came to; the report tells the rest.
#[derive(Debug)]
pub struct Ended {
    /// What the engine saw.
    pub stats: RunStats,
    /// What went wrong with watching.
    pub watch_trouble: WatchTrouble,
    /// Why what was learnt of the rate could not be kept for the next run, if it could not.
    pub learning_trouble: Option<StoreError>,
}

/// Reads all inputs and stores the plan; sends nothing.
///
/// # Errors
///
/// Inputs that are not right, with all that is wrong with them; a store that cannot be used.
pub fn plan(request: RunRequest, clock: Clock) -> Result<Planned, RunError> {
    let runs = RunDirectory::open(&request.state)?;
    let run = new_run(&request, clock.now());
    let (id, settings) = (run.id.clone(), request.settings);
    match store::plan_run(&runs, &run, request.plan, &holder(clock.now()))? {
        PlannedRun::Ready { totals, lock } => {
            Ok(Planned { runs, id, lock, totals, settings, time_left: None, profile: None, clock })
        }
        PlannedRun::Refused(problems) => Err(RunError::Input(problems)),
    }
}

/// Reads all inputs and returns what a run of them would be: its size and its first tasks.
///
/// Stores nothing and sends nothing.
pub fn dry_run(
    request: RunRequest,
    clock: Clock,
    most_rows: u32,
) -> Result<(PlanTotals, Vec<PlanRow>), RunError> {
    let run = new_run(&request, clock.now());
    store::plan_only(&RunDirectory::existing(&request.state), &run, request.plan, most_rows)?
        .map_err(RunError::Input)
}

fn new_run(request: &RunRequest, now: Timestamp) -> NewRun {
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
    }
}

/// Names this process to whoever finds the run locked.
fn holder(now: Timestamp) -> String {
    format!("process {} since {now}", std::process::id())
}

impl Planned {
    /// Returns the id of the run.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// Returns how many rows and tasks there are.
    pub fn totals(&self) -> PlanTotals {
        self.totals
    }

    /// Returns how the run is carried out.
    pub fn settings(&self) -> &RunSettings {
        &self.settings
    }

    /// Returns where the run is kept.
    pub fn file(&self) -> PathBuf {
        self.runs.file(&self.id)
    }

    /// Returns the directory of this and all other runs.
    pub fn runs(&self) -> &RunDirectory {
        &self.runs
    }

    /// Lets new sendings go on for so long at the most; `max_duration` may end them earlier.
    pub fn finish_within(&mut self, time_left: Duration) {
        self.time_left = Some(time_left);
    }

    /// Lets a run with `--rate auto` begin with what runs of this profile have learnt, and keeps
    /// for the next one what it learns itself.
    pub fn learn_for(&mut self, profile: &str) {
        self.profile = Some(profile.to_owned());
    }

    /// Lets this process have so many calls on the wire at a time at the most.
    pub fn narrow(&mut self, concurrency: NonZeroUsize) {
        self.settings.concurrency = self.settings.concurrency.min(concurrency);
    }

    /// Forgets the run before anything was sent.
    pub fn discard(self) -> Result<(), StoreError> {
        self.runs.remove(self.lock)
    }

    /// Carries the run out: calls `api` for every task, shows `watchers` what happens, obeys
    /// `control`.
    ///
    /// Returns when every task is settled or the run was stopped; all of it is in the store then.
    ///
    /// # Errors
    ///
    /// Only the store can fail a run. What was recorded until then stays.
    pub async fn carry_out<A: TaskApi>(
        self,
        api: &A,
        watchers: Vec<Box<dyn Watch>>,
        control: mpsc::UnboundedReceiver<Control>,
    ) -> Result<Ended, RunError> {
        let profile = self.profile.as_deref();
        let learning = Learning { runs: &self.runs, run: &self.id, profile };
        let learnt = if self.settings.rate.is_auto() { learning.before()? } else { None };
        // Also without a rate: one may be set while the run is under way.
        let recall = remembered_sendings(&self.settings).max(REMEMBERED_SENDINGS);
        let writer = RunWriter::open(&self.runs, &self.lock, self.clock.now(), recall)?;
        let mut settings = engine_settings(&self.settings, origin(&writer));
        if let Some(search) = &mut settings.auto {
            search.learnt = learnt;
        }
        settings.max_duration = settings.max_duration.into_iter().chain(self.time_left).min();
        let (watcher_channel, thread) =
            watchers::open(watchers, self.clock).map_err(RunError::Thread)?;
        let ending = match self.settings.wait {
            Some(_) => Ending::Later,
            None => Ending::OfEngine,
        };
        let course = RunPhases {
            api,
            settings: &self.settings,
            clock: self.clock,
            ledger: StoreLedger { writer, watcher_channel, ending },
            control_router: ControlRouter::new(control),
        };
        let ran = course.run(settings).await;
        let watch_trouble = thread.close();
        let stats = ran?;
        let is_auto = self.settings.rate.is_auto();
        let learning_trouble = if is_auto { learning.keep(self.clock.now()).err() } else { None };
        drop(self.lock);
        Ok(Ended { stats, watch_trouble, learning_trouble })
    }
}

fn origin(writer: &RunWriter) -> StartingPoint {
    let standing = writer.standing();
    StartingPoint {
        selected: standing.selected,
        settled: standing.settled.selected(),
        // Each process tolerates anew: who goes on with a run has seen what failed so far.
        failed: 0,
        attempts: standing.attempts,
        last_sent: standing.last_sent.clone(),
    }
}

/// Takes the lock of a job, or waits for it that long at the most.
///
/// # Errors
///
/// Another process runs the job, and is named.
pub fn lock_job(
    state: &Path,
    job: &JobName,
    patience: Duration,
    clock: Clock,
) -> Result<JobLock, StoreError> {
    store::lock_job(state, job, &holder(clock.now()), patience)
}

/// Removes a run for good.
///
/// # Errors
///
/// A process works on it.
pub fn remove(state: &Path, run: &RunId) -> Result<(), StoreError> {
    let runs = RunDirectory::existing(state);
    runs.remove(runs.lock(run, "a process that removes it")?)
}

/// Returns the runs kept in a state directory, for reading.
pub fn runs_in(state: &Path) -> RunDirectory {
    RunDirectory::existing(state)
}
