//! Resumes a run from its own copy of the plan; the inputs may be gone or changed.

use crate::clock::Clock;
use crate::plan::Exclusions;
use crate::run::error::RunError;
use crate::run::plan::{Planned, holder};
use crate::settings::RunSettings;
use crate::store::{PlanTotals, RunDirectory, RunId, RunReader, RunRecord};
use std::path::Path;
use std::sync::Arc;

/// The answer to the request to resume a run.
#[derive(Debug)]
pub enum Resumption {
    /// The run is locked for this process and can be carried out.
    Ready(Box<Resumable>),
    /// Every task has its outcome: nothing is left to do.
    Finished,
}

/// A run that can be resumed.
#[derive(Debug)]
pub struct Resumable {
    /// The record of the run.
    pub record: RunRecord,
    /// How it was carried out so far; changes hold from now on.
    pub settings: RunSettings,
    pub(super) planned: Planned,
}

impl Resumable {
    /// Returns the run, to be carried out with these settings.
    pub fn into_planned(self) -> Planned {
        Planned { settings: self.settings, ..self.planned }
    }

    /// Sends none of these tasks any more. Those without an outcome are settled: as `not_attempted`
    /// if they were never sent.
    pub fn exclude(&mut self, exclusions: Arc<Exclusions>) {
        self.planned.exclusions = exclusions;
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
    // With `--wait` a run is finished only when its tasks were verified as well.
    let is_awaited = settings.wait.is_some() && reader.unverified()? > 0;
    if reader.unsettled()? == 0 && !is_awaited {
        return Ok(Resumption::Finished);
    }
    let totals = PlanTotals {
        rows: record.rows,
        selected: record.selected,
        duplicates: record.duplicates,
        already_done: record.already_done,
        of_other_shards: record.sharded.map_or(0, |plan| plan.tasks - record.selected),
        excluded: settings.choice.left_out.excluded,
        not_matched: settings.choice.left_out.not_matched,
        not_sampled: settings.choice.left_out.not_sampled,
        before_offset: settings.choice.left_out.before_offset,
    };
    let planned = Planned::new(runs, lock, totals, settings.clone(), clock);
    Ok(Resumption::Ready(Box::new(Resumable { record, settings, planned })))
}
