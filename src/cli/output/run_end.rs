//! Keeps what was presented of a run when it ended, for what follows the run.

use batchctl::report::Report;
use batchctl::store::RunId;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The end of the run that this process carried out; empty if it carried none out.
#[derive(Debug, Default)]
pub(crate) struct RunEnd {
    run: OnceLock<RunId>,
    account: OnceLock<Account>,
}

/// What the report of a run says, and where it was written.
#[derive(Debug)]
struct Account {
    report: Report,
    written: Vec<PathBuf>,
}

impl RunEnd {
    /// Notes which run is presented; its report may still turn out to be unreadable.
    pub(crate) fn note_run(&self, run: &RunId) {
        // A process carries out one run, so the first is the only one.
        let _ = self.run.set(run.clone());
    }

    pub(crate) fn note_report(&self, report: &Report, written: &[PathBuf]) {
        let _ = self.account.set(Account { report: report.clone(), written: written.into() });
    }

    pub(crate) fn run(&self) -> Option<&RunId> {
        self.run.get()
    }

    pub(crate) fn report(&self) -> Option<&Report> {
        self.account.get().map(|account| &account.report)
    }

    /// Returns the files of the documents that were written.
    pub(crate) fn written(&self) -> impl Iterator<Item = &Path> {
        self.account.get().into_iter().flat_map(|account| &account.written).map(PathBuf::as_path)
    }
}
