//! The orders in which batch tasks can be listed.
//!
//! They are kept, and rebuilt only after batch tasks were added, so that reading many pages needs no
//! sorting.

use crate::sandbox::http::Sort;
use crate::sandbox::service::batch_task::BatchTask;
use std::collections::HashMap;

/// The ids of all batch tasks, ascending in each possible order.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    by_creation: Vec<Box<str>>,
    by_size: Vec<Box<str>>,
}

impl Catalogue {
    /// Rebuilds the orders if batch tasks were added since.
    pub(crate) fn refresh(&mut self, tasks: &HashMap<Box<str>, BatchTask>) {
        // Batch tasks are never removed, so an equal number means the same batch tasks.
        if self.by_creation.len() == tasks.len() {
            return;
        }
        self.by_creation = sorted_by(tasks, BatchTask::created_at);
        self.by_size = sorted_by(tasks, |task| i64::from(task.size()));
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
