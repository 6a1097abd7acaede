//! Compares the states of a plan's tasks with those that they were in when it was stored.

use crate::api::{Listing, TaskApi};
use crate::clock::Clock;
use crate::reading::RunReader;
use crate::run::carry_out::group_slots;
use crate::run::error::RunError;
use crate::run::resume::Resumable;
use crate::run::settings::walker_settings;
use crate::run::wanted_states::WantedStates;
use crate::settings::RunSettings;
use crate::store::StoreError;
use crate::survey::{Gap, Walker};
use crate::task::{Command, TaskId, TaskState};
use std::collections::HashSet;

/// What has changed since a plan was stored.
#[derive(Debug, Default)]
pub struct Drift {
    /// The number of tasks in another state.
    pub count: u64,
    /// The first of them, in the order of the plan.
    pub first: Vec<DriftedTask>,
    /// The reason why tasks may have been missed, if there is one.
    pub gap: Option<Gap>,
}

/// A task in another state than when its plan was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftedTask {
    /// The batch task.
    pub id: TaskId,
    /// The command for it.
    pub command: Command,
    /// The state when the plan was stored; `None` if the list did not have the task.
    pub before: Option<TaskState>,
    /// The state now.
    pub now: Option<TaskState>,
}

impl Resumable {
    /// Reads the states of all tasks and returns which have changed, the first `most` by name. In a
    /// run of several targets only those of `target` are read.
    ///
    /// # Errors
    ///
    /// The store's. A list that cannot be read is a gap and not an error.
    pub async fn drift<A: TaskApi>(
        &self,
        target: Option<&RunSettings>,
        api: &A,
        clock: Clock,
        most: usize,
    ) -> Result<Drift, RunError> {
        let runs = self.planned.runs();
        let id = self.planned.id();
        let reader = match target.and_then(|settings| settings.target.as_ref()) {
            Some(target) => RunReader::open_part(runs, id, target.index)?,
            None => RunReader::open(runs, id)?,
        };
        let settings = target.unwrap_or(&self.settings);
        let mut wanted = HashSet::new();
        reader.for_each_task::<StoreError>(|task| {
            wanted.insert(task.id);
            Ok(())
        })?;
        let slots = group_slots(runs.state(), settings.rate_group.as_deref())?;
        let walker = Walker::new(api, walker_settings(settings), clock, &[]);
        let mut walker = walker.sharing(slots);
        let states = WantedStates::read(wanted, &Listing::default(), &mut walker).await?;
        let mut drift = Drift { gap: states.gap, ..Drift::default() };
        reader.for_each_task::<StoreError>(|task| {
            let (before, now) =
                (task.seen.before, states.seen.get(&task.id).map(|seen| seen.state));
            // After a gap a task that was not seen may be as it was.
            let is_known = now.is_some() || drift.gap.is_none();
            if before != now && is_known {
                drift.count += 1;
                if drift.first.len() < most {
                    let (id, command) = (task.id, task.command);
                    drift.first.push(DriftedTask { id, command, before, now });
                }
            }
            Ok(())
        })?;
        Ok(drift)
    }
}
