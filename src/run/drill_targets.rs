//! Chooses the tasks that are looked into at the end of a run. See `docs/GLOSSARY.md`: drill.

use crate::reading::RunReader;
use crate::settings::RunSettings;
use crate::store::{RunDirectory, RunId, StoreError};
use crate::task::{Command, DrilledTask, Ordinal, TaskId};
use std::collections::HashSet;

/// Which run is looked into, and how far.
pub(crate) struct Drill<'a> {
    pub(crate) runs: &'a RunDirectory,
    pub(crate) run: &'a RunId,
    /// The target that is looked into, in a run of several; otherwise 0.
    pub(crate) part: usize,
    /// The most tasks that are looked into, and the most sub-tasks that are named.
    pub(crate) limit: u64,
}

/// A task to look into.
pub(crate) struct Target {
    pub(crate) ordinal: Ordinal,
    pub(crate) id: TaskId,
    pub(crate) command: Command,
    /// How many sub-tasks it has, by the answer to its call.
    pub(crate) expected: Option<u64>,
}

/// The tasks to look into.
pub(crate) struct Chosen {
    pub(crate) targets: Vec<Target>,
    /// How many more are beyond the limit.
    pub(crate) beyond: u64,
    /// How many sub-tasks earlier looks have named.
    pub(crate) named: u64,
    /// Whether an earlier process has looked into tasks.
    pub(crate) is_continued: bool,
}

impl<'a> Drill<'a> {
    /// Returns what is looked into at the end of a run or of one target, if anything is.
    pub(crate) fn of(
        runs: &'a RunDirectory,
        run: &'a RunId,
        part: usize,
        settings: &RunSettings,
    ) -> Option<Self> {
        let limit = u64::from(settings.drill?.get());
        Some(Self { runs, run, part, limit })
    }

    /// Chooses the tasks whose outcome is not good, without those that were looked into before.
    pub(crate) fn choose(&self) -> Result<Chosen, StoreError> {
        let reader = RunReader::open_part(self.runs, self.run, self.part)?;
        let before = reader.drill()?.tasks;
        let known: HashSet<Ordinal> =
            before.iter().filter(|it| it.gap.is_none()).map(DrilledTask::place).collect();
        let named = before.iter().map(|it| it.sub_tasks.len() as u64).sum();
        let room = self.limit.saturating_sub(known.len() as u64);
        let is_continued = !before.is_empty();
        let mut chosen = Chosen { targets: Vec::new(), beyond: 0, named, is_continued };
        reader.for_each_failed_task::<StoreError>(|task| {
            // A task that was never sent is as it was before the run.
            if task.attempts == 0 || known.contains(&task.ordinal) {
                return Ok(());
            }
            if chosen.targets.len() as u64 >= room {
                chosen.beyond += 1;
                return Ok(());
            }
            let counts = task.last.as_ref().and_then(|last| last.counts);
            let expected = counts.map(|counts| counts.total);
            let (ordinal, id, command) = (task.ordinal, task.id, task.command);
            chosen.targets.push(Target { ordinal, id, command, expected });
            Ok(())
        })?;
        Ok(chosen)
    }
}
