//! The states of sub-tasks as the service counts them, and one word for a whole batch task.
//!
//! Pure. An unknown state is kept and counted, and never treated as a known one: such a task is
//! not where its command leads. See `docs/GLOSSARY.md`: state, observed state.

use super::state_word::StateWord;
use super::{Command, TaskId};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The number of sub-tasks of a batch task in each state, by the service's words in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateCounts(BTreeMap<String, u64>);

/// One word for the states of all sub-tasks of a batch task.
///
/// | word | when |
/// |---|---|
/// | `bad` | a sub-task is in trouble: `create_failed` `start_failed` `abnormal` `failed` `lack_of_resources` `frozen` |
/// | `changing` | else: one is on its way: `pending` `recovering` `starting` `upgrading` `stopping` `scheduling` `deleting` `freezing` |
/// | `unknown` | else: one is in a state that batchctl does not know, or there is none |
/// | `running` | else: all are up: `running`, or `succeeded` where there was an end to come to |
/// | `stopped` | all are down: `stopped` `stopped_no_service` |
/// | `mixed` | some are up and some are down |
///
/// ```
/// use batchctl::task::{StateCounts, TaskState};
///
/// let counts = StateCounts::from_counters([("RUNNING", 2), ("stopped", 1)]);
/// assert_eq!(counts.state(), TaskState::Mixed);
/// assert_eq!(counts.to_string(), "running=2 stopped=1");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskState {
    /// All sub-tasks are up.
    Running,
    /// All sub-tasks are down.
    Stopped,
    /// A sub-task is changing its state.
    Changing,
    /// Some are up, some are down.
    Mixed,
    /// A sub-task is in trouble.
    Bad,
    /// The state is unknown.
    Unknown,
    /// Another service is in a state that its file has a word of its own for.
    Named(StateWord),
}

/// The text is not a state of a batch task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a state: it is running, stopped, changing, mixed, bad or unknown")]
pub struct UnknownTaskState(pub String);

/// The progress of a batch task towards the state of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Toward {
    /// The task has reached it.
    Reached,
    /// The task has not reached it, and may still do so.
    Open,
    /// A sub-task has reached the opposite state, or is moving towards it.
    Against,
}

/// The state of one batch task as a page of the list showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedState {
    /// The batch task.
    pub id: TaskId,
    /// The word for the state.
    pub state: TaskState,
    /// The progress towards the state of a start.
    pub start: Toward,
    /// The progress towards the state of a stop.
    pub stop: Toward,
    /// The progress towards the state of each action of another service than VIAS.
    pub actions: Box<[(Command, Toward)]>,
}

/// The class of a state of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StateClass {
    Up,
    /// The sub-task ended by itself: it counts as started, and a stop has nothing left to stop.
    Finished,
    Down,
    GoingUp,
    GoingDown,
    /// Changing towards neither state.
    Passing,
    Bad,
    Foreign,
}

impl StateClass {
    fn from_name(state: &str) -> Self {
        match state {
            "running" => Self::Up,
            "succeeded" => Self::Finished,
            "stopped" | "stopped_no_service" => Self::Down,
            "pending" | "recovering" | "starting" | "upgrading" | "scheduling" => Self::GoingUp,
            "stopping" => Self::GoingDown,
            "deleting" | "freezing" => Self::Passing,
            "create_failed" | "start_failed" | "abnormal" | "failed" | "lack_of_resources"
            | "frozen" => Self::Bad,
            // A state of a later version of the service is never guessed from its name.
            _ => Self::Foreign,
        }
    }

    fn is_changing(self) -> bool {
        matches!(self, Self::GoingUp | Self::GoingDown | Self::Passing)
    }
}

impl StateCounts {
    /// Adds up counters, ignoring the case of their names; zeros are left out.
    pub fn from_counters<S: AsRef<str>>(counters: impl IntoIterator<Item = (S, u64)>) -> Self {
        let mut counts = Self::default();
        for (state, count) in counters.into_iter().filter(|&(_, count)| count > 0) {
            // Counters whose names differ in case alone are one state, so they are added.
            let sum = counts.0.entry(state.as_ref().to_lowercase()).or_default();
            *sum = sum.saturating_add(count);
        }
        counts
    }

    /// Returns the counters, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(state, &count)| (state.as_str(), count))
    }

    /// Returns the number of sub-tasks in a state, ignoring the case of its name.
    pub fn count(&self, state: &str) -> u64 {
        self.0.get(&state.to_lowercase()).copied().unwrap_or_default()
    }

    /// Returns the one word for all sub-tasks.
    pub fn state(&self) -> TaskState {
        let any = |wanted: fn(StateClass) -> bool| self.classes().any(wanted);
        let up = any(|class| matches!(class, StateClass::Up | StateClass::Finished));
        let down = any(|class| class == StateClass::Down);
        // Trouble before movement, and movement before rest: the first that needs attention wins.
        if any(|class| class == StateClass::Bad) {
            return TaskState::Bad;
        }
        if any(StateClass::is_changing) {
            return TaskState::Changing;
        }
        if any(|class| class == StateClass::Foreign) {
            return TaskState::Unknown;
        }
        match (up, down) {
            (true, false) => TaskState::Running,
            (false, true) => TaskState::Stopped,
            (true, true) => TaskState::Mixed,
            (false, false) => TaskState::Unknown,
        }
    }

    /// Returns the progress of all sub-tasks towards the state of a command.
    pub fn toward(&self, command: Command) -> Toward {
        let (there, against): (&[StateClass], &[StateClass]) = match command {
            Command::START => (
                &[StateClass::Up, StateClass::Finished],
                &[StateClass::Down, StateClass::GoingDown],
            ),
            Command::STOP => {
                (&[StateClass::Down, StateClass::Finished], &[StateClass::Up, StateClass::GoingUp])
            }
            // No state of VIAS is where an action of another service leads.
            _ => return Toward::Open,
        };
        // One sub-task against the command outweighs all that have arrived, so it is looked for
        // first.
        if self.classes().any(|class| against.contains(&class)) {
            return Toward::Against;
        }
        // `all` is true for no sub-tasks, but a task without any has reached nothing.
        let is_there = !self.0.is_empty() && self.classes().all(|class| there.contains(&class));
        if is_there { Toward::Reached } else { Toward::Open }
    }

    /// Returns whether all sub-tasks are on their way to the state of a command.
    pub fn are_on_the_way(&self, command: Command) -> bool {
        let way = match command {
            Command::START => StateClass::GoingUp,
            Command::STOP => StateClass::GoingDown,
            Command::DELETE => StateClass::Passing,
            // No state of VIAS is on the way of an action of another service.
            _ => return false,
        };
        !self.0.is_empty() && self.classes().all(|class| class == way)
    }

    fn classes(&self) -> impl Iterator<Item = StateClass> {
        self.0.keys().map(|state| StateClass::from_name(state))
    }
}

impl fmt::Display for StateCounts {
    /// Writes `running=2 stopped=1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (state, count)) in self.iter().enumerate() {
            let gap = if number > 0 { " " } else { "" };
            write!(f, "{gap}{state}={count}")?;
        }
        Ok(())
    }
}

impl TaskState {
    /// Every word of VIAS's states, in the order of the documentation.
    pub const ALL: [Self; 6] =
        [Self::Running, Self::Stopped, Self::Changing, Self::Mixed, Self::Bad, Self::Unknown];

    /// Every state of a sub-task that VIAS documents, in the order of its words.
    pub const OF_VIAS: [&str; 18] = [
        "running",
        "succeeded",
        "stopped",
        "stopped_no_service",
        "pending",
        "recovering",
        "starting",
        "upgrading",
        "scheduling",
        "stopping",
        "deleting",
        "freezing",
        "create_failed",
        "start_failed",
        "abnormal",
        "failed",
        "lack_of_resources",
        "frozen",
    ];

    /// Returns the word used in files and messages, such as `running`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Changing => "changing",
            Self::Mixed => "mixed",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
            Self::Named(word) => word.as_str(),
        }
    }

    /// Returns the state with a word, which may be one that another service's file has.
    pub fn of_word(text: &str) -> Option<Self> {
        let own = text.parse().ok();
        own.or_else(|| StateWord::of(text).ok().map(Self::Named))
    }

    /// Returns the state that a command of VIAS leads to, if there is one.
    pub const fn after(command: Command) -> Option<Self> {
        match command {
            Command::START => Some(Self::Running),
            Command::STOP => Some(Self::Stopped),
            _ => None,
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for TaskState {
    type Err = UnknownTaskState;

    fn from_str(text: &str) -> Result<Self, UnknownTaskState> {
        let named = |state: &Self| state.as_str() == text;
        Self::ALL.into_iter().find(named).ok_or_else(|| UnknownTaskState(text.into()))
    }
}

impl ObservedState {
    /// Returns the observed state for the counters of a batch task.
    pub fn from_counts(id: TaskId, counts: &StateCounts) -> Self {
        // Both directions are kept, because a plan may hold starts and stops.
        let (start, stop) = (counts.toward(Command::START), counts.toward(Command::STOP));
        Self { id, state: counts.state(), start, stop, actions: Box::default() }
    }

    /// Returns the observed state of a thing of another service.
    pub fn of_actions(id: TaskId, state: TaskState, actions: Box<[(Command, Toward)]>) -> Self {
        Self { id, state, start: Toward::Open, stop: Toward::Open, actions }
    }

    /// Returns the progress towards the state of a command.
    pub fn toward(&self, command: Command) -> Toward {
        match command {
            Command::START => self.start,
            Command::STOP => self.stop,
            _ => self.of_action(command),
        }
    }

    fn of_action(&self, command: Command) -> Toward {
        let mut actions = self.actions.iter();
        actions.find(|(known, _)| *known == command).map_or(Toward::Open, |&(_, toward)| toward)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(counters: &[(&str, u64)], expected: (TaskState, Toward, Toward)) {
        let counts = StateCounts::from_counters(counters.iter().copied());
        let found = (counts.state(), counts.toward(Command::START), counts.toward(Command::STOP));
        assert_eq!(found, expected, "{counters:?}");
    }

    #[test]
    fn every_state_of_the_service_has_its_word() {
        use TaskState::{Bad, Changing, Running, Stopped};
        use Toward::{Against, Open, Reached};
        for (state, expected) in [
            ("pending", (Changing, Open, Against)),
            ("recovering", (Changing, Open, Against)),
            ("starting", (Changing, Open, Against)),
            ("upgrading", (Changing, Open, Against)),
            ("create_failed", (Bad, Open, Open)),
            ("start_failed", (Bad, Open, Open)),
            ("running", (Running, Reached, Against)),
            ("stopping", (Changing, Against, Open)),
            ("stopped", (Stopped, Against, Reached)),
            ("abnormal", (Bad, Open, Open)),
            ("succeeded", (Running, Reached, Reached)),
            ("failed", (Bad, Open, Open)),
            ("deleting", (Changing, Open, Open)),
            ("freezing", (Changing, Open, Open)),
            ("frozen", (Bad, Open, Open)),
            ("stopped_no_service", (Stopped, Against, Reached)),
            ("scheduling", (Changing, Open, Against)),
            ("lack_of_resources", (Bad, Open, Open)),
            ("hibernating", (TaskState::Unknown, Open, Open)),
        ] {
            check(&[(state, 3)], expected);
            check(&[(&state.to_uppercase(), 3)], expected);
        }
    }

    #[test]
    fn trouble_comes_before_movement_and_movement_before_rest() {
        use Toward::Against;
        check(&[("running", 9), ("failed", 1)], (TaskState::Bad, Toward::Open, Against));
        check(&[("starting", 1), ("failed", 1)], (TaskState::Bad, Toward::Open, Against));
        check(&[("running", 9), ("stopping", 1)], (TaskState::Changing, Against, Against));
        check(&[("running", 1), ("stopped", 1)], (TaskState::Mixed, Against, Against));
        check(&[("running", 1), ("odd", 1)], (TaskState::Unknown, Toward::Open, Against));
        check(&[("starting", 1), ("odd", 1)], (TaskState::Changing, Toward::Open, Against));
        check(&[("succeeded", 1), ("stopped", 1)], (TaskState::Mixed, Against, Toward::Reached));
    }

    #[test]
    fn a_task_that_nothing_is_known_of_is_nowhere() {
        check(&[], (TaskState::Unknown, Toward::Open, Toward::Open));
        check(&[("running", 0)], (TaskState::Unknown, Toward::Open, Toward::Open));
    }

    #[test]
    fn counters_of_one_state_are_added_whatever_their_case() {
        let counts =
            StateCounts::from_counters([("RUNNING", 1), ("running", 2), ("Odd", u64::MAX)]);
        assert_eq!(counts.count("Running"), 3);
        assert_eq!(counts.to_string(), format!("odd={} running=3", u64::MAX));
    }

    #[test]
    fn every_state_of_the_service_stands_for_a_word() {
        for state in TaskState::OF_VIAS {
            assert_ne!(StateClass::from_name(state), StateClass::Foreign, "{state}");
        }
    }

    #[test]
    fn every_word_reads_back() {
        for state in TaskState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("up".parse::<TaskState>().is_err());
    }
}
