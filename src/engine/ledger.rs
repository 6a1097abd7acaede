//! The contract with the store: tasks come from a ledger, events go to it.

use crate::clock::{Instant, Timestamp};
use crate::event::{AttemptSeq, Event};
use crate::policy::AttemptHistory;
use crate::task::Task;
use futures::future::BoxFuture;
use std::error::Error;
use std::sync::Arc;

/// Hands out tasks and makes events durable.
///
/// Calls begin their work at once and are carried out in the order they were made; the futures
/// only report its end. The engine has at most one claim and one commit under way.
pub trait Ledger {
    /// Hands out at most `most` unsettled tasks.
    fn claim(&mut self, most: usize) -> BoxFuture<'static, Result<Claimed, LedgerError>>;

    /// Makes events durable. An error ends the run.
    fn on_events(&mut self, events: Vec<Event>) -> BoxFuture<'static, Result<Kept, LedgerError>>;

    /// Called before attempts up to `last` are sent. No later attempt has been sent yet.
    ///
    /// Returns whether this is on record: if not, the attempts stay and the engine asks again.
    /// The record may be lost with the power.
    fn may_leave(&mut self, last: AttemptSeq) -> bool;

    /// Returns whether a task of a chunk may be sent now; asked before every call.
    ///
    /// A ledger that hands tasks out for the whole run has nothing to add.
    fn may_send(&mut self, _chunk: ChunkRef, _now: Instant) -> Leave {
        Leave::Now
    }

    /// Called when a task has failed, before that is made durable and before anything else is sent.
    fn note_failure(&mut self) {}

    /// Called once when neither a canary nor waves hold tasks back any more; never without them.
    fn note_open(&mut self) {}

    /// Called when the process drops a chunk, because its lease has ended.
    fn note_dropped(&mut self, _chunk: ChunkRef) {}

    /// Called when the process gives back all tasks that it has: none of them is on the wire, and what
    /// happened to them is durable.
    fn give_back(&mut self) {}

    /// Called with what happened since the last commit, once the ledger has failed: nothing will make
    /// it durable.
    fn note_unrecorded(&mut self, _events: &[Event]) {}

    /// Asks the ledger to stop waiting for a condition that may pass, such as a full disk.
    fn hurry(&mut self) {}
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// These tasks, at least one.
    Tasks(Vec<Claim>),
    /// None at present: others have the tasks that are left, and may give them back.
    NotYet,
    /// None, and none will follow.
    Done,
}

impl Claimed {
    /// Returns tasks that are handed out for the whole run; without one there are no more.
    pub fn all(tasks: Vec<Claim>) -> Self {
        if tasks.is_empty() { Self::Done } else { Self::Tasks(tasks) }
    }
}

/// What became of a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The chunks that are no longer this process's: nothing of them was recorded.
    pub lost: Vec<ChunkRef>,
}

/// A chunk of the plan, and the lease under which its tasks were claimed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChunkRef {
    /// The number of the chunk.
    pub no: u32,
    /// The number of the lease: each one of a chunk has the next number.
    pub epoch: u32,
}

/// Whether a task may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// It may.
    Now,
    /// It may, and its call is given up at this time, when another process may take the task.
    Until(Instant),
    /// Not before then: the lease is about to end and may be renewed.
    NotBefore(Instant),
    /// Never: another process has the task.
    Lost,
}

/// The store cannot continue, and so the run cannot.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct LedgerError(#[from] pub Box<dyn Error + Send + Sync>);

/// A task that has no outcome yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The task.
    pub task: Arc<Task>,
    /// The chunk that it was claimed with.
    pub chunk: ChunkRef,
    /// The number of earlier attempts.
    pub attempts: u32,
    /// The summary of those attempts.
    pub history: AttemptHistory,
    /// The time at which the first of them was sent.
    pub first_sent: Option<Timestamp>,
    /// The number of the last of them.
    pub last_seq: Option<AttemptSeq>,
}

impl Claim {
    /// Returns a claim for a task that was never sent.
    pub fn fresh(task: Task) -> Self {
        Self {
            task: Arc::new(task),
            chunk: ChunkRef::default(),
            attempts: 0,
            history: AttemptHistory::default(),
            first_sent: None,
            last_seq: None,
        }
    }
}
