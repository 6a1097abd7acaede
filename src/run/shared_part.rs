//! This worker's part in a run of a database, or in one target of it: joined, carried out, given back.
//!
//! The engine is the same as for a run in a directory; what differs is where tasks come from, whose slots it
//! uses, and that operators speak to all workers through the database.

use crate::api::TaskApi;
use crate::clock::Timestamp;
use crate::database::{
    DatabaseError, DatabaseRuns, MostUncertain, SlotTerms, Wishes, WorkTerms, Worker,
};
use crate::engine;
use crate::engine::{Control, EngineSettings, Numbering, StartingPoint};
use crate::event::{RunStarted, RunStats, StopReason};
use crate::policy::SharedSlots;
use crate::run::begun::{Begun, gated};
use crate::run::common_pacing::CommonPacing;
use crate::run::control_router::ControlRouter;
use crate::run::database_ledger::DatabaseLedger;
use crate::run::error::RunError;
use crate::run::patience::Patience;
use crate::run::plan::{Planned, TargetRun};
use crate::run::settings::{engine_settings, pace_start};
use crate::run::shared_orders::{Orders, give_back_if_far, job_taken, obey, tell_standing};
use crate::run::shared_phases::SharedPhases;
use crate::run::shared_run::SharedRun;
use crate::run::shared_standing::Standing;
use crate::run::watchers::WatcherChannel;
use crate::settings::RunSettings;
use crate::store::StoreError;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// What a worker is about to join.
pub(crate) struct Opening<'a> {
    pub(crate) planned: &'a Planned,
    pub(crate) shared: &'a SharedRun,
    /// The target; of a run without any all of it.
    pub(crate) own: &'a TargetRun,
    /// The number of its row.
    pub(crate) row: i64,
    /// The time from which those of the run count.
    pub(crate) origin: Timestamp,
    /// By how much the clock of this machine is ahead of the database's.
    pub(crate) ahead_us: i64,
    /// Where its events are shown.
    pub(crate) shown: WatcherChannel,
}

/// This worker's part, once it has joined.
pub(crate) enum SharedPart<'a, A> {
    Ready(Box<ReadyPart<'a, A>>),
    /// It ends before its first call: it has no task, or its credentials could not be got.
    Over {
        ledger: Box<DatabaseLedger>,
        own: &'a TargetRun,
        at: Timestamp,
    },
}

/// A part that can be carried out.
pub(crate) struct ReadyPart<'a, A> {
    part: Part<'a, A>,
    beside: Beside,
    asked: mpsc::UnboundedReceiver<Control>,
    shared: &'a SharedRun,
}

impl<'a> Opening<'a> {
    /// Joins the run.
    ///
    /// # Errors
    ///
    /// The database is away for too long.
    pub(crate) async fn join<A: TaskApi>(
        self,
        api: Option<&'a A>,
        asked: mpsc::UnboundedReceiver<Control>,
    ) -> Result<SharedPart<'a, A>, RunError> {
        let Self { planned, shared, own, row, origin, ahead_us, shown } = self;
        let patience = Patience { clock: planned.clock, span: shared.patience };
        let mut runs = database(shared)?;
        let mut worker = join(&mut runs, patience, row, &shared.host).await?;
        // Otherwise this worker would have no slots, or the rate would not hold.
        let trip = shared.terms.trip;
        if trip > worker.trip {
            let allowed = async |runs: &mut DatabaseRuns| Ok(runs.allow_trip(row, trip).await?);
            worker.trip = patience.ask(&mut runs, allowed).await?;
        }
        let settings = &own.settings;
        let uncertainty = MostUncertain::new(settings, worker.trip);
        // All workers record the time of the database, so that their clocks can differ: what counts from
        // the origin comes to the same if this machine takes the origin for as much later.
        let origin_here = origin.plus_micros(ahead_us);
        let terms =
            WorkTerms { origin: origin_here, clock: planned.clock, patience: shared.patience };
        let writer = runs.writer(worker, terms).map_err(RunError::Thread)?;
        shown.show_waits(writer.sign());
        let standing = Standing::new(database(shared)?, row, shown.clone());
        let ledger = DatabaseLedger::new(writer)
            .if_near(uncertainty.clone())
            .shown_by(standing.clone())
            .ending_later(SharedPhases::<A>::ends_later(settings));
        let Some(api) = api else {
            let (ledger, at) = (Box::new(ledger), planned.clock.now());
            return Ok(SharedPart::Over { ledger, own, at });
        };
        let phases = SharedPhases {
            api,
            planned,
            part: own.index,
            settings,
            runs: database(shared)?,
            worker,
            patience,
            slots: slots(shared, planned, worker, &uncertainty)?,
            uncertainty: uncertainty.clone(),
            watcher_channel: shown.clone(),
        };
        let pacing = CommonPacing {
            runs: database(shared)?,
            worker,
            clock: planned.clock,
            start: pace_start(settings.own_rate()),
            recorder: ledger.writer().recorder(),
            shown,
        };
        let orders = Orders { runs: database(shared)?, run: row, origin };
        let beside = Beside { orders, standing, pacing, uncertainty };
        let part = Part { phases, ledger, selected: own.selected, lost: None };
        Ok(SharedPart::Ready(Box::new(ReadyPart { part, beside, asked, shared })))
    }
}

/// Records the session of a worker that ends before its first call.
async fn over(
    mut ledger: DatabaseLedger,
    own: &TargetRun,
    at: Timestamp,
) -> Result<RunStats, RunError> {
    let started = RunStarted {
        selected: own.selected,
        settled: 0,
        rate_limit: own.settings.own_rate().limit(),
        concurrency: own.settings.concurrency.get(),
        finds_rate: false,
        looks_at: None,
    };
    let stopped = Some(StopReason::NotAuthorised).filter(|_| own.selected > 0);
    let stats = RunStats { stopped, held: Duration::ZERO };
    ledger.begin_and_end(at, started, stats.clone()).await.map_err(RunError::Ledger)?;
    ledger.close().await.map_err(store)?;
    Ok(stats)
}

impl<A: TaskApi> SharedPart<'_, A> {
    /// Carries it out, and leaves the run.
    ///
    /// # Errors
    ///
    /// The database is away for too long, another run has its job, or unknown tasks refuse it.
    pub(crate) async fn carry_out(self) -> Result<RunStats, RunError> {
        let ReadyPart { mut part, beside, asked, shared } = match self {
            Self::Ready(ready) => *ready,
            Self::Over { ledger, own, at } => return over(*ledger, own, at).await,
        };
        let ran = part.work(asked, beside).await;
        let Part { ledger, phases, lost, .. } = part;
        // The thread of the watchers ends with the last channel to it.
        drop(phases);
        let closed = match &ran {
            // Another worker takes what is left at once.
            Ok(_) | Err(RunError::UnknownTasks { .. }) => ledger.close().await,
            Err(_) => {
                // The leases end by themselves.
                let unrecorded = ledger.abandon();
                if unrecorded.count > 0 {
                    (shared.on_unrecorded)(unrecorded);
                }
                Ok(())
            }
        };
        let stats = ran?;
        closed.map_err(store)?;
        match lost.filter(|_| stats.stopped.is_some()) {
            Some(lost) => Err(lost.into()),
            None => Ok(stats),
        }
    }

    /// Returns how long the chunks of this worker stay its own without a sign of life.
    pub(crate) fn lease(&self) -> Duration {
        match self {
            Self::Ready(ready) => ready.part.phases.worker.lease,
            Self::Over { .. } => Duration::ZERO,
        }
    }
}

/// What a worker does beside its calls.
struct Beside {
    orders: Orders,
    standing: Standing,
    pacing: CommonPacing,
    uncertainty: MostUncertain,
}

/// The calls of this worker, and what goes before and after them.
struct Part<'a, A> {
    phases: SharedPhases<'a, A>,
    ledger: DatabaseLedger,
    selected: u64,
    /// Why this worker must not go on with the run, although there is work left.
    lost: Option<StoreError>,
}

impl<A: TaskApi> Part<'_, A> {
    /// Does it, and obeys orders meanwhile.
    async fn work(
        &mut self,
        asked: mpsc::UnboundedReceiver<Control>,
        Beside { orders, standing, pacing, uncertainty }: Beside,
    ) -> Result<RunStats, RunError> {
        let (sender, control) = mpsc::unbounded_channel();
        let wishes = self.ledger.writer().wishes();
        let seen = wishes.clone();
        let (lost, away) = (self.ledger.lost(), OnceLock::new());
        let give_up = async {
            let _ = away.set(lost.await);
            // A run that waits, such as in a pause, would not find it out by itself.
            let _ = sender.send(Control::Abandon);
        };
        let settings = self.phases.settings;
        let beside = async {
            tokio::join!(
                orders.pass_on(asked, &sender),
                obey(wishes, settings, &sender, &uncertainty),
                give_back_if_far(&uncertainty, &sender),
                standing.tell(),
                pacing.keep(),
                give_up
            );
            // They end before the run only if nobody can order anything any more.
            std::future::pending::<()>().await;
        };
        let ran = tokio::select! {
            ran = self.go_through(ControlRouter::new(control), seen.clone(), &sender) => ran,
            () = beside => unreachable!("it never ends"),
        };
        self.lost = job_taken(&seen).or(away.into_inner().map(StoreError::from));
        ran
    }

    /// Goes through the phases of the run.
    async fn go_through(
        &mut self,
        mut router: ControlRouter,
        mut wishes: watch::Receiver<Option<Wishes>>,
        engine: &mpsc::UnboundedSender<Control>,
    ) -> Result<RunStats, RunError> {
        let (planned, own, clock) =
            (self.phases.planned, self.phases.settings, self.phases.planned.clock);
        // A run may be paused when a worker joins it.
        let known = router.unless_stopped(wishes.wait_for(Option::is_some)).await.map(drop);
        let begun = match known {
            Ok(()) => self.phases.begin(&mut router).await?,
            Err(reason) => Begun::Stopped(reason),
        };
        if let Begun::Stopped(reason) = begun {
            let stats = RunStats { stopped: Some(reason), held: Duration::ZERO };
            self.ledger.end(clock.now(), stats.clone()).await.map_err(RunError::Ledger)?;
            return Ok(stats);
        }
        let of_worker = settings_of(own, self.phases.worker, self.selected);
        let mut settings = gated(of_worker, &begun);
        settings.slots = self.phases.slots.clone();
        if let Some(span) = own.max_duration.into_iter().chain(planned.time_left).min() {
            let run = self.phases.worker.run;
            let left = self.phases.ask(async |runs| runs.time_left(run, span).await).await?;
            settings.max_duration = Some(left);
        }
        tell_standing(&wishes, own, engine);
        let (api, ledger) = (self.phases.api, &mut self.ledger);
        let ran = router
            .beside(async |control| engine::run(api, ledger, &settings, clock, control).await);
        let mut stats = ran.await.map_err(RunError::Ledger)?;
        if SharedPhases::<A>::ends_later(own) {
            // Nobody looks before everything has come back, from here as well.
            self.ledger.writer().release().await.map_err(store)?;
            stats.stopped = self.phases.finish(stats.stopped, &mut router).await?;
            self.ledger.end(clock.now(), stats.clone()).await.map_err(RunError::Ledger)?;
        }
        Ok(stats)
    }
}

/// Returns the settings of the engine of a worker.
fn settings_of(settings: &RunSettings, worker: Worker, selected: u64) -> EngineSettings {
    let numbering = Numbering::Timed { worker: worker.no.unsigned_abs() };
    let origin = StartingPoint { selected, numbering, ..StartingPoint::default() };
    // The rate of all workers grows, and not that of each.
    EngineSettings { ramp: None, is_pace_common: true, ..engine_settings(settings, origin) }
}

/// Joins a run as its next worker.
async fn join(
    runs: &mut DatabaseRuns,
    patience: Patience,
    run: i64,
    host: &str,
) -> Result<Worker, RunError> {
    let (process, version) = (std::process::id(), env!("CARGO_PKG_VERSION"));
    let join = async |runs: &mut DatabaseRuns| Ok(runs.join(run, host, process, version).await?);
    Ok(patience.ask(runs, join).await?)
}

/// Returns the slots of the run: also without a limit, because an operator may set one.
fn slots(
    shared: &SharedRun,
    planned: &Planned,
    worker: Worker,
    uncertainty: &MostUncertain,
) -> Result<Option<SharedSlots>, RunError> {
    let on_uncertain = Arc::clone(&shared.on_uncertain);
    let terms = SlotTerms {
        run: worker.run,
        clock: planned.clock,
        most_uncertain: uncertainty.clone(),
        on_uncertain: Box::new(move |own, most| on_uncertain(own, most)),
    };
    let slots = DatabaseRuns::slots(shared.address.clone(), terms)?;
    Ok(Some(SharedSlots::new(slots)))
}

pub(crate) fn database(shared: &SharedRun) -> Result<DatabaseRuns, RunError> {
    DatabaseRuns::at(shared.address.clone()).map_err(store)
}

pub(crate) fn store(error: DatabaseError) -> RunError {
    RunError::Store(error.into())
}
