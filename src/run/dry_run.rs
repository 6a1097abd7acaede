//! A dry run: what would be called and, if it looks at the states, what is there already.

use crate::api::{ListedTask, Page, TaskApi};
use crate::clock::{Clock, Timestamp};
use crate::loading;
use crate::loading::{PlanTotals, TemporaryPlan};
use crate::policy::{EarlierCalls, FirstLook, IfMissing, Purpose, first_look};
use crate::reading::PlanRow;
use crate::run::carry_out::group_slots;
use crate::run::error::RunError;
use crate::run::plan::{RunRequest, new_run};
use crate::run::settings::{listing, walker_settings};
use crate::run::survey_recorder::{WantedTasks, if_missing, most_looked_for};
use crate::settings::{LeftOut, RunSettings};
use crate::store::{RunDirectory, StoreError, Surveyed};
use crate::survey::{Gap, PageSink, WalkEnd, WalkStep, Walker, read_states};
use crate::task::{TaskId, TaskState};
use std::path::Path;

/// A run as it would be, in a temporary file that vanishes with this value.
#[derive(Debug)]
pub struct DryRun {
    plan: TemporaryPlan,
    look: Option<LiveLook>,
}

/// What a look at the states of the tasks has shown.
#[derive(Debug)]
pub struct LiveLook {
    /// The states of the tasks, counted.
    pub surveyed: Surveyed,
    /// The reason why tasks may have been missed, if there is one.
    pub gap: Option<Gap>,
    purpose: Purpose,
}

/// One task of a dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DryRunRow {
    /// The task.
    pub row: PlanRow,
    /// The state in which the look has found it.
    pub state_before: Option<TaskState>,
    /// What the run would make of the task; `None` without a look, which calls each.
    pub look: Option<FirstLook>,
}

/// Reads all inputs and returns what a run of them would be.
///
/// Stores nothing and sends nothing.
///
/// # Errors
///
/// Invalid inputs, with all their problems.
pub fn dry_run(request: RunRequest, clock: Clock) -> Result<DryRun, RunError> {
    let run = new_run(&request, clock.now());
    // An existing directory: a dry run must not create one.
    let runs = RunDirectory::existing(&request.state);
    let plan = loading::temporary_plan(&runs, &run, request.plan)?.map_err(RunError::Input)?;
    Ok(DryRun::on_paper(plan))
}

/// Reads all inputs and the states of their tasks, and returns what a run of them would be.
///
/// Stores nothing and starts or stops nothing. Of an input without a task no state is read.
///
/// # Errors
///
/// Invalid inputs. A list that cannot be read is a gap and not an error.
pub async fn dry_run_live<A: TaskApi>(
    request: RunRequest,
    api: &A,
    clock: Clock,
) -> Result<DryRun, RunError> {
    let (state, settings) = (request.state.clone(), request.settings.clone());
    dry_run(request, clock)?.look_at(&state, &settings, api, clock).await
}

impl DryRun {
    /// Takes a plan whose tasks nobody has looked at.
    pub(super) fn on_paper(plan: TemporaryPlan) -> Self {
        Self { plan, look: None }
    }

    /// Reads the states of the tasks, at the rate of these settings. Without a task none is read.
    ///
    /// # Errors
    ///
    /// The store's. A list that cannot be read is a gap and not an error.
    pub async fn look_at<A: TaskApi>(
        self,
        state: &Path,
        settings: &RunSettings,
        api: &A,
        clock: Clock,
    ) -> Result<Self, RunError> {
        let plan = self.plan;
        if plan.totals().is_empty() {
            return Ok(Self::on_paper(plan));
        }
        let wanted = WantedTasks(plan.look_for(most_looked_for(api))?);
        let mut recorder = DryRunRecorder { plan: &plan, wanted };
        let slots = group_slots(state, settings.rate_group.as_deref())?;
        let walker = Walker::new(api, walker_settings(settings), clock, &[]);
        let mut walker = walker.sharing(slots);
        let end = read_states(&mut walker, &listing(settings), &mut recorder).await?;
        // A dry run shows every task that is unknown, whatever the run would do with it.
        let purpose = Purpose::LeaveAlone(if_missing(&end, IfMissing::Unknown));
        let decide = |seen, earlier, goal| first_look(seen, earlier, goal, purpose);
        let surveyed = plan.survey(decide, clock.now())?;
        let gap = match end {
            WalkEnd::Whole => None,
            WalkEnd::Gap(gap) => Some(gap),
        };
        Ok(Self { plan, look: Some(LiveLook { surveyed, gap, purpose }) })
    }

    /// Returns the numbers of rows and tasks.
    pub fn totals(&self) -> PlanTotals {
        self.plan.totals()
    }

    /// Returns which tasks are left out.
    pub fn left_out(&self) -> &LeftOut {
        self.plan.left_out()
    }

    /// Returns what the look at the states has shown, if there was one.
    pub fn look(&self) -> Option<&LiveLook> {
        self.look.as_ref()
    }

    /// Returns the first tasks that would be called.
    pub fn first_rows(&self, limit: u32) -> Result<Vec<PlanRow>, RunError> {
        Ok(self.plan.first_rows(limit)?)
    }

    /// Calls `take` for every task, in the order of the inputs.
    ///
    /// # Errors
    ///
    /// The store's, and those of `take`.
    pub fn for_each_row<E: From<StoreError>>(
        &self,
        mut take: impl FnMut(DryRunRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let purpose = self.look.as_ref().map(|look| look.purpose);
        self.plan.for_each_row(|row, seen| {
            let goal = row.command.into();
            let look = purpose.map(|purpose| first_look(seen, EarlierCalls::None, goal, purpose));
            take(DryRunRow { row, state_before: seen.map(|seen| seen.state), look })
        })
    }
}

/// Records the pages of a walk in a plan.
struct DryRunRecorder<'a> {
    plan: &'a TemporaryPlan,
    wanted: WantedTasks,
}

impl PageSink for DryRunRecorder<'_> {
    type Error = RunError;

    async fn request(&mut self, _: Timestamp) -> Result<(), RunError> {
        // A dry run has no record that could keep its requests.
        Ok(())
    }

    fn wanted(&self) -> Vec<TaskId> {
        self.wanted.ids()
    }

    async fn page(&mut self, page: Page) -> Result<WalkStep, RunError> {
        let seen: Vec<_> = page.tasks.iter().filter_map(ListedTask::observed_state).collect();
        self.plan.see(&seen)?;
        self.wanted.remove(&seen);
        Ok(self.wanted.step())
    }
}
