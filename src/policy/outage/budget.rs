//! Decides whether the run can afford to send a task again.
//!
//! Holds that the ten seconds before a retry have no more retries in them than one for every five
//! first attempts, and ten a second on top (as `RetryBudget` of Twitter's Finagle has it). What is
//! not affordable waits its turn: no task fails for it. Only sendings after a failure are retries
//! here. What follows a throttled answer costs nothing, for the service's word paces it, and
//! neither does a probe.

use std::time::Duration;
use std::time::Instant;

/// How many first attempts pay for one retry.
const FIRSTS_PER_RETRY: u64 = 5;
/// How many retries a second are free.
const FREE_PER_SECOND: u64 = 10;
/// How far back attempts count, in seconds.
const MEMORY_SECONDS: u64 = 10;
/// A bucket counts the attempts of so many milliseconds.
const BUCKET_MILLIS: u64 = 500;
/// As many buckets as cover the memory from any instant in the newest of them.
const BUCKETS: usize = (MEMORY_SECONDS * 1_000 / BUCKET_MILLIS) as usize + 1;

/// Whether a retry may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryPermit {
    /// It may.
    Now,
    /// Not before then, unless more first attempts are made meanwhile.
    NotBefore(Instant),
}

/// What was sent in one span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct BudgetBucket {
    firsts: u64,
    retries: u64,
}

/// Counts first attempts and retries of the last ten seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryBudget {
    start: Instant,
    /// The number of the newest bucket since `start`.
    newest: u64,
    /// A ring: bucket `n` is at `n` modulo the number of buckets.
    buckets: [BudgetBucket; BUCKETS],
    /// The retries in all buckets.
    retries: u64,
    /// The first attempts in all buckets but the oldest, which may reach too far back.
    firsts: u64,
}

impl RetryBudget {
    /// Returns a budget that knows of no attempt yet.
    pub fn new(now: Instant) -> Self {
        let buckets = [BudgetBucket::default(); BUCKETS];
        Self { start: now, newest: 0, buckets, retries: 0, firsts: 0 }
    }

    /// Takes note of the first attempt of a task.
    pub fn count_first(&mut self, now: Instant) {
        self.advance(now);
        self.bucket(self.newest).firsts += 1;
        self.firsts += 1;
    }

    /// Takes note of a retry, whether or not it was its turn.
    pub fn count_retry(&mut self, now: Instant) {
        self.advance(now);
        self.bucket(self.newest).retries += 1;
        self.retries += 1;
    }

    /// Asks whether one more retry may go; it counts only once it is counted.
    pub fn ask(&mut self, now: Instant) -> RetryPermit {
        self.advance(now);
        match affordable(self.firsts, self.retries) {
            true => RetryPermit::Now,
            false => RetryPermit::NotBefore(self.next_turn()),
        }
    }

    /// Forgets the buckets that are too old by now.
    fn advance(&mut self, now: Instant) {
        let millis = now.saturating_duration_since(self.start).as_millis();
        let current = u64::try_from(millis).unwrap_or(u64::MAX) / BUCKET_MILLIS;
        if current.saturating_sub(self.newest) >= BUCKETS as u64 {
            let start = self.start;
            *self = Self { newest: current, ..Self::new(start) };
        }
        while self.newest < current {
            self.newest += 1;
            let oldest = std::mem::take(self.bucket(self.newest));
            self.retries -= oldest.retries;
            self.firsts -= self.bucket(self.newest + 1).firsts;
        }
    }

    fn bucket(&mut self, number: u64) -> &mut BudgetBucket {
        &mut self.buckets[(number % BUCKETS as u64) as usize]
    }

    /// Returns when the first bucket begins in which a retry is affordable, were nothing sent
    /// until then.
    fn next_turn(&self) -> Instant {
        let mut later = self.clone();
        while !affordable(later.firsts, later.retries) {
            later.advance(later.beginning(later.newest + 1));
        }
        later.beginning(later.newest)
    }

    fn beginning(&self, bucket: u64) -> Instant {
        self.start + Duration::from_millis(bucket * BUCKET_MILLIS)
    }
}

fn affordable(firsts: u64, retries: u64) -> bool {
    retries < firsts / FIRSTS_PER_RETRY + FREE_PER_SECOND * MEMORY_SECONDS
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
