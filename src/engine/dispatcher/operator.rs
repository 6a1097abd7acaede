//! What operators change of a run under way: pause, pace and slots.
//!
//! Every change is an event, and is answered once that is on record. A change holds for this
//! process alone: the run's settings stay what they were.

use super::Dispatcher;
use crate::clock::Instant;
use crate::engine::ChangeAnswer;
use crate::engine::Ledger;
use crate::engine::attempt::Attempt;
use crate::engine::attempt::Completion;
use crate::event::Change;
use crate::event::EventKind;
use crate::event::Operator;
use crate::event::StopReason;
use std::num::NonZeroUsize;
use std::time::Duration;
use tokio::sync::oneshot;

/// What operators have changed, and who waits to hear of it.
pub(super) struct OperatorChanges {
    pub(super) paused_since: Option<Instant>,
    /// How much of the present outage was spent paused.
    pub(super) paused_while_away: Duration,
    pub(super) concurrency: NonZeroUsize,
    unrecorded: Vec<Asker>,
    in_commit: Vec<Asker>,
}

/// Who waits for an answer, and what it will be.
struct Asker {
    answer: oneshot::Sender<ChangeAnswer>,
    became: ChangeAnswer,
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

    /// Answers once what was done is on record; what changes nothing needs none.
    pub(super) fn answer_later(
        &mut self,
        answer: Option<oneshot::Sender<ChangeAnswer>>,
        became: ChangeAnswer,
    ) {
        let Some(answer) = answer else { return };
        let asker = Asker { answer, became };
        match became {
            ChangeAnswer::Changed => self.unrecorded.push(asker),
            ChangeAnswer::AsBefore | ChangeAnswer::NotNow | ChangeAnswer::Stopping => asker.tell(),
        }
    }

    /// A commit of all that has happened begins.
    pub(super) fn being_recorded(&mut self) {
        self.in_commit.append(&mut self.unrecorded);
    }

    /// The commit is done.
    pub(super) fn tell_recorded(&mut self) {
        self.in_commit.drain(..).for_each(Asker::tell);
    }

    /// The last commit is done.
    pub(super) fn tell_all(&mut self) {
        self.being_recorded();
        self.tell_recorded();
    }
}

impl Asker {
    fn tell(self) {
        // Who asked may have gone meanwhile; what was done stays done.
        let _ = self.answer.send(self.became);
    }
}

impl<L, S, F> Dispatcher<'_, L, S, F>
where
    L: Ledger,
    S: Fn(Attempt) -> F,
    F: Future<Output = Completion>,
{
    /// Does what an operator wants, unless it is so already.
    pub(super) fn change(&mut self, change: Change, by: Operator) -> ChangeAnswer {
        if self.stopping.is_some() {
            return ChangeAnswer::Stopping;
        }
        if self.is_so(change) {
            return ChangeAnswer::AsBefore;
        }
        self.tell(EventKind::RunChanged { change, by });
        match change {
            Change::Paused => self.pause(),
            Change::Resumed => self.go_on(),
            Change::Rate(limit) => self.limit_rate(limit),
            Change::Concurrency(most) => self.desk.concurrency = most,
            Change::Drained => self.stop(StopReason::Drained),
        }
        ChangeAnswer::Changed
    }

    fn is_so(&self, change: Change) -> bool {
        match change {
            Change::Paused => self.desk.is_paused(),
            Change::Resumed => !self.desk.is_paused(),
            Change::Rate(limit) => self.is_limited_to(limit),
            Change::Concurrency(most) => self.desk.concurrency == most,
            Change::Drained => false,
        }
    }

    fn pause(&mut self) {
        let now = self.clock.instant();
        self.desk.paused_since = Some(now);
        self.held_since.get_or_insert(now);
        self.keep_all_back();
    }

    fn go_on(&mut self) {
        let Some(since) = self.desk.paused_since.take() else { return };
        if let Some(away) = self.breaker.away_since() {
            let paused = self.clock.instant() - since.max(away.into());
            self.desk.paused_while_away += paused;
        }
    }

    /// Takes back what has not left: a pause may last, and what is recorded as begun is in doubt
    /// if this process dies meanwhile. What is being committed follows.
    pub(super) fn keep_all_back(&mut self) {
        let attempts: Vec<Attempt> =
            self.durable.drain(..).chain(self.admitted.drain(..)).collect();
        attempts.into_iter().for_each(|attempt| self.keep_back(attempt));
    }

    /// Tells whether nothing may be sent, whatever else would let it.
    pub(super) fn is_kept_back(&self) -> bool {
        self.desk.is_paused() || self.waits_for_credentials()
    }
}
