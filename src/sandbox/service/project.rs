//! The batch tasks of the simulated project, and the effects of calls.
//!
//! All project ids lead to the same project. Every called id that does not end in `-missing` is
//! added to it, so that operators can rehearse with their own lists.

use crate::clock::Instant;
use crate::sandbox::faults::{
    CallBehaviour, Failures, IdSuffix, Question, ResponseDelivery, Roll, SeededRandom,
    ServiceFault, Shares, call_key,
};
use crate::sandbox::service::batch_task::BatchTask;
use crate::sandbox::service::catalogue::Catalogue;
use crate::sandbox::service::sub_task_id;
use crate::sandbox::settings::SandboxSettings;
use crate::task::Command;
use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::time::Duration;

/// The creation time of the first generated batch task, in milliseconds since the Unix epoch.
const FIRST_CREATED_AT: i64 = 1_685_667_905_165;
/// The age difference between generated batch tasks, in milliseconds.
const AGE_STEP: i64 = 60_000;
/// What stands for a deletion where commands have their numbers.
const DELETION: u64 = 2;
/// The maximum time by which added batch tasks are younger than the first generated one, in
/// milliseconds.
const YOUNGEST: u64 = 30 * 24 * 60 * 60 * 1000;
/// The batch tasks by id.
#[derive(Debug)]
pub(crate) struct SandboxProject {
    random: SeededRandom,
    shares: Shares,
    settle: Duration,
    stale: Duration,
    stuck: f64,
    sub_tasks: RangeInclusive<u16>,
    tasks: HashMap<Box<str>, BatchTask>,
    /// The ids of batch tasks that were deleted: such an id is not added again.
    deleted: HashSet<Box<str>>,
    catalogue: Catalogue,
}

/// The result of a call, and its latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    /// The result.
    pub(crate) result: CallResult,
    /// The latency of its response, within the usual range.
    pub(crate) latency: Roll,
}

/// The result of a call, after all random choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallResult {
    /// It was carried out.
    CarriedOut {
        /// The number of sub-tasks of the batch task.
        total: u16,
        /// The number of sub-tasks that failed.
        failed: u16,
        /// How the client receives the answer.
        delivery: ResponseDelivery,
    },
    /// The service answers with an error and has done nothing.
    Faulted(ServiceFault),
    /// The gateway throttles it.
    Throttled,
}

/// Returns the id of the n-th generated batch task of a sandbox, counted from 1:
/// `task-000001`, `task-000002` and so on.
///
/// They are stopped at first. The list begins with the first of them, unless other ids were called:
/// those are younger.
pub fn generated_id(number: u32) -> String {
    format!("task-{number:06}")
}

impl SandboxProject {
    /// Returns the project of a sandbox, with its generated batch tasks.
    pub(crate) fn new(settings: &SandboxSettings) -> Self {
        let random = SeededRandom::new(settings.seed);
        let generate = |number: u32| {
            let id = generated_id(number);
            let created_at = FIRST_CREATED_AT - (i64::from(number) - 1) * AGE_STEP;
            let runs = random.roll_for(Question::Running, &id).share() < settings.running;
            let heading = if runs { Command::START } else { Command::STOP };
            let task =
                BatchTask::at_rest(size(random, &settings.sub_tasks, &id), heading, created_at);
            (id.into_boxed_str(), task)
        };
        Self {
            random,
            shares: Shares::from_settings(settings),
            settle: settings.settle,
            stale: settings.stale,
            stuck: settings.stuck,
            sub_tasks: settings.sub_tasks.clone(),
            tasks: (1..=settings.tasks).map(generate).collect(),
            deleted: HashSet::new(),
            catalogue: Catalogue::default(),
        }
    }

    /// Returns the source of random numbers.
    pub(crate) const fn random(&self) -> SeededRandom {
        self.random
    }

    /// Returns the time that sub-tasks need to reach their new state.
    pub(crate) const fn settle(&self) -> Duration {
        self.settle
    }

    /// Returns the delay of the list behind the real states.
    pub(crate) const fn stale(&self) -> Duration {
        self.stale
    }

    /// Returns the share of batch tasks that never reach their new state.
    pub(crate) const fn stuck(&self) -> f64 {
        self.stuck
    }

    /// Returns the batch tasks, without an order.
    pub(crate) const fn tasks(&self) -> &HashMap<Box<str>, BatchTask> {
        &self.tasks
    }

    /// Returns the batch tasks with the orders they can be listed in.
    pub(crate) fn catalogued(&mut self) -> (&HashMap<Box<str>, BatchTask>, &Catalogue) {
        self.catalogue.refresh(&self.tasks);
        (&self.tasks, &self.catalogue)
    }

    /// Returns a batch task with its id, and the number of one of its sub-tasks, by the id of that.
    pub(crate) fn sub_task(&mut self, id: &str) -> Option<(&str, &BatchTask, u16)> {
        let (owner, index) = self.owner(id)?;
        let (id, task) = self.tasks.get_key_value(&owner)?;
        Some((id, task, index))
    }

    /// Starts or stops one sub-task; nothing if there is none of that id.
    pub(crate) fn call_sub_task(&mut self, id: &str, command: Command, now: Instant) -> Option<()> {
        let (owner, index) = self.owner(id)?;
        self.tasks.get_mut(&owner)?.carry_out_one(index, command, now);
        Some(())
    }

    fn owner(&mut self, id: &str) -> Option<(Box<str>, u16)> {
        let (print, index) = sub_task_id::parts(id)?;
        self.catalogue.refresh(&self.tasks);
        let owner = self.catalogue.owner(self.random, print)?;
        (index < self.tasks.get(owner)?.size()).then(|| (owner.into(), index))
    }

    /// Deletes a batch task, as its id and the random numbers decide. One of which a sub-task cannot
    /// be deleted stays.
    pub(crate) fn delete(&mut self, id: &str) -> Call {
        let suffix = self.suffix_of(id);
        let number = match suffix {
            IdSuffix::Missing => 1,
            _ => self.get_or_add(id, Command::START).count_deletion(),
        };
        let key = call_key(id, DELETION, number);
        let share = self.random.roll(Question::CallBehaviour, key).share();
        let result = match suffix.behaviour(number, self.shares, share) {
            CallBehaviour::CarriedOut(failures, delivery) => {
                let total = self.tasks[id].size();
                let roll = self.random.roll(Question::Failures, key);
                let failed = failed_of(total, failures, roll);
                if failed == 0 {
                    self.tasks.remove(id);
                    self.deleted.insert(id.into());
                    self.catalogue.forget();
                }
                CallResult::CarriedOut { total, failed, delivery }
            }
            without_effect => self.without_effect(without_effect, key),
        };
        Call { result, latency: self.random.roll(Question::Latency, key) }
    }

    /// Returns how calls of an id are treated: what was deleted is missing.
    fn suffix_of(&self, id: &str) -> IdSuffix {
        if self.deleted.contains(id) { IdSuffix::Missing } else { IdSuffix::from_id(id) }
    }

    /// Treats one call as its id and the random numbers decide.
    pub(crate) fn call(&mut self, id: &str, command: Command, now: Instant) -> Call {
        let suffix = self.suffix_of(id);
        let number = self.count_call(suffix, id, command);
        // All random numbers of this call follow from one key, so that neither other ids nor other
        // commands influence them.
        let key = call_key(id, command.number().into(), number);
        let share = self.random.roll(Question::CallBehaviour, key).share();
        let behaviour = suffix.behaviour(number, self.shares, share);
        Call {
            result: self.apply(behaviour, key, &Action { id, command, now }),
            latency: self.random.roll(Question::Latency, key),
        }
    }

    /// Counts a call and returns its number. A missing id is not added, so its number is always 1.
    fn count_call(&mut self, suffix: IdSuffix, id: &str, command: Command) -> u32 {
        // Adding it would list an id that does not exist.
        if suffix == IdSuffix::Missing {
            return 1;
        }
        self.get_or_add(id, command).count_call(command)
    }

    /// Returns the batch task of an id. An unknown id is added in the state opposite to its first
    /// command, so that this command has an effect.
    fn get_or_add(&mut self, id: &str, command: Command) -> &mut BatchTask {
        if !self.tasks.contains_key(id) {
            let opposite = command.opposite().unwrap_or(command);
            // Younger than all generated ones, because the youngest come first: so an added batch
            // task shifts the pages of a list, as new ones do at the real service.
            let younger = self.random.roll_for(Question::Age, id).below(YOUNGEST);
            let created_at =
                FIRST_CREATED_AT + 1 + i64::try_from(younger).expect("thirty days fit");
            let task =
                BatchTask::at_rest(size(self.random, &self.sub_tasks, id), opposite, created_at);
            self.tasks.insert(id.into(), task);
        }
        self.tasks.get_mut(id).expect("it was just inserted")
    }

    /// Applies the treatment of a call.
    fn apply(&mut self, behaviour: CallBehaviour, key: u64, action: &Action<'_>) -> CallResult {
        match behaviour {
            CallBehaviour::CarriedOut(failures, delivery) => {
                let task =
                    self.tasks.get_mut(action.id).expect("the call was counted, which added it");
                let roll = self.random.roll(Question::Failures, key);
                let failed = failed_of(task.size(), failures, roll);
                task.carry_out(action.command, failed, action.now);
                CallResult::CarriedOut { total: task.size(), failed, delivery }
            }
            without_effect => self.without_effect(without_effect, key),
        }
    }

    /// Returns the result of a call that does nothing.
    fn without_effect(&self, behaviour: CallBehaviour, key: u64) -> CallResult {
        match behaviour {
            CallBehaviour::Faulted(fault) => CallResult::Faulted(fault),
            CallBehaviour::Throttled => CallResult::Throttled,
            // A second random number, so that the choice of the error never changes which calls fail.
            CallBehaviour::FaultedByChance | CallBehaviour::CarriedOut(..) => {
                let faults = ServiceFault::BY_CHANCE;
                let drawn = self.random.roll(Question::Fault, key);
                CallResult::Faulted(faults[drawn.below(faults.len() as u64) as usize])
            }
        }
    }
}

/// The request of a call.
struct Action<'a> {
    id: &'a str,
    command: Command,
    now: Instant,
}

/// Returns the number of sub-tasks of an id.
fn size(random: SeededRandom, sizes: &RangeInclusive<u16>, id: &str) -> u16 {
    let roll = random.roll_for(Question::Size, id);
    // A single sub-task cannot fail partially.
    let least = (*sizes.start()).max(1 + u16::from(IdSuffix::from_id(id) == IdSuffix::Partial));
    let most = (*sizes.end()).max(least);
    let more = roll.below(u64::from(most - least) + 1);
    least + u16::try_from(more).expect("it is less than the most")
}

/// Returns the number of failed sub-tasks out of `size`.
fn failed_of(size: u16, failures: Failures, roll: Roll) -> u16 {
    match failures {
        Failures::None => 0,
        Failures::Some if size == 1 => 1,
        Failures::Some => {
            1 + u16::try_from(roll.below(u64::from(size) - 1)).expect("less than the size")
        }
        Failures::All => size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::sandbox::http::Sort;
    use crate::sandbox::service::view::View;
    use crate::task::TaskId;

    /// Calls each id once and counts the results that `matches` accepts.
    fn count(settings: &SandboxSettings, matches: impl Fn(CallResult) -> bool) -> usize {
        let mut project = SandboxProject::new(settings);
        let now = Clock::start().instant();
        (1..=10_000)
            .map(|number| project.call(&format!("gate-{number}"), Command::START, now))
            .filter(|call| matches(call.result))
            .count()
    }

    fn faulty() -> SandboxSettings {
        SandboxSettings {
            tasks: 0,
            fail: 0.05,
            partial: 0.1,
            drop: 0.01,
            seed: 7,
            ..SandboxSettings::default()
        }
    }

    #[test]
    fn a_seed_gives_exact_numbers_of_faults() {
        let faulted = |result| matches!(result, CallResult::Faulted(_));
        let failing =
            |result| matches!(result, CallResult::CarriedOut { failed, .. } if failed > 0);
        let dropped = |result| {
            let delivery = ResponseDelivery::Dropped;
            matches!(result, CallResult::CarriedOut { delivery: d, .. } if d == delivery)
        };
        assert_eq!(count(&faulty(), faulted), 509);
        assert_eq!(count(&faulty(), failing), 990);
        assert_eq!(count(&faulty(), dropped), 90);
    }

    #[test]
    fn results_do_not_depend_on_the_order_of_calls() {
        let now = Clock::start().instant();
        let ids: Vec<String> = (0..500).map(|number| format!("gate-{number}")).collect();
        let mut forth = SandboxProject::new(&faulty());
        let mut back = SandboxProject::new(&faulty());
        let there: Vec<Call> = ids.iter().map(|id| forth.call(id, Command::STOP, now)).collect();
        let mut again: Vec<Call> =
            ids.iter().rev().map(|id| back.call(id, Command::STOP, now)).collect();
        again.reverse();
        assert_eq!(there, again);
    }

    #[test]
    fn a_partial_id_always_has_a_sub_task_that_fails_and_one_that_succeeds() {
        let mut project = SandboxProject::new(&SandboxSettings::default());
        let now = Clock::start().instant();
        for number in 0..100 {
            let call = project.call(&format!("g{number}-partial"), Command::START, now);
            let CallResult::CarriedOut { total, failed, .. } = call.result else {
                panic!("{call:?}");
            };
            assert!(0 < failed && failed < total && total <= 8, "{call:?}");
        }
    }

    #[test]
    fn sizes_go_from_one_to_eight() {
        let sizes =
            (1..=1000).map(|number| size(SeededRandom::new(0), &(1..=8), &generated_id(number)));
        let all: std::collections::BTreeSet<u16> = sizes.collect();
        assert_eq!(all, (1..=8).collect());
    }

    #[test]
    fn unknown_ids_are_added_at_their_first_call() {
        let mut project = SandboxProject::new(&SandboxSettings::default());
        let now = Clock::start().instant();
        project.call("gate-1", Command::STOP, now);
        project.call("gate-missing", Command::STOP, now);
        assert_eq!(project.tasks().len(), 1001);
        let sight = View::new(&project, now).sight("gate-1");
        let states = project.tasks()["gate-1"].states(sight);
        assert_eq!(states[0].0, "stopping");
    }

    #[test]
    fn what_is_deleted_is_gone_for_every_call_that_follows() {
        let mut project = SandboxProject::new(&SandboxSettings::default());
        let now = Clock::start().instant();
        let missing = CallResult::Faulted(ServiceFault::NoSuchTask);
        for id in ["task-000001", "gate-drop", "gate-1"] {
            let deleted = project.delete(id).result;
            assert!(matches!(deleted, CallResult::CarriedOut { failed: 0, .. }), "{deleted:?}");
            assert_eq!(project.delete(id).result, missing);
            assert_eq!(project.call(id, Command::STOP, now).result, missing);
        }
        let (tasks, catalogue) = project.catalogued();
        assert_eq!((tasks.len(), catalogue.ids(Sort::CreatedAt).len()), (999, 999));
    }

    #[test]
    fn a_batch_task_that_cannot_be_deleted_whole_stays() {
        let mut project = SandboxProject::new(&SandboxSettings::default());
        for id in ["gate-partial", "gate-failed", "gate-refused"] {
            let before = project.delete(id).result;
            assert!(project.tasks().contains_key(id), "{before:?}");
            assert_ne!(project.delete(id).result, CallResult::Faulted(ServiceFault::NoSuchTask));
        }
    }

    #[test]
    fn generated_ids_are_valid() {
        for number in [1, 1000, u32::MAX] {
            assert_eq!(TaskId::check(&generated_id(number)), Ok(()));
        }
    }
}
