//! The contract with the store: tasks come from a ledger, events go to it.

use crate::clock::Timestamp;
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
    /// Hands out at most `most` unsettled tasks; an empty list means that there are no more.
    fn claim(&mut self, most: usize) -> BoxFuture<'static, Result<Vec<Claim>, LedgerError>>;

    /// Makes events durable. An error ends the run.
    fn on_events(&mut self, events: Vec<Event>) -> BoxFuture<'static, Result<(), LedgerError>>;

    /// Called before attempts up to `last` are sent. No later attempt has been sent yet.
    ///
    /// Returns whether this is on record: if not, the attempts stay and the engine asks again.
    /// The record may be lost with the power.
    fn may_leave(&mut self, last: AttemptSeq) -> bool;

    /// Asks the ledger to stop waiting for a condition that may pass, such as a full disk.
    fn hurry(&mut self) {}
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
            attempts: 0,
            history: AttemptHistory::default(),
            first_sent: None,
            last_seq: None,
        }
    }
}
