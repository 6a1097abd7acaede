//! Reads the sub-tasks of one batch task after the other, each list to its end.

use crate::cli::commands::list::filter::StateChoice;
use crate::cli::commands::list::{MOST_WALKS, status_of};
use crate::cli::output::error::CommandError;
use crate::cli::output::stream::Stderr;
use batchctl::api::{ListedTask, Listing, Page, TaskApi};
use batchctl::clock::{Clock, Timestamp};
use batchctl::policy::SharedSlots;
use batchctl::survey::{Gap, PageSink, WalkEnd, WalkStep, Walker, WalkerSettings};
use batchctl::task::TaskId;
use batchctl::text::{plural, printable};
use std::collections::HashSet;
use std::convert::Infallible;

/// A batch task whose sub-tasks are read.
pub(super) struct BatchTask {
    pub(super) id: TaskId,
    /// How many sub-tasks it has, by the answer to its call.
    pub(super) expected: Option<u64>,
}

/// The walks through the lists, one after the other at one rate.
pub(super) struct SubTaskWalk<'a, A> {
    walker: Walker<'a, A>,
    states: &'a StateChoice,
    empty: u64,
    /// A batch task without a sub-task.
    example: Option<TaskId>,
}

impl<'a, A: TaskApi> SubTaskWalk<'a, A> {
    pub(super) fn new(
        api: &'a A,
        settings: WalkerSettings,
        slots: Option<SharedSlots>,
        states: &'a StateChoice,
    ) -> Self {
        let walker = Walker::new(api, settings, Clock::start(), &[]).sharing(slots);
        Self { walker, states, empty: 0, example: None }
    }

    /// Returns the sub-tasks that are asked for.
    ///
    /// # Errors
    ///
    /// The list may not be whole.
    pub(super) async fn read(
        &mut self,
        batch_task: &BatchTask,
        detail: bool,
    ) -> Result<Vec<ListedTask>, CommandError> {
        let BatchTask { id, expected } = batch_task;
        let listing = Listing::SubTasks { batch_task: Some(id.clone()), expected: *expected };
        let mut end = WalkEnd::Gap(Gap::Shrank);
        for _ in 0..MOST_WALKS {
            let mut seen = SeenTasks::new(self.states);
            Ok(end) = self.walker.walk(&listing, &mut seen).await;
            match &end {
                // One entry on two pages: the list has moved, and others may have been missed.
                WalkEnd::Whole if seen.overlaps => end = WalkEnd::Gap(Gap::Shrank),
                WalkEnd::Whole => {
                    self.count_empty(id, &seen);
                    let tasks = seen.tasks;
                    return if detail { self.details(id, tasks).await } else { Ok(tasks) };
                }
                WalkEnd::Gap(Gap::Shrank) => {}
                WalkEnd::Gap(_) => break,
            }
        }
        let WalkEnd::Gap(gap) = end else { unreachable!("a walk that is whole has returned") };
        Err(failed(id, &gap))
    }

    /// Asks for each sub-task by itself.
    async fn details(
        &mut self,
        batch_task: &TaskId,
        mut tasks: Vec<ListedTask>,
    ) -> Result<Vec<ListedTask>, CommandError> {
        for task in &mut tasks {
            // What cannot be called cannot be asked for; it is warned of at the end.
            let Ok(id) = task.id.parse() else { continue };
            let mut shown = ShownTask::default();
            let Ok(end) = self.walker.walk(&Listing::SubTask(id), &mut shown).await;
            match (end, shown.0) {
                (WalkEnd::Whole, Some(shown)) => task.others.extend(shown.others),
                (WalkEnd::Gap(gap), _) => return Err(failed(batch_task, &gap)),
                (WalkEnd::Whole, None) => {}
            }
        }
        Ok(tasks)
    }

    fn count_empty(&mut self, id: &TaskId, seen: &SeenTasks<'_>) {
        if seen.ids.is_empty() {
            self.empty += 1;
            self.example.get_or_insert_with(|| id.clone());
        }
    }

    /// Says which batch tasks have no sub-task: the service does not say that one does not exist.
    pub(super) fn warn_of_empty(&self, stderr: &Stderr) {
        let Some(example) = &self.example else { return };
        let tasks = plural(self.empty, "batch task has", "batch tasks have");
        let message = format!("{tasks} no sub-task or do not exist, such as `{example}`");
        stderr.say("warning", &message);
    }
}

fn failed(batch_task: &TaskId, gap: &Gap) -> CommandError {
    let why = printable(&gap.to_string(), 300);
    CommandError::new(status_of(gap), format!("the sub-tasks of `{batch_task}`: {why}"))
}

/// Keeps the sub-tasks in the states that are asked for.
struct SeenTasks<'a> {
    states: &'a StateChoice,
    tasks: Vec<ListedTask>,
    ids: HashSet<String>,
    overlaps: bool,
}

impl<'a> SeenTasks<'a> {
    fn new(states: &'a StateChoice) -> Self {
        Self { states, tasks: Vec::new(), ids: HashSet::new(), overlaps: false }
    }
}

impl PageSink for SeenTasks<'_> {
    type Error = Infallible;

    async fn request(&mut self, _: Timestamp) -> Result<(), Infallible> {
        Ok(())
    }

    async fn page(&mut self, page: Page) -> Result<WalkStep, Infallible> {
        for task in page.tasks {
            self.overlaps |= !self.ids.insert(task.id.clone());
            if self.states.takes(&task.states) {
                self.tasks.push(task);
            }
        }
        Ok(WalkStep::More)
    }
}

/// Keeps the one sub-task of a page.
#[derive(Default)]
struct ShownTask(Option<ListedTask>);

impl PageSink for ShownTask {
    type Error = Infallible;

    async fn request(&mut self, _: Timestamp) -> Result<(), Infallible> {
        Ok(())
    }

    async fn page(&mut self, page: Page) -> Result<WalkStep, Infallible> {
        self.0 = page.tasks.into_iter().next();
        Ok(WalkStep::Enough)
    }
}
