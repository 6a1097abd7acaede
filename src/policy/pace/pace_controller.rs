//! Finds the pace that the service gives, at or below a ceiling, from what its answers are.
//!
//! The law is that of BIC and CUBIC congestion control (Xu, Harfoush, Rhee 2004; RFC 9438), as the
//! adaptive retries of AWS's clients use it: rest just below the limit that is known, look a little
//! above it, and grow ever faster where that is accepted. Instead of cutting by a fixed factor it
//! falls to what was accepted, because an admission limit, unlike a network, can be measured.
//! `docs/design/pace.md` has the reasons. Knows no pacer, no task and never waits.
//!
//! Invariants: the pace stays within its bounds; it is lowered only where throttling follows the
//! pace; answers to calls from before a cut cause no other one.

mod account;
mod bounding;
mod exhaustion;
mod first_limit;
mod growth;
mod holding;
mod holds;
mod listening;
mod phase;
mod raising;
mod resting;
mod second_window;
mod short_windows;
mod spell;
mod throttling;
mod trials;
mod windows;

use crate::policy::pace::call_history::{CallHistory, after};
use crate::policy::pace::calls_at_a_time::CallsAtATime;
use crate::policy::pace::chance_throttling::ChanceThrottling;
use crate::policy::pace::pace_start::{Opening, PaceStart, RateBounds, SLOWEST_PACE};
use crate::policy::pace::throttling_by_pace::ThrottlingByPace;
use crate::task::ServiceLimit;
use holds::Holds;
use phase::{Asking, Climb, Filling, Growth, LONGEST_REST, Listening, Phase, RESTING, Rest};
use raising::Rested;
use std::time::{Duration, Instant};
use windows::Windows;

/// How often the pace is looked at where no answer gives a reason.
const TICK: Duration = Duration::from_millis(50);
/// The same while it waits for whether the service accepts more.
const SHORT_TICK: Duration = Duration::from_millis(10);
/// Where a search begins that knows nothing, in sendings a second.
const SEARCH_START: f64 = 10.0;

/// Raises and lowers the pace by what the service answers.
#[derive(Debug, Clone)]
pub struct PaceController {
    bounds: RateBounds,
    opening: Opening,
    rate: f64,
    /// Whether the pace counts all calls of the last second, as the service's window may.
    is_windowed: bool,
    /// What the service accepts, if that is known.
    limit: Option<f64>,
    /// Whether the limit was confirmed by a look just above it, and how often in a row.
    is_exact: bool,
    confirmed: u32,
    /// Whether looks have met a limit twice in a row in this run.
    is_settled: bool,
    /// A level that was accepted for a second once, if the limit is a rough one.
    hint: f64,
    phase: Phase,
    chance: ChanceThrottling,
    chance_since: Instant,
    /// From when on the times of tests are counted.
    testing_since: Instant,
    by_pace: ThrottlingByPace,
    at_a_time: CallsAtATime,
    history: CallHistory,
    begun: Instant,
    decided: Instant,
    /// Answers to calls that were sent before belong to an earlier, higher pace.
    cut_at: Instant,
    raised_at: Option<Instant>,
    /// When the pace grew past all limits that were known.
    grown_at: Option<Instant>,
    /// The pace at which the latest calls were throttled.
    throttled_at: f64,
    /// When the last throttled call was sent that the pace followed, and what was accepted by then.
    cycle: Instant,
    accepted_before_cycle: f64,
    /// The same at the end of the last exhaustion.
    resumed: Option<(Instant, f64)>,
    /// How many calls were throttled by the present look above the limit.
    cost: u32,
    /// Whether the next look is half as large, because a whole one does not show that the limit is too low.
    is_half_look: bool,
    /// What the latest rests and looks say about the limit.
    rested: Rested,
    /// What was accepted in the second before the pace was found to be far too high.
    met: f64,
    windows: Windows,
    holds: Holds,
    /// How many looks in a row met no limit where none is confirmed.
    unmet: i32,
    /// The pace that holds again once the service was asked whether it accepts more.
    asking: Option<Asking>,
    /// The second window of the run, while it shows whether windows are shorter than a second.
    filling: Option<Filling>,
}

impl PaceController {
    /// Returns a controller that begins at the limit an earlier run learnt, or searches.
    pub fn new(start: PaceStart, now: Instant) -> Self {
        let least = start.bounds.least.max(SLOWEST_PACE);
        let bounds = RateBounds { least, most: start.bounds.most.max(least) };
        let is_sane = |&learnt: &f64| learnt.is_finite() && learnt > 0.0 && learnt < bounds.most;
        let limit = start.learnt.per_second.filter(is_sane);
        let (rate, phase) = match (limit, start.opening) {
            (Some(limit), _) => {
                let until = after(now, LONGEST_REST);
                let rest = Rest { since: now, until, lowered: 0, may_slide: false };
                (limit * RESTING, Phase::Resting(rest))
            }
            (None, Opening::AtCeiling) => {
                (bounds.most, Phase::Open { since: now, was_served: false })
            }
            (None, Opening::Doubling) => {
                (SEARCH_START, Phase::Open { since: now, was_served: false })
            }
        };
        Self {
            bounds,
            opening: start.opening,
            rate: rate.clamp(bounds.least, bounds.most),
            is_windowed: false,
            limit,
            is_exact: false,
            confirmed: 0,
            is_settled: false,
            hint: 0.0,
            phase,
            chance: ChanceThrottling::default(),
            chance_since: now,
            testing_since: now,
            by_pace: ThrottlingByPace::new(now),
            at_a_time: CallsAtATime::learnt(start.learnt.at_a_time, now),
            history: CallHistory::new(now),
            begun: now,
            decided: now,
            cut_at: now,
            raised_at: None,
            grown_at: None,
            throttled_at: rate,
            cycle: now,
            accepted_before_cycle: 0.0,
            resumed: None,
            cost: 0,
            is_half_look: false,
            rested: Rested::unknown(),
            met: 0.0,
            windows: Windows::unknown(),
            holds: Holds::none(now),
            unmet: 0,
            asking: None,
            filling: None,
        }
    }

    /// Returns the sendings a second that hold now; infinite where nothing limits them.
    pub fn per_second(&self) -> f64 {
        self.rate
    }

    /// Returns whether it searches for a rate that no operator has set.
    pub fn is_search(&self) -> bool {
        self.opening == Opening::Doubling
    }

    /// Returns whether what was sent in the last second counts, however fast it was sent.
    pub fn is_windowed(&self) -> bool {
        self.is_windowed
    }

    /// Returns the limits of the service, to be kept for the next run.
    pub fn limit(&self) -> ServiceLimit {
        // A climb has passed a limit that was only roughly known.
        let passed = if let Phase::Climbing(climb) = self.phase { climb.from } else { 0.0 };
        let limit = self.limit.map(|limit| limit.max(passed));
        let per_second = self.at_a_time.pace_before().or(limit);
        ServiceLimit { per_second, at_a_time: self.at_a_time.known() }
    }

    /// Returns how many calls may be on the wire, where the service limits that.
    pub fn most_at_a_time(&self) -> Option<usize> {
        self.at_a_time.most()
    }

    /// Returns when the next decision is due; never while nothing but a sending or an answer can
    /// change the pace: a run that waits need not wake up.
    pub fn next_decision(&self) -> Option<Instant> {
        let look = self.at_a_time.next_look(self.history.answers_within());
        self.next_decision_on_pace().into_iter().chain(look).min()
    }

    fn next_decision_on_pace(&self) -> Option<Instant> {
        let tick = self.decided + if self.asking.is_some() { SHORT_TICK } else { TICK };
        let is_idle = self.history.last_sent().is_none_or(|sent| sent < self.decided);
        match self.phase {
            Phase::Held { until, .. } | Phase::Resting(Rest { until, .. }) => Some(until.max(tick)),
            Phase::Listening(Listening { until, .. }) => Some(until),
            Phase::Exhausted { next, .. } => Some(next),
            Phase::Open { .. } if self.opening == Opening::AtCeiling => {
                Some(tick).filter(|_| !is_idle && !self.chance.is_negligible())
            }
            Phase::Open { .. } | Phase::Trying(_) | Phase::Growing(_) | Phase::Climbing(_) => {
                Some(tick).filter(|_| !is_idle || self.asking.is_some())
            }
        }
    }

    /// Takes note of the end of a call that shows nothing of a limit.
    pub fn ended(&mut self, now: Instant) {
        self.history.count_ended(now);
    }

    /// Takes note of a sending of any kind.
    pub fn sent(&mut self, now: Instant) {
        self.at_a_time.sent(self.history.on_the_wire(), now);
        self.history.count_sent(now);
        self.stop_sending_on(now);
    }

    /// Takes note that a call which was sent at `sent` was accepted, whatever became of it.
    pub fn served(&mut self, sent: Instant, now: Instant) {
        self.history.count_ended(now);
        if self.at_a_time.served() && self.finds_calls_at_a_time(now) {
            return;
        }
        self.chance.weigh(false, self.is_steady());
        if let Phase::Listening(listening) = self.phase {
            return self.hear(listening, now);
        }
        if sent < self.cut_at {
            return;
        }
        match &mut self.phase {
            Phase::Open { since, was_served } => *was_served |= sent >= *since,
            Phase::Trying(trial) => {
                let trial = *trial;
                self.judge(trial, now);
            }
            Phase::Exhausted { since, .. } if sent > *since => {
                let since = *since;
                self.resume(since, sent, now);
            }
            Phase::Held { .. }
            | Phase::Listening(_)
            | Phase::Exhausted { .. }
            | Phase::Resting(_)
            | Phase::Growing(_)
            | Phase::Climbing(_) => {}
        }
    }

    /// Takes note that a call which was sent at `sent` was throttled.
    pub fn throttled(&mut self, sent: Instant, now: Instant) {
        self.history.count_throttled(sent, now);
        if self.is_put_down_to_calls_at_a_time(sent, now) {
            return;
        }
        self.chance.weigh(true, self.is_steady());
        self.cost += 1;
        if matches!(self.phase, Phase::Resting(_)) {
            self.windows.believe(&self.history);
        }
        self.pay();
        if let Phase::Listening(listening) = self.phase {
            return self.hear(listening, now);
        }
        if sent < self.cut_at {
            return;
        }
        if !self.rate.is_finite() {
            // Only the slots have limited the run so far.
            self.rate = self.history.sent_per_second(now).max(self.bounds.least);
        }
        // The service no longer asks for holds.
        self.holds.forget();
        self.refute_chance(now);
        match self.phase {
            Phase::Trying(trial) => self.throttled_in_trial(trial, now),
            Phase::Listening(_) | Phase::Exhausted { .. } | Phase::Held { .. } => {}
            _ if !self.chance.is_exceeded() => {}
            Phase::Open { .. } => self.throttled_in_the_open(sent, now),
            Phase::Resting(rest) => self.throttled_at_rest(rest, sent, now),
            Phase::Growing(Growth { since, is_rough, .. }) => {
                self.throttled_while_growing(since, is_rough, sent, now);
            }
            Phase::Climbing(Climb { grown, .. }) => {
                self.throttled_while_growing(grown, true, sent, now);
            }
        }
    }

    /// Decides on the pace if a decision is due, and returns the sendings a second that hold.
    pub fn decide(&mut self, now: Instant) -> f64 {
        if let Some(change) = self.at_a_time.decide(&self.history, now) {
            self.follow_bound(change, now);
        }
        let is_due = self.next_decision_on_pace().is_some_and(|due| now >= due);
        if self.finds_no_limit(now) || !is_due {
            return self.rate;
        }
        self.decided = now;
        if self.doubt_chance(now) {
            return self.rate;
        }
        match self.phase {
            Phase::Open { since, was_served } => self.search(since, was_served, now),
            Phase::Trying(trial) => self.judge(trial, now),
            Phase::Exhausted { since, interval, next } if now >= next => {
                let interval = (exhaustion::PROBES_GROW * interval).min(exhaustion::LONGEST_PROBE);
                self.phase = Phase::Exhausted { since, interval, next: after(now, interval) };
                self.set_rate(1.0 / interval);
            }
            Phase::Held { since, until } if now >= until => self.end_hold(since, until, now),
            Phase::Listening(heard) if now >= heard.until => self.end_listening(heard, now),
            Phase::Resting(Rest { until, .. }) if now >= until => self.end_rest(now),
            Phase::Growing(growth) => self.grow(growth, now),
            Phase::Climbing(climb) => self.climb(climb, now),
            Phase::Held { .. }
            | Phase::Listening(_)
            | Phase::Exhausted { .. }
            | Phase::Resting(_) => {}
        }
        self.rate
    }

    fn known_limit(&self) -> f64 {
        self.limit.unwrap_or(self.rate)
    }

    fn is_steady(&self) -> bool {
        matches!(
            self.phase,
            Phase::Open { .. } | Phase::Resting(_) | Phase::Growing(_) | Phase::Climbing(_)
        )
    }

    fn set_rate(&mut self, rate: f64) {
        self.rate = rate.clamp(self.bounds.least, self.bounds.most);
    }

    fn enter(&mut self, phase: Phase, rate: f64, now: Instant) {
        if rate < self.rate {
            self.cut_at = now;
        }
        if rate > 1.05 * self.rate {
            self.raised_at = Some(now);
        }
        self.phase = phase;
        self.set_rate(rate);
        (self.is_windowed, self.asking, self.filling) = (false, None, None);
    }

    fn open(&mut self, rate: f64, now: Instant) {
        self.enter(Phase::Open { since: now, was_served: false }, rate, now);
    }
}

#[cfg(test)]
#[path = "pace_controller_steps_tests.rs"]
mod steps;
#[cfg(test)]
#[path = "pace_controller_tests.rs"]
mod tests;
