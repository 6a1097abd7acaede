//! Keeps count of a run from its events.
//!
//! A pure value: what it says follows from the events it took and the time it is asked for.
//! It never forgets a settled task and never counts one twice; it formats nothing.

use super::estimate::Sendings;
use super::estimate::SettlingRate;
use crate::clock::Timestamp;
use crate::event::ArrivalCounts;
use crate::event::AttemptResult;
use crate::event::Change;
use crate::event::Event;
use crate::event::EventKind;
use crate::event::HoldReason;
use crate::event::RunStarted;
use crate::event::RunStats;
use crate::event::StopReason;
use crate::event::SurveyCounts;
use crate::task::Ordinal;
use crate::task::Outcome;
use crate::task::OutcomeCounts;
use crate::task::Rate;
use std::collections::HashSet;
use std::time::Duration;

/// The longest time left that is worth telling.
const LONGEST_ETA: Duration = Duration::from_secs(100 * 86_400);
/// What sendings are counted by where no limit says so.
const SECOND: Duration = Duration::from_secs(1);

/// Where a run stands, as far as its events tell.
///
/// ```
/// use batchctl::clock::Timestamp;
/// use batchctl::event::{Event, EventKind, RunStarted};
/// use batchctl::progress::Tally;
///
/// let started = RunStarted { selected: 4, settled: 1, rate_limit: None, finds_rate: false,
///     concurrency: 16 };
/// let at = Timestamp::from_micros(0);
/// let mut tally = Tally::default();
/// tally.take(&[Event { at, kind: EventKind::RunStarted(started) }]);
/// assert_eq!((tally.done(), tally.selected(), tally.percent()), (1, 4, 25));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Tally {
    baseline: Option<Baseline>,
    outcomes: OutcomeCounts,
    surveyed: SurveyCounts,
    /// Pages of the list that were asked for before anything was sent.
    pages: u64,
    arrived: u64,
    /// Where those are that have not arrived, once somebody looks.
    under_way: Option<ArrivalCounts>,
    attempts: u64,
    /// Attempts that were begun and have no end; some may not have left.
    begun: u64,
    /// Whose next attempt is due later, or due and not admitted yet.
    waiting: HashSet<Ordinal>,
    hold: Option<Hold>,
    trouble: Option<Trouble>,
    paused_since: Option<Timestamp>,
    stopping: Option<StopReason>,
    ended: Option<(Timestamp, RunStats)>,
}

/// What is known from the start on, and measured against it.
#[derive(Debug, Clone)]
struct Baseline {
    at: Timestamp,
    set_out: RunStarted,
    sendings: Sendings,
    settling: SettlingRate,
    /// The most calls that can have been on the wire at a time.
    slots: usize,
}

/// What a call came to that got no answer, or that the service could not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The status of the answer, if one came.
    pub http_status: Option<u16>,
    /// What it said, or what was seen instead; untrusted.
    pub message: String,
}

/// A wait of the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// When it began.
    pub since: Timestamp,
    /// When it is over, as far as is known.
    pub until: Timestamp,
    /// Why.
    pub reason: HoldReason,
}

impl Baseline {
    /// Counts by the window of a new limit, from now on where that is another one.
    fn limit_rate(&mut self, at: Timestamp, limit: Option<Rate>) {
        let before = window_of(&self.set_out);
        self.set_out.rate_limit = limit;
        self.set_out.finds_rate = false;
        let now = window_of(&self.set_out);
        if now != before {
            self.sendings = Sendings::new(at, now);
        }
    }
}

/// Returns by which window sendings are counted.
fn window_of(set_out: &RunStarted) -> Duration {
    let limit = set_out.rate_limit.filter(|_| !set_out.finds_rate);
    limit.map_or(SECOND, |rate| rate.window)
}

impl Tally {
    /// Takes note of what happened, oldest first.
    pub fn take(&mut self, events: &[Event]) {
        for Event { at, kind } in events {
            self.take_one(*at, kind);
        }
    }

    fn take_one(&mut self, at: Timestamp, kind: &EventKind) {
        match kind {
            EventKind::RunStarted(set_out) => *self = self.starting(at, set_out),
            EventKind::PollStarted { leaves } => self.poll_started(*leaves),
            EventKind::Surveyed(counts) => self.surveyed = *counts,
            EventKind::Verified(counts) => self.verified(*counts),
            EventKind::AttemptStarted { task, .. } => self.attempt_started(at, task.ordinal),
            EventKind::AttemptWithdrawn { .. } => self.attempt_withdrawn(),
            EventKind::AttemptEnded { result, .. } => self.attempt_ended(result),
            EventKind::RetryScheduled { task, .. } => {
                self.waiting.insert(task.ordinal);
            }
            EventKind::TaskSettled { outcome, .. } => self.task_settled(at, *outcome),
            EventKind::RunHeld { until, reason } => self.run_held(at, *until, *reason),
            EventKind::RunContinued => self.run_continued(at),
            EventKind::RateLearnt { .. } => {}
            EventKind::RunChanged { change, .. } => self.run_changed(at, *change),
            EventKind::RunStopping { reason, .. } => self.stopping = Some(*reason),
            EventKind::RunEnded(stats) => self.ended = Some((at, stats.clone())),
        }
    }

    /// A start begins the count anew: it says itself what was settled before. What the survey
    /// of this process settled is a part of that.
    fn starting(&self, at: Timestamp, set_out: &RunStarted) -> Self {
        let surveyed = self.surveyed;
        let mut outcomes = OutcomeCounts::default();
        outcomes[Outcome::Unchanged] = surveyed.unchanged;
        outcomes[Outcome::Succeeded] = surveyed.confirmed;
        outcomes[Outcome::Failed] = surveyed.skipped;
        let settled = set_out.settled.saturating_sub(outcomes.selected());
        let window = window_of(set_out);
        let baseline = Baseline {
            at,
            set_out: RunStarted { settled, ..set_out.clone() },
            sendings: Sendings::new(at, window),
            settling: SettlingRate::new(at),
            slots: set_out.concurrency,
        };
        Self { baseline: Some(baseline), outcomes, surveyed, ..Self::default() }
    }

    fn poll_started(&mut self, leaves: Timestamp) {
        match &mut self.baseline {
            Some(baseline) => baseline.sendings.sent(leaves),
            None => self.pages += 1,
        }
    }

    fn verified(&mut self, counts: ArrivalCounts) {
        self.arrived += counts.arrived;
        self.under_way = Some(counts);
    }

    fn attempt_started(&mut self, at: Timestamp, ordinal: Ordinal) {
        self.attempts += 1;
        self.begun += 1;
        self.waiting.remove(&ordinal);
        if let Some(baseline) = &mut self.baseline {
            baseline.sendings.sent(at);
        }
    }

    fn attempt_ended(&mut self, result: &AttemptResult) {
        self.begun = self.begun.saturating_sub(1);
        let http_status = result.http_status;
        let is_trouble = http_status.is_none_or(|status| status >= 500);
        if let Some(failure) = result.failure.as_ref().filter(|_| is_trouble) {
            self.trouble = Some(Trouble { http_status, message: failure.message.clone() });
        }
    }

    fn attempt_withdrawn(&mut self) {
        self.attempts = self.attempts.saturating_sub(1);
        self.begun = self.begun.saturating_sub(1);
        if let Some(baseline) = &mut self.baseline {
            baseline.sendings.withdraw();
        }
    }

    fn task_settled(&mut self, at: Timestamp, outcome: Outcome) {
        self.outcomes[outcome] += 1;
        if let Some(baseline) = &mut self.baseline {
            baseline.settling.settled(at);
        }
    }

    fn run_held(&mut self, at: Timestamp, until: Timestamp, reason: HoldReason) {
        let since = self.hold.map_or(at, |hold| hold.since);
        self.hold = Some(Hold { since, until, reason });
        if let Some(baseline) = &mut self.baseline {
            baseline.settling.held(at);
        }
    }

    fn run_continued(&mut self, at: Timestamp) {
        self.hold = None;
        if let Some(baseline) = &mut self.baseline {
            baseline.settling.continued(at);
        }
    }

    fn run_changed(&mut self, at: Timestamp, change: Change) {
        let Some(baseline) = &mut self.baseline else { return };
        match change {
            Change::Paused => {
                self.paused_since = Some(at);
                baseline.settling.held(at);
            }
            // The run goes on by itself, at once or after a hold, and says so.
            Change::Resumed => self.paused_since = None,
            Change::Rate(limit) => baseline.limit_rate(at, limit),
            Change::Concurrency(most) => {
                baseline.set_out.concurrency = most.get();
                baseline.slots = baseline.slots.max(most.get());
            }
            Change::Drained => {}
        }
    }

    // What it came to.

    /// Tells whether a process began to carry out the run.
    pub fn has_started(&self) -> bool {
        self.baseline.is_some()
    }

    /// Returns the number of tasks in all.
    pub fn selected(&self) -> u64 {
        self.baseline.as_ref().map_or(0, |baseline| baseline.set_out.selected)
    }

    /// Returns how many tasks had their outcome before this process began.
    pub fn settled_before(&self) -> u64 {
        self.baseline.as_ref().map_or(0, |baseline| baseline.set_out.settled)
    }

    /// Returns how many tasks have their outcome by now.
    pub fn done(&self) -> u64 {
        self.settled_before() + self.outcomes.selected()
    }

    /// Returns how much of the tasks is done: 100 only when all of them are.
    pub fn percent(&self) -> u64 {
        match self.selected() {
            0 => 100,
            selected => self.done().min(selected) * 100 / selected,
        }
    }

    /// Returns how many tasks this process settled with each outcome.
    pub fn outcomes(&self) -> &OutcomeCounts {
        &self.outcomes
    }

    /// Returns how many pages of the list were asked for so far, while nothing was sent.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// Returns how many tasks this process has seen where they were sent.
    pub fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Returns how many tasks were sent and are not there yet, as far as somebody looks.
    pub fn settling(&self) -> u64 {
        self.under_way.map_or(0, |counts| counts.on_the_way)
    }

    /// Returns how many of those that were sent are in trouble instead.
    pub fn stuck(&self) -> u64 {
        self.under_way.map_or(0, |counts| counts.stuck)
    }

    /// Returns how many attempts this process made.
    pub fn attempts(&self) -> u64 {
        self.attempts
    }

    /// Returns how many calls are on the wire; after the end, how many were given up there.
    ///
    /// What is begun ahead is not on it: never more are told than there are slots.
    pub fn on_wire(&self) -> u64 {
        let slots = self.baseline.as_ref().map_or(u64::MAX, |baseline| baseline.slots as u64);
        self.begun.min(slots)
    }

    /// Returns how many tasks wait before they are sent again.
    pub fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// Returns the most calls that are on the wire at a time.
    pub fn concurrency(&self) -> usize {
        self.baseline.as_ref().map_or(0, |baseline| baseline.set_out.concurrency)
    }

    /// Returns the most sendings in one window, if there is a limit that stays.
    pub fn rate_limit(&self) -> Option<Rate> {
        let set_out = &self.baseline.as_ref()?.set_out;
        set_out.rate_limit.filter(|_| !set_out.finds_rate)
    }

    /// Returns how many calls were just sent per window of the limit, or per second without one.
    ///
    /// No more than the limit: events tell when attempts were admitted. They leave a commit later,
    /// which is now shorter and now longer, and it is then that the limit holds exactly.
    pub fn rate(&self, now: Timestamp) -> f64 {
        let admitted =
            self.baseline.as_ref().map_or(0.0, |baseline| baseline.sendings.per_window(now));
        let most = self.rate_limit().map_or(f64::INFINITY, |rate| f64::from(rate.limit.get()));
        admitted.min(most)
    }

    /// Returns the wait of the whole run, if it waits.
    pub fn hold(&self) -> Option<Hold> {
        self.hold
    }

    /// Returns what the last call came to that got no answer, or that the service could not serve.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Returns since when an operator keeps the run from sending, if one does.
    pub fn paused_since(&self) -> Option<Timestamp> {
        self.paused_since
    }

    /// Returns why no new attempt is admitted, if none is.
    pub fn stopping(&self) -> Option<&StopReason> {
        self.stopping.as_ref()
    }

    /// Returns what the process saw in the end, once it has ended.
    pub fn ended(&self) -> Option<&RunStats> {
        self.ended.as_ref().map(|(_, stats)| stats)
    }

    /// Returns how long the process has been at it, or was.
    pub fn elapsed(&self, now: Timestamp) -> Duration {
        let until = self.ended.as_ref().map_or(now, |&(at, _)| at);
        self.baseline.as_ref().map_or(Duration::ZERO, |baseline| until.since(baseline.at))
    }

    /// Returns the time left: at the recent rate, at the limit at best, after the present wait.
    ///
    /// Nothing while too little was seen to tell or the run is paused, and once it stops or is done.
    pub fn eta(&self, now: Timestamp) -> Option<Duration> {
        let left = self.selected().saturating_sub(self.done());
        let stands_still = self.stopping.is_some() || self.paused_since.is_some();
        if left == 0 || stands_still || self.ended.is_some() {
            return None;
        }
        let rate = self.baseline.as_ref()?.settling.per_second(now)?;
        let at_rate = Duration::try_from_secs_f64(left as f64 / rate).ok()?;
        let at_best = self.rate_limit().map_or(Duration::ZERO, |limit| limit.shortest_time(left));
        let held = self.hold.map_or(Duration::ZERO, |hold| hold.until.since(now));
        Some(held + at_rate.max(at_best)).filter(|&eta| eta <= LONGEST_ETA)
    }
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
