//! What follows an attempt: its task is settled, waits by itself, or holds the whole run.

use super::Dispatcher;
use super::outage::Attempted;
use super::pace::Heard;
use crate::clock::Instant;
use crate::clock::Timestamp;
use crate::engine::Claim;
use crate::engine::Ledger;
use crate::engine::attempt::Attempt;
use crate::engine::attempt::Completion;
use crate::event::AttemptResult;
use crate::event::AttemptSeq;
use crate::event::EventKind;
use crate::event::HoldReason;
use crate::event::StopReason;
use crate::policy::Answer;
use crate::policy::Attribution;
use crate::policy::CanaryState;
use crate::policy::Decision;
use crate::policy::Finding;
use crate::policy::Health;
use crate::policy::Verdict;
use crate::policy::classify;
use crate::task::Outcome;
use futures::FutureExt;
use futures::StreamExt;
use std::sync::Arc;
use std::time::Duration;

impl<L, S, F> Dispatcher<'_, L, S, F>
where
    L: Ledger,
    S: Fn(Attempt) -> F,
    F: Future<Output = Completion>,
{
    /// Takes note of every call that has ended by now, so that one commit settles them all.
    pub(super) fn complete_all(&mut self, first: Completion) {
        self.complete(first);
        while let Some(Some(completion)) = self.on_wire.next().now_or_never() {
            self.complete(completion);
        }
    }

    pub(super) fn complete(&mut self, completion: Completion) {
        let Completion { attempt: Attempt { mut claim, seq }, answer, used, sent, ended } =
            completion;
        self.ahead.completed(ended - sent);
        let finding = classify(&claim.task.id, &answer);
        let verdict = finding.verdict;
        let heard = Heard::of(&answer);
        let health = Health::of(&answer, verdict);
        let status = answer.status();
        let sent_at = self.clock.label(sent);
        claim.first_sent = claim.first_sent.or(Some(sent_at));
        let mut result = attempt_result(answer, finding, sent_at);
        result.duration = ended - sent;
        let task = Arc::clone(&claim.task);
        self.tell_of(ended, EventKind::AttemptEnded { seq, task, result });
        self.hear_of(seq, claim.history.trust.health_signal(health), ended);
        self.hear_of_credentials(verdict, status, used);
        self.pace.completed(verdict, sent);
        let spared = claim.history.after_uncharged(verdict);
        match self.settings.retry.decide(verdict, spared, 1.0) {
            Decision::SendAgain { .. } if health == Health::Away => {
                self.suspects.insert(seq.0, Attempted { claim, seq, verdict });
            }
            Decision::Reauthorise => self.reauthorise(Claim { history: spared, ..claim }, used),
            _ => self.follow(Attempted { claim, seq, verdict }, Attribution::Presumed, ended),
        }
        self.follow_explained();
        heard.into_iter().for_each(|heard| self.hear_quota(heard));
    }

    /// Goes on with a task, now that it is known whose failure its attempt was, if it was one.
    pub(super) fn follow(&mut self, attempted: Attempted, attribution: Attribution, now: Instant) {
        let Attempted { mut claim, seq, verdict } = attempted;
        let trust = claim.history.trust.after(attribution, self.breaker.outage());
        claim.history = match attribution {
            Attribution::Task | Attribution::Presumed => claim.history.after(verdict),
            Attribution::Service => claim.history.after_uncharged(verdict),
            Attribution::Unknown => unreachable!("only what is explained is followed"),
        };
        claim.history.trust = trust;
        let jitter = self.jitter.f64();
        match self.settings.retry.decide(verdict, claim.history, jitter) {
            Decision::Settle(outcome) => {
                self.settle(claim, seq, outcome, now);
                self.judge_canary(outcome);
            }
            Decision::SendAgain { after } => self.send_again(claim, after),
            Decision::HoldRun { wait } => self.hold(claim, wait),
            Decision::Reauthorise => unreachable!("who refuses credentials is not away"),
        }
    }

    pub(super) fn settle(&mut self, claim: Claim, seq: AttemptSeq, outcome: Outcome, now: Instant) {
        let Claim { task, attempts, first_sent, .. } = claim;
        let first_sent = first_sent.expect("a task that ended was sent");
        let kind = EventKind::TaskSettled { task, outcome, seq, attempts, first_sent };
        self.tell_of(now, kind);
        self.settled += 1;
        if outcome == Outcome::Failed {
            self.failed += 1;
            if self.failed > self.settings.tolerated_failures {
                self.stop(StopReason::TooManyFailures);
            }
        }
    }

    /// Stops the run if the canary, of which this may be a part, did not succeed.
    fn judge_canary(&mut self, outcome: Outcome) {
        let state = self.canary.as_mut().map(|canary| canary.settled(outcome));
        if state == Some(CanaryState::Failed) {
            self.stop(StopReason::CanaryFailed);
        }
    }

    pub(super) fn send_again(&mut self, claim: Claim, after: Duration) {
        let due = self.clock.instant() + after;
        let task = Arc::clone(&claim.task);
        self.tell(EventKind::RetryScheduled { task, due: self.clock.label(due) });
        self.waiting.until(due, claim);
    }

    /// Holds the whole run; the task that was told so goes first afterwards.
    pub(super) fn hold(&mut self, claim: Claim, wait: Duration) {
        let until = self.clock.instant() + wait;
        let task = Arc::clone(&claim.task);
        self.tell(EventKind::RetryScheduled { task, due: self.clock.label(until) });
        self.waiting.hold(claim);
        // A run that stops sends nothing anyway: there is nothing to hold.
        if self.stopping.is_none() {
            self.hold_run(until);
        }
    }

    pub(super) fn hold_run(&mut self, until: Instant) {
        let now = self.clock.instant();
        self.pacer.hold(until.into());
        self.held_since.get_or_insert(now);
        let until = self.pacer.held_until(now.into()).map_or(until, Instant::from);
        let reason = HoldReason::Throttled;
        self.tell(EventKind::RunHeld { until: self.clock.label(until), reason });
    }

    pub(super) fn continue_after_hold(&mut self) {
        if self.held_since.is_none() {
            return;
        }
        match self.pacer.held_until(self.clock.instant().into()) {
            Some(until) => self.wake_at(until.into()),
            None if self.breaker.away_since().is_some() || self.is_kept_back() => {}
            None => {
                self.end_hold();
                self.desk.paused_while_away = Duration::ZERO;
                self.tell(EventKind::RunContinued);
            }
        }
    }

    /// Adds the present hold, if there is one, to those that are over.
    pub(super) fn end_hold(&mut self) {
        if let Some(since) = self.held_since.take() {
            self.held += self.clock.instant() - since;
        }
    }
}

/// Returns what is to be kept of an answer; the caller adds when it came.
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
        failure: finding.failure,
        in_doubt: matches!(finding.verdict, Verdict::InDoubt | Verdict::Panicked),
    }
}
