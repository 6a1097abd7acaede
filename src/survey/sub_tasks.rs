//! Reads the sub-tasks of a batch task, whole or not at all.

use super::pages::Gap;
use super::walk::{PageSink, WalkEnd, WalkStep, Walker};
use crate::api::{ListedTask, Listing, Page, TaskApi};
use crate::clock::Timestamp;
use crate::task::TaskId;
use std::collections::HashSet;
use std::convert::Infallible;

/// How often a list is walked through that becomes shorter meanwhile.
pub const MOST_WALKS: u32 = 3;

/// Makes requests durable.
pub trait RequestLog {
    /// An error that ends the walk.
    type Error;

    /// Makes durable that a request may leave from that time on.
    fn request(&mut self, leaves: Timestamp) -> impl Future<Output = Result<(), Self::Error>>;
}

/// Keeps no record of requests: for walks that belong to no run.
#[derive(Debug, Clone, Copy)]
pub struct Unrecorded;

impl RequestLog for Unrecorded {
    type Error = Infallible;

    async fn request(&mut self, _: Timestamp) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Returns all sub-tasks of a batch task, or why the list may not be whole. `expected` is their
/// number, if an earlier answer has said it.
///
/// # Errors
///
/// The errors of the log alone.
pub async fn read_sub_tasks<A: TaskApi, L: RequestLog>(
    walker: &mut Walker<'_, A>,
    log: &mut L,
    batch_task: &TaskId,
    expected: Option<u64>,
) -> Result<Result<Vec<ListedTask>, Gap>, L::Error> {
    let listing = Listing::SubTasks { batch_task: Some(batch_task.clone()), expected };
    for _ in 0..MOST_WALKS {
        let mut seen = SeenTasks::new(log);
        match walker.walk(&listing, &mut seen).await? {
            // One entry on two pages: the list has moved, and others may have been missed.
            WalkEnd::Whole if seen.overlaps => {}
            WalkEnd::Whole => return Ok(Ok(seen.tasks)),
            WalkEnd::Gap(Gap::Shrank) => {}
            WalkEnd::Gap(gap) => return Ok(Err(gap)),
        }
    }
    Ok(Err(Gap::Shrank))
}

/// Returns one sub-task with its status and its error, or why it cannot be read.
///
/// # Errors
///
/// The errors of the log alone.
pub async fn read_sub_task<A: TaskApi, L: RequestLog>(
    walker: &mut Walker<'_, A>,
    log: &mut L,
    id: TaskId,
) -> Result<Result<Option<ListedTask>, Gap>, L::Error> {
    let mut seen = SeenTasks::new(log);
    Ok(match walker.walk(&Listing::SubTask(id), &mut seen).await? {
        WalkEnd::Whole => Ok(seen.tasks.into_iter().next()),
        WalkEnd::Gap(gap) => Err(gap),
    })
}

/// Keeps the sub-tasks of all pages.
struct SeenTasks<'a, L> {
    log: &'a mut L,
    tasks: Vec<ListedTask>,
    ids: HashSet<String>,
    overlaps: bool,
}

impl<'a, L> SeenTasks<'a, L> {
    fn new(log: &'a mut L) -> Self {
        Self { log, tasks: Vec::new(), ids: HashSet::new(), overlaps: false }
    }
}

impl<L: RequestLog> PageSink for SeenTasks<'_, L> {
    type Error = L::Error;

    async fn request(&mut self, leaves: Timestamp) -> Result<(), L::Error> {
        self.log.request(leaves).await
    }

    async fn page(&mut self, page: Page) -> Result<WalkStep, L::Error> {
        for task in page.tasks {
            self.overlaps |= !self.ids.insert(task.id.clone());
            self.tasks.push(task);
        }
        Ok(WalkStep::More)
    }
}
