//! Goes on with a run from its own copy of the plan; the inputs may be gone or changed.

use crate::clock::Clock;
use crate::run::{Planned, RunError, holder};
use crate::settings::RunSettings;
use crate::store::{PlanTotals, RunDirectory, RunId, RunReader, RunRecord};
use std::path::Path;

/// What became of the wish to go on with a run.
#[derive(Debug)]
pub enum Resumption {
    /// It is locked for this process and can be carried out.
    Ready(Box<Resumable>),
    /// Every task has its outcome: there is nothing to go on with.
    Finished,
}

/// A run to go on with.
#[derive(Debug)]
pub struct Resumable {
    /// What is known of the run.
    pub record: RunRecord,
    /// How it was carried out so far; what is changed here holds from now on.
    pub settings: RunSettings,
    planned: Planned,
}

impl Resumable {
    /// Returns the run, to be carried out with these settings.
    pub fn into_planned(self) -> Planned {
        Planned { settings: self.settings, ..self.planned }
    }
}

/// Takes a run up again, if it has tasks without an outcome.
///
/// # Errors
///
/// Another process works on it; the store cannot be used.
pub fn resume(state: &Path, id: &RunId, clock: Clock) -> Result<Resumption, RunError> {
    let runs = RunDirectory::open(state)?;
    let lock = runs.lock(id, &holder(clock.now()))?;
    let reader = RunReader::open(&runs, id)?;
    let record = reader.record()?;
    let settings = record.run.settings.clone();
    let is_awaited = settings.wait.is_some() && reader.unverified()? > 0;
    if reader.unsettled()? == 0 && !is_awaited {
        return Ok(Resumption::Finished);
    }
    let totals = PlanTotals {
        rows: record.rows,
        selected: record.selected,
        duplicates: record.duplicates,
        already_done: record.already_done,
    };
    let planned = Planned {
        runs,
        id: id.clone(),
        lock,
        totals,
        settings: settings.clone(),
        time_left: None,
        profile: None,
        clock,
    };
    Ok(Resumption::Ready(Box::new(Resumable { record, settings, planned })))
}
