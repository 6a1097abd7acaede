//! What is begun ahead of the slots, so that none of them waits for a commit.
//!
//! An attempt may leave only after a commit, and with a fast service a commit takes longer than a
//! call. So where no limit spreads the sendings, as many attempts more are begun as calls end within
//! two commits: what leaves during one, and what becomes durable by it. A slow service has none
//! begun ahead. None of them counts as sent: the ledger is told which may have left.

use super::Dispatcher;
use crate::clock::Instant;
use crate::engine::Ledger;
use crate::engine::attempt::Attempt;
use crate::engine::attempt::Completion;
use crate::event::AttemptSeq;
use std::time::Duration;

/// How many commits are looked ahead: the one under way, and the next.
const COMMITS: f64 = 2.0;
/// How many attempts are begun ahead at the most, for each slot and in all: so many more tasks may
/// be in doubt after a loss of power.
pub(in crate::engine) const MOST_PER_SLOT: usize = 4;
const MOST: usize = 1_000;
/// How much a new span counts beside all earlier ones.
const WEIGHT: f64 = 0.125;
/// When the ledger is asked again that could not take note of what leaves.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long calls and commits take, and what the ledger knows of what has left.
#[derive(Debug, Default)]
pub(super) struct Lookahead {
    call: Average,
    commit: Average,
    commit_began: Option<Instant>,
    announced: Option<AttemptSeq>,
}

/// A mean of spans in which the latest count most.
#[derive(Debug, Clone, Copy, Default)]
struct Average(Option<f64>);

impl Average {
    fn add(&mut self, span: Duration) {
        let seconds = span.as_secs_f64();
        self.0 = Some(self.0.map_or(seconds, |mean| mean + (seconds - mean) * WEIGHT));
    }
}

impl Lookahead {
    pub(super) fn commit_begins(&mut self, now: Instant) {
        self.commit_began = Some(now);
    }

    pub(super) fn committed(&mut self, now: Instant) {
        self.commit_began.take().into_iter().for_each(|began| self.commit.add(now - began));
    }

    pub(super) fn completed(&mut self, lasted: Duration) {
        self.call.add(lasted);
    }

    /// Returns how many calls in so many slots end within two commits (Little's law), as far as
    /// that many may be begun.
    fn worth(&self, slots: usize) -> usize {
        let (Some(call), Some(commit)) = (self.call.0, self.commit.0) else { return 0 };
        let most = slots.saturating_mul(MOST_PER_SLOT).min(MOST);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and what is too large for the type is so for us"
        )]
        let worth = (slots as f64 * COMMITS * commit / call) as usize;
        worth.min(most)
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
    /// None under a limit: it spreads them by itself, and the record of an attempt tells when it
    /// can have left at the earliest. None where calls go one by one, to see what becomes of them.
    pub(super) fn most_ahead(&self) -> usize {
        let most = self.desk.concurrency.get();
        let is_held = self.breaker.away_since().is_some() || self.held_since.is_some();
        if self.pacer.rate().is_some() || is_held || self.slots() < most {
            return 0;
        }
        self.ahead.worth(most)
    }

    /// Makes sure that the ledger knows that an attempt may leave, and with it all that can leave now.
    pub(super) fn is_announced(&mut self, next: &Attempt) -> bool {
        if self.ahead.announced.is_some_and(|last| last >= next.seq) {
            return true;
        }
        let free = self.slots().saturating_sub(self.on_wire.len());
        let others = self.durable.iter().take(free.saturating_sub(1)).map(|attempt| attempt.seq);
        let last = others.fold(next.seq, AttemptSeq::max);
        if self.ledger.may_leave(last) {
            self.ahead.announced = Some(last);
            return true;
        }
        self.wake_at(self.clock.instant() + AGAIN_AFTER);
        false
    }
}
