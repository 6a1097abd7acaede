//! Looks at the states of a run's tasks: walks through the list into the run's own store.

use crate::api::{ListedTask, Page};
use crate::clock::{Clock, Timestamp};
use crate::event::EventKind;
use crate::run::RunError;
use crate::run::ledger::StoreLedger;
use crate::store::{IfMissing, TaskSelection};
use crate::survey::{PageSink, WalkEnd, WalkStep};
use crate::task::TaskId;
use std::collections::HashSet;

/// How many tasks are looked for one by one, so that a walk can end when all of them are seen.
/// For more than that nearly the whole list is read anyway.
pub(crate) const MOST_LOOKED_FOR: usize = 10_000;

/// Notes what a walk sees in the store of a run.
pub(crate) struct SurveyRecorder<'a> {
    ledger: &'a mut StoreLedger,
    clock: Clock,
    wanted: Option<HashSet<TaskId>>,
}

impl<'a> SurveyRecorder<'a> {
    /// Begins to look for tasks of a run.
    pub(crate) async fn begin(
        ledger: &'a mut StoreLedger,
        wanted: TaskSelection,
        clock: Clock,
    ) -> Result<Self, RunError> {
        let wanted = ledger.writer.look_for(wanted, MOST_LOOKED_FOR).await?;
        Ok(Self { ledger, clock, wanted })
    }

    /// Tells whether there is nothing to look for, before a page was seen.
    pub(crate) fn is_idle(&self) -> bool {
        self.wanted.as_ref().is_some_and(HashSet::is_empty)
    }
}

/// Returns what a task is that a walk with this end has not seen.
pub(crate) fn absence(end: &WalkEnd, of_unknown: IfMissing) -> IfMissing {
    match end {
        WalkEnd::Whole => of_unknown,
        WalkEnd::Gap(_) => IfMissing::Unread,
    }
}

impl PageSink for SurveyRecorder<'_> {
    type Error = RunError;

    async fn request(&mut self, leaves: Timestamp) -> Result<(), RunError> {
        self.ledger.tell(self.clock.now(), EventKind::PollStarted { leaves }).await
    }

    async fn page(&mut self, page: Page) -> Result<WalkStep, RunError> {
        let seen: Vec<_> = page.tasks.iter().filter_map(ListedTask::sighting).collect();
        if let Some(wanted) = &mut self.wanted {
            seen.iter().for_each(|sighting| drop(wanted.take(&sighting.id)));
        }
        self.ledger.writer.see(seen).await?;
        Ok(if self.is_idle() { WalkStep::Enough } else { WalkStep::More })
    }
}
