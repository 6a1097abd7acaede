//! The lookahead: attempts begun before a slot is free, so that no slot waits for a commit.
//!
//! An attempt may leave only after a commit, and with a fast service a commit takes longer than a
//! call. If no rate limit applies, the engine starts as many extra attempts as calls complete within
//! two commits: those that leave during one, and those that become durable by it. With a slow service
//! this is almost none. An attempt begun ahead does not count as sent, because the ledger records
//! separately which attempts may have left. Slot and lookahead: see `docs/GLOSSARY.md`.
//!
//! A commit costs the same for one event and for a hundred. So while enough attempts are durable for
//! the slots, the next commit gathers events, at most those of two calls for each slot.

use super::Dispatcher;
use crate::clock::Instant;
use crate::engine::attempt::{Attempt, Completion};
use crate::engine::ledger::Ledger;
use crate::event::AttemptSeq;
use std::time::Duration;

/// The number of commits to look ahead: the one under way, and the next.
const COMMITS: f64 = 2.0;
/// The number of further commits that are spared by gathering: their attempts are begun ahead, too.
const SPARED_COMMITS: f64 = 4.0;
/// The calls whose events a commit gathers at most, for each slot: those that were answered are in
/// doubt after a kill.
const GATHERED_PER_SLOT: usize = 2;
/// The events of a call: its start, its end, and the outcome of its task.
const EVENTS_OF_CALL: usize = 3;
/// The longest time for which a commit gathers.
const LONGEST_GATHERING: Duration = Duration::from_millis(20);
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
    gathering: Gathering,
}

/// Whether the next commit gathers events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Gathering {
    #[default]
    No,
    Yes,
    /// It has gathered for long enough.
    Over,
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
        self.gathering = Gathering::No;
    }

    /// Ends the gathering, if the next commit gathers.
    pub(super) fn end_gathering(&mut self) {
        if self.gathering == Gathering::Yes {
            self.gathering = Gathering::Over;
        }
    }

    pub(super) fn committed(&mut self, now: Instant) {
        if let Some(began) = self.commit_began.take() {
            self.commit.add(now - began);
        }
    }

    pub(super) fn completed(&mut self, lasted: Duration) {
        self.call.add(lasted);
    }

    /// Returns how many calls complete within a commit.
    ///
    /// Little's law: `slots` calls of length `call` complete at a rate of `slots / call`.
    fn calls_per_commit(&self, slots: usize) -> f64 {
        let (Some(call), Some(commit)) = (self.call.0, self.commit.0) else { return 0.0 };
        // Some calls take no measurable time.
        slots as f64 * commit / call.max(f64::MIN_POSITIVE)
    }

    /// Returns how many calls complete within two commits, and how many more are begun for commits
    /// that gather; up to the permitted maximum.
    fn extra_attempts(&self, slots: usize) -> usize {
        let during_commit = self.calls_per_commit(slots);
        let gathered = (SPARED_COMMITS * during_commit).min((GATHERED_PER_SLOT * slots) as f64);
        let most = slots.saturating_mul(MAX_PER_SLOT).min(MAX_AHEAD);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and a value too large for the type is capped below"
        )]
        let extra_attempts = (COMMITS * during_commit + gathered) as usize;
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

    /// Returns whether the next commit waits for more events, because no slot has to wait for it.
    pub(super) fn gathers(&mut self) -> bool {
        let slots = self.slots();
        let during_commit = self.lookahead.calls_per_commit(slots);
        let gathers = self.lookahead.gathering != Gathering::Over
            && self.batch.len() < EVENTS_OF_CALL * GATHERED_PER_SLOT * slots
            // Only a call that ends leads to the next look at this.
            && !self.on_wire.is_empty()
            && self.stopping.is_none()
            && self.durable.len() as f64 > COMMITS * during_commit
            && self.max_ahead() > 0;
        if gathers && self.lookahead.gathering == Gathering::No {
            self.lookahead.gathering = Gathering::Yes;
            self.bring_far_timer_forward(LONGEST_GATHERING);
        }
        gathers
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
