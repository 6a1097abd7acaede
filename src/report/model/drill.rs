//! What a look into the tasks that did not succeed has shown, and the errors of their sub-tasks by
//! failure group. See `docs/GLOSSARY.md`: drill.

use crate::reading::{DrillRecord, RunReader};
use crate::report::model::failure_groups::Grouping;
use crate::report::model::{FailureGroup, GroupLabel, SubTaskError};
use crate::store::StoreError;
use crate::task::{DrilledSubTask, DrilledTask, Ordinal};
use std::cmp::Reverse;
use std::collections::HashMap;

/// The most errors of sub-tasks that a failure group names.
const MAX_ERRORS: usize = 5;

/// What was seen of the tasks that were looked into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrillPart {
    /// The most sub-tasks that are named, if the settings of the run say it.
    pub limit: Option<u32>,
    /// The tasks, in the order of the input.
    pub tasks: Vec<DrilledTask>,
    /// The number of sub-tasks in their lists.
    pub listed: u64,
    /// The number of those that are not where they were sent.
    pub not_there: u64,
    /// The number of those that are named.
    pub named: u64,
    /// The number of tasks whose list may not be whole, so that nothing of it is shown.
    pub unread: u64,
    /// The number of tasks that were left out.
    pub left: u64,
    /// Why they were left out; nothing if because of the limit.
    pub why_left: Option<String>,
    /// Whether it came to its end, or had nothing to do.
    pub is_over: bool,
}

impl DrillPart {
    /// Returns what a run's record says; nothing if its tasks were not to be looked into.
    pub(crate) fn from_record(record: DrillRecord, limit: Option<u32>) -> Option<Self> {
        let DrillRecord { tasks, end, is_pending } = record;
        if limit.is_none() && tasks.is_empty() && end.is_none() {
            return None;
        }
        let sum = |of: fn(&DrilledTask) -> u64| tasks.iter().map(of).sum();
        let is_over = end.is_some() || (!is_pending && tasks.is_empty());
        let end = end.unwrap_or_default();
        Some(Self {
            limit,
            listed: sum(|task| task.listed),
            not_there: sum(|task| task.not_there),
            named: sum(|task| task.sub_tasks.len() as u64),
            unread: sum(|task| u64::from(task.gap.is_some())),
            left: end.left,
            why_left: end.why,
            is_over,
            tasks,
        })
    }

    /// Returns whether every sub-task is named that is not where it was sent.
    pub fn is_whole(&self) -> bool {
        self.is_over && self.left == 0 && self.tasks.iter().all(DrilledTask::is_whole)
    }
}

/// Gives each failure group the errors of the sub-tasks of its tasks, the most frequent first.
pub(super) fn add_errors(
    groups: &mut [FailureGroup],
    drill: &DrillPart,
    run: &RunReader,
) -> Result<(), StoreError> {
    if drill.named == 0 {
        return Ok(());
    }
    let drilled: HashMap<Ordinal, &DrilledTask> =
        drill.tasks.iter().map(|task| (task.place(), task)).collect();
    let grouping = Grouping::read(run)?;
    let mut errors: HashMap<GroupLabel, Errors<'_>> = HashMap::new();
    run.for_each_failed_task::<StoreError>(|task| {
        let drilled = drilled.get(&task.ordinal);
        if let Some((label, drilled)) = grouping.group_of(&task).zip(drilled) {
            let of_group = errors.entry(label).or_default();
            drilled.sub_tasks.iter().for_each(|sub_task| of_group.add(sub_task));
        }
        Ok(())
    })?;
    for group in groups {
        group.sub_task_errors = errors.remove(&group.label).unwrap_or_default().finish();
    }
    Ok(())
}

/// The errors of one group, and how often each of them was seen.
#[derive(Default)]
struct Errors<'a> {
    places: HashMap<(&'a str, &'a str), usize>,
    in_order: Vec<SubTaskError>,
}

impl<'a> Errors<'a> {
    fn add(&mut self, sub_task: &'a DrilledSubTask) {
        // Words that name a camera differ although the error is the same.
        let code = sub_task.error_code.as_str();
        let key = (code, if code.is_empty() { sub_task.said() } else { "" });
        let place = *self.places.entry(key).or_insert(self.in_order.len());
        if place == self.in_order.len() {
            self.in_order.push(SubTaskError {
                error_code: code.to_owned(),
                error_msg: sub_task.said().to_owned(),
                count: 0,
                example: sub_task.id.clone(),
            });
        }
        self.in_order[place].count += 1;
    }

    fn finish(mut self) -> Vec<SubTaskError> {
        // Stable: among equals, the one that was seen first is before.
        self.in_order.sort_by_key(|error| Reverse(error.count));
        self.in_order.truncate(MAX_ERRORS);
        self.in_order
    }
}
