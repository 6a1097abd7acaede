//! The state of a run as a whole, which is derived and never stored.

use crate::reading::reader::RunReader;
use crate::store::{RunDirectory, RunId, RunRecord, SessionRecord, StoreError};
use crate::task::OutcomeCounts;

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// No process has begun it.
    Planned,
    /// A process works on it.
    Running,
    /// It went through.
    Finished,
    /// It ended before every task had its outcome, and recorded why.
    Interrupted,
    /// It ended without a record of its end.
    Killed,
}

impl RunState {
    /// Derives the state of a run from the last session of each of its targets, its open tasks and
    /// its lock.
    pub fn of(record: &RunRecord, unsettled: u64, is_locked: bool) -> Self {
        let last = record.last_sessions();
        let targets = record.run.settings.target.as_ref().map_or(1, |target| target.names.len());
        let is_stopped =
            |last: &&SessionRecord| last.end.as_ref().is_some_and(|end| end.stopped.is_some());
        if is_locked {
            Self::Running
        } else if unsettled == 0 {
            Self::Finished
        } else if last.is_empty() {
            Self::Planned
        } else if last.len() < targets || last.iter().any(|last| last.end.is_none()) {
            Self::Killed
        } else if last.iter().any(is_stopped) {
            Self::Interrupted
        } else {
            Self::Finished
        }
    }

    /// Returns its word in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Interrupted => "interrupted",
            Self::Killed => "killed",
        }
    }
}

/// A run in a few facts, which are read without its tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct RunBrief {
    /// Its state.
    pub state: RunState,
    /// Its record.
    pub record: RunRecord,
    /// The number of tasks with each outcome.
    pub outcomes: OutcomeCounts,
}

impl RunBrief {
    /// Reads a run.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn read(runs: &RunDirectory, id: &RunId) -> Result<Self, StoreError> {
        // Before the reader: a run that ends in between is then said to run, and not to be killed.
        let is_locked = runs.is_locked(id)?;
        let reader = RunReader::open(runs, id)?;
        let (record, outcomes) = (reader.record()?, reader.outcomes()?);
        let unsettled = record.selected.saturating_sub(outcomes.selected());
        Ok(Self { state: RunState::of(&record, unsettled, is_locked), record, outcomes })
    }
}
