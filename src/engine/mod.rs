//! Carries out a run: admit, send, classify, then settle, or wait and send again.
//!
//! One dispatcher owns all mutable state and tells everything that happens as events, in
//! batches; no call is polled before its start is durable. Knows no store, no display and no
//! service: tasks come from and events go to a [`Ledger`], calls are made by a `TaskApi`.

mod attempt;
mod dispatcher;
mod settings;
#[cfg(test)]
mod tests;
mod waiting;

pub use settings::EngineSettings;
pub use settings::Origin;

use crate::api::TaskApi;
use crate::clock::Clock;
use crate::clock::Timestamp;
use crate::event::AttemptSeq;
use crate::event::Change;
use crate::event::Event;
use crate::event::Operator;
use crate::event::RunStats;
use crate::event::StopReason;
use crate::policy::AttemptHistory;
use crate::task::Task;
use futures::future::BoxFuture;
use std::error::Error;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

/// Where tasks come from and what happened goes to.
///
/// Both calls begin their work at once and are carried out in the order they were made; the
/// futures only tell when it is done. The engine has at most one of each under way.
pub trait Ledger {
    /// Hands out the next unsettled tasks, `most` at the most; none means there are no more.
    fn claim(&mut self, most: usize) -> BoxFuture<'static, Result<Vec<Claim>, LedgerError>>;

    /// Makes events durable. An error ends the run.
    fn on_events(&mut self, events: Vec<Event>) -> BoxFuture<'static, Result<(), LedgerError>>;

    /// Is told, before it happens, that attempts up to this one may leave; none after it has left.
    ///
    /// Returns whether that is on record: if not, they stay and are asked for again. It need not
    /// outlast a loss of power.
    fn may_leave(&mut self, last: AttemptSeq) -> bool;

    /// Asks not to wait any longer for what may come right by itself, such as room on a disk.
    fn hurry(&mut self) {}
}

/// The store cannot go on, and so the run cannot.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct LedgerError(#[from] pub Box<dyn Error + Send + Sync>);

/// A task that has no outcome yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The task.
    pub task: Arc<Task>,
    /// How often it was sent before.
    pub attempts: u32,
    /// What those attempts amount to.
    pub history: AttemptHistory,
    /// When the first of them was sent.
    pub first_sent: Option<Timestamp>,
    /// The last of them.
    pub last_seq: Option<AttemptSeq>,
}

impl Claim {
    /// Returns a task that was never sent.
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

/// What may be asked of a run that is under way.
#[derive(Debug)]
pub enum Control {
    /// Send nothing new; let what is on the wire finish.
    Stop(StopReason),
    /// Give up what is on the wire, too: its outcome stays in doubt.
    Abandon,
    /// Go on differently from now on. A run that is paused waits for ever if nobody is left to
    /// ask for anything.
    Change {
        /// What is to be different.
        change: Change,
        /// Who wants it.
        by: Operator,
        /// Is told what became of it once that is on record; dropped if the run ends before.
        answer: Option<oneshot::Sender<ChangeAnswer>>,
    },
}

/// What became of the wish to change a run under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeAnswer {
    /// It is in effect.
    Changed,
    /// It was like that before.
    AsBefore,
    /// The run only looks at the states of its tasks now: there is nothing to change.
    NotNow,
    /// The run is coming to its end, and nothing is changed any more.
    Stopping,
}

/// Carries out what the ledger hands out, until all of it is settled or the run is stopped.
///
/// Returns once the last event is durable. Dropping the future leaves what is on the wire in
/// doubt; everything that was settled before is durable.
///
/// # Errors
///
/// Only the ledger can fail a run; a call that fails is an outcome.
pub async fn run<A: TaskApi>(
    api: &A,
    ledger: &mut impl Ledger,
    settings: &EngineSettings,
    clock: Clock,
    control: mpsc::UnboundedReceiver<Control>,
) -> Result<RunStats, LedgerError> {
    let send = |attempt| attempt::send(api, clock, settings.timeout, attempt);
    let authority = api.authority();
    dispatcher::Dispatcher::new(ledger, send, authority, settings, clock).run(control).await
}
