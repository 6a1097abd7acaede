//! A dry run against the live state: what would be called, and what is there already.

use crate::api::{ListFilter, ListedTask, Page, TaskApi};
use crate::clock::{Clock, Timestamp};
use crate::run::settings::walker_settings;
use crate::run::survey_recorder::{MOST_LOOKED_FOR, absence};
use crate::run::{RunError, RunRequest, new_run};
use crate::store;
use crate::store::{Draft, IfMissing, PlanRow, PlanTotals, Purpose, RunDirectory, Surveyed};
use crate::survey::{Gap, PageSink, WalkEnd, WalkStep, Walker};
use crate::task::TaskId;
use std::collections::HashSet;

/// What a run would be, as the tasks are now.
#[derive(Debug)]
pub struct LivePlan {
    /// How many rows and tasks there are.
    pub totals: PlanTotals,
    /// The first tasks that would be called.
    pub rows: Vec<PlanRow>,
    /// What the tasks are.
    pub surveyed: Surveyed,
    /// Why tasks may have been missed, if they may.
    pub gap: Option<Gap>,
}

/// Reads all inputs and the states of their tasks, and returns what a run of them would be.
///
/// Stores nothing and starts or stops nothing.
///
/// # Errors
///
/// Inputs that are not right; a list that cannot be read is a gap.
pub async fn dry_run_live<A: TaskApi>(
    request: RunRequest,
    api: &A,
    clock: Clock,
    most_rows: u32,
) -> Result<LivePlan, RunError> {
    let run = new_run(&request, clock.now());
    let runs = RunDirectory::existing(&request.state);
    let draft = store::draft(&runs, &run, request.plan)?.map_err(RunError::Input)?;
    let wanted = draft.look_for(MOST_LOOKED_FOR)?;
    let mut look = DraftLook { draft: &draft, wanted };
    let mut walker = Walker::new(api, walker_settings(&request.settings), clock, &[]);
    let end = walker.walk(&ListFilter::default(), &mut look).await?;
    let purpose = Purpose::LeaveAlone(absence(&end, IfMissing::Unknown));
    let surveyed = draft.survey(purpose, clock.now())?;
    let gap = match end {
        WalkEnd::Whole => None,
        WalkEnd::Gap(gap) => Some(gap),
    };
    let rows = draft.first_rows(most_rows)?;
    Ok(LivePlan { totals: draft.totals(), rows, surveyed, gap })
}

/// Notes what a walk sees in a draft.
struct DraftLook<'a> {
    draft: &'a Draft,
    wanted: Option<HashSet<TaskId>>,
}

impl PageSink for DraftLook<'_> {
    type Error = RunError;

    async fn request(&mut self, _: Timestamp) -> Result<(), RunError> {
        Ok(())
    }

    async fn page(&mut self, page: Page) -> Result<WalkStep, RunError> {
        let seen: Vec<_> = page.tasks.iter().filter_map(ListedTask::sighting).collect();
        self.draft.see(&seen)?;
        let Some(wanted) = &mut self.wanted else { return Ok(WalkStep::More) };
        seen.iter().for_each(|sighting| drop(wanted.take(&sighting.id)));
        Ok(if wanted.is_empty() { WalkStep::Enough } else { WalkStep::More })
    }
}
