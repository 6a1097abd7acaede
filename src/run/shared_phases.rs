//! The phases of a run in a database: what one worker does for all, and what the others wait for.
//!
//! Who has a phase carries it out on a copy of the run, and what follows from it is taken in as one
//! transaction. A worker that dies in a phase has recorded nothing of it, and another one begins the
//! phase anew.

use crate::api::TaskApi;
use crate::database::{
    CopyMark, DatabaseError, DatabaseRuns, MostUncertain, Phase, PhaseStanding, TakenPhase, Then,
    Worker,
};
use crate::event::StopReason;
use crate::policy::SharedSlots;
use crate::run::begun::{Begun, First};
use crate::run::carry_out::starting_point;
use crate::run::control_router::ControlRouter;
use crate::run::drill_targets::Drill;
use crate::run::error::RunError;
use crate::run::ledger::{RunEndedBy, StoreLedger};
use crate::run::patience::Patience;
use crate::run::phases::{RunPhases, UnknownTasks, leaves_time_to_look};
use crate::run::plan::Planned;
use crate::run::settings::engine_settings;
use crate::run::watchers::WatcherChannel;
use crate::run::waves::WaveOrigin;
use crate::settings::{OnUnknown, RunSettings};
use crate::store::{RunWriter, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// How often a worker looks whether a phase is over.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How often the owner of a phase looks whether it still is.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// Why a run stops whose survey found tasks that the project does not know.
const UNKNOWN_TASKS: &str = "unknown_tasks";

/// The phases of a run, as one of its workers goes through them.
pub(crate) struct SharedPhases<'a, A> {
    pub(crate) api: &'a A,
    pub(crate) planned: &'a Planned,
    /// The target that they are of, in a run of several; otherwise 0.
    pub(crate) part: usize,
    /// How it is carried out.
    pub(crate) settings: &'a RunSettings,
    pub(crate) runs: DatabaseRuns,
    pub(crate) worker: Worker,
    pub(crate) patience: Patience,
    pub(crate) slots: Option<SharedSlots>,
    /// A worker that has no slots must not have a phase that all others wait for.
    pub(crate) uncertainty: MostUncertain,
    pub(crate) watcher_channel: WatcherChannel,
}

/// What became of a phase that was taken.
enum Carried {
    Out,
    Stopped(StopReason),
    /// Another worker has taken it meanwhile.
    ByAnother,
}

/// How far a phase got.
enum Looked {
    ToTheEnd,
    Until(StopReason),
}

impl<A: TaskApi> SharedPhases<'_, A> {
    /// Carries out the phases before the calls, or waits until others have.
    pub(crate) async fn begin(&mut self, router: &mut ControlRouter) -> Result<Begun, RunError> {
        loop {
            // Asked first: where another target has refused the run, its standing says so afterwards.
            let others_look = self.others_look().await?;
            let standing = self.standing().await?;
            if let Some(reason) = &standing.stopping {
                return Ok(Begun::Stopped(reason_of(reason)));
            }
            let is_far = match router.unless_stopped(self.uncertainty.is_far()).await {
                Ok(is_far) => is_far,
                Err(reason) => return Ok(Begun::Stopped(reason)),
            };
            match standing.phase {
                Phase::Canary | Phase::Send if others_look => {}
                Phase::Survey if !standing.is_leased && !is_far => {
                    if let Some(taken) = self.take(Phase::Survey).await? {
                        match self.survey(taken, router).await? {
                            Carried::Stopped(reason) => return Ok(Begun::Stopped(reason)),
                            Carried::Out | Carried::ByAnother => continue,
                        }
                    }
                }
                Phase::Canary if standing.is_open && is_far => {}
                Phase::Canary if standing.is_open => {
                    if let Some(taken) = self.take(Phase::Canary).await?
                        && let Some(first) = self.first(taken).await?
                    {
                        return Ok(Begun::First(first));
                    }
                }
                Phase::Survey => {}
                Phase::Canary | Phase::Send | Phase::After | Phase::Ended => {
                    return Ok(Begun::WithOthers(standing.settled));
                }
            }
            if let Err(reason) = pause(router).await {
                return Ok(Begun::Stopped(reason));
            }
        }
    }

    /// Returns whether nothing is to be sent yet, because a worker looks at the tasks of another target:
    /// one that is unknown there may refuse the run as a whole.
    async fn others_look(&mut self) -> Result<bool, RunError> {
        let settings = self.settings;
        let may_be_refused = settings.skip_unchanged && settings.on_unknown == OnUnknown::Fail;
        if settings.target.is_none() || !may_be_refused {
            return Ok(false);
        }
        let run = self.worker.run;
        self.ask(async |runs| runs.others_look(run).await).await
    }

    /// Returns where this worker begins alone; nothing if all may send already.
    async fn first(&mut self, taken: TakenPhase) -> Result<Option<First>, RunError> {
        // Once more: the one before may have recorded something meanwhile.
        let settled = self.standing().await?.settled;
        let of_canary = settled.saturating_sub(taken.settled_before);
        let settings = self.settings;
        let is_passed = settings.canary.is_some_and(|canary| of_canary >= canary.get());
        if is_passed && settings.waves.is_none() {
            // It died before it could say so.
            let worker = self.worker;
            return self.ask(async |runs| runs.open_to_all(worker).await).await.map(|()| None);
        }
        Ok(Some(First { settled, of_canary, waves: self.wave_origin().await? }))
    }

    /// Carries out the phase after the calls, or waits until another worker has; returns why the run
    /// ends early, if it does.
    pub(crate) async fn finish(
        &mut self,
        stopped: Option<StopReason>,
        router: &mut ControlRouter,
    ) -> Result<Option<StopReason>, RunError> {
        if !self.looks_after(stopped) {
            return Ok(stopped);
        }
        loop {
            let standing = self.standing().await?;
            let ordered = standing.stopping.as_deref().map(reason_of);
            if stopped.is_none() && ordered.is_some() {
                return Ok(ordered);
            }
            let is_far = router.unless_stopped(self.uncertainty.is_far()).await;
            let mut ordered = is_far.err();
            match standing.phase {
                Phase::Ended => return Ok(stopped),
                Phase::After if is_far != Ok(false) => {}
                Phase::After => {
                    if let Some(taken) = self.take(Phase::After).await? {
                        match self.look(taken, stopped, router).await? {
                            Carried::Out => return Ok(stopped),
                            Carried::Stopped(reason) => ordered = Some(reason),
                            Carried::ByAnother => {}
                        }
                    }
                }
                Phase::Survey | Phase::Canary | Phase::Send => {
                    let worker = self.worker;
                    self.ask(async |runs| runs.begin_after(worker).await).await?;
                }
            }
            if ordered.is_none() {
                ordered = pause(router).await.err();
            }
            // Why it stopped is told once more by the database.
            if ordered.is_some() && ordered != stopped {
                return Ok(ordered);
            }
        }
    }

    /// Returns whether the session goes on after the calls, at whatever end.
    pub(crate) fn ends_later(settings: &RunSettings) -> bool {
        settings.wait.is_some() || settings.drill.is_some()
    }

    fn looks_after(&self, stopped: Option<StopReason>) -> bool {
        let settings = self.settings;
        let waits = settings.wait.is_some() && stopped.is_none();
        waits || settings.drill.is_some() && leaves_time_to_look(stopped)
    }

    async fn survey(
        &mut self,
        taken: TakenPhase,
        router: &mut ControlRouter,
    ) -> Result<Carried, RunError> {
        let mark = self.copy().await?;
        let settings = self.settings;
        let surveyed = self.on_copy(taken, router, async |mut phases| {
            let mut engine = engine_settings(settings, starting_point(&phases.ledger.writer));
            let nothing_sent = engine.origin.attempts == 0 && engine.origin.settled == 0;
            let unknown =
                if nothing_sent { UnknownTasks::MayBeRefused } else { UnknownTasks::AreSent };
            phases.survey(unknown, &mut engine).await
        });
        match surveyed.await {
            Ok(Some(Looked::ToTheEnd)) => {
                let next = Phase::after_survey(settings);
                self.publish(mark, Then::Phase(taken.epoch, next), Carried::Out).await
            }
            // A walk that was not whole has recorded nothing; another worker walks anew.
            Ok(Some(Looked::Until(reason))) => Ok(Carried::Stopped(reason)),
            Ok(None) => Ok(Carried::ByAnother),
            Err(error) => {
                if matches!(error, RunError::UnknownTasks { .. }) {
                    let worker = self.worker;
                    self.ask(async |runs| runs.stop(worker, UNKNOWN_TASKS).await).await?;
                }
                Err(error)
            }
        }
    }

    /// Waits for the tasks, and looks into those that are not good.
    async fn look(
        &mut self,
        taken: TakenPhase,
        stopped: Option<StopReason>,
        router: &mut ControlRouter,
    ) -> Result<Carried, RunError> {
        let mark = self.copy().await?;
        let (planned, settings) = (self.planned, self.settings);
        let waits = settings.wait.is_some() && stopped.is_none();
        let drill = Drill::of(&planned.runs, &planned.id, self.part, settings);
        let looked = self.on_copy(taken, router, async |mut phases| {
            if waits && let Some(reason) = phases.wait(taken.wait_left, Duration::ZERO).await? {
                return Ok(Some(reason));
            }
            match &drill {
                Some(drill) => phases.drill(drill).await,
                None => Ok(None),
            }
        });
        match looked.await? {
            None => Ok(Carried::ByAnother),
            Some(Looked::ToTheEnd) => {
                let then = Then::Phase(taken.epoch, Phase::Ended);
                self.publish(mark, then, Carried::Out).await
            }
            // What was seen so far is true whoever goes on.
            Some(Looked::Until(reason)) => {
                self.publish(mark, Then::GivenBack(taken.epoch), Carried::Out).await?;
                Ok(Carried::Stopped(reason))
            }
        }
    }

    /// Lets phases work on the copy, as long as the phase is this worker's; nothing if it no longer
    /// is. The copy is closed when they are over.
    async fn on_copy(
        &mut self,
        taken: TakenPhase,
        router: &mut ControlRouter,
        work: impl AsyncFnOnce(RunPhases<'_, A>) -> Result<Option<StopReason>, RunError>,
    ) -> Result<Option<Looked>, RunError> {
        let (api, clock, settings) = (self.api, self.planned.clock, self.settings);
        let (slots, watcher_channel) = (self.slots.clone(), self.watcher_channel.clone());
        let writer = self.writer()?;
        let ledger = StoreLedger::new(writer, watcher_channel, RunEndedBy::Phases);
        let working = router.beside(async |control| {
            let phases = RunPhases {
                api,
                settings,
                exclusions: Arc::default(),
                slots,
                clock,
                ledger,
                control_router: ControlRouter::new(control),
                drill: None,
            };
            work(phases).await
        });
        tokio::select! {
            biased;
            looked = working => Ok(Some(match looked? {
                None => Looked::ToTheEnd,
                Some(reason) => Looked::Until(reason),
            })),
            lost = self.until_lost(taken.epoch) => lost.map(|()| None),
        }
    }

    /// Waits until another worker has the phase. Without the database it would never be known, so
    /// that is an error once it has been away for too long.
    async fn until_lost(&mut self, epoch: i32) -> Result<(), RunError> {
        loop {
            tokio::time::sleep(WATCH_EVERY).await;
            if self.standing().await?.epoch != epoch {
                return Ok(());
            }
        }
    }

    fn writer(&self) -> Result<RunWriter, StoreError> {
        let Planned { runs, lock, clock, .. } = self.planned;
        RunWriter::reopen(runs, lock, self.part, clock.now())
    }

    async fn wave_origin(&mut self) -> Result<WaveOrigin, RunError> {
        if self.settings.waves.is_none() {
            return Ok(WaveOrigin::default());
        }
        self.copy().await?;
        Ok(WaveOrigin::read_part(&self.planned.runs, &self.planned.id, self.part)?)
    }

    async fn copy(&mut self) -> Result<CopyMark, RunError> {
        let (Planned { runs, id, .. }, part) = (self.planned, self.part);
        Ok(self.patiently(async |database| database.copy_part(id, part, runs).await).await?)
    }

    async fn publish(
        &mut self,
        mark: CopyMark,
        then: Then,
        carried: Carried,
    ) -> Result<Carried, RunError> {
        let copies = [(self.planned.runs.part_file(&self.planned.id, self.part), mark)];
        let counts = self.patiently(async |runs| runs.publish(&copies, then).await).await?;
        Ok(if counts { carried } else { Carried::ByAnother })
    }

    async fn take(&mut self, phase: Phase) -> Result<Option<TakenPhase>, RunError> {
        let worker = self.worker;
        let patience = self.settings.wait.unwrap_or_default();
        self.ask(async |runs| runs.take_phase(worker, phase, patience).await).await
    }

    async fn standing(&mut self) -> Result<PhaseStanding, RunError> {
        let run = self.worker.run;
        self.ask(async |runs| runs.phase(run).await).await
    }

    /// Asks the database, as long as it may be away.
    pub(crate) async fn ask<T>(
        &mut self,
        mut ask: impl AsyncFnMut(&mut DatabaseRuns) -> Result<T, DatabaseError>,
    ) -> Result<T, RunError> {
        let asked = self.patiently(async |runs| Ok(ask(runs).await?)).await;
        Ok(asked?)
    }

    async fn patiently<T>(
        &mut self,
        ask: impl AsyncFnMut(&mut DatabaseRuns) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.patience.ask(&mut self.runs, ask).await
    }
}

/// Waits until it is time to look again; an error is the order that stops the worker.
async fn pause(router: &mut ControlRouter) -> Result<(), StopReason> {
    router.unless_stopped(tokio::time::sleep(LOOK_AGAIN)).await
}

/// Returns why a run stops, from the word in its row.
pub(crate) fn reason_of(word: &str) -> StopReason {
    // Whatever other workers cannot know is an order for them.
    word.parse().unwrap_or(StopReason::Drained)
}
