//! The circuit breaker: decides whether the service works, and stops calls during an outage.
//!
//! It opens when at least half of the last 50 attempts found the service away. Then it permits one
//! probe after 5, 10, 20, 40, 60, 60 … seconds. A served probe permits five more calls, and these
//! permit all: with hundreds of slots, one lucky answer must not release a stampede. While it is
//! not closed, no failure is charged to a task. It never waits: it answers with an instant, and
//! knows attempts only by their number in the run.

use crate::policy::finding::Verdict;
use crate::policy::outage::health::{Attribution, Health};
use std::time::{Duration, Instant};

/// The number of latest attempts that count.
const WINDOW: u32 = 50;
/// The number of failures among them that opens the breaker. Attempts not made yet count as served,
/// because a few failures are not an outage.
const AWAY_TO_OPEN: u32 = WINDOW / 2;
/// The number of trial calls after a served probe.
const TRIAL: u32 = 5;
/// The number of failures among them that opens the breaker again.
const AWAY_TO_REOPEN: u32 = TRIAL.div_ceil(2);
/// The wait before the first probe; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest wait before a probe, jitter included. The run continues at most this long after the
/// service is back.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Whether a call may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It may go.
    Now,
    /// Not yet: one call may probe at this instant.
    NotBefore(Instant),
    /// Not until a call on the wire has shown whether the service works.
    AfterCompletion,
}

/// A change of the breaker's state by an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerChange {
    /// The service is away, or still away.
    Opened {
        /// The time of the next probe.
        until: Instant,
    },
    /// The service is back.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BreakerState {
    /// The service works, as far as is known.
    Closed,
    /// The service is away; the next probe may go at `until`.
    Open { until: Instant },
    /// A probe is under way, permitted from `since`.
    Probing { since: Instant },
    /// A probe was served; a few trial calls follow it.
    Trial { begun: u32, served_calls: u32, away: u32 },
}

/// Counts how attempts end, and permits no calls but probes while the service is away.
#[derive(Debug, Clone)]
pub struct Breaker {
    state: BreakerState,
    recent: Recent,
    /// The highest number of an attempt so far.
    newest: u64,
    /// The first attempt of the present state; results of earlier ones are outdated.
    from: u64,
    /// The highest number of an attempt that was served.
    served: Option<u64>,
    /// The number of outages so far.
    outages: u32,
    /// The number of probes in the present outage.
    probes: u32,
    /// The first failure after the last served call.
    failing_since: Option<Instant>,
    /// The beginning of the present outage.
    away_since: Option<Instant>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

impl Breaker {
    /// Returns a closed breaker without any attempts.
    pub fn new() -> Self {
        Self {
            state: BreakerState::Closed,
            recent: Recent::default(),
            newest: 0,
            from: 0,
            served: None,
            outages: 0,
            probes: 0,
            failing_since: None,
            away_since: None,
        }
    }

    /// Asks whether one more call may be begun.
    pub fn ask(&self, now: Instant) -> Passage {
        match self.state {
            BreakerState::Closed => Passage::Now,
            // Beginning the permitted call makes it the probe, and the next question is refused.
            BreakerState::Open { until } if until <= now => Passage::Now,
            BreakerState::Open { until } => Passage::NotBefore(until),
            BreakerState::Trial { begun, .. } if begun < TRIAL => Passage::Now,
            BreakerState::Probing { .. } | BreakerState::Trial { .. } => Passage::AfterCompletion,
        }
    }

    /// Records the begin of an attempt; numbers must grow.
    pub fn begin(&mut self, number: u64) {
        self.newest = number;
        match &mut self.state {
            BreakerState::Closed | BreakerState::Probing { .. } => {}
            BreakerState::Open { until } => {
                self.state = BreakerState::Probing { since: *until };
                // Answers to calls before the probe say nothing about the service now.
                self.from = number;
            }
            BreakerState::Trial { begun, .. } => *begun += 1,
        }
    }

    /// Records that an attempt was withdrawn before a byte of it left.
    pub fn withdraw(&mut self, number: u64) {
        if number < self.from {
            return;
        }
        match &mut self.state {
            BreakerState::Closed | BreakerState::Open { .. } => {}
            // Another call takes the probe's turn, without a new wait.
            BreakerState::Probing { since } => self.state = BreakerState::Open { until: *since },
            BreakerState::Trial { begun, .. } => *begun = begun.saturating_sub(1),
        }
    }

    /// Records how an attempt ended, with `jitter` drawn evenly from 0 to 1.
    pub fn completed(
        &mut self,
        number: u64,
        health: Health,
        now: Instant,
        jitter: f64,
    ) -> Option<BreakerChange> {
        // Before the check below: even an outdated success explains earlier suspects.
        if health == Health::Served {
            self.served = self.served.max(Some(number));
        }
        if number < self.from {
            return None;
        }
        match self.state {
            BreakerState::Closed => self.completed_while_closed(health, now, jitter),
            // Beginning an attempt leaves this state, so no newer attempt ends in it.
            BreakerState::Open { .. } => None,
            BreakerState::Probing { .. } if health == Health::Away => Some(self.open(now, jitter)),
            // Not only a served probe: a throttled one was answered by the service, too.
            BreakerState::Probing { .. } => {
                self.state = BreakerState::Trial { begun: 0, served_calls: 0, away: 0 };
                self.from = self.newest + 1;
                None
            }
            BreakerState::Trial { begun, served_calls, away } => {
                // All but away counts as served, as it does for the probe.
                let is_away = u32::from(health == Health::Away);
                let (served_calls, away) = (served_calls + 1 - is_away, away + is_away);
                self.state = BreakerState::Trial { begun, served_calls, away };
                self.end_trial(served_calls, away, now, jitter)
            }
        }
    }

    /// Returns whether an unsent attempt was begun before the present outage was detected. Then it
    /// must not be sent.
    pub fn overtook(&self, number: u64) -> bool {
        number < self.from && self.away_since.is_some()
    }

    /// Attributes the failure of an attempt that found the service away.
    pub fn attribute(&self, number: u64) -> Attribution {
        if number < self.from || self.state != BreakerState::Closed {
            return Attribution::Service;
        }
        // A call with a higher number was sent later, so the service worked after the failure.
        if self.served.is_some_and(|served| served > number) {
            return Attribution::Task;
        }
        Attribution::Unknown
    }

    /// Attributes the failure of an attempt when no other call is left that could show its cause.
    ///
    /// If the service was reached before and cannot be reached now, it is away, because all tasks
    /// share the same way to it. Any other failure is presumed to be the task's: a run must not
    /// wait at its end for a service that works.
    pub fn attribute_without_witness(&self, verdict: Verdict) -> Attribution {
        match (verdict, self.served) {
            (Verdict::NeverLeft, Some(_)) => Attribution::Service,
            (_, _) => Attribution::Presumed,
        }
    }

    /// Returns the beginning of the outage; nothing while the breaker is closed.
    pub fn away_since(&self) -> Option<Instant> {
        self.away_since
    }

    /// Returns the number of the present outage, or of the next one if there is none.
    pub fn outage(&self) -> u32 {
        self.outages + u32::from(self.away_since.is_none())
    }

    /// Returns when the present outage, if there is one, will have lasted for `timeout`.
    pub fn outage_ends(&self, timeout: Duration) -> Option<Instant> {
        self.away_since.map(|since| since + timeout)
    }

    fn completed_while_closed(
        &mut self,
        health: Health,
        now: Instant,
        jitter: f64,
    ) -> Option<BreakerChange> {
        match health {
            // It would push evidence out of the window without being any.
            Health::Unknown => return None,
            Health::Served => self.failing_since = None,
            Health::Away => self.failing_since = self.failing_since.or(Some(now)),
        }
        self.recent.push(health);
        (self.recent.away() >= AWAY_TO_OPEN).then(|| self.open(now, jitter))
    }

    fn end_trial(
        &mut self,
        served_calls: u32,
        away: u32,
        now: Instant,
        jitter: f64,
    ) -> Option<BreakerChange> {
        if away >= AWAY_TO_REOPEN {
            return Some(self.open(now, jitter));
        }
        (served_calls + away >= TRIAL).then(|| self.close())
    }

    fn open(&mut self, now: Instant, jitter: f64) -> BreakerChange {
        let until = now + probe_wait(self.probes, jitter);
        self.outages += u32::from(self.away_since.is_none());
        self.probes += 1;
        // An outage begins with its first failure, not with the one that opened the breaker.
        self.away_since = self.away_since.or(self.failing_since).or(Some(now));
        self.enter(BreakerState::Open { until });
        BreakerChange::Opened { until }
    }

    fn close(&mut self) -> BreakerChange {
        self.probes = 0;
        self.away_since = None;
        self.enter(BreakerState::Closed);
        BreakerChange::Closed
    }

    /// Enters a state about which no earlier attempt has evidence.
    fn enter(&mut self, state: BreakerState) {
        self.state = state;
        self.from = self.newest + 1;
        self.recent = Recent::default();
        self.failing_since = None;
    }
}

/// Returns the wait before a probe: never shorter than its base, and at most a tenth longer, so that
/// clients that lost the service together do not come back together.
fn probe_wait(probes_before: u32, jitter: f64) -> Duration {
    // The shift is limited against overflow; the longest wait is reached long before.
    let ceiling = FIRST_WAIT.saturating_mul(1 << probes_before.min(16));
    ceiling.mul_f64(1.0 + jitter / 10.0).min(LONGEST_WAIT)
}

/// The latest attempts: one bit each, the newest lowest, set if the service was away.
#[derive(Debug, Clone, Copy, Default)]
struct Recent(u64);

impl Recent {
    fn push(&mut self, health: Health) {
        let is_away = u64::from(health == Health::Away);
        self.0 = (self.0 << 1 | is_away) & ((1 << WINDOW) - 1);
    }

    fn away(self) -> u32 {
        self.0.count_ones()
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
