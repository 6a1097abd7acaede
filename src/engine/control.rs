//! Requests to a run under way, and the answers to them.

use crate::event::{Change, Operator, StopReason};
use tokio::sync::oneshot;

/// A request to a run under way.
#[derive(Debug)]
pub enum Control {
    /// Send nothing new; let calls on the wire finish.
    Stop(StopReason),
    /// Give up calls on the wire, too: they stay in doubt.
    Abandon,
    /// Give all tasks back to the ledger, once the calls on the wire have ended, and ask it for tasks
    /// again: others may have them meanwhile. Not in a canary or a wave, which are this process's alone.
    GiveBack,
    /// Change how the run continues. A paused run waits forever if all senders are gone.
    Change {
        /// The change.
        change: Change,
        /// Its origin.
        by: Operator,
        /// Receives the answer once the change is on record; dropped if the run ends before.
        answer: Option<oneshot::Sender<ChangeAnswer>>,
    },
}

/// The answer to a requested change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeAnswer {
    /// The change is in effect.
    Changed,
    /// The run was in this state already.
    AsBefore,
    /// The run only reads states at present: there is nothing to change.
    NotNow,
    /// The run is about to end; nothing changes any more.
    Stopping,
}
