//! Whether the service is there, and whose failure it is when a call did not reach it.

use super::Dispatcher;
use crate::clock::Instant;
use crate::engine::Claim;
use crate::engine::Ledger;
use crate::engine::attempt::Attempt;
use crate::engine::attempt::Completion;
use crate::event::AttemptSeq;
use crate::event::EventKind;
use crate::event::HoldReason;
use crate::event::StopReason;
use crate::policy::BreakerChange;
use crate::policy::Health;
use crate::policy::Verdict;
use std::sync::Arc;

/// A task, and what its last attempt came to.
pub(super) struct Attempted {
    pub(super) claim: Claim,
    pub(super) seq: AttemptSeq,
    pub(super) verdict: Verdict,
}

impl<L, S, F> Dispatcher<'_, L, S, F>
where
    L: Ledger,
    S: Fn(Attempt) -> F,
    F: Future<Output = Completion>,
{
    /// Takes note of what an answer says of the service.
    pub(super) fn hear_of(&mut self, seq: AttemptSeq, health: Health, now: Instant) {
        let jitter = self.jitter.f64();
        let change = self.breaker.completed(seq.0, health, now.into(), jitter);
        let Some(BreakerChange::Opened { until }) = change else { return };
        if self.stopping.is_none() {
            self.held_since.get_or_insert(now);
            let until = self.clock.label(until.into());
            self.tell(EventKind::RunHeld { until, reason: HoldReason::Away });
        }
    }

    /// Takes back an attempt that was begun before the service was found to be away. It has been
    /// counted as a first one or a retry, and is not again when it goes.
    pub(super) fn keep_back(&mut self, attempt: Attempt) {
        let Attempt { mut claim, seq } = attempt;
        self.pacer.withdraw();
        self.breaker.withdraw(seq.0);
        self.tell(EventKind::AttemptWithdrawn { seq, task: Arc::clone(&claim.task) });
        claim.attempts -= 1;
        self.waiting.keep_back(claim);
    }

    /// Goes on with those whose failure is explained by now.
    pub(super) fn follow_explained(&mut self) {
        for (attribution, suspect) in self.suspects.explained(&self.breaker) {
            self.follow(suspect, attribution, self.clock.instant());
        }
    }

    /// Goes on with the last ones where nothing else is left that could explain their failure.
    pub(super) fn attribute_remaining(&mut self) {
        let more_to_begin = !self.fresh.is_empty() || !self.exhausted;
        // What the canary holds back cannot be a witness: it waits for the suspects itself.
        let fresh_to_come = more_to_begin && self.canary_lets_begin();
        let others = self.begun() + self.waiting.len();
        if others > 0 || fresh_to_come || self.stopping.is_some() {
            return;
        }
        for suspect in self.suspects.take_all() {
            let attribution = self.breaker.attribute_without_witness(suspect.verdict);
            self.follow(suspect, attribution, self.clock.instant());
        }
    }

    /// Returns when the present outage ends the run, if there is one.
    pub(super) fn outage_ends(&self) -> Option<Instant> {
        // A run that is paused does not ask for the service: it cannot know.
        if self.stopping.is_some() || self.desk.is_paused() {
            return None;
        }
        let patience = self.settings.outage_timeout.saturating_add(self.desk.paused_while_away);
        self.breaker.outage_ends(patience).map(Instant::from)
    }

    pub(super) fn check_outage(&mut self) {
        if self.outage_ends().is_some_and(|end| self.clock.instant() >= end) {
            self.stop(StopReason::Outage);
        }
    }
}
