//! A dry run against the live state: what would be called, and what is there already.

use crate::api::{ListFilter, ListedTask, Page, TaskApi};
use crate::clock::{Clock, Timestamp};
use crate::policy::{IfMissing, Purpose, first_look};
use crate::run::carry_out::group_slots;
use crate::run::error::RunError;
use crate::run::plan::{RunRequest, new_run};
use crate::run::settings::walker_settings;
use crate::run::survey_recorder::{MAX_LOOKED_FOR, WantedTasks, if_missing};
use crate::store;
use crate::store::{PlanRow, PlanTotals, RunDirectory, Surveyed, TemporaryPlan};
use crate::survey::{Gap, PageSink, WalkEnd, WalkStep, Walker};

/// A run as it would be, given the present states of its tasks.
#[derive(Debug)]
pub struct LivePlan {
    /// The numbers of rows and tasks.
    pub totals: PlanTotals,
    /// The first tasks that would be called.
    pub rows: Vec<PlanRow>,
    /// The states of the tasks.
    pub surveyed: Surveyed,
    /// The reason why tasks may have been missed, if there is one.
    pub gap: Option<Gap>,
}

/// Reads all inputs and the states of their tasks, and returns what a run of them would be.
///
/// Stores nothing and starts or stops nothing.
///
/// # Errors
///
/// Invalid inputs. A list that cannot be read is a gap and not an error.
pub async fn dry_run_live<A: TaskApi>(
    request: RunRequest,
    api: &A,
    clock: Clock,
    max_rows: u32,
) -> Result<LivePlan, RunError> {
    let run = new_run(&request, clock.now());
    let runs = RunDirectory::existing(&request.state);
    let plan = store::temporary_plan(&runs, &run, request.plan)?.map_err(RunError::Input)?;
    let wanted = WantedTasks(plan.look_for(MAX_LOOKED_FOR)?);
    let mut recorder = DryRunRecorder { plan: &plan, wanted };
    let slots = group_slots(&request.state, request.settings.rate_group.as_deref())?;
    let walker = Walker::new(api, walker_settings(&request.settings), clock, &[]);
    let mut walker = walker.sharing(slots);
    let end = walker.walk(&ListFilter::default(), &mut recorder).await?;
    // A dry run shows every task that is unknown, whatever the run would do with it.
    let purpose = Purpose::LeaveAlone(if_missing(&end, IfMissing::Unknown));
    let decide = |seen, earlier| first_look(seen, earlier, purpose);
    let surveyed = plan.survey(decide, clock.now())?;
    let gap = match end {
        WalkEnd::Whole => None,
        WalkEnd::Gap(gap) => Some(gap),
    };
    let rows = plan.first_rows(max_rows)?;
    Ok(LivePlan { totals: plan.totals(), rows, surveyed, gap })
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

    async fn page(&mut self, page: Page) -> Result<WalkStep, RunError> {
        let seen: Vec<_> = page.tasks.iter().filter_map(ListedTask::observed_state).collect();
        self.plan.see(&seen)?;
        self.wanted.remove(&seen);
        Ok(self.wanted.step())
    }
}
