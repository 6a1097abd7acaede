//! Tasks come from the ledger in chunks, and a chunk may be lost to another process.
//!
//! Nothing of a lost chunk is sent any more. What its calls on the wire come to counts for pace and
//! health, because the service was called, and is not recorded, because the other process does that.

use super::{Dispatcher, MIN_CLAIM};
use crate::clock::Instant;
use crate::engine::attempt::{Attempt, Completion};
use crate::engine::ledger::{ChunkRef, Claim, Claimed, Ledger};
use crate::policy::OnDoubt;
use crate::task::Outcome;
use std::time::Duration;

/// When the ledger is asked again that has no task at present.
pub(in crate::engine) const ASK_AGAIN: Duration = Duration::from_millis(250);

/// What the ledger said of further tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Supply {
    /// There may be more.
    More,
    /// Others have them; ask again then.
    NotBefore(Instant),
    /// There are no more.
    Done,
}

impl<L, S, F> Dispatcher<'_, L, S, F>
where
    L: Ledger,
    S: Fn(Attempt) -> F,
    F: Future<Output = Completion>,
{
    /// Claims more tasks if fewer than one per slot are left.
    pub(super) fn refill(&mut self) {
        let wanted = self.operator.concurrency.get();
        let is_over = self.stopping.is_some() || self.supply == Supply::Done;
        if is_over || self.gives_back || self.claiming.is_some() || self.fresh.len() >= wanted {
            return;
        }
        if let Supply::NotBefore(due) = self.supply
            && self.clock.instant() < due
        {
            return self.wake_at(due);
        }
        self.claiming = Some(self.ledger.claim(wanted.max(MIN_CLAIM)));
    }

    /// Queues claimed tasks.
    pub(super) fn take_claimed(&mut self, claimed: Claimed) {
        let now = self.clock.instant();
        let tasks = match claimed {
            Claimed::Tasks(tasks) => tasks,
            Claimed::NotYet => {
                self.supply = Supply::NotBefore(now + ASK_AGAIN);
                return;
            }
            Claimed::Done => {
                self.supply = Supply::Done;
                return;
            }
        };
        self.supply = Supply::More;
        for claim in tasks {
            if self.is_lost(&claim) {
                continue;
            }
            let retry = self.settings.retry.for_command(claim.task.command);
            let is_held = retry.on_doubt == OnDoubt::Hold && claim.history.doubted;
            match claim.last_seq.filter(|_| is_held) {
                // An earlier process died with this call on the wire; `--on-doubt hold` forbids
                // another one.
                Some(seq) => {
                    self.settle(claim, seq, Outcome::Ambiguous, now);
                    self.pass_over_in_wave();
                }
                None => self.fresh.push_back(claim),
            }
        }
    }

    /// Begins to give all tasks back. What has not left is withdrawn, so that whoever has the tasks next
    /// does not find it in doubt.
    pub(super) fn begin_to_give_back(&mut self) {
        // The tasks of a canary or a wave are counted, and nobody else may send them.
        if self.stopping.is_none() && self.is_open {
            self.gives_back = true;
            self.withdraw_all_for_later();
        }
    }

    /// Gives all tasks back, once nothing of them is on the wire and all that happened is on record.
    pub(super) fn give_back(&mut self) {
        let is_settled = self.begun() == 0
            && self.batch.is_empty()
            && self.committing.is_none()
            && self.claiming.is_none();
        if !self.gives_back || self.stopping.is_some() || !is_settled {
            return;
        }
        self.gives_back = false;
        self.fresh.clear();
        self.retry_queue.retain(|_| false);
        drop(self.suspects.take_all());
        self.ledger.give_back();
        self.supply = Supply::More;
    }

    /// Drops all tasks of chunks that are lost; their calls on the wire end as they may.
    pub(super) fn drop_lost(&mut self, chunks: Vec<ChunkRef>) {
        if chunks.is_empty() {
            return;
        }
        for chunk in chunks {
            if !self.lost.contains(&chunk) {
                self.lost.push(chunk);
            }
        }
        let lost = &self.lost;
        let is_kept = |claim: &Claim| !lost.contains(&claim.chunk);
        self.fresh.retain(is_kept);
        self.retry_queue.retain(is_kept);
        self.suspects.retain(|ended| is_kept(&ended.claim));
        // Those whose start is being committed are dropped once they are durable.
        let (pacer, breaker) = (&mut self.pacer, &mut self.breaker);
        let mut is_kept = |attempt: &Attempt| {
            let is_kept = is_kept(&attempt.claim);
            if !is_kept {
                pacer.withdraw();
                breaker.withdraw(attempt.seq.0);
            }
            is_kept
        };
        self.admitted.retain(&mut is_kept);
        self.durable.retain(&mut is_kept);
        // Others can be admitted in their places, and nothing else may come that begins a turn.
        self.wake_at(self.clock.instant());
    }

    /// Returns whether another process has a task by now.
    pub(super) fn is_lost(&self, claim: &Claim) -> bool {
        self.lost.contains(&claim.chunk)
    }
}
