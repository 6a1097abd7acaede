//! Plans a run of what did not succeed in another.

use crate::clock::{Clock, Timestamp};
use crate::report::{FailureGroup, GroupLabel, Grouping};
use crate::run::{Planned, RunError, holder};
use crate::settings::RunSettings;
use crate::store;
use crate::store::{
    NewRun, PlanTotals, PlannedRun, RunDirectory, RunId, RunReader, RunRecord, TaskRow,
};
use crate::task::{FailureKind, Outcome};
use std::path::Path;

/// Which tasks of a run are wanted again. What is empty does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetryFilter {
    /// With one of these outcomes; by default partial, failed and ambiguous.
    pub outcomes: Vec<Outcome>,
    /// With one of these statuses in the last answer.
    pub statuses: Vec<u16>,
    /// With one of these kinds of failure.
    pub kinds: Vec<FailureKind>,
    /// With one of these error codes.
    pub codes: Vec<String>,
    /// In one of these groups of failures; [`Retry::narrow`] makes sure that there are such.
    pub groups: Vec<GroupLabel>,
}

impl RetryFilter {
    /// Tells whether a task is wanted again, groups left aside. One without an outcome belongs to
    /// its own run still.
    pub fn wants(&self, task: &TaskRow) -> bool {
        let failure = task.last.as_ref().and_then(|last| last.failure.as_ref());
        let status = task.last.as_ref().and_then(|last| last.http_status);
        task.settled.is_some()
            && self.wants_outcome(task.outcome)
            && (self.statuses.is_empty() || status.is_some_and(|s| self.statuses.contains(&s)))
            && (self.kinds.is_empty() || failure.is_some_and(|f| self.kinds.contains(&f.kind)))
            && (self.codes.is_empty() || failure.is_some_and(|f| self.codes.contains(&f.code)))
    }

    fn wants_outcome(&self, outcome: Outcome) -> bool {
        match self.outcomes.as_slice() {
            [] => matches!(outcome, Outcome::Partial | Outcome::Failed | Outcome::Ambiguous),
            wanted => wanted.contains(&outcome),
        }
    }
}

/// A run that retries another, before it is planned.
#[derive(Debug)]
pub struct Retry {
    /// The run whose tasks are taken.
    pub record: RunRecord,
    /// How that run was carried out; what is changed here holds for the new one.
    pub settings: RunSettings,
    filter: RetryFilter,
    /// Tells the groups that tasks belong to, where the filter asks for them.
    grouping: Option<Grouping>,
    /// Why, for the record.
    pub reason: Option<String>,
    reader: RunReader,
    runs: RunDirectory,
}

/// Opens a run to retry what did not succeed in it.
pub fn retry(state: &Path, parent: &RunId) -> Result<Retry, RunError> {
    let runs = RunDirectory::open(state)?;
    let reader = RunReader::open(&runs, parent)?;
    let record = reader.record()?;
    let settings = record.run.settings.clone();
    let filter = RetryFilter::default();
    Ok(Retry { record, settings, filter, grouping: None, reason: None, reader, runs })
}

impl Retry {
    /// Takes only tasks that a filter wants.
    ///
    /// # Errors
    ///
    /// A group that the run does not have; the store's.
    pub fn narrow(&mut self, filter: RetryFilter) -> Result<(), RunError> {
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

    /// Returns the groups of failures that the filter asks for.
    pub fn groups(&self) -> Vec<&FailureGroup> {
        let all = self.grouping.as_ref().map_or(&[][..], Grouping::groups);
        all.iter().filter(|group| self.filter.groups.contains(&group.label)).collect()
    }

    fn wants(&self, task: &TaskRow) -> bool {
        let is_of_group = |grouping: &Grouping| {
            grouping.group_of(task).is_some_and(|label| self.filter.groups.contains(&label))
        };
        self.filter.wants(task) && self.grouping.as_ref().is_none_or(is_of_group)
    }

    /// Counts what would be taken, and returns the first of it; stores nothing.
    pub fn preview(&self, most: usize) -> Result<(u64, Vec<TaskRow>), RunError> {
        let (mut count, mut first) = (0, Vec::new());
        self.reader.for_each_task::<store::StoreError>(|task| {
            if self.wants(&task) {
                count += 1;
                if first.len() < most {
                    first.push(task);
                }
            }
            Ok(())
        })?;
        Ok((count, first))
    }

    /// Stores the plan of the new run, for the place that its tasks are called at now.
    pub fn plan(self, place: (String, String), clock: Clock) -> Result<Planned, RunError> {
        let outstanding = self.outstanding()?;
        let run = self.new_run(place, outstanding, clock.now());
        let pick = |task: TaskRow| self.wants(&task).then_some(task);
        let holder = holder(clock.now());
        match store::plan_again(&self.runs, &run, &self.reader, pick, &holder)? {
            PlannedRun::Ready { totals, lock } => {
                let (id, runs, settings) = (run.id, self.runs, self.settings);
                Ok(Planned {
                    runs,
                    id,
                    lock,
                    totals,
                    settings,
                    time_left: None,
                    profile: None,
                    clock,
                })
            }
            PlannedRun::Refused(problems) => Err(RunError::Input(problems)),
        }
    }

    /// Counts the tasks of the whole chain that are not where they were sent.
    fn outstanding(&self) -> Result<u64, RunError> {
        let outcomes = self.reader.outcomes()?;
        let good: u64 =
            Outcome::ALL.into_iter().filter(|o| o.is_good()).map(|outcome| outcomes[outcome]).sum();
        // What this run took over from the chain before it is in that count already.
        let before = self.record.run.outstanding_before.unwrap_or(self.record.selected);
        Ok(before.saturating_sub(good))
    }

    fn new_run(&self, place: (String, String), outstanding: u64, now: Timestamp) -> NewRun {
        let parent = &self.record.run;
        let (endpoint, project_id) = place;
        NewRun {
            id: RunId::new(now, &mut fastrand::Rng::new()),
            parent: Some(parent.id.clone()),
            outstanding_before: Some(outstanding),
            job: parent.job.clone(),
            reason: self.reason.clone(),
            command: parent.command.clone(),
            origin: now,
            endpoint,
            project_id,
            settings: self.settings.clone(),
        }
    }
}

impl PlanTotals {
    /// Tells whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.selected == 0
    }
}
