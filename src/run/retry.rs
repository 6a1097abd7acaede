//! Plans a run of the tasks that did not succeed in another run.

use crate::clock::Clock;
use crate::loading;
use crate::plan::Exclusions;
use crate::reading::{RunReader, TaskRow};
use crate::report::{FailureGroup, GroupLabel, Grouping, Target};
use crate::run::error::RunError;
use crate::run::plan::{Planned, child_run, child_settings, holder};
use crate::run::targets::TargetRequest;
use crate::settings::{LeftOut, RunSettings};
use crate::store::{NewRun, RunDirectory, RunId, RunRecord, StoreError};
use crate::task::{FailureKind, Outcome, Repetition};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// The tasks of a run that are called again. An empty list does not narrow the choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetryFilter {
    /// The outcomes; by default partial, failed and ambiguous.
    pub outcomes: Vec<Outcome>,
    /// The statuses of the last answer.
    pub statuses: Vec<u16>,
    /// The kinds of failure.
    pub kinds: Vec<FailureKind>,
    /// The error codes.
    pub codes: Vec<String>,
    /// The groups of failures; [`Retry::narrow`] checks that they exist.
    pub groups: Vec<GroupLabel>,
}

impl RetryFilter {
    /// Returns whether a task is called again, groups left aside. A task without an outcome still
    /// belongs to its own run.
    pub fn wants(&self, task: &TaskRow) -> bool {
        let failure = task.last.as_ref().and_then(|last| last.failure.as_ref());
        let status = task.last.as_ref().and_then(|last| last.http_status);
        // Every condition must hold; a condition on the answer excludes tasks without one.
        task.settled.is_some()
            && self.wants_outcome(task)
            && (self.statuses.is_empty() || status.is_some_and(|s| self.statuses.contains(&s)))
            && (self.kinds.is_empty() || failure.is_some_and(|f| self.kinds.contains(&f.kind)))
            && (self.codes.is_empty() || failure.is_some_and(|f| self.codes.contains(&f.code)))
    }

    fn wants_outcome(&self, task: &TaskRow) -> bool {
        match self.outcomes.as_slice() {
            [] if self.groups.is_empty() && is_held(task) => false,
            [] => matches!(task.outcome, Outcome::Partial | Outcome::Failed | Outcome::Ambiguous),
            wanted => wanted.contains(&task.outcome),
        }
    }
}

/// What a filter can choose among: what the tasks of a run have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetryChoice {
    /// The outcomes of all tasks that have one.
    pub outcomes: BTreeSet<Outcome>,
    /// The statuses of the last answers of tasks with a wanted outcome.
    pub statuses: BTreeSet<u16>,
    /// Their kinds of failure.
    pub kinds: BTreeSet<FailureKind>,
    /// Their error codes.
    pub codes: BTreeSet<String>,
}

/// Returns whether a second call of a task in doubt may do harm. VIAS looks at its own tasks first.
fn is_held(task: &TaskRow) -> bool {
    let may_harm = task.command.is_action() && task.command.repetition() == Repetition::Harmful;
    task.outcome == Outcome::Ambiguous && may_harm
}

/// Why a walk for the first task that is wanted ended before the last task.
enum FirstFound {
    Wanted,
    Unread(StoreError),
}

impl From<StoreError> for FirstFound {
    fn from(error: StoreError) -> Self {
        Self::Unread(error)
    }
}

/// A run that retries another, before it is planned.
#[derive(Debug)]
pub struct Retry {
    /// The run whose tasks are taken.
    pub record: RunRecord,
    /// How that run was carried out; changes hold for the new run.
    pub settings: RunSettings,
    filter: RetryFilter,
    /// The groups of the tasks, if the filter asks for groups.
    grouping: Option<Grouping>,
    /// The reason for the run, for the record.
    pub reason: Option<String>,
    exclusions: Arc<Exclusions>,
    reader: RunReader,
    runs: RunDirectory,
}

/// Opens a run to retry the tasks that did not succeed in it.
pub fn retry(state: &Path, parent: &RunId) -> Result<Retry, RunError> {
    let runs = RunDirectory::open(state)?;
    let reader = RunReader::open(&runs, parent)?;
    let record = reader.record()?;
    let settings = child_settings(&record.run.settings);
    let (filter, exclusions) = (RetryFilter::default(), Arc::default());
    Ok(Retry { record, settings, filter, grouping: None, reason: None, exclusions, reader, runs })
}

impl Retry {
    /// Takes only the tasks of a filter.
    ///
    /// # Errors
    ///
    /// A group that the run does not have; the store's.
    pub fn narrow(&mut self, filter: RetryFilter) -> Result<(), RunError> {
        // Groups are found by a walk over all failures, which a filter without groups spares.
        let grouping = match filter.groups.as_slice() {
            [] => None,
            _ => Some(Grouping::read(&self.reader)?),
        };
        let groups = grouping.as_ref().map_or(0, |grouping| grouping.groups().len());
        let unknown = filter.groups.iter().find(|label| label.index() >= groups);
        if let Some(&wanted) = unknown {
            let run = self.record.run.id.clone();
            return Err(RunError::NoSuchGroup { wanted, run, groups });
        }
        (self.filter, self.grouping) = (filter, grouping);
        Ok(())
    }

    /// Returns whether the filter asks for more than tasks that did not succeed, and no task has that.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn is_narrowed_to_nothing(&self) -> Result<bool, RunError> {
        if self.filter == RetryFilter::default() {
            return Ok(false);
        }
        let first = self.reader.for_each_task(|task| match self.wants(&task) {
            true => Err(FirstFound::Wanted),
            false => Ok(()),
        });
        match first {
            Ok(()) => Ok(true),
            Err(FirstFound::Wanted) => Ok(false),
            Err(FirstFound::Unread(error)) => Err(error.into()),
        }
    }

    /// Returns what the filter can choose among.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn choice(&self) -> Result<RetryChoice, RunError> {
        let mut choice = RetryChoice::default();
        self.reader.for_each_task::<StoreError>(|task| {
            if task.settled.is_none() {
                return Ok(());
            }
            choice.outcomes.insert(task.outcome);
            if !self.filter.wants_outcome(&task) || !self.is_of_group(&task) {
                return Ok(());
            }
            let Some(last) = task.last else { return Ok(()) };
            choice.statuses.extend(last.http_status);
            if let Some(failure) = last.failure {
                choice.kinds.insert(failure.kind);
                choice.codes.extend(Some(failure.code.to_string()).filter(|code| !code.is_empty()));
            }
            Ok(())
        })?;
        Ok(choice)
    }

    /// Returns the filter.
    pub fn filter(&self) -> &RetryFilter {
        &self.filter
    }

    /// Returns the groups of failures in the filter.
    pub fn groups(&self) -> Vec<&FailureGroup> {
        let all = self.grouping.as_ref().map_or(&[][..], Grouping::groups);
        all.iter().filter(|group| self.filter.groups.contains(&group.label)).collect()
    }

    /// Returns the number of tasks in doubt that are left out, because a second call may do harm.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn held_tasks(&self) -> Result<u64, RunError> {
        let mut held = 0;
        if self.record.run.service.is_some() {
            self.reader.for_each_task::<StoreError>(|task| {
                held += u64::from(is_held(&task) && !self.wants(&task));
                Ok(())
            })?;
        }
        Ok(held)
    }

    /// Returns the number of tasks that no retry can take, because their ids are lost.
    pub fn lost_tasks(&self) -> u64 {
        self.reader.lost_tasks()
    }

    /// Returns the number of tasks without an outcome, which belong to their own run.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn open_tasks(&self) -> Result<u64, RunError> {
        Ok(self.reader.unsettled()?)
    }

    fn wants(&self, task: &TaskRow) -> bool {
        !self.exclusions.holds(&task.id) && self.filter.wants(task) && self.is_of_group(task)
    }

    fn is_of_group(&self, task: &TaskRow) -> bool {
        self.grouping.as_ref().is_none_or(|grouping| {
            grouping.group_of(task).is_some_and(|label| self.filter.groups.contains(&label))
        })
    }

    /// Calls none of these tasks, and records those that would have been called.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn exclude(&mut self, exclusions: Arc<Exclusions>) -> Result<(), RunError> {
        let mut left_out = LeftOut::default();
        if !exclusions.is_empty() {
            self.reader.for_each_task::<StoreError>(|task| {
                let excluded = exclusions.find(&task.id).filter(|_| self.wants(&task));
                excluded.into_iter().for_each(|task| left_out.add_excluded(task));
                Ok(())
            })?;
        }
        self.settings.choice.left_out = left_out;
        self.exclusions = exclusions;
        Ok(())
    }

    /// Counts the tasks of the new run and returns the first of them; stores nothing.
    pub fn preview(&self, max_rows: usize) -> Result<(u64, Vec<TaskRow>), RunError> {
        let (mut count, mut first) = (0, Vec::new());
        self.reader.for_each_task::<StoreError>(|task| {
            if self.wants(&task) {
                // All are counted, but a preview of millions of rows would help nobody.
                count += 1;
                if first.len() < max_rows {
                    first.push(task);
                }
            }
            Ok(())
        })?;
        Ok((count, first))
    }

    /// Stores the plan of the new run, whose tasks are called at `target`.
    pub fn plan(self, target: Target, clock: Clock) -> Result<Planned, RunError> {
        let parent = &self.record.run;
        let child = child_run(parent, target, self.reason.clone(), &self.settings, clock.now());
        let run = NewRun { outstanding_before: Some(self.outstanding()?), ..child };
        let pick = |task: TaskRow| self.wants(&task).then_some(task);
        // The filter is applied once more, because nothing of the preview is kept.
        let holder = holder(clock.now());
        let parts = std::slice::from_ref(&run);
        let planned = loading::plan_from_run(&self.runs, parts, &self.reader, pick, &holder)?;
        Planned::from_stored(planned.whole(), self.runs, self.settings, clock)
    }

    /// Returns the records of the targets with tasks to be called again, in a run of several.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn targets(&self) -> Result<Vec<RunRecord>, RunError> {
        let mut wanted = BTreeSet::new();
        self.reader.for_each_task::<StoreError>(|task| {
            if self.wants(&task) {
                wanted.extend(task.target);
            }
            Ok(())
        })?;
        let mut records = self.reader.of_targets(RunReader::record)?;
        records.retain(|record| {
            let target = record.run.settings.target.as_ref();
            target.is_some_and(|target| wanted.contains(target.name()))
        });
        Ok(records)
    }

    /// Stores the plan of the new run, whose tasks are called at these targets of the other run.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn plan_targets(
        self,
        targets: Vec<TargetRequest>,
        clock: Clock,
    ) -> Result<Planned, RunError> {
        let outstanding_before = Some(self.outstanding()?);
        let (parent, now) = (&self.record.run, clock.now());
        let reason = self.reason.clone();
        let child = child_run(parent, targets[0].place(), reason, &targets[0].settings, now);
        let first = NewRun { outstanding_before, ..child };
        let parts: Vec<NewRun> = targets.iter().map(|target| target.part_of(&first)).collect();
        let pick = |task: TaskRow| self.wants(&task).then_some(task);
        let planned = loading::plan_from_run(&self.runs, &parts, &self.reader, pick, &holder(now))?;
        let settings = targets.into_iter().map(|target| target.settings).collect();
        Planned::of_targets(planned, self.runs, settings, clock)
    }

    /// Counts the tasks of the whole chain that are not where their commands lead.
    fn outstanding(&self) -> Result<u64, RunError> {
        let outcomes = self.reader.outcomes()?;
        let good = Outcome::ALL.into_iter().filter(|outcome| outcome.is_good());
        let good: u64 = good.map(|outcome| outcomes[outcome]).sum();
        // The tasks that this run took over from the chain before it are in that count already.
        let before = self.record.run.outstanding_before.unwrap_or(self.record.selected);
        Ok(before.saturating_sub(good))
    }
}
