//! The phases of a run: survey, send, verify, in this order.
//!
//! The phases share the rate limit: each knows when the one before it sent something. See
//! `docs/GLOSSARY.md`: phase, survey, verify round.

use crate::api::{Listing, TaskApi};
use crate::clock::{Clock, Instant, Timestamp};
use crate::engine;
use crate::engine::EngineSettings;
use crate::event::{ArrivalCounts, EventKind, RunStats, StopReason};
use crate::plan::Exclusions;
use crate::policy::{IfMissing, Purpose, SharedSlots, VerifyRound, first_look, last_look};
use crate::run::control_router::ControlRouter;
use crate::run::drill_targets::Drill;
use crate::run::error::RunError;
use crate::run::ledger::{RunEndedBy, StoreLedger};
use crate::run::settings::{listing, remembered_sendings, walker_settings};
use crate::run::survey_recorder::{SurveyRecorder, if_missing};
use crate::settings::{OnUnknown, RunSettings};
use crate::store::TaskSelection;
use crate::survey::{WalkEnd, Walker, read_states};
use crate::task::TaskId;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep_until;

/// How long after a call the list is not believed: it may be late, and an older state may look
/// like arrival.
pub(crate) const LIST_DELAY: Duration = Duration::from_secs(3);
/// The longest time between two verify rounds.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Whether unknown tasks may still be refused: only if nothing was sent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnknownTasks {
    /// Nothing was sent: the run may be refused because of them.
    MayBeRefused,
    /// An earlier process has sent something, so they are sent as they were meant to be.
    AreSent,
}

/// The result of looking once at the calls in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settling {
    /// All of them were looked at.
    Done {
        /// The number of tasks that are where their commands lead.
        succeeded: u64,
        /// The number of tasks that are not, or were not seen.
        doubtful: u64,
        /// Whether the whole list was read.
        end: WalkEnd,
    },
    /// The operator stopped it.
    Stopped(StopReason),
}

/// A run under way.
pub(crate) struct RunPhases<'a, A> {
    pub(crate) api: &'a A,
    pub(crate) settings: &'a RunSettings,
    /// The tasks of the plan that are not sent any more.
    pub(crate) exclusions: Arc<Exclusions>,
    /// The slots that the run shares with the others of its rate group.
    pub(crate) slots: Option<SharedSlots>,
    pub(crate) clock: Clock,
    pub(crate) ledger: StoreLedger,
    pub(crate) control_router: ControlRouter,
    /// What is looked into when the calls are over, if anything is.
    pub(crate) drill: Option<Drill<'a>>,
}

impl<'a, A: TaskApi> RunPhases<'a, A> {
    /// Returns a walker that shares the rate of the run, and the slots of its group.
    pub(crate) fn walker(&self, sent: &[Timestamp]) -> Walker<'a, A> {
        let walker = Walker::new(self.api, walker_settings(self.settings), self.clock, sent);
        walker.sharing(self.slots.clone())
    }

    /// Carries out all phases that the settings ask for.
    pub(crate) async fn run(mut self, mut engine: EngineSettings) -> Result<RunStats, RunError> {
        let looked = self.look_first(&mut engine).await?;
        self.go_on(looked, engine).await
    }

    /// Carries out what comes before the first call: leaves out what is excluded, and surveys.
    ///
    /// Returns the reason to stop the run, if an order came in meanwhile.
    pub(crate) async fn look_first(
        &mut self,
        engine: &mut EngineSettings,
    ) -> Result<Option<StopReason>, RunError> {
        self.leave_out_excluded(engine).await?;
        if !self.settings.looks_first() {
            return Ok(None);
        }
        let nothing_sent = engine.origin.attempts == 0 && engine.origin.settled == 0;
        let unknown = if nothing_sent { UnknownTasks::MayBeRefused } else { UnknownTasks::AreSent };
        self.survey(unknown, engine).await
    }

    /// Carries out all that comes after [`look_first`](Self::look_first), with its answer.
    pub(crate) async fn go_on(
        mut self,
        looked: Option<StopReason>,
        engine: EngineSettings,
    ) -> Result<RunStats, RunError> {
        if looked.is_some() {
            // Nothing was sent, and no engine ran that could emit the end.
            return self.end(RunStats { stopped: looked, held: Duration::ZERO }).await;
        }
        let (api, ledger, clock) = (self.api, &mut self.ledger, self.clock);
        // The engine answers orders itself: a pause needs its knowledge of attempts under way.
        let ran = self
            .control_router
            .beside(async |control| engine::run(api, ledger, &engine, clock, control).await);
        let mut stats = ran.await.map_err(RunError::Ledger)?;
        // Without these phases the engine has emitted the end already.
        if self.ledger.ended_by == RunEndedBy::Engine {
            return Ok(stats);
        }
        if let Some(patience) = self.settings.wait.filter(|_| stats.stopped.is_none()) {
            stats.stopped = self.wait(patience, Duration::ZERO).await?;
        }
        let drill = self.drill.take().filter(|_| leaves_time_to_look(stats.stopped));
        if let Some(drill) = drill {
            stats.stopped = self.drill(&drill).await?.or(stats.stopped);
        }
        self.end(stats).await
    }

    /// Settles the tasks that have become excluded since the run was planned.
    async fn leave_out_excluded(&mut self, engine: &mut EngineSettings) -> Result<(), RunError> {
        if self.exclusions.is_empty() {
            return Ok(());
        }
        let exclusions = Arc::clone(&self.exclusions);
        let find = move |id: &TaskId| exclusions.find(id);
        self.ledger.writer.leave_out(find, self.clock.now()).await?;
        engine.origin.settled = self.ledger.writer.outcomes().await?.selected();
        Ok(())
    }

    async fn end(mut self, stats: RunStats) -> Result<RunStats, RunError> {
        self.ledger.end(self.clock.now(), stats.clone()).await?;
        Ok(stats)
    }

    /// Surveys all tasks without an outcome, and settles the tasks that are already there.
    ///
    /// Returns the reason to stop the run, if an order came in meanwhile.
    pub(crate) async fn survey(
        &mut self,
        unknown: UnknownTasks,
        engine: &mut EngineSettings,
    ) -> Result<Option<StopReason>, RunError> {
        let sent = &engine.origin.last_sent;
        let mut walker = self.walker(sent);
        let mut recorder =
            SurveyRecorder::begin(self.api, &mut self.ledger, TaskSelection::Unsettled, self.clock)
                .await?;
        let end = match walk(
            &mut walker,
            &listing(self.settings),
            &mut recorder,
            &mut self.control_router,
        )
        .await?
        {
            Ok(end) => end,
            Err(reason) => return Ok(Some(reason)),
        };
        let (on_unknown, now) = (self.settings.on_unknown, self.clock.now());
        let if_unknown = match on_unknown {
            OnUnknown::Skip => IfMissing::Skipped,
            OnUnknown::Fail | OnUnknown::Send => IfMissing::Unknown,
        };
        let purpose = if self.settings.skip_unchanged {
            Purpose::LeaveAlone(if_missing(&end, if_unknown))
        } else {
            Purpose::Record
        };
        let decide = move |seen, earlier, goal| first_look(seen, earlier, goal, purpose);
        let surveyed = self.ledger.writer.survey(decide, now).await?;
        let refuses = on_unknown == OnUnknown::Fail && unknown == UnknownTasks::MayBeRefused;
        // Only the recorded survey has counted the unknown tasks.
        if refuses && surveyed.counts.unknown > 0 {
            return Err(RunError::UnknownTasks {
                count: surveyed.counts.unknown,
                examples: surveyed.unknown,
            });
        }
        self.ledger.emit(now, EventKind::Surveyed(surveyed.counts)).await?;
        // The engine starts where the survey ended: with fewer tasks, and later by its requests.
        engine.origin.settled = self.ledger.writer.outcomes().await?.selected();
        engine.origin.unsent += surveyed.counts.unchanged + surveyed.counts.skipped;
        engine.origin.last_sent.extend(walker.take_sent());
        Ok(None)
    }

    /// Verifies the tasks that were sent until all of them have arrived, at most for `patience`.
    ///
    /// The last calls ended `ago`. Returns the reason to stop the run, if an order came in.
    pub(crate) async fn wait(
        &mut self,
        patience: Duration,
        ago: Duration,
    ) -> Result<Option<StopReason>, RunError> {
        let now = self.clock.instant();
        // A patience beyond what an instant can express has no end.
        let deadline = now.checked_add(patience);
        let recall = remembered_sendings(self.settings);
        let sent = self.ledger.writer.last_sent(recall, self.clock.now()).await?;
        let mut walker = self.walker(&sent);
        let mut due = now + self.api.state_access().believed_after.saturating_sub(ago);
        for number in 0.. {
            // A round that would be due after the deadline is held at the deadline, as the last.
            let is_last = deadline.is_some_and(|deadline| deadline <= due);
            let at = deadline.map_or(due, |deadline| deadline.min(due));
            if let Err(reason) = self.control_router.unless_stopped(sleep_until(at)).await {
                return Ok(Some(reason));
            }
            // Within the last look, too, no wait for the service exceeds the patience.
            walker.wait_until_at_most(deadline);
            // An earlier round leaves its time to the last one.
            walker.ask_until(deadline.filter(|_| !is_last));
            let round = if is_last { Round::Last } else { Round::Earlier };
            match self.verify(&mut walker, round).await? {
                Verified::Stopped(reason) => return Ok(Some(reason)),
                Verified::AllArrived => break,
                Verified::SomeMissing if is_last => break,
                Verified::SomeMissing => due = next_round(self.clock.instant(), number),
            }
        }
        Ok(None)
    }

    async fn verify(
        &mut self,
        walker: &mut Walker<'_, A>,
        round: Round,
    ) -> Result<Verified, RunError> {
        let mut recorder =
            SurveyRecorder::begin(self.api, &mut self.ledger, TaskSelection::Awaited, self.clock)
                .await?;
        if recorder.is_idle() {
            return Ok(Verified::AllArrived);
        }
        let end =
            match walk(walker, &listing(self.settings), &mut recorder, &mut self.control_router)
                .await?
            {
                Ok(end) => end,
                Err(reason) => return Ok(Verified::Stopped(reason)),
            };
        let missing = if_missing(&end, IfMissing::Unknown);
        let last = VerifyRound::Last(missing);
        let now = self.clock.now();
        let kind = if round == Round::Last { last } else { VerifyRound::Interim(missing) };
        let counts = self.record(kind, now).await?;
        self.ledger.emit(now, EventKind::Verified(counts)).await?;
        if counts.on_the_way + counts.stuck > 0 {
            return Ok(Verified::SomeMissing);
        }
        // All have arrived before the last round. So this one is the last, which also records the
        // tasks that are not waited for, such as those that failed in part.
        self.record(last, now).await?;
        Ok(Verified::AllArrived)
    }

    /// Looks once at the tasks in doubt. Tasks that are where their commands lead have succeeded.
    pub(crate) async fn settle(&mut self, ago: Duration) -> Result<Settling, RunError> {
        let recall = remembered_sendings(self.settings);
        let sent = self.ledger.writer.last_sent(recall, self.clock.now()).await?;
        let mut walker = self.walker(&sent);
        // A run that ended long ago is looked at without any wait.
        let believed_after = self.api.state_access().believed_after;
        let due = self.clock.instant() + believed_after.saturating_sub(ago);
        if let Err(reason) = self.control_router.unless_stopped(sleep_until(due)).await {
            return Ok(Settling::Stopped(reason));
        }
        let mut recorder =
            SurveyRecorder::begin(self.api, &mut self.ledger, TaskSelection::Doubtful, self.clock)
                .await?;
        if recorder.is_idle() {
            return Ok(Settling::Done { succeeded: 0, doubtful: 0, end: WalkEnd::Whole });
        }
        let end = match walk(
            &mut walker,
            &listing(self.settings),
            &mut recorder,
            &mut self.control_router,
        )
        .await?
        {
            Ok(end) => end,
            Err(reason) => return Ok(Settling::Stopped(reason)),
        };
        let missing = if_missing(&end, IfMissing::Unknown);
        let counts = self.record(VerifyRound::Doubts(missing), self.clock.now()).await?;
        let doubtful = counts.on_the_way + counts.stuck;
        Ok(Settling::Done { succeeded: counts.arrived, doubtful, end })
    }

    /// Records the conclusions from the observed states, in one commit.
    async fn record(
        &mut self,
        round: VerifyRound,
        now: Timestamp,
    ) -> Result<ArrivalCounts, RunError> {
        let decide = move |called, seen| last_look(called, seen, round);
        Ok(self.ledger.writer.verify(decide, now).await?)
    }
}

/// Returns whether tasks are looked into after such an end: if it is what failed that stopped the
/// run, and neither an operator nor the service.
pub(crate) fn leaves_time_to_look(stopped: Option<StopReason>) -> bool {
    match stopped {
        None
        | Some(StopReason::TooManyFailures | StopReason::CanaryFailed | StopReason::WaveFailed) => {
            true
        }
        Some(
            StopReason::Interrupted
            | StopReason::Terminated
            | StopReason::OutOfTime
            | StopReason::NotAuthorised
            | StopReason::ProxyRefused
            | StopReason::Drained
            | StopReason::Outage
            | StopReason::Throttled
            | StopReason::RateGroupLost,
        ) => false,
    }
}

/// Whether there will be another verify round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Last,
    Earlier,
}

enum Verified {
    AllArrived,
    SomeMissing,
    Stopped(StopReason),
}

/// Walks through the list until the recorder has seen enough, or an order stops the run.
async fn walk<A: TaskApi>(
    walker: &mut Walker<'_, A>,
    listing: &Listing,
    recorder: &mut SurveyRecorder<'_>,
    router: &mut ControlRouter,
) -> Result<Result<WalkEnd, StopReason>, RunError> {
    let walk = read_states(walker, listing, recorder);
    match router.unless_stopped(walk).await {
        Ok(end) => Ok(Ok(end?)),
        Err(reason) => Ok(Err(reason)),
    }
}

/// Returns when the round after the n-th is due, counted from 0: the pauses double from a second.
fn next_round(now: Instant, number: u32) -> Instant {
    now + Duration::from_secs(1 << number.min(4)).min(MAX_PAUSE)
}
