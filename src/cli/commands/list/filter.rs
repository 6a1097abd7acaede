//! Chooses the batch tasks that are listed: by the service's filter and by one of our own.
//!
//! The service may narrow less than it is asked to, so everything that can be is checked here, too.

use crate::cli::commands::list::WhichTasksArgs;
use crate::cli::flags::known_values;
use crate::cli::output::error::CommandError;
use batchctl::api::{ListFilter, ListedTask};
use batchctl::service::{Service, StateWords};
use batchctl::task::{StateCounts, TaskState};
use batchctl::text::printable;
use glob::Pattern;

/// The states that are asked for; without any, all are.
#[derive(Debug)]
pub(crate) struct StateChoice {
    words: Vec<TaskState>,
    /// States of the service, in lower case.
    states: Vec<String>,
}

impl StateChoice {
    pub(crate) fn parse(given: &[String]) -> Result<Self, CommandError> {
        let (mut words, mut states) = (Vec::new(), Vec::new());
        for state in in_lower_case(given) {
            match state.parse() {
                Ok(word) => words.push(word),
                Err(_) if TaskState::OF_VIAS.contains(&&*state) => states.push(state),
                Err(_) => {
                    let of_service = TaskState::OF_VIAS.map(str::to_owned);
                    return Err(no_state(&state, of_service.into_iter()));
                }
            }
        }
        Ok(Self { words, states })
    }

    /// Reads words of a service's file, or states as it writes them.
    fn of_service(given: &[String], service: &Service) -> Result<Self, CommandError> {
        let of_file = service.state.as_ref().map(|state| &state.words);
        let known = || {
            let words = of_file.into_iter().flat_map(|words| &words.words);
            let states = of_file.into_iter().flat_map(StateWords::states);
            words.map(|(word, _)| word.clone()).chain(states)
        };
        let (mut words, mut states) = (Vec::new(), Vec::new());
        for state in in_lower_case(given) {
            let word = TaskState::of_word(&state).filter(|word| {
                TaskState::ALL.contains(word) || of_file.is_some_and(|of| of.has(word.as_str()))
            });
            if word.is_none() && known().all(|known| known.to_lowercase() != state) {
                return Err(no_state(&state, known()));
            }
            words.extend(word);
            states.push(state);
        }
        Ok(Self { words, states })
    }

    /// Returns whether the state of a task is among those.
    pub(crate) fn takes_task(&self, task: &ListedTask) -> bool {
        self.takes_state(task.state(), &task.states)
    }

    /// Returns whether the states of a task are among those.
    pub(crate) fn takes(&self, counts: &StateCounts) -> bool {
        self.takes_state(counts.state(), counts)
    }

    fn takes_state(&self, state: TaskState, counts: &StateCounts) -> bool {
        let any = self.words.is_empty() && self.states.is_empty();
        let in_state = || self.states.iter().any(|state| counts.count(state) > 0);
        any || self.words.contains(&state) || in_state()
    }

    /// Returns the only state of the service, if nothing else is asked for.
    fn alone(&self) -> Option<&String> {
        self.states.first().filter(|_| self.words.is_empty() && self.states.len() == 1)
    }
}

/// What is listed.
#[derive(Debug)]
pub(crate) struct TaskFilter {
    states: StateChoice,
    name: Option<Pattern>,
    filter: ListFilter,
}

impl TaskFilter {
    pub(crate) fn from_args(args: &WhichTasksArgs) -> Result<Self, CommandError> {
        let states = StateChoice::parse(&args.state)?;
        let filter = ListFilter {
            state: states.alone().cloned(),
            name_part: args.name.as_ref().and_then(longest_part),
            groups: args.group.clone(),
            manufacturer: args.manufacturer.clone(),
            title: args.title.clone(),
        };
        Ok(Self { states, name: args.name.clone(), filter })
    }

    /// Reads the choice of things of another service, whose list takes no filter.
    pub(crate) fn of_service(
        args: &WhichTasksArgs,
        service: &Service,
    ) -> Result<Self, CommandError> {
        let given = [
            (!args.group.is_empty(), "--group"),
            (args.manufacturer.is_some(), "--manufacturer"),
            (args.title.is_some(), "--title"),
        ];
        if let Some((_, flag)) = given.into_iter().find(|(is_given, _)| *is_given) {
            let error = format!("`{flag}` is for VIAS, and the list of another service is read");
            return Err(CommandError::usage(error).with_hint(format!("leave out `{flag}`")));
        }
        let states = StateChoice::of_service(&args.state, service)?;
        Ok(Self { states, name: args.name.clone(), filter: ListFilter::default() })
    }

    /// Returns what the service is asked for.
    pub(crate) fn filter(&self) -> ListFilter {
        self.filter.clone()
    }

    /// Returns whether a task of the list is one that is asked for.
    pub(crate) fn takes(&self, task: &ListedTask) -> bool {
        let named = || self.name.as_ref().is_none_or(|name| name.matches(&task.name));
        self.states.takes_task(task) && named()
    }
}

fn in_lower_case(given: &[String]) -> impl Iterator<Item = String> {
    given.iter().map(|state| state.trim().to_lowercase())
}

/// Refuses what is no state. A later version of the service may have more of them, which are unknown here.
fn no_state(state: &str, of_service: impl Iterator<Item = String>) -> CommandError {
    let mut known: Vec<String> = TaskState::ALL.map(|word| word.to_string()).into();
    for state in of_service {
        // A word and a state of the service may have the same name.
        if !known.contains(&state) {
            known.push(state);
        }
    }
    let error = format!("`{}` is not a state", printable(state, 60));
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let what = "`unknown` is any other than these:";
    known_values::refuse(error, state, what, &known)
}

/// Returns the longest literal part of a pattern.
fn longest_part(pattern: &Pattern) -> Option<String> {
    // Brackets match one of several characters, so they are not literal.
    let text = pattern.as_str();
    if text.contains('[') {
        return None;
    }
    let parts = text.split(['*', '?']).filter(|part| !part.is_empty());
    parts.max_by_key(|part| part.chars().count()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(state: &[&str], name: Option<&str>) -> WhichTasksArgs {
        WhichTasksArgs {
            state: state.iter().map(ToString::to_string).collect(),
            name: name.map(|name| Pattern::new(name).unwrap()),
            group: Vec::new(),
            manufacturer: None,
            title: None,
        }
    }

    fn check(state: &[&str], name: Option<&str>, task: (&str, &[(&str, u64)]), expected: bool) {
        let choice = TaskFilter::from_args(&args(state, name)).unwrap();
        let states = StateCounts::from_counters(task.1.iter().copied());
        let listed = ListedTask { name: task.0.into(), states, ..ListedTask::default() };
        assert_eq!(choice.takes(&listed), expected, "{state:?} {name:?} {task:?}");
    }

    #[test]
    fn words_are_for_the_whole_task_and_states_of_the_service_for_a_part() {
        let mixed: (&str, &[(&str, u64)]) = ("gate", &[("running", 1), ("stopped", 1)]);
        check(&[], None, mixed, true);
        check(&["mixed"], None, mixed, true);
        check(&["running"], None, mixed, false);
        check(&["RUNNING", "Mixed"], None, mixed, true);
        let failing: (&str, &[(&str, u64)]) = ("gate", &[("running", 1), ("start_failed", 1)]);
        check(&["start_failed"], None, failing, true);
        check(&["bad"], None, failing, true);
        check(&["abnormal"], None, failing, false);
    }

    #[test]
    fn names_match_as_a_whole() {
        check(&[], Some("gate-*"), ("gate-1", &[]), true);
        check(&[], Some("gate-?"), ("gate-12", &[]), false);
        check(&[], Some("gate"), ("gate-1", &[]), false);
    }

    #[test]
    fn what_the_service_can_narrow_it_is_asked_to() {
        let check = |state: &[&str], name, expected: (Option<&str>, Option<&str>)| {
            let filter = TaskFilter::from_args(&args(state, name)).unwrap().filter();
            assert_eq!((filter.state.as_deref(), filter.name_part.as_deref()), expected);
        };
        check(&["start_failed"], Some("*-gate-?"), (Some("start_failed"), Some("-gate-")));
        check(&["start_failed", "bad"], Some("*"), (None, None));
        check(&["running"], Some("[ab]-gate"), (None, None));
    }

    #[test]
    fn what_can_be_no_state_is_refused() {
        for state in ["run ning", "", "runing", "foo"] {
            assert!(TaskFilter::from_args(&args(&[state], None)).is_err(), "{state}");
        }
    }
}
