//! The changes that operators make to a run under way: pause, pace and slots.
//!
//! Every change is an event, and is answered once that event is on record. A change holds for this
//! process only: the stored settings of the run do not change.

use super::Dispatcher;
use crate::clock::Instant;
use crate::engine::attempt::{Attempt, Completion};
use crate::engine::control::ChangeAnswer;
use crate::engine::ledger::Ledger;
use crate::event::{Change, EventKind, Operator, StopReason};
use std::num::NonZeroUsize;
use std::time::Duration;
use tokio::sync::oneshot;

/// The changes made by operators, and the answers that wait for a commit.
pub(super) struct OperatorChanges {
    pub(super) paused_since: Option<Instant>,
    /// The part of the present outage that was spent paused.
    pub(super) paused_while_away: Duration,
    pub(super) concurrency: NonZeroUsize,
    unrecorded: Vec<PendingAnswer>,
    in_commit: Vec<PendingAnswer>,
}

/// An answer that is sent once its change is on record.
struct PendingAnswer {
    answer: oneshot::Sender<ChangeAnswer>,
    outcome: ChangeAnswer,
}

impl OperatorChanges {
    pub(super) fn new(concurrency: NonZeroUsize) -> Self {
        Self {
            paused_since: None,
            paused_while_away: Duration::ZERO,
            concurrency,
            unrecorded: Vec::new(),
            in_commit: Vec::new(),
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused_since.is_some()
    }

    /// Answers once the change is on record; at once if nothing changes.
    pub(super) fn answer_later(
        &mut self,
        answer: Option<oneshot::Sender<ChangeAnswer>>,
        outcome: ChangeAnswer,
    ) {
        let Some(answer) = answer else { return };
        let pending = PendingAnswer { answer, outcome };
        match outcome {
            ChangeAnswer::Changed => self.unrecorded.push(pending),
            ChangeAnswer::AsBefore | ChangeAnswer::NotNow | ChangeAnswer::Stopping => {
                pending.notify();
            }
        }
    }

    /// Moves the answers to the commit that begins now.
    pub(super) fn commit_began(&mut self) {
        self.in_commit.append(&mut self.unrecorded);
    }

    /// Sends the answers of the commit that is done.
    pub(super) fn notify_committed(&mut self) {
        self.in_commit.drain(..).for_each(PendingAnswer::notify);
    }

    /// Sends all answers after the last commit.
    pub(super) fn notify_all(&mut self) {
        self.commit_began();
        self.notify_committed();
    }
}

impl PendingAnswer {
    fn notify(self) {
        // The receiver may be gone; the change stays in effect.
        let _ = self.answer.send(self.outcome);
    }
}

impl<L, S, F> Dispatcher<'_, L, S, F>
where
    L: Ledger,
    S: Fn(Attempt) -> F,
    F: Future<Output = Completion>,
{
    /// Makes a change, unless it is in effect already.
    pub(super) fn change(&mut self, change: Change, by: Operator) -> ChangeAnswer {
        if self.stopping.is_some() {
            return ChangeAnswer::Stopping;
        }
        if self.is_in_effect(change) {
            return ChangeAnswer::AsBefore;
        }
        // The event comes first: a drain emits others that follow from it.
        self.emit(EventKind::RunChanged { change, by });
        match change {
            Change::Paused => self.pause(),
            Change::Resumed => self.resume(),
            Change::Rate(limit) => self.limit_rate(limit),
            Change::Concurrency(most) => self.operator.concurrency = most,
            Change::Drained => self.stop(StopReason::Drained),
        }
        ChangeAnswer::Changed
    }

    fn is_in_effect(&self, change: Change) -> bool {
        match change {
            Change::Paused => self.operator.is_paused(),
            Change::Resumed => !self.operator.is_paused(),
            Change::Rate(limit) => self.is_limited_to(limit),
            Change::Concurrency(most) => self.operator.concurrency == most,
            Change::Drained => false,
        }
    }

    fn pause(&mut self) {
        let now = self.clock.instant();
        self.operator.paused_since = Some(now);
        self.held_since.get_or_insert(now);
        self.withdraw_all_for_later();
    }

    fn resume(&mut self) {
        let Some(since) = self.operator.paused_since.take() else { return };
        if let Some(away) = self.breaker.away_since() {
            // Only the pause during the outage counts: the run may have been paused before it.
            let paused = self.clock.instant() - since.max(away.into());
            self.operator.paused_while_away += paused;
        }
        self.forget_throttling();
    }

    /// Withdraws the attempts that have not left, and holds their tasks.
    ///
    /// A pause may last, and attempts that are recorded as begun are in doubt if this process dies
    /// meanwhile. Attempts in a commit follow when it is done, also if sending goes on before that: what
    /// made the others wait (a pace, a throttled task that goes first) holds for them as well.
    pub(super) fn withdraw_all_for_later(&mut self) {
        // Durable attempts are older than admitted ones; the held queue keeps this order.
        let attempts: Vec<Attempt> =
            self.durable.drain(..).chain(self.admitted.drain(..)).collect();
        self.withdraws_commit = !self.in_commit.is_empty();
        for attempt in attempts {
            self.withdraw_for_later(attempt);
        }
    }

    /// Returns whether nothing may be sent, because of a pause or refused credentials.
    pub(super) fn is_sending_blocked(&self) -> bool {
        self.operator.is_paused() || self.waits_for_credentials()
    }
}
