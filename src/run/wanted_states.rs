//! Reads the states that certain tasks are in now.

use crate::api::{ListedTask, Listing, Page, TaskApi};
use crate::clock::Timestamp;
use crate::run::error::RunError;
use crate::survey::{Gap, PageSink, WalkEnd, WalkStep, Walker, read_states};
use crate::task::{ObservedState, TaskId};
use std::collections::{HashMap, HashSet};

/// The states of the tasks that are wanted, as far as they were seen.
pub(crate) struct WantedStates {
    wanted: HashSet<TaskId>,
    pub(crate) seen: HashMap<TaskId, ObservedState>,
    /// The reason why tasks may have been missed, if there is one.
    pub(crate) gap: Option<Gap>,
}

impl WantedStates {
    /// Reads until every wanted task was seen. Sends nothing if none is wanted.
    ///
    /// # Errors
    ///
    /// Those of [`read_states`]. A list that cannot be read is a gap and not an error.
    pub(crate) async fn read<A: TaskApi>(
        wanted: HashSet<TaskId>,
        listing: &Listing,
        walker: &mut Walker<'_, A>,
    ) -> Result<Self, RunError> {
        let mut states = Self { wanted, seen: HashMap::new(), gap: None };
        if states.wanted.is_empty() {
            return Ok(states);
        }
        states.gap = match read_states(walker, listing, &mut states).await? {
            WalkEnd::Whole => None,
            WalkEnd::Gap(gap) => Some(gap),
        };
        Ok(states)
    }
}

impl PageSink for WantedStates {
    type Error = RunError;

    async fn request(&mut self, _: Timestamp) -> Result<(), RunError> {
        Ok(())
    }

    fn wanted(&self) -> Vec<TaskId> {
        self.wanted.iter().cloned().collect()
    }

    async fn page(&mut self, page: Page) -> Result<WalkStep, RunError> {
        for state in page.tasks.iter().filter_map(ListedTask::observed_state) {
            if self.wanted.contains(&state.id) {
                self.seen.insert(state.id.clone(), state);
            }
        }
        Ok(if self.seen.len() == self.wanted.len() { WalkStep::Enough } else { WalkStep::More })
    }
}
