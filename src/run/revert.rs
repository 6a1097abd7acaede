//! Plans the opposite of a run, for exactly the tasks that it changed and nobody has touched since.
//!
//! A run changed a task if its call was accepted and the task was at rest on the other side before.
//! A task was touched if a sub-task is now where the opposite command leads. The ids of the changed
//! tasks are kept in memory, some hundred bytes each.

use crate::api::{TaskApi, Undo};
use crate::clock::Clock;
use crate::loading;
use crate::loading::PlannedTargets;
use crate::plan::Exclusions;
use crate::policy::SharedSlots;
use crate::reading::{RunReader, TaskRow};
use crate::report::Target;
use crate::run::carry_out::group_slots;
use crate::run::error::RunError;
use crate::run::plan::{Planned, child_run, child_settings, holder};
use crate::run::settings::{listing, walker_settings};
use crate::run::targets::TargetRequest;
use crate::run::wanted_states::WantedStates;
use crate::settings::{LeftOut, RunSettings};
use crate::store::{NewRun, RunDirectory, RunId, RunRecord, StoreError};
use crate::survey::{Gap, Walker};
use crate::task::{Command, ObservedState, Ordinal, Outcome, TaskId, TaskState, Toward};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// A run that is reverted, before it is planned.
#[derive(Debug)]
pub struct Revert {
    /// The record of the run.
    pub record: RunRecord,
    /// How it was carried out; changes hold for the new run.
    pub settings: RunSettings,
    /// The reason for the revert, for the record.
    pub reason: Option<String>,
    /// The tasks that are not called.
    pub exclusions: Arc<Exclusions>,
    /// The name of the opposite action, of a run at another service than VIAS.
    pub opposite: Option<String>,
    reader: RunReader,
    runs: RunDirectory,
    /// The tasks that are called, each with its command.
    chosen: HashMap<Ordinal, Command>,
    /// The slots of each target that are shared in a database; empty for a run in a directory.
    slots: Vec<Option<SharedSlots>>,
}

/// The tasks of a run that can be reverted, and those that cannot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reverted {
    /// The number of tasks that are reverted.
    pub selected: u64,
    /// The first of them.
    pub first: Vec<TaskRow>,
    /// The tasks that somebody else has touched since, with their states.
    pub touched: Vec<(TaskId, TaskState)>,
    /// The changed tasks that the list does not show any more.
    pub gone: Vec<TaskId>,
    /// The number of called tasks that were not at rest on the other side before, as far as known.
    pub other_before: u64,
    /// The reason why tasks may have been missed in the list, if there is one.
    pub gap: Option<Gap>,
}

impl Reverted {
    /// Adds those of another target.
    pub fn add(&mut self, other: Self) {
        self.selected += other.selected;
        self.first.extend(other.first);
        self.touched.extend(other.touched);
        self.gone.extend(other.gone);
        self.other_before += other.other_before;
        self.gap = self.gap.take().or(other.gap);
    }
}

/// Opens a run to revert it.
pub fn revert(state: &Path, parent: &RunId) -> Result<Revert, RunError> {
    let runs = RunDirectory::open(state)?;
    let reader = RunReader::open(&runs, parent)?;
    let record = reader.record()?;
    let settings = child_settings(&record.run.settings);
    let (chosen, exclusions) = (HashMap::new(), Arc::default());
    let (reason, opposite) = (None, None);
    let slots = Vec::new();
    Ok(Revert { record, settings, reason, exclusions, opposite, reader, runs, chosen, slots })
}

/// The effect of the run on a task.
enum Effect {
    /// The task was called, and was at rest on the other side before.
    Changed,
    /// The task was called, and was elsewhere before.
    OtherBefore,
    /// The run did not change it.
    Untouched,
}

impl Effect {
    /// Returns the effect on a task; `undo` is what takes its command back.
    fn from_row(task: &TaskRow, undo: Option<Undo>) -> Self {
        let was_accepted = matches!(task.outcome, Outcome::Succeeded | Outcome::Partial);
        // A task that never arrived was accepted as well: only its outcome is another one.
        let was_accepted = was_accepted || task.seen.call == Some(Outcome::Succeeded);
        if !was_accepted || task.attempts == 0 {
            return Self::Untouched;
        }
        // What was deleted cannot be made again.
        let Some(undo) = undo else { return Self::Untouched };
        match task.seen.before {
            Some(before) if before == undo.back_to => Self::Changed,
            // It was there before, so its call changed nothing.
            Some(before) if before == undo.leads_to => Self::Untouched,
            Some(_) | None => Self::OtherBefore,
        }
    }
}

impl Revert {
    /// Returns the settings of all targets of the run that is taken back, and of one without any its own.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn settings_before(&self) -> Result<Vec<RunSettings>, StoreError> {
        let targets =
            self.reader.of_targets(|run| Ok::<_, StoreError>(run.record()?.run.settings))?;
        let own = || vec![self.record.run.settings.clone()];
        Ok(if targets.is_empty() { own() } else { targets })
    }

    /// Reads the lists of each target in these slots, which it shares with others in a database.
    pub fn share(&mut self, slots: Vec<Option<SharedSlots>>) {
        self.slots = slots;
    }

    /// Returns the records of the targets in which the run changed something, in a run of several;
    /// `undo` is what takes a command back.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn targets(
        &self,
        undo: impl Fn(Command) -> Option<Undo>,
    ) -> Result<Vec<RunRecord>, RunError> {
        let record = |run: &RunReader| {
            let is_changed = !changed(run, &undo)?.is_empty();
            is_changed.then(|| run.record()).transpose()
        };
        Ok(self.reader.of_targets(record)?.into_iter().flatten().collect())
    }

    /// Reads the states of the tasks that the run changed, and chooses those to be reverted. In a run
    /// of several targets `part` is one of [`targets`](Self::targets), and each is chosen from in turn.
    ///
    /// # Errors
    ///
    /// The store's. A list that cannot be read is a gap and not an error.
    pub async fn choose<A: TaskApi>(
        &mut self,
        part: Option<&RunSettings>,
        api: &A,
        clock: Clock,
        max_rows: usize,
    ) -> Result<Reverted, RunError> {
        let index = part.and_then(|settings| Some(settings.target.as_ref()?.index));
        let id = &self.record.run.id;
        let alone = index.map(|index| RunReader::open_part(&self.runs, id, index)).transpose()?;
        let reader = alone.as_ref().unwrap_or(&self.reader);
        let settings = part.unwrap_or(&self.settings);
        let wanted = changed(reader, |command| api.undo(command))?;
        let slots = match self.slots.get(index.unwrap_or_default()) {
            Some(slots) => slots.clone(),
            None => group_slots(self.runs.state(), settings.rate_group.as_deref())?,
        };
        let walker = Walker::new(api, walker_settings(settings), clock, &[]);
        let mut walker = walker.sharing(slots);
        let states = WantedStates::read(wanted, &listing(settings), &mut walker).await?;
        let mut reverted = Reverted { gap: states.gap, ..Reverted::default() };
        // A second walk over the run, so that the tasks come in the order of its plan and not in
        // that of the list.
        let (mut chosen, mut left_out) = (HashMap::new(), LeftOut::default());
        reader.for_each_task::<StoreError>(|task| {
            let undo = api.undo(task.command);
            if reverted.takes(&task, undo, &states.seen) {
                if let Some(excluded) = self.exclusions.find(&task.id) {
                    left_out.add_excluded(excluded);
                    return Ok(());
                }
                reverted.selected += 1;
                let undo = undo.expect("a task counts as changed only if there is one").command;
                chosen.insert(task.ordinal, undo);
                if reverted.first.len() < max_rows {
                    reverted.first.push(TaskRow { command: undo, ..task });
                }
            }
            Ok(())
        })?;
        self.chosen.extend(chosen);
        self.settings.choice.left_out.add(left_out);
        Ok(reverted)
    }

    /// Returns the command of the new run: the opposite of this run's, or `run` for a mixed run.
    pub fn command(&self) -> String {
        if let Some(opposite) = &self.opposite {
            return opposite.clone();
        }
        let command: Result<Command, _> = self.record.run.command.parse();
        // `run` is not a command of its own: it means that the rows name their commands.
        let opposite = command.ok().and_then(Command::opposite);
        let is_of_vias = self.record.run.service.is_none();
        opposite.filter(|_| is_of_vias).map_or_else(|| "run".into(), |it| it.to_string())
    }

    /// Stores the plan of the new run, whose tasks are called at `target`.
    pub fn plan(self, target: Target, clock: Clock) -> Result<Planned, RunError> {
        let run = self.child(target, &self.settings, clock);
        let planned = self.stored(std::slice::from_ref(&run), clock)?;
        Planned::from_stored(planned.whole(), self.runs, self.settings, clock)
    }

    /// Stores the plan of the new run, whose tasks are called at these targets of the other run.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn plan_targets(
        self,
        targets: Vec<TargetRequest>,
        clock: Clock,
    ) -> Result<Planned, RunError> {
        let first = self.child(targets[0].place(), &targets[0].settings, clock);
        let parts: Vec<NewRun> = targets.iter().map(|target| target.part_of(&first)).collect();
        let planned = self.stored(&parts, clock)?;
        let settings = targets.into_iter().map(|target| target.settings).collect();
        Planned::of_targets(planned, self.runs, settings, clock)
    }

    fn child(&self, target: Target, settings: &RunSettings, clock: Clock) -> NewRun {
        let reason = self.reason.clone();
        let child = child_run(&self.record.run, target, reason, settings, clock.now());
        // Without the job: the job's next run must not be compared with a revert.
        NewRun { job: None, command: self.command(), ..child }
    }

    fn stored(&self, parts: &[NewRun], clock: Clock) -> Result<PlannedTargets, StoreError> {
        let pick = |task: TaskRow| {
            let command = *self.chosen.get(&task.ordinal)?;
            Some(TaskRow { command, ..task })
        };
        loading::plan_from_run(&self.runs, parts, &self.reader, pick, &holder(clock.now()))
    }
}

/// Returns the ids of the tasks that a run or a target of it changed.
fn changed(
    reader: &RunReader,
    undo: impl Fn(Command) -> Option<Undo>,
) -> Result<HashSet<TaskId>, StoreError> {
    let mut changed = HashSet::new();
    reader.for_each_task::<StoreError>(|task| {
        if matches!(Effect::from_row(&task, undo(task.command)), Effect::Changed) {
            changed.insert(task.id);
        }
        Ok(())
    })?;
    Ok(changed)
}

impl Reverted {
    /// Returns whether a task can be reverted, and counts it if not.
    fn takes(
        &mut self,
        task: &TaskRow,
        undo: Option<Undo>,
        seen: &HashMap<TaskId, ObservedState>,
    ) -> bool {
        match Effect::from_row(task, undo) {
            Effect::Untouched => return false,
            Effect::OtherBefore => {
                self.other_before += 1;
                return false;
            }
            Effect::Changed => {}
        }
        let Some(seen) = seen.get(&task.id) else {
            self.gone.push(task.id.clone());
            return false;
        };
        // Somebody has already reverted it, or is about to: that must not be undone by a call.
        if seen.toward(task.command) == Toward::Against {
            self.touched.push((task.id.clone(), seen.state));
            return false;
        }
        true
    }
}
