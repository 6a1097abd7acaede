//! How a run ends: nothing new is sent, calls on the wire may finish, the end is recorded.

use super::Dispatcher;
use super::leases::Supply;
use crate::engine::attempt::{Attempt, Completion};
use crate::engine::control::Control;
use crate::engine::ledger::{Ledger, LedgerError};
use crate::event::{EventKind, RunStats, StopReason};

impl<L, S, F> Dispatcher<'_, L, S, F>
where
    L: Ledger,
    S: Fn(Attempt) -> F,
    F: Future<Output = Completion>,
{
    pub(super) fn handle(&mut self, request: Control) {
        match request {
            Control::Stop(reason) => self.stop(reason),
            Control::GiveBack => self.begin_to_give_back(),
            Control::Abandon => {
                self.stop(StopReason::Interrupted);
                self.on_wire.clear();
                self.ledger.hurry();
            }
            Control::Change { change, by, answer } => {
                let outcome = self.change(change, by);
                self.operator.answer_later(answer, outcome);
            }
        }
    }

    /// Stops new sendings, and withdraws attempts that have not left.
    pub(super) fn stop(&mut self, reason: StopReason) {
        if self.stopping.is_some() {
            return;
        }
        // The event comes first: the withdrawals and holds below are consequences of the stop.
        let on_wire = self.on_wire.len();
        self.emit(EventKind::RunStopping { reason, on_wire });
        self.stopping = Some(reason);
        self.operator.paused_since = None;
        self.end_hold();
        // No call will use renewed credentials any more.
        self.renewing = None;
        self.deadline = self.clock.instant().checked_add(self.settings.drain_timeout);
        self.withdraw_all();
    }

    /// Withdraws admitted and durable attempts. Those in a commit follow when it is done, because
    /// their start cannot be taken out of it.
    pub(super) fn withdraw_all(&mut self) {
        let withdrawn: Vec<Attempt> =
            self.admitted.drain(..).chain(self.durable.drain(..)).collect();
        for Attempt { claim, seq, .. } in withdrawn {
            self.pacer.withdraw();
            self.breaker.withdraw(seq.0);
            self.emit(EventKind::AttemptWithdrawn { seq, task: claim.task });
        }
    }

    pub(super) fn check_deadline(&mut self) {
        self.check_outage();
        self.check_throttling();
        self.check_long_waits();
        let over = self.deadline.is_some_and(|deadline| self.clock.instant() >= deadline);
        if !over {
            return;
        }
        // A deadline that stayed set would wake the loop without end.
        self.deadline = None;
        match self.stopping {
            None => self.stop(StopReason::OutOfTime),
            // The drain is over: dropping the calls closes their connections.
            Some(_) => self.on_wire.clear(),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        let nothing_left = self.stopping.is_some()
            || (self.supply == Supply::Done
                && self.fresh.is_empty()
                && self.retry_queue.len() == 0
                && self.suspects.is_empty());
        nothing_left && self.begun() == 0 && self.batch.is_empty() && self.committing.is_none()
    }

    /// Returns the stop reason if tasks are left without an outcome. A stop that came while the
    /// last tasks were on the wire has cut nothing short.
    fn cut_short(&self) -> Option<StopReason> {
        let all_settled = self.settled == self.settings.origin.selected;
        self.stopping.filter(|_| !all_settled)
    }

    pub(super) async fn end(mut self) -> Result<RunStats, LedgerError> {
        let stats = RunStats { stopped: self.cut_short(), held: self.held };
        self.emit(EventKind::RunEnded(stats.clone()));
        self.ledger.on_events(std::mem::take(&mut self.batch)).await?;
        self.operator.notify_all();
        Ok(stats)
    }
}
