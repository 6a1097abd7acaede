//! The completion of an attempt: its task is settled, waits for a retry, or holds the whole run.

use super::Dispatcher;
use super::outage::EndedAttempt;
use super::pace::Heard;
use crate::clock::{Instant, Timestamp};
use crate::engine::attempt::{Attempt, Completion};
use crate::engine::ledger::{Claim, Ledger};
use crate::event::{AttemptResult, AttemptSeq, EventKind, HoldReason, StopReason};
use crate::policy::{
    Answer, Attribution, CanaryState, Decision, Finding, Health, Verdict, classify,
    classify_repeated_deletion,
};
use crate::task::Outcome;
use futures::FutureExt;
use futures::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::unconstrained;

impl<L, S, F> Dispatcher<'_, L, S, F>
where
    L: Ledger,
    S: Fn(Attempt) -> F,
    F: Future<Output = Completion>,
{
    /// Completes every call that has ended by now, so that one commit settles them all.
    pub(super) fn complete_all(&mut self, first: Completion) {
        self.complete(first);
        while let Some(completion) = self.next_completion() {
            self.complete(completion);
        }
    }

    /// Returns a call that has ended by now.
    fn next_completion(&mut self) -> Option<Completion> {
        let next = poll_fn(|cx| self.on_wire.poll_next(cx));
        // With the runtime's budget, many answers at a time would use it up and the rest be left.
        unconstrained(next).now_or_never().flatten()
    }

    /// Records the end of an attempt and decides what follows for its task, breaker and pace.
    pub(super) fn complete(&mut self, completion: Completion) {
        let Completion { attempt: Attempt { mut claim, seq, .. }, answer, used, sent, ended } =
            completion;
        self.lookahead.completed(ended - sent);
        let is_repeated = claim.history.doubted_before && claim.task.command.is_final();
        let finding = if is_repeated {
            classify_repeated_deletion(&claim.task.id, &answer)
        } else {
            classify(&claim.task.id, &answer)
        };
        let retry = self.settings.retry.for_command(claim.task.command);
        let verdict = finding.verdict;
        let heard = Heard::from_answer(&answer);
        let health = Health::from_answer(&answer, verdict);
        let (status, asked_wait) = (answer.status(), answer.retry_after());
        let sent_at = self.clock.label(sent);
        claim.first_sent = claim.first_sent.or(Some(sent_at));
        let mut result = attempt_result(answer, finding, sent_at);
        result.duration = ended - sent;
        let is_lost = self.is_lost(&claim);
        if !is_lost {
            let task = Arc::clone(&claim.task);
            self.emit_at(ended, EventKind::AttemptEnded { seq, task, result });
        }
        // The evidence comes before the decision: an attempt may open the breaker itself, and then
        // its own failure belongs to the outage. Its task's trust is the one before this attempt.
        self.record_health(seq, claim.history.trust.health_signal(health), ended);
        // Before `reauthorise`, which asks whether these credentials were ever accepted.
        self.record_acceptance(verdict, status, used);
        self.follow_pace(verdict, sent, ended);
        // Asked as if uncharged: a suspect is charged only once its failure is explained. The jitter
        // is irrelevant here, because only the kind of decision is used.
        let uncharged = claim.history.after_uncharged(verdict);
        match retry.decide(verdict, uncharged, 1.0) {
            Decision::StopRun => self.stop(StopReason::ProxyRefused),
            _ if is_lost => {}
            Decision::SendAgain { .. } if health == Health::Away => {
                self.suspects.insert(seq.0, EndedAttempt { claim, seq, verdict, asked_wait });
            }
            Decision::Reauthorise => self.reauthorise(Claim { history: uncharged, ..claim }, used),
            _ => self.settle_or_retry(
                EndedAttempt { claim, seq, verdict, asked_wait },
                Attribution::Presumed,
                ended,
            ),
        }
        // Only now, because this completion may be the witness that earlier suspects wait for, or
        // have opened the breaker for them and for itself.
        self.resolve_suspects();
        // Last, because the pace follows from how many tasks are left to send.
        if let Some(heard) = heard {
            self.hear_quota(heard);
        }
    }

    /// Settles a task or sends it again, now that its attempt's failure, if any, is attributed.
    pub(super) fn settle_or_retry(
        &mut self,
        ended: EndedAttempt,
        attribution: Attribution,
        now: Instant,
    ) {
        let EndedAttempt { mut claim, seq, verdict, asked_wait } = ended;
        let trust = claim.history.trust.after(attribution, self.breaker.outage());
        claim.history = match attribution {
            Attribution::Task | Attribution::Presumed => claim.history.after(verdict),
            Attribution::Service => claim.history.after_uncharged(verdict),
            Attribution::Unknown => unreachable!("only explained attempts get here"),
        };
        claim.history.trust = trust;
        let jitter = self.jitter.f64();
        let retry = self.settings.retry.for_command(claim.task.command);
        match retry.decide(verdict, claim.history, jitter) {
            Decision::Settle(outcome) => {
                self.settle(claim, seq, outcome, now);
                self.update_canary(outcome);
                self.settle_in_wave(outcome);
            }
            Decision::SendAgain { after } => {
                self.send_again(claim, after.max(asked_wait.unwrap_or_default()));
            }
            Decision::Wait { after } => self.send_again_first(claim, after),
            Decision::HoldRun { wait } => self.hold_for(claim, wait),
            Decision::Reauthorise | Decision::StopRun => {
                unreachable!("a service that refuses credentials or a proxy is not away")
            }
        }
    }

    pub(super) fn settle(&mut self, claim: Claim, seq: AttemptSeq, outcome: Outcome, now: Instant) {
        let Claim { task, attempts, first_sent, .. } = claim;
        let first_sent = first_sent.expect("a settled task was sent");
        let kind = EventKind::TaskSettled { task, outcome, seq, attempts, first_sent };
        self.emit_at(now, kind);
        self.settled += 1;
        if outcome == Outcome::Failed {
            self.failed += 1;
            self.ledger.note_failure();
            if self.failed > self.settings.tolerated_failures {
                self.stop(StopReason::TooManyFailures);
            }
        }
    }

    /// Stops the run if this task belongs to the canary and did not succeed.
    fn update_canary(&mut self, outcome: Outcome) {
        let state = self.canary.as_mut().map(|canary| canary.settled(outcome));
        if state == Some(CanaryState::Failed) {
            self.stop(StopReason::CanaryFailed);
        }
    }

    pub(super) fn send_again(&mut self, claim: Claim, after: Duration) {
        let due = self.clock.instant() + after;
        let task = Arc::clone(&claim.task);
        self.emit(EventKind::RetryScheduled { task, due: self.clock.label(due) });
        self.retry_queue.push_until(due, claim);
    }

    /// Lets a throttled task wait by itself; it goes before others afterwards.
    fn send_again_first(&mut self, claim: Claim, after: Duration) {
        let due = self.clock.instant() + after;
        let task = Arc::clone(&claim.task);
        self.emit(EventKind::RetryScheduled { task, due: self.clock.label(due) });
        self.retry_queue.push_throttled_until(due, claim);
    }

    /// Holds the whole run for a throttled task, which goes first afterwards.
    pub(super) fn hold_for(&mut self, claim: Claim, wait: Duration) {
        let until = self.clock.instant() + wait;
        let task = Arc::clone(&claim.task);
        self.emit(EventKind::RetryScheduled { task, due: self.clock.label(until) });
        self.retry_queue.push_held_first(claim);
        // A run that stops sends nothing anyway: there is nothing to hold.
        if self.stopping.is_none() {
            self.hold_run(until);
        }
        self.check_hold();
    }

    pub(super) fn hold_run(&mut self, until: Instant) {
        let now = self.clock.instant();
        self.pacer.hold(until.into());
        if let Some(group) = &mut self.group {
            group.hold(until.into(), now.into());
        }
        self.held_since.get_or_insert(now);
        // An earlier hold may last longer; the event names the later end.
        let until = self.pacer.held_until(now.into()).map_or(until, Instant::from);
        let reason = HoldReason::Throttled;
        self.emit(EventKind::RunHeld { until: self.clock.label(until), reason });
    }

    pub(super) fn continue_after_hold(&mut self) {
        if self.held_since.is_none() {
            return;
        }
        match self.pacer.held_until(self.clock.instant().into()) {
            Some(until) => self.wake_at(until.into()),
            // The pacer is free, but another reason still holds the run.
            None if self.breaker.away_since().is_some() || self.is_sending_blocked() => {}
            None => {
                self.end_hold();
                self.operator.paused_while_away = Duration::ZERO;
                self.emit(EventKind::RunContinued);
                self.hold_wave_again();
            }
        }
    }

    /// Adds the present hold, if there is one, to the total time held.
    pub(super) fn end_hold(&mut self) {
        if let Some(since) = self.held_since.take() {
            self.held += self.clock.instant() - since;
        }
    }
}

/// Returns the part of an answer that is recorded; the caller adds the duration.
fn attempt_result(answer: Answer, finding: Finding, sent: Timestamp) -> AttemptResult {
    let (http_status, request_id) = match answer {
        Answer::Response(response) => (Some(response.status), response.request_id),
        Answer::NoResponse(_) | Answer::Panicked(_) => (None, None),
    };
    AttemptResult {
        sent,
        duration: Duration::ZERO,
        http_status,
        request_id,
        counts: finding.counts,
        failure: finding.failure.map(Box::new),
        in_doubt: matches!(finding.verdict, Verdict::InDoubt | Verdict::Panicked),
    }
}
