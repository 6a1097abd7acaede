//! One batch task of the simulated project: its sub-tasks and the states they move through.
//!
//! A state is computed from the time of the last action when it is read; there are no timers.

use crate::clock::Instant;
use crate::task::Command;
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
pub(crate) type Histogram = [(&'static str, u8); 2];

/// A batch task.
#[derive(Debug, Clone)]
pub(crate) struct BatchTask {
    size: u8,
    failed: u8,
    heading: Command,
    /// The previous target, and the number of sub-tasks that had failed then.
    before: (Command, u8),
    moved: Option<Instant>,
    created_at: i64,
    calls: [u32; 2],
    carried_out: [u32; 2],
}

impl BatchTask {
    /// Returns a batch task whose sub-tasks have long reached the state of `heading`.
    pub(crate) const fn at_rest(size: u8, heading: Command, created_at: i64) -> Self {
        Self {
            size,
            failed: 0,
            heading,
            before: (heading, 0),
            moved: None,
            created_at,
            calls: [0; 2],
            carried_out: [0; 2],
        }
    }

    /// Returns the number of sub-tasks.
    pub(crate) const fn size(&self) -> u8 {
        self.size
    }

    /// Returns the time of creation in milliseconds since the Unix epoch.
    pub(crate) const fn created_at(&self) -> i64 {
        self.created_at
    }

    /// Returns how often a command was carried out.
    pub(crate) const fn carried_out(&self, command: Command) -> u32 {
        self.carried_out[command as usize]
    }

    /// Counts a call and returns its number, from 1 for each command.
    pub(crate) const fn count_call(&mut self, command: Command) -> u32 {
        self.calls[command as usize] += 1;
        self.calls[command as usize]
    }

    /// Starts the change of all sub-tasks except `failed` of them.
    ///
    /// A repeated command changes nothing: a change under way continues undisturbed.
    pub(crate) fn carry_out(&mut self, command: Command, failed: u8, now: Instant) {
        self.carried_out[command as usize] += 1;
        if self.heading == command && self.failed == failed {
            return;
        }
        // Kept for stale lists, which show the states before this change.
        self.before = (self.heading, self.failed);
        self.heading = command;
        self.failed = failed;
        self.moved = Some(now);
    }

    /// Returns the states with a delay of `stale`: those before the last change, until the change is
    /// older than the delay.
    pub(crate) fn stale_states(
        &self,
        now: Instant,
        stale: Duration,
        settle: Duration,
    ) -> Histogram {
        if self.moved.is_none_or(|moved| now.duration_since(moved) >= stale) {
            return self.states(now.checked_sub(stale).unwrap_or(now), settle);
        }
        // Only one earlier target is kept, so two changes within `stale` show the state between them.
        let (heading, failed) = self.before;
        Self { heading, failed, moved: None, ..*self }.states(now, settle)
    }

    /// Returns the states at an instant; a change takes `settle`.
    pub(crate) fn states(&self, now: Instant, settle: Duration) -> Histogram {
        let on_the_way = |moved: Instant| now.duration_since(moved) < settle;
        // A failed start has a state of its own; after a failed stop the sub-task simply runs on.
        let (state, left_behind) = match (self.heading, self.moved.is_some_and(on_the_way)) {
            (Command::Start, true) => (STARTING, START_FAILED),
            (Command::Start, false) => (RUNNING, START_FAILED),
            (Command::Stop, true) => (STOPPING, RUNNING),
            (Command::Stop, false) => (STOPPED, RUNNING),
        };
        [(state, self.size - self.failed), (left_behind, self.failed)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const SETTLE: Duration = Duration::from_secs(1);

    fn check(task: &BatchTask, now: Instant, expected: Histogram) {
        assert_eq!(task.states(now, SETTLE), expected);
    }

    #[test]
    fn sub_tasks_pass_through_an_intermediate_state() {
        let now = Clock::start().instant();
        let mut task = BatchTask::at_rest(3, Command::Stop, 0);
        check(&task, now, [(STOPPED, 3), (RUNNING, 0)]);
        task.carry_out(Command::Start, 0, now);
        check(&task, now, [(STARTING, 3), (START_FAILED, 0)]);
        check(&task, now + SETTLE, [(RUNNING, 3), (START_FAILED, 0)]);
        task.carry_out(Command::Stop, 0, now + SETTLE);
        check(&task, now + SETTLE, [(STOPPING, 3), (RUNNING, 0)]);
        check(&task, now + 2 * SETTLE, [(STOPPED, 3), (RUNNING, 0)]);
    }

    #[test]
    fn failed_sub_tasks_keep_their_state() {
        let now = Clock::start().instant();
        let mut task = BatchTask::at_rest(3, Command::Stop, 0);
        task.carry_out(Command::Start, 1, now);
        check(&task, now + SETTLE, [(RUNNING, 2), (START_FAILED, 1)]);
        task.carry_out(Command::Stop, 2, now + SETTLE);
        check(&task, now + 2 * SETTLE, [(STOPPED, 1), (RUNNING, 2)]);
    }

    #[test]
    fn a_stale_list_shows_earlier_states() {
        let now = Clock::start().instant();
        let stale = Duration::from_secs(2);
        let mut task = BatchTask::at_rest(3, Command::Stop, 0);
        task.carry_out(Command::Start, 0, now);
        let seen = |after: u64| task.stale_states(now + Duration::from_secs(after), stale, SETTLE);
        assert_eq!(seen(0), [(STOPPED, 3), (RUNNING, 0)]);
        assert_eq!(seen(1), [(STOPPED, 3), (RUNNING, 0)]);
        assert_eq!(seen(2), [(STARTING, 3), (START_FAILED, 0)]);
        assert_eq!(seen(3), [(RUNNING, 3), (START_FAILED, 0)]);
    }

    #[test]
    fn a_repeated_command_delays_nothing() {
        let now = Clock::start().instant();
        let mut task = BatchTask::at_rest(3, Command::Stop, 0);
        task.carry_out(Command::Start, 0, now);
        task.carry_out(Command::Start, 0, now + SETTLE / 2);
        check(&task, now + SETTLE, [(RUNNING, 3), (START_FAILED, 0)]);
        assert_eq!(task.carried_out(Command::Start), 2);
        assert_eq!(task.carried_out(Command::Stop), 0);
    }
}
