//! Why a run cannot be planned, or not be carried out to its end.

use crate::engine::LedgerError;
use crate::plan::Problems;
use crate::report::GroupLabel;
use crate::store::{RunId, StoreError};
use crate::task::TaskId;

/// Why a run cannot be planned, or not be carried out to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The inputs cannot be used; nothing was stored and nothing will be sent.
    #[error(transparent)]
    Input(Problems),
    /// The run has no group of failures with this label.
    #[error("run {run} has no group of failures `{wanted}`: there {}", counted(*groups))]
    NoSuchGroup {
        /// The label that was asked for.
        wanted: GroupLabel,
        /// The run.
        run: RunId,
        /// The number of its groups.
        groups: usize,
    },
    /// The store cannot be used, or not any longer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run is no plan any more that waits to be applied.
    #[error("run {run} was begun already; a plan is applied once")]
    Applied {
        /// The run.
        run: RunId,
    },
    /// The run could not be begun: nothing was sent.
    #[error(transparent)]
    NotBegun(Box<RunError>),
    /// The store ended the run.
    #[error("the run stopped because its events could not be recorded any longer")]
    Ledger(#[source] LedgerError),
    /// The project does not know some of the tasks; nothing was sent.
    #[error("the project does not know {count} of the tasks")]
    UnknownTasks {
        /// Their number.
        count: u64,
        /// Some of them.
        examples: Vec<TaskId>,
    },
    /// The slots of a rate group cannot be used.
    #[error("cannot share the rate of the group `{group}`")]
    RateGroup {
        /// The name of the group.
        group: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A thread could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}

impl RunError {
    /// Returns the error of a run that could not be begun.
    pub(crate) fn before_the_first_call(self) -> Self {
        Self::NotBegun(Box::new(self))
    }
}

fn counted(groups: usize) -> String {
    match groups {
        0 => "is none".into(),
        1 => "is only `F1`".into(),
        _ => format!("are `F1` to `F{groups}`"),
    }
}
