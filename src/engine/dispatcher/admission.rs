//! What goes next, and when: every gate is asked before an attempt is begun.

use super::Dispatcher;
use super::LEAST_CLAIM;
use super::MOST_WAITING;
use crate::clock::Instant;
use crate::engine::Claim;
use crate::engine::Ledger;
use crate::engine::attempt::Attempt;
use crate::engine::attempt::Completion;
use crate::event::AttemptSeq;
use crate::event::EventKind;
use crate::policy::Admission;
use crate::policy::Canary;
use crate::policy::OnDoubt;
use crate::policy::Passage;
use crate::policy::RetryPermit;
use crate::policy::WitnessTrust;
use crate::task::Outcome;
use std::sync::Arc;
use std::task::Poll;

/// Where the next task is taken from.
#[derive(Debug, Clone, Copy)]
enum Choice {
    /// Those that the service told to wait: its word paces them, they cost no retry.
    Held,
    /// Those whose own wait is over.
    Due,
    /// Those that this process has not sent yet.
    Fresh,
}

impl<L, S, F> Dispatcher<'_, L, S, F>
where
    L: Ledger,
    S: Fn(Attempt) -> F,
    F: Future<Output = Completion>,
{
    pub(super) fn refill(&mut self) {
        let wanted = self.desk.concurrency.get();
        let stopped = self.stopping.is_some() || self.exhausted;
        if stopped || self.claiming.is_some() || self.fresh.len() >= wanted {
            return;
        }
        self.claiming = Some(self.ledger.claim(wanted.max(LEAST_CLAIM)));
    }

    pub(super) fn take_claimed(&mut self, claimed: Vec<Claim>) {
        self.exhausted = claimed.is_empty();
        let hold = self.settings.retry.on_doubt == OnDoubt::Hold;
        let now = self.clock.instant();
        for claim in claimed {
            match claim.last_seq.filter(|_| hold && claim.history.doubted) {
                // Left on the wire by a process that died: it is not to be sent again.
                Some(seq) => self.settle(claim, seq, Outcome::Ambiguous, now),
                None => self.fresh.push_back(claim),
            }
        }
    }

    /// Admits whatever is due and fits.
    pub(super) fn admit(&mut self) {
        let now = self.clock.instant();
        while self.stopping.is_none() && self.begun() < self.slots() + self.most_ahead() {
            match self.breaker.ask(now.into()) {
                Passage::Now => {}
                Passage::NotBefore(due) => return self.wake_at(due.into()),
                Passage::AfterLanding => return,
            }
            let Some(choice) = self.choose(now) else { return };
            match self.pacer.admit(now.into()) {
                Admission::Now => self.begin(choice, now),
                Admission::NotBefore(due) => return self.wake_at(due.into()),
                Admission::AfterRelease => return,
            }
        }
    }

    /// Chooses what goes next: what the service told to wait, what it is a retry's turn for, or
    /// what was never sent.
    fn choose(&mut self, now: Instant) -> Option<Choice> {
        let fresh = self.has_fresh().then_some(Choice::Fresh);
        if self.breaker.away_since().is_some() {
            return self.choose_probe(fresh);
        }
        if self.waiting.has_held() {
            return Some(Choice::Held);
        }
        if !self.waiting.has_due() {
            return fresh;
        }
        match self.budget.ask(now.into()) {
            RetryPermit::Now => Some(Choice::Due),
            RetryPermit::NotBefore(turn) => {
                self.wake_at(turn.into());
                fresh
            }
        }
    }

    /// Chooses a task whose word counts, if there is one: it probes whether the service is back.
    fn choose_probe(&mut self, fresh: Option<Choice>) -> Option<Choice> {
        self.waiting.bring_forward(|claim| claim.history.trust != WitnessTrust::Bad);
        let due = self.waiting.has_due().then_some(Choice::Due);
        let held = self.waiting.has_held().then_some(Choice::Held);
        fresh.or(due).or(held)
    }

    fn has_fresh(&self) -> bool {
        let set_aside = self.waiting.len() + self.suspects.len();
        !self.fresh.is_empty() && set_aside < MOST_WAITING && self.canary_lets_begin()
    }

    /// Tells whether the canary, if there is one, lets a task begin that was never sent.
    pub(super) fn canary_lets_begin(&self) -> bool {
        self.canary.as_ref().is_none_or(Canary::may_begin)
    }

    /// Counts what is between admission and end.
    pub(super) fn begun(&self) -> usize {
        self.admitted.len() + self.in_commit.len() + self.durable.len() + self.on_wire.len()
    }

    fn begin(&mut self, choice: Choice, now: Instant) {
        let claim = match choice {
            Choice::Held => self.waiting.take_held(),
            Choice::Due => {
                self.budget.count_retry(now.into());
                self.waiting.take_due()
            }
            Choice::Fresh => {
                self.budget.count_first(now.into());
                self.canary.as_mut().into_iter().for_each(Canary::begin);
                self.fresh.pop_front()
            }
        };
        let mut claim = claim.expect("only a task that is there is chosen");
        claim.attempts += 1;
        let seq = AttemptSeq(self.next_seq);
        self.next_seq += 1;
        self.breaker.begin(seq.0);
        let (task, number) = (Arc::clone(&claim.task), claim.attempts);
        let leaves = self.clock.label(self.pacer.earliest_release(now.into()).into());
        self.tell_of(now, EventKind::AttemptStarted { seq, task, number, leaves });
        self.admitted.push(Attempt { claim, seq });
    }

    /// Begins to make durable what has happened, unless an earlier commit is still under way.
    ///
    /// Whatever happens meanwhile is the next batch: commits grow with the load by themselves.
    pub(super) fn commit(&mut self) {
        if self.committing.is_some() || self.batch.is_empty() {
            return;
        }
        // The next is as large, more or less: it need not grow to it step by step.
        let next = Vec::with_capacity(self.batch.len());
        let batch = std::mem::replace(&mut self.batch, next);
        self.committing = Some(self.ledger.on_events(batch));
        self.desk.being_recorded();
        self.in_commit.append(&mut self.admitted);
        self.ahead.commit_begins(self.clock.instant());
    }

    /// The starts of a batch are durable: its attempts may go, unless the run stops.
    pub(super) fn clear_for_release(&mut self) {
        self.durable.extend(self.in_commit.drain(..));
        if self.stopping.is_some() {
            self.take_back();
        } else if self.desk.is_paused() {
            self.keep_all_back();
        }
    }

    /// Lets durable attempts go, as far as there are slots and the pacer allows.
    ///
    /// Each is polled at once, and the pacer told when that was done: no stall of this process
    /// comes between the sending and the time it is counted at.
    pub(super) async fn release(&mut self) {
        let mut now = self.clock.instant();
        // What is durable and would be refused is kept back until there are other credentials.
        while self.has_slot()
            && let Some(attempt) = self.next_durable()
        {
            match self.pacer.release(now.into()) {
                Admission::Now if self.is_announced(&attempt) => now = self.let_go(attempt).await,
                Admission::Now => return self.durable.push_front(attempt),
                Admission::NotBefore(due) => {
                    self.durable.push_front(attempt);
                    return self.wake_at(due.into());
                }
                Admission::AfterRelease => unreachable!("a release waits for no other"),
            }
        }
    }

    /// Takes the next durable attempt; those for which the service went away are kept back.
    fn next_durable(&mut self) -> Option<Attempt> {
        loop {
            let attempt = self.durable.pop_front()?;
            if !self.breaker.overtook(attempt.seq.0) {
                return Some(attempt);
            }
            self.keep_back(attempt);
        }
    }

    fn has_slot(&self) -> bool {
        !self.is_kept_back() && self.on_wire.len() < self.slots()
    }

    /// Lets an attempt go, and returns when that was done.
    async fn let_go(&mut self, attempt: Attempt) -> Instant {
        let mut call = Box::pin((self.send)(attempt));
        let answered = futures::poll!(call.as_mut());
        let left = self.clock.instant();
        self.pacer.left_by(left.into());
        self.pace.sent(left);
        match answered {
            Poll::Ready(completion) => self.complete(completion),
            Poll::Pending => self.on_wire.push(call),
        }
        left
    }
}
