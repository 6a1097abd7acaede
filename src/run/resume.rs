//! Resumes a run from its own copy of the plan; the inputs may be gone or changed.

use crate::clock::Clock;
use crate::event::Change;
use crate::loading::PlanTotals;
use crate::plan::Exclusions;
use crate::reading::{ChangeRow, RunReader};
use crate::run::error::RunError;
use crate::run::plan::{Planned, TargetRun, holder};
use crate::settings::{RateSetting, RunSettings};
use crate::store::{RunDirectory, RunId, RunRecord, StoreError};
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
    /// The targets with tasks to go on with, in a run of several.
    pub targets: Vec<ResumableTarget>,
    /// The changes by operators so far.
    changes: Vec<ChangeRow>,
}

/// A target of a run, with tasks to go on with.
#[derive(Debug)]
pub struct ResumableTarget {
    /// The record of its part.
    pub record: RunRecord,
    /// How it was carried out so far; changes hold from now on.
    pub settings: RunSettings,
    index: usize,
    changes: Vec<ChangeRow>,
}

impl Resumable {
    /// Returns the run, to be carried out with these settings.
    pub fn into_planned(self) -> Planned {
        // Without them a report would compare the pace with the limit of an earlier process.
        let changes = changes_now(&self.settings, &self.record, &self.changes);
        let target = |target: ResumableTarget| TargetRun {
            changes: changes_now(&target.settings, &target.record, &target.changes),
            index: target.index,
            selected: target.record.selected,
            settings: target.settings,
        };
        let targets = self.targets.into_iter().map(target).collect();
        Planned { settings: self.settings, changes, targets, ..self.planned }
    }

    /// Sends none of these tasks any more. Those without an outcome are settled: as `not_attempted`
    /// if they were never sent.
    pub fn exclude(&mut self, exclusions: Arc<Exclusions>) {
        self.planned.exclusions = exclusions;
    }

    /// Returns how many tasks of the plan are excluded now.
    ///
    /// # Errors
    ///
    /// The plan cannot be read.
    pub fn excluded(&self) -> Result<u64, StoreError> {
        let (exclusions, mut count) = (&self.planned.exclusions, 0);
        if exclusions.is_empty() {
            return Ok(0);
        }
        RunReader::open(self.planned.runs(), self.planned.id())?.for_each_task(|task| {
            count += u64::from(exclusions.holds(&task.id));
            Ok::<_, StoreError>(())
        })?;
        Ok(count)
    }
}

/// Returns in what settings differ from those that held last.
fn changes_now(now: &RunSettings, record: &RunRecord, changes: &[ChangeRow]) -> Vec<Change> {
    let planned = &record.run.settings;
    let differs = |change: Change, planned: String| {
        let of_kind = |row: &&ChangeRow| row.what == change.as_str();
        let last = changes.iter().rfind(of_kind).and_then(|row| row.value.clone());
        change.value() != Some(last.unwrap_or(planned))
    };
    let rate = match now.own_rate() {
        RateSetting::Fixed(rate) => Some(Change::Rate(Some(rate))),
        RateSetting::Unlimited => Some(Change::Rate(None)),
        // A search has no limit to compare the pace with.
        RateSetting::Auto { .. } => None,
    };
    let rate = rate.filter(|&rate| differs(rate, planned.own_rate().to_string()));
    let slots = Change::Concurrency(now.concurrency);
    let slots = Some(slots).filter(|&it| differs(it, planned.concurrency.to_string()));
    rate.into_iter().chain(slots).collect()
}

/// Returns the numbers of rows and tasks of a run that was planned.
pub(super) fn totals_of(record: &RunRecord) -> PlanTotals {
    let left_out = &record.run.settings.choice.left_out;
    PlanTotals {
        rows: record.rows,
        selected: record.selected,
        duplicates: record.duplicates,
        already_done: record.already_done,
        of_other_shards: record.sharded.map_or(0, |plan| plan.tasks - record.selected),
        excluded: left_out.excluded,
        not_matched: left_out.not_matched,
        not_sampled: left_out.not_sampled,
        before_offset: left_out.before_offset,
        deletes: record.deletes,
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
    // With `--wait` a run is finished only when its tasks were verified as well, and with `--drill`
    // when those that are not good were looked into.
    let is_awaited = settings.wait.is_some() && reader.unverified()? > 0;
    if reader.unsettled()? == 0 && !is_awaited && !reader.drill()?.is_pending {
        return Ok(Resumption::Finished);
    }
    let totals = totals_of(&record);
    let changes = reader.changes()?;
    let targets = targets_left(&reader)?;
    let planned = Planned::new(runs, lock, totals, settings.clone(), clock);
    Ok(Resumption::Ready(Box::new(Resumable { record, settings, planned, targets, changes })))
}

/// Returns the targets with tasks to go on with: of the others nothing is sent, and no credentials
/// are needed.
fn targets_left(reader: &RunReader) -> Result<Vec<ResumableTarget>, RunError> {
    let read = |run: &RunReader| {
        let record = run.record()?;
        let settings = record.run.settings.clone();
        let is_awaited = settings.wait.is_some() && run.unverified()? > 0;
        let index = settings.target.as_ref().map_or(0, |target| target.index);
        let target = ResumableTarget { record, settings, index, changes: run.changes()? };
        let is_left = run.unsettled()? > 0 || is_awaited || run.drill()?.is_pending;
        Ok::<_, StoreError>(is_left.then_some(target))
    };
    Ok(reader.of_targets(read)?.into_iter().flatten().collect())
}
