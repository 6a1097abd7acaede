//! Carries a run of a database out, beside other workers.
//!
//! The engine is the same; what differs is where tasks come from, whose slots it uses, and that
//! operators speak to all workers through the database.

use crate::api::TaskApi;
use crate::engine;
use crate::engine::{Control, EngineSettings, Numbering, StartingPoint};
use crate::event::{Change, Operator, RunStats, StopReason, Watch};
use crate::policy::SharedSlots;
use crate::run::carry_out::Ended;
use crate::run::common_pacing::CommonPacing;
use crate::run::control_router::ControlRouter;
use crate::run::database_ledger::DatabaseLedger;
use crate::run::error::RunError;
use crate::run::patience::Patience;
use crate::run::plan::Planned;
use crate::run::settings::{engine_settings, pace_start};
use crate::run::shared_orders::{Orders, give_back_if_far, job_taken, obey, tell_standing};
use crate::run::shared_phases::{Begun, SharedPhases, gated};
use crate::run::shared_run::{SharedRun, TakenUp};
use crate::run::watchers;
use crate::run::watchers::WatcherChannel;
use crate::store::database::{
    DatabaseError, DatabaseRuns, MostUncertain, RateTerms, SlotTerms, Wishes, WorkTerms, Worker,
};
use crate::store::{RunReader, StoreError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How often a worker that is done looks whether the others are.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How often watchers are told where the whole run stands.
const TELL_EVERY: Duration = Duration::from_secs(1);

impl Planned {
    /// Keeps the run in a database, where other workers carry it out as well.
    pub fn share(&mut self, shared: SharedRun) {
        self.shared = Some(shared);
    }

    /// Stores the plan in its database, or applies the one that is there, and leaves the run to workers.
    ///
    /// # Errors
    ///
    /// Nothing is stored then; a plan that was applied before is not applied again.
    ///
    /// # Panics
    ///
    /// The run has no database.
    pub async fn store(self) -> Result<(), RunError> {
        let shared = self.shared.clone().expect("it is shared");
        self.number(&mut database(&shared)?, &shared).await.map(drop)
    }

    /// Carries out this worker's part of the run.
    pub(crate) async fn carry_out_shared<A: TaskApi>(
        self,
        api: &A,
        watchers: Vec<Box<dyn Watch>>,
        control: mpsc::UnboundedReceiver<Control>,
    ) -> Result<Ended, RunError> {
        let shared = self.shared.clone().expect("it is shared");
        let mut runs = database(&shared)?;
        let no = self.number(&mut runs, &shared).await?;
        let patience = self.patience(&shared);
        let mut worker = join(&mut runs, patience, no, &shared.host).await?;
        // Otherwise this worker would have no slots, or the rate would not hold.
        let trip = shared.terms.trip;
        if trip > worker.trip {
            let allowed = async |runs: &mut DatabaseRuns| Ok(runs.allow_trip(no, trip).await?);
            worker.trip = patience.ask(&mut runs, allowed).await?;
        }
        let uncertainty = MostUncertain::new(&self.settings, worker.trip);
        let record = RunReader::open(&self.runs, &self.id)?.record()?;
        let origin = record.run.origin;
        let orders = Orders { runs: database(&shared)?, run: no, origin };
        let terms = WorkTerms { origin, clock: self.clock, patience: shared.patience };
        let writer = runs.writer(worker, terms).map_err(RunError::Thread)?;
        let (watcher_channel, thread) =
            watchers::open(watchers, self.clock).map_err(RunError::Thread)?;
        let phases = SharedPhases {
            api,
            planned: &self,
            runs: database(&shared)?,
            worker,
            patience,
            slots: slots(&shared, &self, worker, &uncertainty)?,
            uncertainty: uncertainty.clone(),
            watcher_channel: watcher_channel.clone(),
        };
        let ends_later = SharedPhases::<A>::ends_later(&self);
        let ledger = DatabaseLedger::new(writer)
            .if_near(uncertainty.clone())
            .shown_to(watcher_channel.clone())
            .ending_later(ends_later);
        let shown = watcher_channel.clone();
        let standing = Standing { runs: database(&shared)?, run: no, shown };
        let mut part = Part { phases, ledger, selected: record.selected, lost: None };
        let pacing = CommonPacing {
            runs: database(&shared)?,
            worker,
            clock: self.clock,
            start: pace_start(self.settings.own_rate()),
            recorder: part.ledger.writer().recorder(),
            shown: watcher_channel.clone(),
        };
        let beside = Beside { orders, standing, pacing, uncertainty: &uncertainty };
        let ran = part.work(control, beside).await;
        let Part { ledger, phases, lost, .. } = part;
        // The thread of the watchers ends with the last channel to it.
        drop((phases, watcher_channel));
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
        let watch_trouble = thread.close();
        let stats = ran?;
        closed.map_err(store)?;
        if let Some(lost) = lost.filter(|_| stats.stopped.is_some()) {
            return Err(lost.into());
        }
        if is_of_the_run(&stats) {
            await_others(&shared, &self, worker).await?;
        }
        let (group_trouble, learning_trouble) = (None, None);
        let targets = Vec::new();
        Ok(Ended { stats, targets, watch_trouble, group_trouble, learning_trouble })
    }

    fn patience(&self, shared: &SharedRun) -> Patience {
        Patience { clock: self.clock, span: shared.patience }
    }

    /// Returns the number of the run in the database; a new one is stored first.
    async fn number(&self, runs: &mut DatabaseRuns, shared: &SharedRun) -> Result<i64, RunError> {
        let patience = self.patience(shared);
        patience.ask(runs, async |runs| Ok(runs.prepare().await?)).await?;
        if shared.taken_up == TakenUp::Anew {
            let store = async |runs: &mut DatabaseRuns| {
                runs.plan_from(&self.runs, &self.id, shared.terms).await
            };
            return Ok(patience.ask(runs, store).await?);
        }
        let found = patience.ask(runs, async |runs| Ok(runs.number_of(&self.id).await?)).await?;
        let no = found.ok_or_else(|| StoreError::NoSuchRun { wanted: self.id.to_string() })?;
        if shared.taken_up == TakenUp::Applied
            && !patience.ask(runs, async |runs| Ok(runs.apply(no).await?)).await?
        {
            return Err(RunError::Applied { run: self.id.clone() });
        }
        if shared.taken_up == TakenUp::Again {
            self.take_up(runs, no, patience).await?;
        }
        Ok(no)
    }

    /// Lets the run go on that was stopped, with what this process was told.
    async fn take_up(
        &self,
        runs: &mut DatabaseRuns,
        no: i64,
        patience: Patience,
    ) -> Result<(), StoreError> {
        let tolerated = self.settings.max_failures.tolerated(self.totals.selected);
        let least_lease = 2 * self.settings.timeout;
        // Each part once: what workers have done since the one before must stay.
        let taken_up =
            async |runs: &mut DatabaseRuns| Ok(runs.take_up(no, tolerated, least_lease).await?);
        patience.ask(runs, taken_up).await?;
        let origin = RunReader::open(&self.runs, &self.id)?.record()?.run.origin;
        let by = Operator::Process(std::process::id()).to_string();
        // The number of calls at a time is each worker's own.
        for change in self.changes.iter().filter(|it| matches!(it, Change::Rate(_))) {
            let order =
                async |runs: &mut DatabaseRuns| Ok(runs.order(no, origin, *change, &by).await?);
            patience.ask(runs, order).await?;
        }
        let rate = RateTerms::of(&self.settings);
        patience.ask(runs, async |runs| Ok(runs.set_rate(no, &rate).await?)).await
    }

    fn settings_of(&self, worker: Worker, selected: u64) -> EngineSettings {
        let numbering = Numbering::Timed { worker: worker.no.unsigned_abs() };
        let origin = StartingPoint { selected, numbering, ..StartingPoint::default() };
        // The rate of all workers grows, and not that of each.
        let own = engine_settings(&self.settings, origin);
        EngineSettings { ramp: None, is_pace_common: true, ..own }
    }
}

/// What a worker does beside its calls.
struct Beside<'a> {
    orders: Orders,
    standing: Standing,
    pacing: CommonPacing,
    uncertainty: &'a MostUncertain,
}

/// This worker's part in the run.
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
        Beside { orders, standing, pacing, uncertainty }: Beside<'_>,
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
        let settings = &self.phases.planned.settings;
        let beside = async {
            tokio::join!(
                orders.pass_on(asked, &sender),
                obey(wishes, settings, &sender, uncertainty),
                give_back_if_far(uncertainty, &sender),
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
        self.lost = job_taken(&seen).or(away.into_inner().map(StoreError::Database));
        ran
    }

    /// Goes through the phases of the run.
    async fn go_through(
        &mut self,
        mut router: ControlRouter,
        mut wishes: watch::Receiver<Option<Wishes>>,
        engine: &mpsc::UnboundedSender<Control>,
    ) -> Result<RunStats, RunError> {
        let (planned, clock) = (self.phases.planned, self.phases.planned.clock);
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
        let of_worker = planned.settings_of(self.phases.worker, self.selected);
        let mut settings = gated(of_worker, &begun);
        settings.slots = self.phases.slots.clone();
        if let Some(span) = planned.settings.max_duration.into_iter().chain(planned.time_left).min()
        {
            let run = self.phases.worker.run;
            let left = self.phases.ask(async |runs| runs.time_left(run, span).await).await?;
            settings.max_duration = Some(left);
        }
        tell_standing(&wishes, &planned.settings, engine);
        let (api, ledger) = (self.phases.api, &mut self.ledger);
        let ran = router
            .beside(async |control| engine::run(api, ledger, &settings, clock, control).await);
        let mut stats = ran.await.map_err(RunError::Ledger)?;
        if SharedPhases::<A>::ends_later(planned) {
            // Nobody looks before everything has come back, from here as well.
            self.ledger.writer().release().await.map_err(store)?;
            stats.stopped = self.phases.finish(stats.stopped, &mut router).await?;
            self.ledger.end(clock.now(), stats.clone()).await.map_err(RunError::Ledger)?;
        }
        Ok(stats)
    }
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

/// Where the whole run stands, for those who watch this worker.
struct Standing {
    runs: DatabaseRuns,
    run: i64,
    shown: WatcherChannel,
}

impl Standing {
    async fn tell(mut self) {
        loop {
            tokio::time::sleep(TELL_EVERY).await;
            // A display that is late for a moment does no harm.
            if let Ok(standing) = self.runs.phase(self.run).await {
                self.shown.show_settled_by_all(standing.settled);
            }
        }
    }
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

/// Returns whether a worker has ended as the whole run does.
fn is_of_the_run(stats: &RunStats) -> bool {
    stats.stopped.is_none_or(StopReason::is_of_all_workers)
}

/// Waits until the other workers have ended as well, so that the report has their part.
async fn await_others(
    shared: &SharedRun,
    planned: &Planned,
    worker: Worker,
) -> Result<(), RunError> {
    let mut runs = DatabaseRuns::at(shared.address.clone()).map_err(store)?;
    let until = planned.clock.instant() + planned.settings.drain_timeout + worker.lease;
    loop {
        let is_over = match runs.standings(Some(&planned.id)).await {
            Ok(standings) => standings.iter().all(|run| !run.is_running()),
            // It was there a moment ago.
            Err(error) if error.may_pass() => false,
            Err(error) => return Err(store(error)),
        };
        if is_over || planned.clock.instant() >= until {
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn database(shared: &SharedRun) -> Result<DatabaseRuns, RunError> {
    DatabaseRuns::at(shared.address.clone()).map_err(store)
}

fn store(error: DatabaseError) -> RunError {
    RunError::Store(StoreError::Database(error))
}
