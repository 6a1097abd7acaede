//! Counts the progress of a run from its events.
//!
//! A pure value: its answers depend only on the events it took and on the given time. It counts
//! each settled task exactly once, and formats nothing.

use super::condition::{Hold, Trouble};
use super::estimate::{Sendings, SettlingRate};
use crate::clock::Timestamp;
use crate::event::{
    ArrivalCounts, AttemptResult, Change, Event, EventKind, HoldReason, RunStarted, RunStats,
    StopReason, StoreWait, SurveyCounts, WaveStarted,
};
use crate::task::{Ordinal, Outcome, OutcomeCounts, Rate, ServiceLimit};
use std::collections::HashSet;
use std::time::Duration;

/// The window in which calls are counted if there is no rate limit.
const SECOND: Duration = Duration::from_secs(1);

/// The progress of a run, according to its events.
///
/// ```
/// use batchctl::clock::Timestamp;
/// use batchctl::event::{Event, EventKind, RunStarted};
/// use batchctl::progress::Tally;
///
/// let started = RunStarted { selected: 4, settled: 1, rate_limit: None, finds_rate: false,
///     looks_at: None, concurrency: 16 };
/// let at = Timestamp::from_micros(0);
/// let mut tally = Tally::default();
/// tally.take(&[Event { at, kind: EventKind::RunStarted(started) }]);
/// assert_eq!((tally.done(), tally.selected(), tally.percent()), (1, 4, 25));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Tally {
    baseline: Option<Baseline>,
    outcomes: OutcomeCounts,
    /// The tasks that other processes have settled since this one began.
    by_others: u64,
    surveyed: SurveyCounts,
    /// The requests for states, by a list or one by one, before anything was sent.
    pages: u64,
    arrived: u64,
    /// The tasks that have not arrived, according to the last verify round.
    under_way: Option<ArrivalCounts>,
    attempts: u64,
    /// The attempts that were begun and have not ended; some may not have left.
    begun: u64,
    /// The tasks that wait for another attempt, due or not.
    waiting: HashSet<Ordinal>,
    hold: Option<Hold>,
    trouble: Option<Trouble>,
    paused_since: Option<Timestamp>,
    store_wait: Option<StoreWait>,
    service_limit: ServiceLimit,
    wave: Option<WaveStarted>,
    stopping: Option<StopReason>,
    /// The tasks that were looked into, and their number.
    drilling: Option<(u64, u64)>,
    ended: Option<(Timestamp, RunStats)>,
}

/// The values of the start, and the estimates that are measured against them.
#[derive(Debug, Clone)]
struct Baseline {
    at: Timestamp,
    set_out: RunStarted,
    sendings: Sendings,
    settling: SettlingRate,
    /// The most calls that can have been on the wire at a time, over all changes.
    slots: usize,
}

impl Baseline {
    /// Counts by the window of a new limit, from now on if the window differs.
    fn limit_rate(&mut self, at: Timestamp, limit: Option<Rate>) {
        let before = window_of(&self.set_out);
        self.set_out.rate_limit = limit;
        self.set_out.finds_rate = false;
        let now = window_of(&self.set_out);
        // Counts of another window cannot be converted; those of the same window stay valid.
        if now != before {
            self.sendings = Sendings::new(at, now);
        }
    }
}

/// Returns the window in which calls are counted.
fn window_of(set_out: &RunStarted) -> Duration {
    fixed_limit(set_out).map_or(SECOND, |rate| rate.window)
}

fn fixed_limit(set_out: &RunStarted) -> Option<Rate> {
    set_out.rate_limit.filter(|_| !set_out.finds_rate)
}

impl Tally {
    /// Takes events, oldest first.
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
            EventKind::DrillStarted { tasks } => self.drilling = Some((0, *tasks)),
            EventKind::Drilled(_) => self.drilling.iter_mut().for_each(|it| it.0 += 1),
            EventKind::DrillEnded(_) => self.drilling = None,
            EventKind::AttemptStarted { task, .. } => self.attempt_started(at, task.ordinal),
            EventKind::AttemptWithdrawn { .. } => self.attempt_withdrawn(),
            EventKind::AttemptEnded { result, .. } => self.attempt_ended(result),
            EventKind::RetryScheduled { task, .. } => {
                self.waiting.insert(task.ordinal);
            }
            EventKind::TaskSettled { outcome, .. } => self.task_settled(at, *outcome),
            EventKind::RunHeld { until, reason } => self.run_held(at, *until, *reason),
            EventKind::RunContinued => self.run_continued(at),
            EventKind::RateLearnt(limit) => self.service_limit = *limit,
            EventKind::RunChanged { change, .. } => self.run_changed(at, *change),
            EventKind::WaveStarted(wave) => self.wave = Some(*wave),
            EventKind::RunStopping { reason, .. } => self.stopping = Some(*reason),
            EventKind::RunEnded(stats) => self.run_ended(at, stats),
        }
    }

    /// Returns the tally after a start, which begins the count anew.
    ///
    /// The event contains the number of tasks settled before. The survey of this process settled
    /// some of them; those keep their outcomes.
    fn starting(&self, at: Timestamp, set_out: &RunStarted) -> Self {
        let surveyed = self.surveyed;
        let mut outcomes = OutcomeCounts::default();
        outcomes[Outcome::Unchanged] = surveyed.unchanged;
        outcomes[Outcome::Succeeded] = surveyed.confirmed;
        outcomes[Outcome::Failed] = surveyed.skipped;
        // Without this, tasks that the survey settled would count twice.
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
            // Pages share the rate limit with calls, so they count as sendings.
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
        // An answer below 500 does not explain an outage.
        let is_trouble = http_status.is_none_or(|status| status >= 500);
        if let Some(failure) = result.failure.as_ref().filter(|_| is_trouble) {
            self.trouble = Some(Trouble { http_status, message: failure.message.clone() });
        }
    }

    fn attempt_withdrawn(&mut self) {
        // Saturating, because a watcher that was too slow may have missed the start.
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
        // A hold may be extended; it still began with its first event.
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
            // The hold ends with its own event, at once or after the service's wait.
            Change::Resumed => self.paused_since = None,
            Change::Rate(limit) => baseline.limit_rate(at, limit),
            Change::Concurrency(most) => {
                baseline.set_out.concurrency = most.get();
                // Calls admitted under a higher number may still be on the wire.
                baseline.slots = baseline.slots.max(most.get());
            }
            Change::Drained => {}
        }
    }

    fn run_ended(&mut self, at: Timestamp, stats: &RunStats) {
        self.ended = Some((at, stats.clone()));
        // A worker that nothing stopped ends when all have their outcomes, whoever settled them.
        if stats.stopped.is_none() && self.by_others > 0 {
            let own = self.settled_before() + self.outcomes.selected();
            self.by_others = self.selected().saturating_sub(own);
        }
    }

    /// Takes the number of tasks that all workers of the run have settled so far.
    pub fn settled_by_all(&mut self, settled: u64, now: Timestamp) {
        let own = self.settled_before() + self.outcomes.selected();
        // Before it begins, nothing says of how many tasks that is.
        let Some(baseline) = &mut self.baseline else { return };
        let by_others = settled.saturating_sub(own);
        let more = by_others.saturating_sub(self.by_others);
        // Counted anew each time, because own outcomes are in that number earlier or later than here.
        self.by_others = by_others;
        baseline.settling.settled_more(now, more);
    }

    // The answers.

    /// Returns whether a process began to send calls of the run.
    pub fn has_started(&self) -> bool {
        self.baseline.is_some()
    }

    /// Returns the number of selected tasks.
    pub fn selected(&self) -> u64 {
        self.baseline.as_ref().map_or(0, |baseline| baseline.set_out.selected)
    }

    /// Returns the number of tasks with an outcome before this process began.
    pub fn settled_before(&self) -> u64 {
        self.baseline.as_ref().map_or(0, |baseline| baseline.set_out.settled)
    }

    /// Returns the number of tasks that have an outcome now.
    pub fn done(&self) -> u64 {
        self.settled_before() + self.outcomes.selected() + self.by_others
    }

    /// Returns the percentage of settled tasks, rounded down: 100 only if all are settled.
    pub fn percent(&self) -> u64 {
        match self.selected() {
            0 => 100,
            selected => self.done().min(selected) * 100 / selected,
        }
    }

    /// Returns the number of tasks that this process settled with each outcome.
    pub fn outcomes(&self) -> &OutcomeCounts {
        &self.outcomes
    }

    /// Returns the number of pages that were requested before anything was sent.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// Returns the number of tasks that this process has seen arrive.
    pub fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Returns the number of tasks that have not arrived, according to the last verify round.
    pub fn settling(&self) -> u64 {
        self.under_way.map_or(0, |counts| counts.on_the_way)
    }

    /// Returns the number of tasks in trouble, according to the last verify round.
    pub fn stuck(&self) -> u64 {
        self.under_way.map_or(0, |counts| counts.stuck)
    }

    /// Returns how many tasks were looked into, and how many are to be, while that goes on.
    pub fn drilling(&self) -> Option<(u64, u64)> {
        self.drilling
    }

    /// Returns the number of attempts of this process.
    pub fn attempts(&self) -> u64 {
        self.attempts
    }

    /// Returns the number of calls on the wire; after the end, of those given up there.
    ///
    /// At most the number of slots, because attempts of the lookahead are not on the wire.
    pub fn on_wire(&self) -> u64 {
        let slots = self.baseline.as_ref().map_or(u64::MAX, |baseline| baseline.slots as u64);
        self.begun.min(slots)
    }

    /// Returns the number of tasks that wait to be sent again.
    pub fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// Returns the number of slots.
    pub fn concurrency(&self) -> usize {
        self.baseline.as_ref().map_or(0, |baseline| baseline.set_out.concurrency)
    }

    /// Returns the rate limit, if there is a fixed one.
    pub fn rate_limit(&self) -> Option<Rate> {
        self.baseline.as_ref().and_then(|baseline| fixed_limit(&baseline.set_out))
    }

    /// Returns the limit that the service sets below the operator's, if it sets the pace.
    pub fn service_limit(&self) -> ServiceLimit {
        self.service_limit
    }

    /// Returns the calls just sent per window of the limit, or per second without one.
    ///
    /// At most the limit. Events have the time of admission; calls are sent one commit later, whose
    /// length varies, and the limit is exact only at that moment.
    pub fn rate(&self, now: Timestamp) -> f64 {
        let admitted =
            self.baseline.as_ref().map_or(0.0, |baseline| baseline.sendings.per_window(now));
        let most = self.rate_limit().map_or(f64::INFINITY, |rate| f64::from(rate.limit.get()));
        admitted.min(most)
    }

    /// Returns the wave that began last, if the run has waves.
    pub fn wave(&self) -> Option<WaveStarted> {
        self.wave
    }

    /// Returns the present hold, if there is one.
    pub fn hold(&self) -> Option<Hold> {
        self.hold
    }

    /// Returns the last failure without an answer, or with a 5xx answer.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Returns the time at which an operator paused the run, if it is paused.
    pub fn paused_since(&self) -> Option<Timestamp> {
        self.paused_since
    }

    /// Returns why the run is stopping, if it is.
    pub fn stopping(&self) -> Option<&StopReason> {
        self.stopping.as_ref()
    }

    /// Returns the summary of the process's part, once it has ended.
    pub fn ended(&self) -> Option<&RunStats> {
        self.ended.as_ref().map(|(_, stats)| stats)
    }
}

#[path = "tally_times.rs"]
mod times;

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
