//! Decides whether the service is there at all, and keeps the run from calling one that is away.
//!
//! Opens when half or more of the last 50 attempts found the service away, then lets one call
//! probe after 5, 10, 20, 40, 60, 60 … seconds. A probe that is served lets five calls follow,
//! and those let all follow; with hundreds on the wire one lucky answer must not release a
//! stampede. While it is not closed, no failure is charged to a task. It never waits; it answers
//! with an instant, and knows attempts by their number in the run alone.

use crate::policy::classify::Verdict;
use crate::policy::outage::health::Attribution;
use crate::policy::outage::health::Health;
use std::time::Duration;
use std::time::Instant;

/// How many attempts are looked back at.
const WINDOW: u32 = 50;
/// How many of them must have found the service away. Attempts that were not made yet count as
/// served: a handful of failures is no outage.
const MOST_AWAY: u32 = WINDOW / 2;
/// How many calls follow a probe that was served, before all may.
const TRIAL: u32 = 5;
/// How many of these must find the service away for the breaker to open again.
const MOST_AWAY_IN_TRIAL: u32 = TRIAL.div_ceil(2);
/// The wait before the first probe; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest wait before a probe, its jitter included: the run goes on at most so long after
/// the service does.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Whether a call may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It may.
    Now,
    /// Not before then, when one call may probe.
    NotBefore(Instant),
    /// Not before a call that tells how the service is has landed.
    AfterCompletion,
}

/// What an answer made of the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerChange {
    /// The service is away, or is so still; the next probe may go then.
    Opened {
        /// When.
        until: Instant,
    },
    /// The service is back.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BreakerState {
    /// The service works, as far as anyone knows.
    Closed,
    /// It is away; the next probe may go then.
    Open { until: Instant },
    /// A probe is on its way, which might have gone since then.
    Probing { since: Instant },
    /// A probe was served; a few calls follow it.
    Trial { begun: u32, served_calls: u32, away: u32 },
}

/// Watches how attempts end, and holds all back while the service is away.
#[derive(Debug, Clone)]
pub struct Breaker {
    state: BreakerState,
    recent: Recent,
    /// The highest number of an attempt so far.
    newest: u64,
    /// Attempts before this one were sent to a service in another state, and tell nothing.
    from: u64,
    /// The highest number of an attempt that was served.
    served: Option<u64>,
    /// How many outages there were, and how many probes the present one has had.
    outages: u32,
    probes: u32,
    /// Since when nothing has been served, and since when the present outage lasts.
    failing_since: Option<Instant>,
    away_since: Option<Instant>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

impl Breaker {
    /// Returns a closed breaker that knows of no attempt yet.
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
            BreakerState::Open { until } if until <= now => Passage::Now,
            BreakerState::Open { until } => Passage::NotBefore(until),
            BreakerState::Trial { begun, .. } if begun < TRIAL => Passage::Now,
            BreakerState::Probing { .. } | BreakerState::Trial { .. } => Passage::AfterCompletion,
        }
    }

    /// Takes note that the attempt of that number is begun; numbers grow.
    pub fn begin(&mut self, number: u64) {
        self.newest = number;
        match &mut self.state {
            BreakerState::Closed | BreakerState::Probing { .. } => {}
            BreakerState::Open { until } => {
                self.state = BreakerState::Probing { since: *until };
                self.from = number;
            }
            BreakerState::Trial { begun, .. } => *begun += 1,
        }
    }

    /// Takes note that an attempt was taken back before a byte of it left.
    pub fn withdraw(&mut self, number: u64) {
        if number < self.from {
            return;
        }
        match &mut self.state {
            BreakerState::Closed | BreakerState::Open { .. } => {}
            BreakerState::Probing { since } => self.state = BreakerState::Open { until: *since },
            BreakerState::Trial { begun, .. } => *begun = begun.saturating_sub(1),
        }
    }

    /// Takes note of how an attempt ended, with `jitter` drawn evenly from 0 to 1.
    pub fn completed(
        &mut self,
        number: u64,
        health: Health,
        now: Instant,
        jitter: f64,
    ) -> Option<BreakerChange> {
        if health == Health::Served {
            self.served = self.served.max(Some(number));
        }
        if number < self.from {
            return None;
        }
        match self.state {
            BreakerState::Closed => self.completed_while_closed(health, now, jitter),
            BreakerState::Open { .. } => None,
            BreakerState::Probing { .. } if health == Health::Away => Some(self.open(now, jitter)),
            BreakerState::Probing { .. } => {
                self.state = BreakerState::Trial { begun: 0, served_calls: 0, away: 0 };
                self.from = self.newest + 1;
                None
            }
            BreakerState::Trial { begun, served_calls, away } => {
                let is_away = u32::from(health == Health::Away);
                let (served_calls, away) = (served_calls + 1 - is_away, away + is_away);
                self.state = BreakerState::Trial { begun, served_calls, away };
                self.end_trial(served_calls, away, now, jitter)
            }
        }
    }

    /// Tells whether an attempt of that number, which has not left, was begun before the service
    /// was found to be away: it must not be sent.
    pub fn overtook(&self, number: u64) -> bool {
        number < self.from && self.away_since.is_some()
    }

    /// Returns whose failure the attempt of that number was, which found the service away.
    pub fn attribute(&self, number: u64) -> Attribution {
        if number < self.from || self.state != BreakerState::Closed {
            return Attribution::Service;
        }
        match self.served.is_some_and(|served| served > number) {
            true => Attribution::Task,
            false => Attribution::Unknown,
        }
    }

    /// Returns whose failure an attempt with that verdict was, once nothing else is left to send
    /// that could tell.
    ///
    /// A service that was reached before and is not reached now is away, for no task has a way
    /// to it of its own. All else is taken as the task's: a run must not wait at its end for a
    /// service that works.
    pub fn attribute_without_witness(&self, verdict: Verdict) -> Attribution {
        match (verdict, self.served) {
            (Verdict::NeverLeft, Some(_)) => Attribution::Service,
            (_, _) => Attribution::Presumed,
        }
    }

    /// Returns since when the service is away; nothing while the breaker is closed.
    pub fn away_since(&self) -> Option<Instant> {
        self.away_since
    }

    /// Returns the number of the present outage, or of the next while there is none.
    pub fn outage(&self) -> u32 {
        self.outages + u32::from(self.away_since.is_none())
    }

    /// Returns when an outage that lasts `timeout` shall end the run; nothing while there is none.
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
            Health::Unknown => return None,
            Health::Served => self.failing_since = None,
            Health::Away => self.failing_since = self.failing_since.or(Some(now)),
        }
        self.recent.push(health);
        (self.recent.away() >= MOST_AWAY).then(|| self.open(now, jitter))
    }

    fn end_trial(
        &mut self,
        served_calls: u32,
        away: u32,
        now: Instant,
        jitter: f64,
    ) -> Option<BreakerChange> {
        if away >= MOST_AWAY_IN_TRIAL {
            return Some(self.open(now, jitter));
        }
        (served_calls + away >= TRIAL).then(|| self.close())
    }

    fn open(&mut self, now: Instant, jitter: f64) -> BreakerChange {
        let until = now + probe_wait(self.probes, jitter);
        self.outages += u32::from(self.away_since.is_none());
        self.probes += 1;
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

    /// Enters a state of which no attempt so far can tell anything.
    fn enter(&mut self, state: BreakerState) {
        self.state = state;
        self.from = self.newest + 1;
        self.recent = Recent::default();
        self.failing_since = None;
    }
}

/// Returns the wait before a probe: never shorter than its turn, and a tenth longer at most, so
/// that clients that lost the service together do not come back together.
fn probe_wait(probes_before: u32, jitter: f64) -> Duration {
    let ceiling = FIRST_WAIT.saturating_mul(1 << probes_before.min(16));
    ceiling.mul_f64(1.0 + jitter / 10.0).min(LONGEST_WAIT)
}

/// The last attempts: a bit for each, the newest lowest, set where the service was away.
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
