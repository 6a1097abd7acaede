//! Decides which task goes next, and when: every gate is asked before an attempt is begun.
//!
//! Admitted, durable and released are explained in `docs/GLOSSARY.md`.

use super::lookahead::Announcement;
use super::{Dispatcher, MAX_WAITING};
use crate::clock::Instant;
use crate::engine::attempt::{Attempt, Completion};
use crate::engine::ledger::{Leave, Ledger};
use crate::engine::settings::{Numbering, timed_number};
use crate::event::{AttemptSeq, EventKind, StopReason};
use crate::policy::{Admission, Canary, Passage, RetryPermit, WaveGate, WitnessTrust};
use std::sync::Arc;
use std::task::Poll;

/// The queue from which the next task is taken.
#[derive(Debug, Clone, Copy)]
enum NextSource {
    /// Tasks held with the run. They cost no retry, because the service itself sets their pace.
    Held,
    /// Tasks whose wait for a retry is over.
    Due,
    /// Tasks that this process has not sent yet.
    Fresh,
}

impl<L, S, F> Dispatcher<'_, L, S, F>
where
    L: Ledger,
    S: Fn(Attempt) -> F,
    F: Future<Output = Completion>,
{
    /// Begins attempts as long as a slot is free and every gate permits it.
    pub(super) fn admit(&mut self) {
        let now = self.clock.instant();
        let is_shut = self.stopping.is_some() || self.gives_back;
        while !is_shut && self.begun() < self.slots() + self.max_ahead() {
            // The pacer comes last, because its permission counts the attempt as admitted. The
            // breaker and the choice of a task count nothing and may be asked in vain.
            match self.breaker.ask(now.into()) {
                Passage::Now => {}
                Passage::NotBefore(due) => return self.wake_at(due.into()),
                Passage::AfterCompletion => return,
            }
            let Some(source) = self.choose_next(now) else { return };
            match self.pacer.admit(now.into()) {
                Admission::Now => self.begin(source, now),
                Admission::NotBefore(due) => return self.wake_at(due.into()),
                Admission::AfterRelease => return,
            }
        }
    }

    /// Chooses the next task: a held one, a due one if the budget permits a retry, or a fresh one.
    fn choose_next(&mut self, now: Instant) -> Option<NextSource> {
        let fresh = self.has_fresh().then_some(NextSource::Fresh);
        if self.breaker.away_since().is_some() {
            // A probe needs no retry permit: it is the only call during an outage.
            return self.choose_probe(fresh);
        }
        if self.retry_queue.has_held() {
            return Some(NextSource::Held);
        }
        if !self.retry_queue.has_due() {
            return fresh;
        }
        match self.budget.ask(now.into()) {
            RetryPermit::Now => Some(NextSource::Due),
            RetryPermit::NotBefore(turn) => {
                self.wake_at(turn.into());
                fresh
            }
        }
    }

    /// Chooses the task that probes whether the service is back; a trusted witness, if there is one.
    fn choose_probe(&mut self, fresh: Option<NextSource>) -> Option<NextSource> {
        self.retry_queue.bring_forward(|claim| claim.history.trust != WitnessTrust::Bad);
        let due = self.retry_queue.has_due().then_some(NextSource::Due);
        let held = self.retry_queue.has_held().then_some(NextSource::Held);
        // A fresh task has not failed in this process, so its answer is the clearest evidence.
        fresh.or(due).or(held)
    }

    fn has_fresh(&self) -> bool {
        let set_aside = self.retry_queue.len() + self.suspects.len();
        !self.fresh.is_empty() && set_aside < MAX_WAITING && self.gates_let_begin()
    }

    /// Returns whether the canary and the wave, if there are such, let a fresh task begin.
    pub(super) fn gates_let_begin(&self) -> bool {
        let canary = self.canary.as_ref().is_none_or(Canary::may_begin);
        canary && self.waves.as_ref().is_none_or(WaveGate::may_begin)
    }

    /// Returns the number of attempts between admission and completion.
    pub(super) fn begun(&self) -> usize {
        self.admitted.len() + self.in_commit.len() + self.durable.len() + self.on_wire.len()
    }

    fn begin(&mut self, source: NextSource, now: Instant) {
        let claim = match source {
            NextSource::Held => self.retry_queue.take_held(),
            NextSource::Due => {
                self.budget.count_retry(now.into());
                self.retry_queue.take_due()
            }
            NextSource::Fresh => {
                self.budget.count_first(now.into());
                if let Some(canary) = &mut self.canary {
                    canary.begin();
                }
                if let Some(waves) = &mut self.waves {
                    waves.begin();
                }
                self.fresh.pop_front()
            }
        };
        let mut claim = claim.expect("the chosen queue has a task");
        claim.attempts += 1;
        let seq = self.next_number(now);
        self.breaker.begin(seq.0);
        let (task, number) = (Arc::clone(&claim.task), claim.attempts);
        // Stored with the start: after a kill the window counts this attempt from then on.
        let leaves = self.clock.label(self.pacer.earliest_release(now.into()).into());
        self.emit_at(now, EventKind::AttemptStarted { seq, task, number, leaves });
        self.admitted.push(Attempt { claim, seq, until: None });
    }

    /// Begins to make the gathered events durable, unless an earlier commit is still under way or more
    /// events are worth waiting for.
    ///
    /// Events that come meanwhile are the next batch, so commits grow with the load by themselves.
    pub(super) fn commit(&mut self) {
        if self.committing.is_some() || self.batch.is_empty() || self.gathers() {
            return;
        }
        // Batches are similar in size: reserving the same avoids growing step by step.
        let next = Vec::with_capacity(self.batch.len());
        let batch = std::mem::replace(&mut self.batch, next);
        self.committing = Some(self.ledger.on_events(batch));
        self.operator.commit_began();
        self.in_commit.append(&mut self.admitted);
        self.lookahead.commit_started(self.clock.instant());
    }

    /// Moves the attempts of a finished commit to the durable ones, unless they are withdrawn or the run
    /// stops.
    pub(super) fn mark_durable(&mut self) {
        let is_withdrawn = std::mem::take(&mut self.withdraws_commit);
        self.durable.extend(self.in_commit.drain(..));
        if self.stopping.is_some() {
            self.withdraw_all();
        } else if is_withdrawn {
            // All that was durable before is withdrawn already.
            for attempt in std::mem::take(&mut self.durable) {
                self.withdraw_for_later(attempt);
            }
        }
    }

    /// Returns the number of the next attempt: higher than all before it.
    fn next_number(&mut self, now: Instant) -> AttemptSeq {
        let counted = self.next_seq;
        let number = match self.settings.origin.numbering {
            Numbering::Counted => counted,
            Numbering::Timed { worker } => timed_number(self.clock.label(now), worker, counted),
        };
        self.next_seq = number + 1;
        AttemptSeq(number)
    }

    /// Releases durable attempts, as far as there are slots and the pacer allows.
    ///
    /// Each call is polled at once, and its sending time is read right after that poll. So no stall
    /// of this process comes between a sending and the time at which the pacer counts it.
    pub(super) fn release(&mut self) {
        let mut now = self.clock.instant();
        // Without a slot, and so while credentials are renewed, durable attempts stay where they are.
        while self.has_slot()
            && let Some(attempt) = self.next_durable()
        {
            if self.is_lost(&attempt.claim) {
                // Its start was being committed when its chunk was dropped.
                let chunk = attempt.claim.chunk;
                self.durable.push_front(attempt);
                self.drop_lost(vec![chunk]);
                continue;
            }
            if let Some(due) = self.release_due(now) {
                self.durable.push_front(attempt);
                self.wake_at(due);
                return self.check_group(now);
            }
            let until = match self.ledger.may_send(attempt.claim.chunk, now) {
                Leave::Now => None,
                Leave::Until(end) => Some(end),
                Leave::NotBefore(due) => {
                    self.durable.push_front(attempt);
                    return self.wake_at(due);
                }
                Leave::Lost => {
                    let chunk = attempt.claim.chunk;
                    self.ledger.note_dropped(chunk);
                    self.durable.push_front(attempt);
                    self.drop_lost(vec![chunk]);
                    continue;
                }
            };
            // Announced after every gate has agreed: an announced attempt counts as possibly sent
            // after a kill, so nothing is announced that would wait.
            match self.announce(&attempt) {
                Announcement::MadeBefore => {}
                Announcement::MadeNow => {
                    // The write took time, in which a slot may have passed: the gates are asked anew.
                    now = self.clock.instant();
                    self.durable.push_front(attempt);
                    continue;
                }
                Announcement::Failed => return self.durable.push_front(attempt),
            }
            if self.pacer.release(now.into()) != Admission::Now {
                // Nothing was counted, so nothing may leave: the gates are asked anew.
                self.durable.push_front(attempt);
                now = self.clock.instant();
                continue;
            }
            now = self.send_now(Attempt { until, ..attempt });
        }
    }

    /// Returns when the next durable attempt may leave; nothing if now.
    fn release_due(&mut self, now: Instant) -> Option<Instant> {
        let paced = self.pacer.release_due(now.into()).map(Instant::from);
        paced.or_else(|| self.group_slot_due(now))
    }

    /// Returns when the rate group has a slot for the next attempt; nothing if it has one now, or
    /// there is no group.
    fn group_slot_due(&mut self, now: Instant) -> Option<Instant> {
        let ready = self.durable.len() + 1;
        let group = self.group.as_mut()?;
        group.due(ready, now.into(), self.jitter.f64()).map(Instant::from)
    }

    /// Ends the run where its rate group cannot be used: alone, it cannot keep the group's rate.
    fn check_group(&mut self, now: Instant) {
        if self.group.as_ref().is_some_and(|group| group.lost(now.into()).is_some()) {
            self.stop(StopReason::RateGroupLost);
        }
    }

    /// Takes the next durable attempt, and withdraws those begun before an outage was detected.
    fn next_durable(&mut self) -> Option<Attempt> {
        loop {
            let attempt = self.durable.pop_front()?;
            if !self.breaker.overtook(attempt.seq.0) {
                return Some(attempt);
            }
            self.withdraw_for_later(attempt);
        }
    }

    fn has_slot(&self) -> bool {
        !self.is_sending_blocked() && self.on_wire.len() < self.slots()
    }

    /// Sends an attempt, and returns when it had left.
    fn send_now(&mut self, attempt: Attempt) -> Instant {
        let answered = self.on_wire.begin((self.send)(attempt));
        let left = self.clock.instant();
        // Counted at the end of the poll: an earlier time could let a window hold too many.
        self.pacer.left_by(left.into());
        if let Some(group) = &mut self.group {
            group.take();
        }
        self.pace.sent(left);
        if let Poll::Ready(completion) = answered {
            self.complete(completion);
        }
        left
    }
}
