//! Plans the opposite of a run, for exactly the tasks that it changed and nobody has touched since.
//!
//! A task was changed if its call was accepted and it was at rest on the other side before. It was
//! touched if a sub-task is now where the opposite command leads. Keeps the ids of the tasks that
//! were changed in memory, some hundred bytes each.

use crate::api::{ListFilter, ListedTask, Page, TaskApi};
use crate::clock::{Clock, Timestamp};
use crate::run::settings::walker_settings;
use crate::run::{Planned, RunError, holder};
use crate::settings::RunSettings;
use crate::store;
use crate::store::{
    NewRun, PlannedRun, RunDirectory, RunId, RunReader, RunRecord, StoreError, TaskRow,
};
use crate::survey::{Gap, PageSink, WalkEnd, WalkStep, Walker};
use crate::task::{Command, ObservedState, Ordinal, Outcome, TaskId, TaskState, Toward};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// A run that is to be taken back.
#[derive(Debug)]
pub struct Revert {
    /// The run.
    pub record: RunRecord,
    /// How it was carried out; what is changed here holds for the new one.
    pub settings: RunSettings,
    /// Why, for the record.
    pub reason: Option<String>,
    reader: RunReader,
    runs: RunDirectory,
    chosen: HashSet<Ordinal>,
}

/// What can be taken back of a run, and what cannot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reverted {
    /// How many tasks are sent back.
    pub selected: u64,
    /// The first of them.
    pub first: Vec<TaskRow>,
    /// Those that somebody else has touched since, with the state they are in.
    pub touched: Vec<(TaskId, TaskState)>,
    /// Those that were changed and that the list does not show any more.
    pub gone: Vec<TaskId>,
    /// How many were called and were not at rest on the other side before, or nobody knows.
    pub other_before: u64,
    /// Why tasks may have been missed in the list, if they may.
    pub gap: Option<Gap>,
}

/// Opens a run to take it back.
pub fn revert(state: &Path, parent: &RunId) -> Result<Revert, RunError> {
    let runs = RunDirectory::open(state)?;
    let reader = RunReader::open(&runs, parent)?;
    let record = reader.record()?;
    let settings = record.run.settings.clone();
    Ok(Revert { record, settings, reason: None, reader, runs, chosen: HashSet::new() })
}

/// What is known of a task of the run.
enum Past {
    /// It was called, and was at rest on the other side before.
    Changed,
    /// It was called, and was elsewhere before.
    OtherBefore,
    /// It was not changed.
    Untouched,
}

impl Past {
    fn of(task: &TaskRow) -> Self {
        let was_accepted = matches!(task.outcome, Outcome::Succeeded | Outcome::Partial);
        // One that never arrived was accepted, too.
        let was_accepted = was_accepted || task.seen.call == Some(Outcome::Succeeded);
        if !was_accepted || task.attempts == 0 {
            return Self::Untouched;
        }
        match task.seen.before {
            Some(before) if before == TaskState::after(task.command.opposite()) => Self::Changed,
            Some(before) if before == TaskState::after(task.command) => Self::Untouched,
            Some(_) | None => Self::OtherBefore,
        }
    }
}

impl Revert {
    /// Reads the states of the tasks that the run changed, and chooses those that are sent back.
    ///
    /// # Errors
    ///
    /// The store's; a list that cannot be read is a gap.
    pub async fn choose<A: TaskApi>(
        &mut self,
        api: &A,
        clock: Clock,
        most_rows: usize,
    ) -> Result<Reverted, RunError> {
        let mut sights = Sights { wanted: self.changed()?, seen: HashMap::new() };
        let mut walker = Walker::new(api, walker_settings(&self.settings), clock, &[]);
        let end = match sights.wanted.is_empty() {
            true => WalkEnd::Whole,
            false => walker.walk(&ListFilter::default(), &mut sights).await?,
        };
        let gap = match end {
            WalkEnd::Whole => None,
            WalkEnd::Gap(gap) => Some(gap),
        };
        let mut reverted = Reverted { gap, ..Reverted::default() };
        let mut chosen = HashSet::new();
        self.reader.for_each_task::<StoreError>(|task| {
            if reverted.takes(&task, &sights.seen) {
                chosen.insert(task.ordinal);
                if reverted.first.len() < most_rows {
                    reverted.first.push(reversed(task));
                }
            }
            Ok(())
        })?;
        self.chosen = chosen;
        Ok(reverted)
    }

    fn changed(&self) -> Result<HashSet<TaskId>, RunError> {
        let mut changed = HashSet::new();
        self.reader.for_each_task::<StoreError>(|task| {
            if matches!(Past::of(&task), Past::Changed) {
                changed.insert(task.id);
            }
            Ok(())
        })?;
        Ok(changed)
    }

    /// Returns the word for what is done: the opposite of the run's.
    pub fn command(&self) -> String {
        let command: Result<Command, _> = self.record.run.command.parse();
        command.map_or_else(|_| "run".into(), |command| command.opposite().to_string())
    }

    /// Stores the plan of the new run, for the place that its tasks are called at now.
    pub fn plan(self, place: (String, String), clock: Clock) -> Result<Planned, RunError> {
        let run = self.new_run(place, clock.now());
        let pick = |task: TaskRow| self.chosen.contains(&task.ordinal).then(|| reversed(task));
        let holder = holder(clock.now());
        match store::plan_again(&self.runs, &run, &self.reader, pick, &holder)? {
            PlannedRun::Ready { totals, lock } => Ok(Planned {
                runs: self.runs,
                id: run.id,
                lock,
                totals,
                settings: self.settings,
                time_left: None,
                profile: None,
                clock,
            }),
            PlannedRun::Refused(problems) => Err(RunError::Input(problems)),
        }
    }

    fn new_run(&self, (endpoint, project_id): (String, String), now: Timestamp) -> NewRun {
        let parent = &self.record.run;
        NewRun {
            id: RunId::new(now, &mut fastrand::Rng::new()),
            parent: Some(parent.id.clone()),
            outstanding_before: None,
            // It is no run of the job: the next one must not be measured against it.
            job: None,
            reason: self.reason.clone(),
            command: self.command(),
            origin: now,
            endpoint,
            project_id,
            settings: self.settings.clone(),
        }
    }
}

fn reversed(task: TaskRow) -> TaskRow {
    TaskRow { command: task.command.opposite(), ..task }
}

impl Reverted {
    /// Decides about a task of the run, and counts it.
    fn takes(&mut self, task: &TaskRow, seen: &HashMap<TaskId, ObservedState>) -> bool {
        match Past::of(task) {
            Past::Untouched => return false,
            Past::OtherBefore => {
                self.other_before += 1;
                return false;
            }
            Past::Changed => {}
        }
        let Some(seen) = seen.get(&task.id) else {
            self.gone.push(task.id.clone());
            return false;
        };
        if seen.toward(task.command) == Toward::Against {
            self.touched.push((task.id.clone(), seen.state));
            return false;
        }
        self.selected += 1;
        true
    }
}

/// Keeps what is seen of the tasks that were changed.
struct Sights {
    wanted: HashSet<TaskId>,
    seen: HashMap<TaskId, ObservedState>,
}

impl PageSink for Sights {
    type Error = RunError;

    async fn request(&mut self, _: Timestamp) -> Result<(), RunError> {
        Ok(())
    }

    async fn page(&mut self, page: Page) -> Result<WalkStep, RunError> {
        for sighting in page.tasks.iter().filter_map(ListedTask::sighting) {
            if self.wanted.contains(&sighting.id) {
                self.seen.insert(sighting.id.clone(), sighting);
            }
        }
        Ok(if self.seen.len() == self.wanted.len() { WalkStep::Enough } else { WalkStep::More })
    }
}
