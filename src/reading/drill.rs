//! Reads which tasks were looked into, and what was seen. See `docs/GLOSSARY.md`: drill.

use crate::journal::RunRecord as Fact;
use crate::reading::reader::RunReader;
use crate::store::codes;
use crate::store::{StoreError, sqlite};
use crate::task::{DrillEnd, DrilledTask, Ordinal, Outcome};
use rusqlite::types::Type;
use std::collections::BTreeMap;

/// The tasks of a run that were looked into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrillRecord {
    /// What was seen of each, in the order of the input; of several looks the last one counts.
    pub tasks: Vec<DrilledTask>,
    /// How the last process ended it, if it did.
    pub end: Option<DrillEnd>,
    /// Whether tasks are to be looked into, and that has not come to its end.
    pub is_pending: bool,
}

impl RunReader {
    /// Returns which tasks were looked into, and what was seen.
    pub fn drill(&self) -> Result<DrillRecord, StoreError> {
        let mut all = self.own_drill()?;
        for other in self.others() {
            let DrillRecord { mut tasks, end, is_pending } = other.with(Self::own_drill)?;
            tasks.iter_mut().for_each(|task| task.ordinal += other.shift);
            all.tasks.extend(tasks);
            all.is_pending |= is_pending;
            if let Some(end) = end {
                let sum = all.end.get_or_insert_default();
                sum.left += end.left;
                sum.why = sum.why.take().or(end.why);
            }
        }
        all.tasks.sort_by_key(|task| task.ordinal);
        Ok(all)
    }

    fn own_drill(&self) -> Result<DrillRecord, StoreError> {
        let mut tasks: BTreeMap<Ordinal, DrilledTask> = BTreeMap::new();
        let mut end = None;
        self.for_each_own_fact(|fact| {
            match fact {
                // Another process may have settled more tasks.
                Fact::SessionStarted { .. } => end = None,
                Fact::Drilled { task } => {
                    let task: Result<DrilledTask, _> = serde_json::from_str(task);
                    let task = task.map_err(|error| codes::unfit(Type::Text, error))?;
                    tasks.insert(task.place(), task);
                }
                Fact::DrillEnded { left, why } => {
                    end = Some(DrillEnd { left, why: why.map(str::to_owned) });
                }
                _ => {}
            }
            Ok(())
        })?;
        let is_wanted =
            self.home().head().map_err(sqlite(&self.path))?.run.settings.drill.is_some();
        let settled = self.totals.settled;
        let not_good = [Outcome::Partial, Outcome::Failed, Outcome::Ambiguous];
        let has_any = not_good.into_iter().any(|outcome| settled[outcome] > 0);
        let is_pending = is_wanted && has_any && end.is_none();
        Ok(DrillRecord { tasks: tasks.into_values().collect(), end, is_pending })
    }
}
