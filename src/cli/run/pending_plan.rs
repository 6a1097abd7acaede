//! A planned run that may still be called off: the plan of one that never begins is removed.

use crate::cli::output::event_documents::Beginning;
use batchctl::run::Planned;
use batchctl::store::StoreError;

/// What becomes of a run that could not be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfNotStarted {
    /// It is removed: no other process and no document has its id yet.
    Discard,
    /// It stays as it was: it has been begun before.
    Keep,
    /// It stays: the plan was stored on its own, and can be applied later.
    KeepPlan,
}

impl IfNotStarted {
    /// Returns what happens to existing lines in events documents: those before a new run belong
    /// to another one.
    pub(crate) fn beginning(self) -> Beginning {
        match self {
            Self::Discard | Self::KeepPlan => Beginning::Anew,
            Self::Keep => Beginning::GoesOn,
        }
    }
}

/// A planned run; if it is new and dropped before it begins, its plan is removed.
#[derive(Debug)]
pub(crate) struct PendingPlan {
    /// `None` once the run has begun or is removed.
    planned: Option<Planned>,
    pub(crate) if_not_started: IfNotStarted,
}

impl PendingPlan {
    pub(crate) fn new(planned: Planned, if_not_started: IfNotStarted) -> Self {
        Self { planned: Some(planned), if_not_started }
    }

    pub(crate) fn planned(&self) -> &Planned {
        self.planned.as_ref().expect(IS_THERE)
    }

    pub(crate) fn planned_mut(&mut self) -> &mut Planned {
        self.planned.as_mut().expect(IS_THERE)
    }

    /// Returns the run to be carried out; from now on it stays, whatever happens.
    pub(crate) fn begin(mut self) -> Planned {
        // Taken out first, so that `drop` finds nothing to remove.
        self.planned.take().expect(IS_THERE)
    }

    /// Removes the run now, and says if that failed.
    pub(crate) fn discard(mut self) -> Result<(), StoreError> {
        self.planned.take().expect(IS_THERE).discard()
    }
}

const IS_THERE: &str = "only `begin` and `discard` take the plan, and they consume the guard";

impl Drop for PendingPlan {
    fn drop(&mut self) {
        if self.if_not_started == IfNotStarted::Discard
            && let Some(planned) = self.planned.take()
        {
            // The error that called the run off is the one to report.
            let _ = planned.discard();
        }
    }
}
