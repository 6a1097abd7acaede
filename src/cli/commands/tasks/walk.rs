//! Reads the sub-tasks of one batch task after the other, each list to its end.

use crate::cli::commands::list::filter::StateChoice;
use crate::cli::commands::list::status_of;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream::Stderr;
use batchctl::api::{ListedTask, TaskApi};
use batchctl::clock::Clock;
use batchctl::policy::SharedSlots;
use batchctl::reading::TaskRow;
use batchctl::survey::{Gap, Unrecorded, Walker, WalkerSettings, read_sub_task, read_sub_tasks};
use batchctl::task::TaskId;
use batchctl::text::{grouped, printable};

/// A batch task whose sub-tasks are read.
pub(super) struct BatchTask {
    pub(super) id: TaskId,
    /// How many sub-tasks it has, by the answer to its call.
    pub(super) expected: Option<u64>,
}

impl BatchTask {
    /// Returns that of a task of a run.
    pub(super) fn of(task: TaskRow) -> Self {
        let counts = task.last.as_ref().and_then(|last| last.counts);
        Self { id: task.id, expected: counts.map(|counts| counts.total) }
    }
}

/// How much was looked into, whatever is shown of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) batch_tasks: u64,
    pub(super) sub_tasks: u64,
}

impl Seen {
    pub(super) fn add(&mut self, more: Self) {
        self.batch_tasks += more.batch_tasks;
        self.sub_tasks += more.sub_tasks;
    }
}

/// The walks through the lists, one after the other at one rate.
pub(super) struct SubTaskWalk<'a, A> {
    walker: Walker<'a, A>,
    states: &'a StateChoice,
    seen: Seen,
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
        Self { walker, states, seen: Seen::default(), empty: 0, example: None }
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
        let Ok(read) = read_sub_tasks(&mut self.walker, &mut Unrecorded, id, *expected).await;
        let mut tasks = read.map_err(|gap| failed(id, &gap))?;
        self.seen.add(Seen { batch_tasks: 1, sub_tasks: tasks.len() as u64 });
        self.count_empty(id, &tasks);
        tasks.retain(|task| self.states.takes(&task.states));
        if detail { self.details(id, tasks).await } else { Ok(tasks) }
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
            let Ok(shown) = read_sub_task(&mut self.walker, &mut Unrecorded, id).await;
            let shown = shown.map_err(|gap| failed(batch_task, &gap))?;
            task.others.extend(shown.into_iter().flat_map(|shown| shown.others));
        }
        Ok(tasks)
    }

    /// Returns what was looked into so far.
    pub(super) fn seen(&self) -> Seen {
        self.seen
    }

    fn count_empty(&mut self, id: &TaskId, tasks: &[ListedTask]) {
        if tasks.is_empty() {
            self.empty += 1;
            self.example.get_or_insert_with(|| id.clone());
        }
    }

    /// Says which batch tasks have no sub-task: the service does not say that one does not exist.
    pub(super) fn warn_of_empty(&self, stderr: &Stderr) {
        let Some(example) = &self.example else { return };
        let tasks = match self.empty {
            1 => "1 batch task has no sub-task or does not exist".to_owned(),
            more => format!("{} batch tasks have no sub-task or do not exist", grouped(more)),
        };
        let message = format!("{tasks}, such as `{example}`");
        stderr.say("warning", &message);
    }
}

fn failed(batch_task: &TaskId, gap: &Gap) -> CommandError {
    let why = printable(&gap.to_string(), 300);
    CommandError::new(status_of(gap), format!("the sub-tasks of `{batch_task}`: {why}"))
}
