//! One batch task of the simulated project: its sub-tasks and the states they move through.
//!
//! States are worked out from the time of the last action when somebody asks; there are no timers.

use crate::clock::Instant;
use crate::task::Command;
use std::time::Duration;

/// On its way up.
const STARTING: &str = "starting";
/// Up.
const RUNNING: &str = "running";
/// On its way down.
const STOPPING: &str = "stopping";
/// Down.
const STOPPED: &str = "stopped";
/// Should be up and is not.
const START_FAILED: &str = "start_failed";

/// Every state that the service knows of, in the order of its definition.
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

/// How many sub-tasks are in which state; a state may have none.
pub(crate) type Histogram = [(&'static str, u8); 2];

/// A batch task.
#[derive(Debug, Clone)]
pub(crate) struct BatchTask {
    size: u8,
    failed: u8,
    heading: Command,
    /// Where it was heading before, and how many sub-tasks had failed then.
    before: (Command, u8),
    moved: Option<Instant>,
    created_at: i64,
    calls: [u32; 2],
    carried_out: [u32; 2],
}

impl BatchTask {
    /// Returns a batch task whose sub-tasks have long been where `heading` leads to.
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

    /// Returns how many sub-tasks it has.
    pub(crate) const fn size(&self) -> u8 {
        self.size
    }

    /// Returns when it was created, in milliseconds since the Unix epoch.
    pub(crate) const fn created_at(&self) -> i64 {
        self.created_at
    }

    /// Returns how many actions of a command were carried out.
    pub(crate) const fn carried_out(&self, command: Command) -> u32 {
        self.carried_out[command as usize]
    }

    /// Takes note of a call and returns its number, counted from 1 for each command.
    pub(crate) const fn count_call(&mut self, command: Command) -> u32 {
        self.calls[command as usize] += 1;
        self.calls[command as usize]
    }

    /// Sends all sub-tasks on their way, except `failed` of them.
    ///
    /// Those that are already going there go on as they were.
    pub(crate) fn carry_out(&mut self, command: Command, failed: u8, now: Instant) {
        self.carried_out[command as usize] += 1;
        if self.heading == command && self.failed == failed {
            return;
        }
        self.before = (self.heading, self.failed);
        self.heading = command;
        self.failed = failed;
        self.moved = Some(now);
    }

    /// Returns the states as somebody sees them who is told late by `stale`: those before the last
    /// move, until it is older than that.
    pub(crate) fn stale_states(
        &self,
        now: Instant,
        stale: Duration,
        settle: Duration,
    ) -> Histogram {
        if self.moved.is_none_or(|moved| now.duration_since(moved) >= stale) {
            return self.states(now.checked_sub(stale).unwrap_or(now), settle);
        }
        let (heading, failed) = self.before;
        Self { heading, failed, moved: None, ..*self }.states(now, settle)
    }

    /// Returns the states at an instant, where sub-tasks take `settle` to change theirs.
    pub(crate) fn states(&self, now: Instant, settle: Duration) -> Histogram {
        let on_the_way = |moved: Instant| now.duration_since(moved) < settle;
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
    fn sub_tasks_pass_through_the_state_between() {
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
    fn failed_sub_tasks_stay_behind() {
        let now = Clock::start().instant();
        let mut task = BatchTask::at_rest(3, Command::Stop, 0);
        task.carry_out(Command::Start, 1, now);
        check(&task, now + SETTLE, [(RUNNING, 2), (START_FAILED, 1)]);
        task.carry_out(Command::Stop, 2, now + SETTLE);
        check(&task, now + 2 * SETTLE, [(STOPPED, 1), (RUNNING, 2)]);
    }

    #[test]
    fn who_is_told_late_sees_what_was() {
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
    fn a_command_said_twice_delays_nothing() {
        let now = Clock::start().instant();
        let mut task = BatchTask::at_rest(3, Command::Stop, 0);
        task.carry_out(Command::Start, 0, now);
        task.carry_out(Command::Start, 0, now + SETTLE / 2);
        check(&task, now + SETTLE, [(RUNNING, 3), (START_FAILED, 0)]);
        assert_eq!(task.carried_out(Command::Start), 2);
        assert_eq!(task.carried_out(Command::Stop), 0);
    }
}
