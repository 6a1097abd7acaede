//! How a run ends: nothing new is sent, what is on the wire may finish, the end is recorded.

use super::Dispatcher;
use crate::engine::Control;
use crate::engine::Ledger;
use crate::engine::LedgerError;
use crate::engine::attempt::Attempt;
use crate::engine::attempt::Completion;
use crate::event::EventKind;
use crate::event::RunStats;
use crate::event::StopReason;

impl<L, S, F> Dispatcher<'_, L, S, F>
where
    L: Ledger,
    S: Fn(Attempt) -> F,
    F: Future<Output = Completion>,
{
    pub(super) fn obey(&mut self, asked: Control) {
        match asked {
            Control::Stop(reason) => self.stop(reason),
            Control::Abandon => {
                self.stop(StopReason::Interrupted);
                self.on_wire.clear();
                self.ledger.hurry();
            }
            Control::Change { change, by, answer } => {
                let became = self.change(change, by);
                self.desk.answer_later(answer, became);
            }
        }
    }

    /// Sends nothing new. What was admitted and has not left is taken back.
    pub(super) fn stop(&mut self, reason: StopReason) {
        if self.stopping.is_some() {
            return;
        }
        let on_wire = self.on_wire.len();
        self.tell(EventKind::RunStopping { reason, on_wire });
        self.stopping = Some(reason);
        self.desk.paused_since = None;
        self.end_hold();
        self.renewing = None;
        self.deadline = self.clock.instant().checked_add(self.settings.drain_timeout);
        self.take_back();
    }

    /// Withdraws what was admitted and has not left; what is being committed follows later.
    pub(super) fn take_back(&mut self) {
        let kept_back: Vec<Attempt> =
            self.admitted.drain(..).chain(self.durable.drain(..)).collect();
        for Attempt { claim, seq } in kept_back {
            self.pacer.withdraw();
            self.breaker.withdraw(seq.0);
            self.tell(EventKind::AttemptWithdrawn { seq, task: claim.task });
        }
    }

    pub(super) fn check_deadline(&mut self) {
        self.check_outage();
        let over = self.deadline.is_some_and(|deadline| self.clock.instant() >= deadline);
        if !over {
            return;
        }
        // A deadline is met once; left behind, it would wake the loop for ever.
        self.deadline = None;
        match self.stopping {
            None => self.stop(StopReason::OutOfTime),
            Some(_) => self.on_wire.clear(),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        let nothing_left = self.stopping.is_some()
            || (self.exhausted
                && self.fresh.is_empty()
                && self.waiting.len() == 0
                && self.suspects.is_empty());
        nothing_left && self.begun() == 0 && self.batch.is_empty() && self.committing.is_none()
    }

    /// Tells why tasks were left without an outcome, if any were: a stop that came when the last
    /// ones were on the wire has cut nothing short.
    fn cut_short(&self) -> Option<StopReason> {
        let all_settled = self.settled == self.settings.origin.selected;
        self.stopping.filter(|_| !all_settled)
    }

    pub(super) async fn end(mut self) -> Result<RunStats, LedgerError> {
        let stats = RunStats { stopped: self.cut_short(), held: self.held };
        self.tell(EventKind::RunEnded(stats.clone()));
        self.ledger.on_events(std::mem::take(&mut self.batch)).await?;
        self.desk.tell_all();
        Ok(stats)
    }
}
