//! What the workers of a run in a database did together.

use crate::reading::RunReader;
use crate::report::model::Report;
use crate::store::{RunRecord, StoreError, TakeoverRow, WorkerRow};
use crate::task::ServiceLimit;

/// The workers of a run; none of a run in a directory.
pub(super) struct Workers {
    workers: Vec<WorkerRow>,
    takeovers: Vec<TakeoverRow>,
    learnt: ServiceLimit,
}

impl Workers {
    pub(super) fn read(run: &RunReader, record: &RunRecord) -> Result<Self, StoreError> {
        // One worker at a time learns for all.
        let mut learnt = record.sessions.iter().rev().map(|session| session.learnt);
        let learnt = learnt.find(|learnt| !learnt.is_none()).unwrap_or_default();
        Ok(Self { workers: run.workers()?, takeovers: run.takeovers()?, learnt })
    }
}

impl Report {
    /// Takes what its workers did.
    pub(super) fn take_workers(&mut self, of_run: Workers) {
        let Workers { workers, takeovers, learnt } = of_run;
        (self.workers, self.takeovers) = (workers, takeovers);
        if self.workers.is_empty() {
            return;
        }
        self.pace.learnt = learnt;
        // Whichever came last, the run ends with the last that goes.
        if self.run.complete {
            self.run.finished_at = self.workers.iter().filter_map(|worker| worker.to).max();
        }
    }
}
