//! Records the states that a walk through the list shows, in the run's own store.

use crate::api::{ListedTask, Page, StateLookup, TaskApi};
use crate::clock::{Clock, Timestamp};
use crate::event::EventKind;
use crate::policy::IfMissing;
use crate::run::error::RunError;
use crate::run::ledger::StoreLedger;
use crate::store::TaskSelection;
use crate::survey::{PageSink, WalkEnd, WalkStep};
use crate::task::{ObservedState, TaskId};
use std::collections::HashSet;

/// The maximum number of tasks that are looked for one by one, so that a walk can end when all of
/// them were seen. For more tasks nearly the whole list is read anyway.
pub(crate) const MAX_LOOKED_FOR: usize = 10_000;

/// Returns how many tasks are looked for one by one at most: all of them where the service has to be
/// asked for each.
pub(crate) fn most_looked_for(api: &impl TaskApi) -> usize {
    match api.state_access().source {
        StateLookup::List => MAX_LOOKED_FOR,
        StateLookup::EachId => usize::MAX,
    }
}

/// Records the pages of a walk in the store of a run.
pub(crate) struct SurveyRecorder<'a> {
    ledger: &'a mut StoreLedger,
    clock: Clock,
    wanted: WantedTasks,
}

impl<'a> SurveyRecorder<'a> {
    /// Begins to look for tasks of a run.
    pub(crate) async fn begin(
        api: &impl TaskApi,
        ledger: &'a mut StoreLedger,
        selection: TaskSelection,
        clock: Clock,
    ) -> Result<Self, RunError> {
        let wanted = ledger.writer.look_for(selection, most_looked_for(api)).await?;
        Ok(Self { ledger, clock, wanted: WantedTasks(wanted) })
    }

    /// Returns whether no task is left to look for.
    pub(crate) fn is_idle(&self) -> bool {
        self.wanted.step() == WalkStep::Enough
    }
}

/// The tasks that a walk still has to see; `None` if there are too many to count them off.
pub(crate) struct WantedTasks(pub(crate) Option<HashSet<TaskId>>);

impl WantedTasks {
    /// Counts off the tasks of a page.
    pub(crate) fn remove(&mut self, seen: &[ObservedState]) {
        if let Some(wanted) = &mut self.0 {
            for state in seen {
                wanted.remove(&state.id);
            }
        }
    }

    /// Returns the tasks that are left to see, in the order of their ids.
    pub(crate) fn ids(&self) -> Vec<TaskId> {
        let mut ids: Vec<TaskId> = self.0.iter().flatten().cloned().collect();
        ids.sort_unstable();
        ids
    }

    /// Returns whether the walk needs another page.
    pub(crate) fn step(&self) -> WalkStep {
        let all_seen = self.0.as_ref().is_some_and(HashSet::is_empty);
        if all_seen { WalkStep::Enough } else { WalkStep::More }
    }
}

/// Returns what is known of the tasks that a walk with this end has not seen.
pub(crate) fn if_missing(end: &WalkEnd, if_whole: IfMissing) -> IfMissing {
    match end {
        WalkEnd::Whole => if_whole,
        WalkEnd::Gap(_) => IfMissing::Unread,
    }
}

impl PageSink for SurveyRecorder<'_> {
    type Error = RunError;

    async fn request(&mut self, leaves: Timestamp) -> Result<(), RunError> {
        // Durable before the request leaves, so that it counts against the rate after a kill as well.
        self.ledger.emit(self.clock.now(), EventKind::PollStarted { leaves }).await
    }

    fn wanted(&self) -> Vec<TaskId> {
        self.wanted.ids()
    }

    async fn page(&mut self, page: Page) -> Result<WalkStep, RunError> {
        // Entries without a valid id cannot be tasks of this run.
        let seen: Vec<_> = page.tasks.iter().filter_map(ListedTask::observed_state).collect();
        self.wanted.remove(&seen);
        self.ledger.writer.see(seen).await?;
        Ok(self.wanted.step())
    }
}
