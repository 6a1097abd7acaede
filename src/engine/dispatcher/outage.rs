//! Whether the service works, and whose failure it is when a call did not reach it.
//!
//! Suspect, witness and breaker are explained in `docs/GLOSSARY.md`.

use super::Dispatcher;
use super::leases::Supply;
use crate::clock::Instant;
use crate::engine::attempt::{Attempt, Completion};
use crate::engine::ledger::{Claim, Ledger};
use crate::event::{AttemptSeq, EventKind, HoldReason, StopReason};
use crate::policy::{BreakerChange, Health, Verdict};
use std::sync::Arc;
use std::time::Duration;

/// A task and the verdict on its last attempt.
pub(super) struct EndedAttempt {
    pub(super) claim: Claim,
    pub(super) seq: AttemptSeq,
    pub(super) verdict: Verdict,
    /// The wait that the service asked for.
    pub(super) asked_wait: Option<Duration>,
}

impl<L, S, F> Dispatcher<'_, L, S, F>
where
    L: Ledger,
    S: Fn(Attempt) -> F,
    F: Future<Output = Completion>,
{
    /// Passes the service's health, as an answer shows it, to the breaker.
    pub(super) fn record_health(&mut self, seq: AttemptSeq, health: Health, now: Instant) {
        let jitter = self.jitter.f64();
        let change = self.breaker.completed(seq.0, health, now.into(), jitter);
        let Some(BreakerChange::Opened { until }) = change else { return };
        // A run that stops sends nothing anyway: there is nothing to hold.
        if self.stopping.is_none() {
            self.held_since.get_or_insert(now);
            let until = self.clock.label(until.into());
            self.emit(EventKind::RunHeld { until, reason: HoldReason::Away });
        }
    }

    /// Withdraws an attempt and holds its task until the run continues.
    ///
    /// The budget has counted it already and does not count it again: held tasks are free.
    pub(super) fn withdraw_for_later(&mut self, attempt: Attempt) {
        let Attempt { mut claim, seq, .. } = attempt;
        self.pacer.withdraw();
        self.breaker.withdraw(seq.0);
        self.emit(EventKind::AttemptWithdrawn { seq, task: Arc::clone(&claim.task) });
        // The attempt never left, so it does not count among those of the task.
        claim.attempts -= 1;
        self.retry_queue.push_held_last(claim);
    }

    /// Settles or retries the suspects whose failure is explained by now.
    pub(super) fn resolve_suspects(&mut self) {
        for (attribution, suspect) in self.suspects.explained(&self.breaker) {
            self.settle_or_retry(suspect, attribution, self.clock.instant());
        }
    }

    /// When no other call can show the cause, attributes the remaining suspects' failures.
    pub(super) fn attribute_remaining(&mut self) {
        let more_to_begin = !self.fresh.is_empty() || self.supply == Supply::More;
        // Tasks behind a gate cannot be witnesses: they wait for the suspects themselves.
        let fresh_to_come = more_to_begin && self.gates_let_begin();
        let others = self.begun() + self.retry_queue.len();
        if others > 0 || fresh_to_come || self.stopping.is_some() {
            return;
        }
        // Without this a run would wait forever: suspects wait for a witness that never comes.
        for suspect in self.suspects.take_all() {
            let attribution = self.breaker.attribute_without_witness(suspect.verdict);
            self.settle_or_retry(suspect, attribution, self.clock.instant());
        }
    }

    /// Returns when the present outage, if there is one, ends the run.
    pub(super) fn outage_ends(&self) -> Option<Instant> {
        // A paused run sends nothing, so it cannot know whether the service is back.
        if self.stopping.is_some() || self.operator.is_paused() {
            return None;
        }
        let patience = self.settings.outage_timeout.saturating_add(self.operator.paused_while_away);
        self.breaker.outage_ends(patience).map(Instant::from)
    }

    pub(super) fn check_outage(&mut self) {
        if self.outage_ends().is_some_and(|end| self.clock.instant() >= end) {
            self.stop(StopReason::Outage);
        }
    }
}
