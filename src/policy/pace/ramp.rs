//! Decides how a run begins small: a rate that grows, and a few tasks that go ahead.
//!
//! Pure functions of the time since the run began and of what became of the first tasks. The
//! pacer holds the rate, the dispatcher holds the tasks back.

use crate::task::Outcome;
use std::num::NonZeroU64;
use std::time::Duration;

/// The number of steps in which a rate grows.
const STEPS: u32 = 100;

/// Lets the rate grow in even steps from almost nothing to the whole limit.
///
/// The first sending goes at once, because the pacer knows of none before it.
///
/// ```
/// use batchctl::policy::Ramp;
/// use std::time::Duration;
///
/// let ramp = Ramp::new(Duration::from_secs(30));
/// assert_eq!(ramp.share(Duration::from_secs(15)), 0.5);
/// assert_eq!(ramp.share(Duration::from_secs(31)), 1.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ramp {
    over: Duration,
}

impl Ramp {
    /// Returns a ramp of that length.
    pub fn new(over: Duration) -> Self {
        Self { over }
    }

    /// Returns the share of the limit that holds so long after the run began: above 0, at most 1.
    ///
    /// It changes once a step, and is never above the straight line, except in the first step.
    pub fn share(&self, elapsed: Duration) -> f64 {
        f64::from(self.step(elapsed).clamp(1, STEPS)) / f64::from(STEPS)
    }

    /// Returns when, after the run began, the share changes next; never once it is whole.
    pub fn next_step(&self, elapsed: Duration) -> Option<Duration> {
        let step = self.step(elapsed);
        // The first step has the share of its end, so that the second brings nothing new.
        let next = if step == 0 { 2 } else { step + 1 };
        (step < STEPS).then(|| self.over * next / STEPS)
    }

    fn step(&self, elapsed: Duration) -> u32 {
        if elapsed >= self.over {
            return STEPS;
        }
        let step = elapsed.as_nanos() * u128::from(STEPS) / self.over.as_nanos();
        u32::try_from(step).expect("a share of a hundred steps fits")
    }
}

/// Whether the first tasks have proved that the rest may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanaryState {
    /// They are under way.
    Testing,
    /// All of them succeeded.
    Passed,
    /// One of them did not.
    Failed,
}

/// Holds back all tasks but the first few until those have succeeded.
///
/// Sendings of a task that was begun are never held back: a canary may be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    wanted: u64,
    begun: u64,
    succeeded: u64,
    failed: bool,
}

impl Canary {
    /// Returns a canary of that many tasks.
    pub fn new(wanted: NonZeroU64) -> Self {
        Self { wanted: wanted.get(), begun: 0, succeeded: 0, failed: false }
    }

    /// Returns where the test stands.
    pub fn state(&self) -> CanaryState {
        match (self.failed, self.succeeded >= self.wanted) {
            (true, _) => CanaryState::Failed,
            (false, true) => CanaryState::Passed,
            (false, false) => CanaryState::Testing,
        }
    }

    /// Tells whether a task that was never sent may be sent.
    pub fn may_begin(&self) -> bool {
        match self.state() {
            CanaryState::Testing => self.begun < self.wanted,
            CanaryState::Passed => true,
            CanaryState::Failed => false,
        }
    }

    /// Takes note that a task is sent for the first time.
    pub fn begin(&mut self) {
        self.begun += 1;
    }

    /// Takes note that such a task was taken back before a byte of it left.
    pub fn withdraw(&mut self) {
        self.begun = self.begun.saturating_sub(1);
    }

    /// Takes note of an outcome; once the test is over nothing follows from it.
    pub fn settled(&mut self, outcome: Outcome) -> CanaryState {
        if self.state() == CanaryState::Testing {
            if outcome.is_good() { self.succeeded += 1 } else { self.failed = true }
        }
        self.state()
    }
}

#[cfg(test)]
#[path = "ramp_tests.rs"]
mod tests;
