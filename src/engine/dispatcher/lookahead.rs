//! The lookahead: attempts begun before a slot is free, so that no slot waits for a commit.
//!
//! An attempt may leave only after a commit, and with a fast service a commit takes longer than a
//! call. If no rate limit applies, the engine starts as many extra attempts as calls complete within
//! two commits: those that leave during one, and those that become durable by it. With a slow service
//! this is almost none. An attempt begun ahead does not count as sent, because the ledger records
//! separately which attempts may have left. Slot and lookahead: see `docs/GLOSSARY.md`.

use super::Dispatcher;
use crate::clock::Instant;
use crate::engine::attempt::{Attempt, Completion};
use crate::engine::ledger::Ledger;
use crate::event::AttemptSeq;
use std::time::Duration;

/// The number of commits to look ahead: the one under way, and the next.
const COMMITS: f64 = 2.0;
/// The maximum number of attempts begun ahead for each slot. Together with [`MAX_AHEAD`] it limits how
/// many more tasks may be in doubt after a power failure.
pub(in crate::engine) const MAX_PER_SLOT: usize = 4;
/// The maximum number of attempts begun ahead in all.
const MAX_AHEAD: usize = 1_000;
/// The weight of a new span in the average, as TCP weighs round-trip times (RFC 6298).
const WEIGHT: f64 = 0.125;
/// The delay before the ledger is asked again after it could not record a departure.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long calls and commits take, and the last attempt that the ledger knows may have left.
#[derive(Debug, Default)]
pub(super) struct Lookahead {
    call: Average,
    commit: Average,
    commit_began: Option<Instant>,
    announced: Option<AttemptSeq>,
}

/// Whether the ledger knows that an attempt may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announcement {
    /// It knew already.
    MadeBefore,
    /// It was told now, which takes the time of a write.
    MadeNow,
    /// It could not record it; the attempt must stay.
    Failed,
}

/// An exponentially weighted mean of durations.
#[derive(Debug, Clone, Copy, Default)]
struct Average(Option<f64>);

impl Average {
    fn add(&mut self, span: Duration) {
        let seconds = span.as_secs_f64();
        self.0 = Some(self.0.map_or(seconds, |mean| mean + (seconds - mean) * WEIGHT));
    }
}

impl Lookahead {
    pub(super) fn commit_started(&mut self, now: Instant) {
        self.commit_began = Some(now);
    }

    pub(super) fn committed(&mut self, now: Instant) {
        if let Some(began) = self.commit_began.take() {
            self.commit.add(now - began);
        }
    }

    pub(super) fn completed(&mut self, lasted: Duration) {
        self.call.add(lasted);
    }

    /// Returns how many calls complete within two commits, up to the permitted maximum.
    ///
    /// Little's law: `slots` calls of length `call` complete at a rate of `slots / call`.
    fn extra_attempts(&self, slots: usize) -> usize {
        let (Some(call), Some(commit)) = (self.call.0, self.commit.0) else { return 0 };
        let most = slots.saturating_mul(MAX_PER_SLOT).min(MAX_AHEAD);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and a value too large for the type is capped below"
        )]
        let extra_attempts = (slots as f64 * COMMITS * commit / call) as usize;
        extra_attempts.min(most)
    }
}

impl<L, S, F> Dispatcher<'_, L, S, F>
where
    L: Ledger,
    S: Fn(Attempt) -> F,
    F: Future<Output = Completion>,
{
    /// Returns how many attempts may be begun beyond the slots.
    ///
    /// Zero under a rate limit: the limit spreads the sendings anyway, and the record of an attempt
    /// has the earliest time at which it can leave. Zero while single calls probe the service.
    pub(super) fn max_ahead(&self) -> usize {
        let most = self.operator.concurrency.get().min(self.most_at_a_time());
        let is_held = self.breaker.away_since().is_some() || self.held_since.is_some();
        if self.pacer.is_limited() || is_held || self.slots() < most {
            return 0;
        }
        self.lookahead.extra_attempts(most)
    }

    /// Lets the ledger record that an attempt may leave.
    ///
    /// Announces all attempts that can leave now at once, because each announcement is a write.
    pub(super) fn announce(&mut self, next: &Attempt) -> Announcement {
        if self.lookahead.announced.is_some_and(|last| last >= next.seq) {
            return Announcement::MadeBefore;
        }
        let free = self.slots().saturating_sub(self.on_wire.len());
        let others = self.durable.iter().take(free.saturating_sub(1)).map(|attempt| attempt.seq);
        let last = others.fold(next.seq, AttemptSeq::max);
        if self.ledger.may_leave(last) {
            self.lookahead.announced = Some(last);
            return Announcement::MadeNow;
        }
        self.wake_at(self.clock.instant() + AGAIN_AFTER);
        Announcement::Failed
    }
}
