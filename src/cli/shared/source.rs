//! The runs of a database, as pages show them: the list from the database itself, and a run from a
//! copy that is made anew when something has happened.

use batchctl::database::RunStanding;
use batchctl::reading::RunBrief;
use batchctl::run;
use batchctl::run::SharedRuns;
use batchctl::store::{RunDirectory, RunId, StoreError};
use batchctl::ui::RunSource;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The runs of a database.
pub(crate) struct DatabaseSource {
    database: Arc<SharedRuns>,
    copies: RunDirectory,
    /// Where each run stood when it was copied last, and how often it was copied.
    copied: Mutex<HashMap<RunId, (RunStanding, u64)>>,
}

impl DatabaseSource {
    pub(crate) fn new(database: &Arc<SharedRuns>) -> Self {
        let copies = run::runs_in(database.state());
        Self { database: Arc::clone(database), copies, copied: Mutex::default() }
    }
}

impl RunSource for DatabaseSource {
    fn directory(&self) -> &RunDirectory {
        &self.copies
    }

    fn refresh(&self, run: &RunId) -> Result<u64, StoreError> {
        let standing = self.database.standings(Some(run))?.pop();
        let no_such_run = || StoreError::NoSuchRun { wanted: run.to_string() };
        // Before the copy: what happens in between has it made once more.
        let mut standing = standing.ok_or_else(no_such_run)?;
        standing.settle();
        let mut copied = self.copied.lock().unwrap_or_else(PoisonError::into_inner);
        let number = match copied.get(run) {
            Some((known, number)) if *known == standing => return Ok(*number),
            Some((_, number)) => number + 1,
            None => 0,
        };
        self.database.copy(run)?;
        copied.insert(run.clone(), (standing, number));
        Ok(number)
    }

    fn settled(&self, run: &RunId) -> Result<Option<u64>, StoreError> {
        let standing = self.database.standings(Some(run))?.pop();
        Ok(standing.map(|standing| standing.outcomes.selected()))
    }

    fn briefs(&self) -> Result<Option<Vec<RunBrief>>, StoreError> {
        let brief = |run: RunStanding| RunBrief {
            state: run.state(),
            record: run.record,
            outcomes: run.outcomes,
        };
        Ok(Some(self.database.standings(None)?.into_iter().map(brief).collect()))
    }
}
