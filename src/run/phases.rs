//! The course of a run: looks at the states first if that is wanted, sends, and looks again until
//! every task is where it was sent.
//!
//! The three parts follow one another and share the rate: each knows when the one before it sent.

use crate::api::{ListFilter, TaskApi};
use crate::clock::{Clock, Instant};
use crate::engine;
use crate::engine::EngineSettings;
use crate::event::{EventKind, RunStats, StopReason};
use crate::run::RunError;
use crate::run::control_router::ControlRouter;
use crate::run::ledger::StoreLedger;
use crate::run::settings::{remembered_sendings, walker_settings};
use crate::run::survey_recorder::{SurveyRecorder, absence};
use crate::run::verify::Settling;
use crate::settings::{OnUnknown, RunSettings};
use crate::store;
use crate::store::{IfMissing, Purpose, TaskSelection};
use crate::survey::{WalkEnd, Walker};
use std::time::Duration;
use tokio::time::sleep_until;

/// How long after a call the list is not believed to tell what became of it: it may be late, and
/// an older state may look like arrival.
const LATE: Duration = Duration::from_secs(3);
/// The longest time between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Whether the run's file says of tasks not in the project what the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnknownTasks {
    /// Nothing was sent before: it may be refused.
    MayBeRefused,
    /// Something was, by an earlier process: what is unknown now is sent, as it was meant to be.
    AreSent,
}

/// A run under way.
pub(crate) struct RunPhases<'a, A> {
    pub(crate) api: &'a A,
    pub(crate) settings: &'a RunSettings,
    pub(crate) clock: Clock,
    pub(crate) ledger: StoreLedger,
    pub(crate) control_router: ControlRouter,
}

impl<A: TaskApi> RunPhases<'_, A> {
    /// Takes the run from its first look to its last.
    pub(crate) async fn run(mut self, mut engine: EngineSettings) -> Result<RunStats, RunError> {
        if self.settings.looks_first() {
            let nothing_sent = engine.origin.attempts == 0 && engine.origin.settled == 0;
            let first =
                if nothing_sent { UnknownTasks::MayBeRefused } else { UnknownTasks::AreSent };
            if let Some(reason) = self.survey(first, &mut engine).await? {
                let stats = RunStats { stopped: Some(reason), held: Duration::ZERO };
                return self.end(stats).await;
            }
        }
        let (api, ledger, clock) = (self.api, &mut self.ledger, self.clock);
        let ran = self
            .control_router
            .beside(async |control| engine::run(api, ledger, &engine, clock, control).await);
        let mut stats = ran.await.map_err(RunError::Ledger)?;
        let Some(patience) = self.settings.wait else { return Ok(stats) };
        if stats.stopped.is_none() {
            stats.stopped = self.wait(patience, Duration::ZERO).await?;
        }
        self.end(stats).await
    }

    async fn end(mut self, stats: RunStats) -> Result<RunStats, RunError> {
        self.ledger.end(self.clock.now(), stats.clone()).await?;
        Ok(stats)
    }

    /// Reads the states of all tasks without an outcome, and settles what is there already.
    ///
    /// Returns why the run is to stop, if somebody asked for that meanwhile.
    async fn survey(
        &mut self,
        first: UnknownTasks,
        engine: &mut EngineSettings,
    ) -> Result<Option<StopReason>, RunError> {
        let sent = &engine.origin.last_sent;
        let mut walker = Walker::new(self.api, walker_settings(self.settings), self.clock, sent);
        let mut look =
            SurveyRecorder::begin(&mut self.ledger, TaskSelection::Unsettled, self.clock).await?;
        let filter = ListFilter::default();
        let walk = walker.walk(&filter, &mut look);
        let end = match self.control_router.unless_stopped(walk).await {
            Ok(end) => end?,
            Err(reason) => return Ok(Some(reason)),
        };
        let (on_unknown, now) = (self.settings.on_unknown, self.clock.now());
        let refuses = on_unknown == OnUnknown::Fail && first == UnknownTasks::MayBeRefused;
        let unknown = match on_unknown {
            OnUnknown::Skip => IfMissing::Skipped,
            OnUnknown::Fail | OnUnknown::Send => IfMissing::Unknown,
        };
        let purpose = match self.settings.skip_unchanged {
            true => Purpose::LeaveAlone(absence(&end, unknown)),
            false => Purpose::Record,
        };
        let surveyed = self.ledger.writer.survey(purpose, now).await?;
        if refuses && surveyed.counts.unknown > 0 {
            return Err(RunError::UnknownTasks {
                count: surveyed.counts.unknown,
                examples: surveyed.unknown,
            });
        }
        self.ledger.tell(now, EventKind::Surveyed(surveyed.counts)).await?;
        engine.origin.settled = self.ledger.writer.outcomes().await?.selected();
        engine.origin.last_sent.extend(walker.take_sent());
        Ok(None)
    }

    /// Looks at the tasks that were sent until all of them have arrived, or for that long.
    ///
    /// The last calls ended `ago`. Returns why the run is to stop, if somebody asked for that.
    pub(crate) async fn wait(
        &mut self,
        patience: Duration,
        ago: Duration,
    ) -> Result<Option<StopReason>, RunError> {
        let now = self.clock.instant();
        let deadline = now.checked_add(patience);
        let sent = self.ledger.writer.last_sent(remembered_sendings(self.settings)).await?;
        let mut walker = Walker::new(self.api, walker_settings(self.settings), self.clock, &sent);
        let mut due = now + LATE.saturating_sub(ago);
        for number in 0.. {
            let is_last = deadline.is_some_and(|deadline| deadline <= due);
            let at = deadline.map_or(due, |deadline| deadline.min(due));
            if let Err(reason) = self.control_router.unless_stopped(sleep_until(at)).await {
                return Ok(Some(reason));
            }
            let last = if is_last { Round::Last } else { Round::Earlier };
            match self.look_again(&mut walker, last).await? {
                Looked::Stopped(reason) => return Ok(Some(reason)),
                Looked::AllThere => break,
                Looked::SomeMissing if is_last => break,
                Looked::SomeMissing => due = after(self.clock.instant(), number),
            }
        }
        Ok(None)
    }

    async fn look_again(
        &mut self,
        walker: &mut Walker<'_, A>,
        last: Round,
    ) -> Result<Looked, RunError> {
        let mut look =
            SurveyRecorder::begin(&mut self.ledger, TaskSelection::Awaited, self.clock).await?;
        if look.is_idle() {
            return Ok(Looked::AllThere);
        }
        let filter = ListFilter::default();
        let walk = walker.walk(&filter, &mut look);
        let end = match self.control_router.unless_stopped(walk).await {
            Ok(end) => end?,
            Err(reason) => return Ok(Looked::Stopped(reason)),
        };
        let of_last = store::VerifyRound::Last(absence(&end, IfMissing::Unknown));
        let now = self.clock.now();
        let kind = if last == Round::Last { of_last } else { store::VerifyRound::Interim };
        let counts = self.ledger.writer.arrivals(kind, now).await?;
        self.ledger.tell(now, EventKind::Verified(counts)).await?;
        if counts.on_the_way + counts.stuck > 0 {
            return Ok(Looked::SomeMissing);
        }
        // What nobody waits for, such as tasks that failed in part, is recorded with the rest.
        self.ledger.writer.arrivals(of_last, now).await?;
        Ok(Looked::AllThere)
    }

    /// Looks once at the tasks whose calls are in doubt: those that are where they were sent
    /// have succeeded.
    pub(crate) async fn settle(&mut self, ago: Duration) -> Result<Settling, RunError> {
        let sent = self.ledger.writer.last_sent(remembered_sendings(self.settings)).await?;
        let mut walker = Walker::new(self.api, walker_settings(self.settings), self.clock, &sent);
        let due = self.clock.instant() + LATE.saturating_sub(ago);
        if let Err(reason) = self.control_router.unless_stopped(sleep_until(due)).await {
            return Ok(Settling::Stopped(reason));
        }
        let mut look =
            SurveyRecorder::begin(&mut self.ledger, TaskSelection::Doubtful, self.clock).await?;
        if look.is_idle() {
            return Ok(Settling::Done { succeeded: 0, doubtful: 0, end: WalkEnd::Whole });
        }
        let filter = ListFilter::default();
        let walk = walker.walk(&filter, &mut look);
        let end = match self.control_router.unless_stopped(walk).await {
            Ok(end) => end?,
            Err(reason) => return Ok(Settling::Stopped(reason)),
        };
        let now = self.clock.now();
        let counts = self.ledger.writer.arrivals(store::VerifyRound::Doubts, now).await?;
        let doubtful = counts.on_the_way + counts.stuck;
        Ok(Settling::Done { succeeded: counts.arrived, doubtful, end })
    }
}

/// Whether there will be no further look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Last,
    Earlier,
}

enum Looked {
    AllThere,
    SomeMissing,
    Stopped(StopReason),
}

/// Returns when the look after the n-th is due, counted from 0: the pauses double from a second.
fn after(now: Instant, number: u32) -> Instant {
    now + Duration::from_secs(1 << number.min(4)).min(LONGEST_PAUSE)
}
