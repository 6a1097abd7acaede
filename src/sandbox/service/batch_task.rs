//! One batch task of the simulated project: its sub-tasks and the states they move through.
//!
//! A state is computed from the time of the last action when it is read; there are no timers. A
//! sub-task takes memory only once it was called by itself.

use crate::clock::Instant;
use crate::task::Command;
use std::collections::BTreeMap;
use std::time::Duration;

/// Changing to running.
const STARTING: &str = "starting";
/// Started.
const RUNNING: &str = "running";
/// Changing to stopped.
const STOPPING: &str = "stopping";
/// Not started.
const STOPPED: &str = "stopped";
/// Should be running, but is not.
const START_FAILED: &str = "start_failed";

/// All states of the service, in the order of its definition.
pub(crate) const STATES: [&str; 18] = [
    "pending",
    "recovering",
    STARTING,
    "upgrading",
    "create_failed",
    START_FAILED,
    RUNNING,
    STOPPING,
    STOPPED,
    "abnormal",
    "succeeded",
    "failed",
    "deleting",
    "freezing",
    "frozen",
    "stopped_no_service",
    "scheduling",
    "lack_of_resources",
];

/// The number of sub-tasks by state; a number may be zero.
pub(crate) type Histogram = Vec<(&'static str, u16)>;

/// How states are seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    /// The present.
    pub(crate) now: Instant,
    /// The delay behind the real states.
    pub(crate) stale: Duration,
    /// The time that a change takes.
    pub(crate) settle: Duration,
}

/// A batch task.
#[derive(Debug, Clone)]
pub(crate) struct BatchTask {
    size: u16,
    failed: u16,
    heading: Command,
    /// The previous target, and the number of sub-tasks that had failed then.
    before: (Command, u16),
    moved: Option<Instant>,
    /// The sub-tasks that were called by themselves since the batch task was, by their numbers.
    singles: BTreeMap<u16, Single>,
    created_at: i64,
    calls: [u32; 2],
    /// How often it was to be deleted.
    deletions: u32,
    carried_out: [u32; 2],
}

/// A sub-task that was called by itself.
#[derive(Debug, Clone, Copy)]
struct Single {
    heading: Command,
    moved: Instant,
}

impl BatchTask {
    /// Returns a batch task whose sub-tasks have long reached the state of `heading`.
    pub(crate) const fn at_rest(size: u16, heading: Command, created_at: i64) -> Self {
        Self {
            size,
            failed: 0,
            heading,
            before: (heading, 0),
            moved: None,
            singles: BTreeMap::new(),
            created_at,
            calls: [0; 2],
            deletions: 0,
            carried_out: [0; 2],
        }
    }

    /// Returns the number of sub-tasks.
    pub(crate) const fn size(&self) -> u16 {
        self.size
    }

    /// Returns the time of creation in milliseconds since the Unix epoch.
    pub(crate) const fn created_at(&self) -> i64 {
        self.created_at
    }

    /// Returns how often a command was carried out.
    pub(crate) const fn carried_out(&self, command: Command) -> u32 {
        self.carried_out[index(command)]
    }

    /// Counts a call and returns its number, from 1 for each command.
    pub(crate) const fn count_call(&mut self, command: Command) -> u32 {
        self.calls[index(command)] += 1;
        self.calls[index(command)]
    }

    /// Counts a request to delete it and returns its number, from 1.
    pub(crate) const fn count_deletion(&mut self) -> u32 {
        self.deletions += 1;
        self.deletions
    }

    /// Starts the change of all sub-tasks except `failed` of them.
    ///
    /// A repeated command changes nothing: a change under way continues undisturbed.
    pub(crate) fn carry_out(&mut self, command: Command, failed: u16, now: Instant) {
        self.carried_out[index(command)] += 1;
        self.singles.clear();
        if self.heading == command && self.failed == failed {
            return;
        }
        // Kept for stale lists, which show the states before this change.
        self.before = (self.heading, self.failed);
        self.heading = command;
        self.failed = failed;
        self.moved = Some(now);
    }

    /// Starts the change of one sub-task, by its number from 0.
    pub(crate) fn carry_out_one(&mut self, index: u16, command: Command, now: Instant) {
        let single = self.singles.entry(index).or_insert(Single { heading: command, moved: now });
        if single.heading != command {
            *single = Single { heading: command, moved: now };
        }
    }

    /// Returns the number of sub-tasks in each state, as they are seen.
    pub(crate) fn states(&self, sight: Sight) -> Histogram {
        let (arrived, failed) = self.common(sight);
        let mut states = vec![(arrived.0, arrived.1), (failed.0, failed.1)];
        for &index in self.singles.keys() {
            let usual = usize::from(index >= arrived.1);
            states[usual].1 -= 1;
            states.push((self.state_of(index, sight), 1));
        }
        states
    }

    /// Returns the state of a sub-task, by its number from 0, as it is seen.
    pub(crate) fn state_of(&self, index: u16, sight: Sight) -> &'static str {
        let seen = |moved: Instant| sight.now.duration_since(moved) >= sight.stale;
        if let Some(single) = self.singles.get(&index).filter(|single| seen(single.moved)) {
            let at = sight.now.checked_sub(sight.stale).unwrap_or(sight.now);
            return states_towards(single.heading, is_on_the_way(single.moved, at, sight.settle)).0;
        }
        let (arrived, failed) = self.common(sight);
        // The last ones fail, as the errors of the answer say.
        if index < arrived.1 { arrived.0 } else { failed.0 }
    }

    /// Returns whether a sub-task is not where its last command leads, and will not be.
    pub(crate) fn has_failed(&self, index: u16, state: &str) -> bool {
        let is_one_of_the_last = index >= self.size - self.failed;
        is_one_of_the_last
            && !self.singles.contains_key(&index)
            && [START_FAILED, RUNNING].contains(&state)
    }

    /// Returns the two states of the sub-tasks that were never called by themselves, and how many
    /// there would be of each if none was.
    fn common(&self, sight: Sight) -> ((&'static str, u16), (&'static str, u16)) {
        let is_seen = |moved: Instant| sight.now.duration_since(moved) >= sight.stale;
        let (heading, failed, is_moving) = match self.moved {
            // Only one earlier target is kept, so two changes within `stale` show the state between.
            Some(moved) if !is_seen(moved) => (self.before.0, self.before.1, false),
            Some(moved) => {
                let at = sight.now.checked_sub(sight.stale).unwrap_or(sight.now);
                (self.heading, self.failed, is_on_the_way(moved, at, sight.settle))
            }
            None => (self.heading, self.failed, false),
        };
        let (state, left_behind) = states_towards(heading, is_moving);
        ((state, self.size - failed), (left_behind, failed))
    }
}

fn is_on_the_way(moved: Instant, at: Instant, settle: Duration) -> bool {
    at.duration_since(moved) < settle
}

/// Returns the place of a command in what is kept for each.
const fn index(command: Command) -> usize {
    match command {
        Command::STOP => 1,
        _ => 0,
    }
}

/// Returns the state of what follows a command, and of what failed to.
const fn states_towards(command: Command, is_moving: bool) -> (&'static str, &'static str) {
    // A failed start has a state of its own; after a failed stop the sub-task simply runs on.
    match (command, is_moving) {
        (Command::STOP, true) => (STOPPING, RUNNING),
        (Command::STOP, false) => (STOPPED, RUNNING),
        (_, true) => (STARTING, START_FAILED),
        (_, false) => (RUNNING, START_FAILED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const SETTLE: Duration = Duration::from_secs(1);

    fn sight(now: Instant, stale: Duration) -> Sight {
        Sight { now, stale, settle: SETTLE }
    }

    fn check(task: &BatchTask, now: Instant, expected: [(&str, u16); 2]) {
        assert_eq!(task.states(sight(now, Duration::ZERO)), expected);
    }

    #[test]
    fn sub_tasks_pass_through_an_intermediate_state() {
        let now = Clock::start().instant();
        let mut task = BatchTask::at_rest(3, Command::STOP, 0);
        check(&task, now, [(STOPPED, 3), (RUNNING, 0)]);
        task.carry_out(Command::START, 0, now);
        check(&task, now, [(STARTING, 3), (START_FAILED, 0)]);
        check(&task, now + SETTLE, [(RUNNING, 3), (START_FAILED, 0)]);
        task.carry_out(Command::STOP, 0, now + SETTLE);
        check(&task, now + SETTLE, [(STOPPING, 3), (RUNNING, 0)]);
        check(&task, now + 2 * SETTLE, [(STOPPED, 3), (RUNNING, 0)]);
    }

    #[test]
    fn failed_sub_tasks_keep_their_state() {
        let now = Clock::start().instant();
        let mut task = BatchTask::at_rest(3, Command::STOP, 0);
        task.carry_out(Command::START, 1, now);
        check(&task, now + SETTLE, [(RUNNING, 2), (START_FAILED, 1)]);
        task.carry_out(Command::STOP, 2, now + SETTLE);
        check(&task, now + 2 * SETTLE, [(STOPPED, 1), (RUNNING, 2)]);
    }

    #[test]
    fn a_sub_task_that_is_called_by_itself_leaves_the_others_as_they_are() {
        let now = Clock::start().instant();
        let seen = |task: &BatchTask, at| {
            [0, 1, 2].map(|index| task.state_of(index, sight(at, Duration::ZERO)))
        };
        let mut task = BatchTask::at_rest(3, Command::STOP, 0);
        task.carry_out(Command::START, 1, now);
        let then = now + SETTLE;
        assert_eq!(seen(&task, then), [RUNNING, RUNNING, START_FAILED]);
        task.carry_out_one(2, Command::START, then);
        assert_eq!(seen(&task, then), [RUNNING, RUNNING, STARTING]);
        let states = task.states(sight(then + SETTLE, Duration::ZERO));
        assert_eq!(states, [(RUNNING, 2), (START_FAILED, 0), (RUNNING, 1)]);
        task.carry_out(Command::STOP, 0, then + SETTLE);
        assert_eq!(seen(&task, then + 2 * SETTLE), [STOPPED; 3]);
    }

    #[test]
    fn a_stale_list_shows_earlier_states() {
        let now = Clock::start().instant();
        let stale = Duration::from_secs(2);
        let mut task = BatchTask::at_rest(3, Command::STOP, 0);
        task.carry_out(Command::START, 0, now);
        let seen = |after: u64| task.states(sight(now + Duration::from_secs(after), stale));
        assert_eq!(seen(0), [(STOPPED, 3), (RUNNING, 0)]);
        assert_eq!(seen(1), [(STOPPED, 3), (RUNNING, 0)]);
        assert_eq!(seen(2), [(STARTING, 3), (START_FAILED, 0)]);
        assert_eq!(seen(3), [(RUNNING, 3), (START_FAILED, 0)]);
    }

    #[test]
    fn a_repeated_command_delays_nothing() {
        let now = Clock::start().instant();
        let mut task = BatchTask::at_rest(3, Command::STOP, 0);
        task.carry_out(Command::START, 0, now);
        task.carry_out(Command::START, 0, now + SETTLE / 2);
        check(&task, now + SETTLE, [(RUNNING, 3), (START_FAILED, 0)]);
        assert_eq!(task.carried_out(Command::START), 2);
        assert_eq!(task.carried_out(Command::STOP), 0);
    }
}
