//! The orders in which batch tasks can be listed.
//!
//! They are kept and rebuilt only when tasks have joined, so that reading very many pages needs no
//! sorting.

use crate::sandbox::http::Sort;
use crate::sandbox::service::batch_task::BatchTask;
use std::collections::HashMap;

/// The ids of all batch tasks, ascending in each order they can be listed in.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    by_creation: Vec<Box<str>>,
    by_size: Vec<Box<str>>,
}

impl Catalogue {
    /// Rebuilds the orders if tasks have joined since.
    pub(crate) fn refresh(&mut self, tasks: &HashMap<Box<str>, BatchTask>) {
        // Tasks only ever join: as many as before are the same as before.
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
    ids.sort_unstable();
    ids.into_iter().map(|(_, id)| id.into()).collect()
}
