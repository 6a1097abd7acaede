//! How the states of a service's things are read, and which words stand for them.

use crate::service::pointer::Pointer;
use crate::service::rule::{Rule, TextSource};
use crate::service::template::Template;
use crate::task::TaskState;
use serde_json::Value;
use std::time::Duration;

/// How states are read.
#[derive(Debug, Clone)]
pub struct StateReading {
    /// How late what is read may be.
    pub believed_after: Duration,
    /// The requests that read them.
    pub from: StateSource,
    /// What other answers to these requests mean.
    pub rules: Vec<Rule>,
    /// The words for the states.
    pub words: StateWords,
}

/// The requests that read states.
#[derive(Debug, Clone)]
pub enum StateSource {
    /// One for each id.
    Get(StateGet),
    /// One for each page of a list.
    List(Box<StateList>),
}

/// A GET request.
#[derive(Debug, Clone)]
pub struct StateRequest {
    /// Its path.
    pub path: Template,
    /// Its query, in the order of the file.
    pub query: Vec<(String, Template)>,
    /// Its headers.
    pub headers: Vec<(String, Template)>,
}

/// The request for the state of one id.
#[derive(Debug, Clone)]
pub struct StateGet {
    /// The request.
    pub request: StateRequest,
    /// Where the state stands in its answer.
    pub word: Pointer,
}

/// The requests for a list.
#[derive(Debug, Clone)]
pub struct StateList {
    /// The request for a page.
    pub request: StateRequest,
    /// Where the entries stand.
    pub each: Pointer,
    /// Where the id stands in an entry.
    pub id: Pointer,
    /// Where the state stands in an entry.
    pub state: EntryState,
    /// Where the name stands in an entry.
    pub name: Option<Pointer>,
    /// Where the number of all entries stands in a page.
    pub total: Option<Pointer>,
    /// How the next page is asked for.
    pub page: Option<Paging>,
}

/// Where the state of an entry stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryState {
    /// One state.
    Word(Pointer),
    /// An object of states with their numbers.
    Counters(Pointer),
}

/// How the next page of a list is asked for.
#[derive(Debug, Clone)]
pub struct Paging {
    /// What tells one page from another.
    pub by: PageBy,
    /// The query field that says how many entries a page has.
    pub size_param: Option<String>,
    /// How many entries a page has.
    pub size: Option<u32>,
}

/// What tells one page from another.
#[derive(Debug, Clone)]
pub enum PageBy {
    /// A number.
    Number {
        /// Its query field.
        param: String,
        /// The number of the first page.
        first: u32,
        /// The last number that is asked for.
        last: u32,
    },
    /// The number of entries before it.
    Offset {
        /// Its query field.
        param: String,
    },
    /// A mark of the page before.
    Cursor {
        /// Its query field.
        param: String,
        /// Where the mark stands.
        from: CursorFrom,
    },
    /// A link in the page before.
    Next {
        /// Where the link stands.
        from: TextSource,
    },
}

/// Where the mark of the next page stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CursorFrom {
    /// In the page.
    Page(Pointer),
    /// It is the id of the last entry.
    LastId,
}

/// The words for the states of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateWords {
    /// Each word with the states that it stands for, in the order of the file.
    pub words: Vec<(String, Vec<Value>)>,
    /// The states on the way to a word.
    pub ways: Vec<(String, Vec<Value>)>,
}

impl StateWords {
    /// Returns whether a word is one of these.
    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|(known, _)| known == word)
    }

    /// Returns every state that the file names, as it writes them.
    pub fn states(&self) -> impl Iterator<Item = String> {
        let named = self.words.iter().chain(&self.ways).flat_map(|(_, states)| states);
        named.map(|state| state.as_str().map_or_else(|| state.to_string(), str::to_owned))
    }

    /// Returns whether a word stands for a state of the service.
    pub(super) fn stands_for(&self, word: &str, state: &Value) -> bool {
        is_among(&self.words, word, state)
    }

    /// Returns whether a state of the service is on the way to a word.
    pub(super) fn is_on_the_way(&self, word: &str, state: &Value) -> bool {
        is_among(&self.ways, word, state)
    }

    /// Returns the one word for all states of a thing: trouble comes before movement, movement before
    /// what is unknown, and that before rest.
    pub(super) fn state_of_all(&self, states: &[&Value]) -> TaskState {
        let words: Vec<TaskState> = states.iter().map(|state| self.state_of(state)).collect();
        for first in [TaskState::Bad, TaskState::Changing, TaskState::Unknown] {
            if words.contains(&first) {
                return first;
            }
        }
        match words.split_first() {
            None => TaskState::Unknown,
            Some((first, rest)) if rest.iter().all(|word| word == first) => *first,
            Some(_) => TaskState::Mixed,
        }
    }

    fn state_of(&self, state: &Value) -> TaskState {
        let has = |(_, states): &&(String, Vec<Value>)| {
            states.iter().any(|known| is_same_state(known, state))
        };
        match self.words.iter().find(has) {
            Some((word, _)) => TaskState::of_word(word).unwrap_or(TaskState::Unknown),
            None if self.ways.iter().any(|way| has(&way)) => TaskState::Changing,
            None => TaskState::Unknown,
        }
    }
}

fn is_among(words: &[(String, Vec<Value>)], word: &str, state: &Value) -> bool {
    let of_word = words.iter().filter(|(known, _)| known == word);
    of_word.flat_map(|(_, states)| states).any(|known| is_same_state(known, state))
}

/// Returns whether two states of a service are the same: texts whatever their case.
pub fn is_same_state(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => one.to_lowercase() == other.to_lowercase(),
        (one, other) => one == other,
    }
}
