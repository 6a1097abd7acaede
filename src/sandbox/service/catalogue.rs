//! The orders in which batch tasks can be listed.
//!
//! They are kept, and rebuilt only after batch tasks were added, so that reading many pages needs no
//! sorting.

use crate::sandbox::faults::SeededRandom;
use crate::sandbox::http::Sort;
use crate::sandbox::service::batch_task::BatchTask;
use crate::sandbox::service::sub_task_id;
use std::collections::HashMap;

/// The ids of all batch tasks, ascending in each possible order.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    by_creation: Vec<Box<str>>,
    by_size: Vec<Box<str>>,
    /// The places of the batch tasks in the order of creation, by their prints in the ids of
    /// sub-tasks. Empty until the first is looked for.
    by_print: HashMap<u64, u32>,
}

impl Catalogue {
    /// Rebuilds the orders if batch tasks were added since.
    pub(crate) fn refresh(&mut self, tasks: &HashMap<Box<str>, BatchTask>) {
        // Whoever removes one calls `forget`, so an equal number means the same batch tasks.
        if self.by_creation.len() == tasks.len() {
            return;
        }
        self.by_creation = sorted_by(tasks, BatchTask::created_at);
        self.by_print.clear();
        self.by_size = sorted_by(tasks, |task| i64::from(task.size()));
    }

    /// Forgets all orders, because a batch task was removed.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Returns the batch task of a print in the ids of its sub-tasks.
    pub(crate) fn owner(&mut self, random: SeededRandom, print: u64) -> Option<&str> {
        if self.by_print.is_empty() {
            let prints = self.by_creation.iter().map(|id| sub_task_id::print(random, id));
            self.by_print = prints.zip(0..).collect();
        }
        let place = usize::try_from(*self.by_print.get(&print)?).ok()?;
        self.by_creation.get(place).map(|id| &**id)
    }

    /// Returns the ids in ascending order.
    pub(crate) fn ids(&self, sort: Sort) -> &[Box<str>] {
        match sort {
            Sort::CreatedAt => &self.by_creation,
            Sort::TaskCount => &self.by_size,
        }
    }
}

/// Returns all ids ordered by a number, then by themselves.
fn sorted_by(
    tasks: &HashMap<Box<str>, BatchTask>,
    number: impl Fn(&BatchTask) -> i64,
) -> Vec<Box<str>> {
    let mut ids: Vec<(i64, &str)> = tasks.iter().map(|(id, task)| (number(task), &**id)).collect();
    // The id decides between equal numbers: the hash map has a random order, pages must not.
    ids.sort_unstable();
    ids.into_iter().map(|(_, id)| id.into()).collect()
}
