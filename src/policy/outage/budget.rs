//! The retry budget: decides when a task may be sent again after a failure.
//!
//! Allows, in any ten seconds, one retry per five first attempts, plus ten a second, like
//! `RetryBudget` of Twitter's Finagle. A retry beyond the budget waits; no task fails because of it.
//! Only sendings after a failure count as retries. A sending after a throttled answer is free,
//! because the service sets its pace, and so is a probe. "Budget": see `docs/GLOSSARY.md`.

use std::time::{Duration, Instant};

/// The number of first attempts that pay for one retry.
const FIRSTS_PER_RETRY: u64 = 5;
/// The number of free retries a second.
const FREE_PER_SECOND: u64 = 10;
/// The number of seconds for which attempts count.
const MEMORY_SECONDS: u64 = 10;
/// The length of a bucket in milliseconds.
const BUCKET_MILLIS: u64 = 500;
/// The number of buckets that cover the memory from any instant in the newest of them.
const BUCKETS: usize = (MEMORY_SECONDS * 1_000 / BUCKET_MILLIS) as usize + 1;

/// Whether a retry may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryPermit {
    /// It may go.
    Now,
    /// Not before this instant, unless more first attempts are made meanwhile.
    NotBefore(Instant),
}

/// The attempts of one span of time.
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
    /// Returns a budget without any attempts.
    pub fn new(now: Instant) -> Self {
        let buckets = [BudgetBucket::default(); BUCKETS];
        Self { start: now, newest: 0, buckets, retries: 0, firsts: 0 }
    }

    /// Counts the first attempt of a task.
    pub fn count_first(&mut self, now: Instant) {
        self.advance(now);
        self.bucket(self.newest).firsts += 1;
        self.firsts += 1;
    }

    /// Counts a retry, whether or not the budget permitted it.
    pub fn count_retry(&mut self, now: Instant) {
        self.advance(now);
        self.bucket(self.newest).retries += 1;
        self.retries += 1;
    }

    /// Asks whether one more retry may go, without counting it.
    pub fn ask(&mut self, now: Instant) -> RetryPermit {
        self.advance(now);
        if affordable(self.firsts, self.retries) {
            return RetryPermit::Now;
        }
        RetryPermit::NotBefore(self.next_turn())
    }

    /// Drops the buckets that are too old.
    fn advance(&mut self, now: Instant) {
        let millis = now.saturating_duration_since(self.start).as_millis();
        let current = u64::try_from(millis).unwrap_or(u64::MAX) / BUCKET_MILLIS;
        // After a long pause all buckets are empty; the loop below would visit each span of it.
        if current.saturating_sub(self.newest) >= BUCKETS as u64 {
            let start = self.start;
            *self = Self { newest: current, ..Self::new(start) };
        }
        while self.newest < current {
            self.newest += 1;
            let oldest = std::mem::take(self.bucket(self.newest));
            self.retries -= oldest.retries;
            // The oldest bucket reaches too far back: its first attempts no longer pay, although
            // its retries still count. Both errors are on the safe side.
            self.firsts -= self.bucket(self.newest + 1).firsts;
        }
    }

    fn bucket(&mut self, number: u64) -> &mut BudgetBucket {
        &mut self.buckets[(number % BUCKETS as u64) as usize]
    }

    /// Returns the beginning of the first bucket in which a retry is affordable if nothing is sent
    /// until then.
    fn next_turn(&self) -> Instant {
        // Time is advanced on a copy, so the answer agrees with later questions. The loop ends at
        // the latest when all buckets are empty.
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
