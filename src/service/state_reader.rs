//! Reads states out of the answers of a service, and says in the words of its file what they are.
//!
//! Pure. A state that no word stands for is unknown, and never taken for another. What no rule is for
//! and what has no state is told, and asked for again.

use crate::policy::{AnswerMeaning, Judgement};
use crate::service::answer::SeenAnswer;
use crate::service::definition::{Action, Service};
use crate::service::judge::{first_match, judge_reading, source_text, text_at};
use crate::service::pointer::Pointer;
use crate::service::rule::Rule;
use crate::service::state::{
    CursorFrom, EntryState, PageBy, StateGet, StateList, StateReading, is_same_state,
};
use crate::task::{Command, ObservedState, TaskId, Toward};
use serde_json::Value;
use std::time::SystemTime;

/// What the answer to the request for one state says.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadState {
    /// The state, as the service writes it, and what follows from it.
    Seen(Value, ObservedState),
    /// The service does not know the id.
    Gone,
    /// Anything else.
    Other(Box<Judgement>),
}

/// One page of states.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReadPage {
    /// The entries.
    pub entries: Vec<ReadEntry>,
    /// How many entries have no id.
    pub nameless: u64,
    /// How many entries all pages have, if the service says so.
    pub total: Option<u64>,
    /// How the page behind it is found.
    pub next: NextPage,
}

/// One entry of a page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReadEntry {
    /// Its id, which need not be one that can be called.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its states, as the service writes them, with their numbers.
    pub states: Vec<(String, u64)>,
    /// What follows from them, if its id is one that can be called.
    pub seen: Option<ObservedState>,
    /// The whole entry.
    pub whole: Value,
}

/// How the page behind another one is found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NextPage {
    /// By its number; only an empty page or the total says that there is none.
    #[default]
    Numbered,
    /// There is none.
    None,
    /// By this mark; only an empty page or the total says that there is none.
    Behind(String),
    /// By this mark, which says that there is one.
    Mark(String),
    /// By this link.
    Link(String),
}

/// Reads the answer to the request for the state of an id.
pub fn read_state(
    service: &Service,
    (state, get): (&StateReading, &StateGet),
    id: &TaskId,
    answer: &SeenAnswer,
    now: SystemTime,
) -> ReadState {
    let rule = first_match(service, state.rules.iter(), answer);
    let other = |rule: Option<&Rule>, why: String| {
        ReadState::Other(Box::new(judge_reading(service, rule, why, answer, now)))
    };
    if let Some(rule) = rule {
        return match rule.means {
            AnswerMeaning::Gone => ReadState::Gone,
            _ => other(Some(rule), String::new()),
        };
    }
    let found = usable(answer, &[&get.word]).and_then(|json| {
        let value = get.word.find(json).filter(|value| is_plain(value));
        value.ok_or_else(|| format!("the answer has no state at `{}`", get.word.as_str()))
    });
    match found {
        Ok(value) => {
            let states = [value];
            ReadState::Seen(value.clone(), service.observed(state, id.clone(), &states))
        }
        Err(why) => other(None, why),
    }
}

/// Reads the answer to the request for a page.
///
/// # Errors
///
/// What the answer is instead.
pub fn read_page(
    service: &Service,
    (state, list): (&StateReading, &StateList),
    answer: &SeenAnswer,
    now: SystemTime,
) -> Result<ReadPage, Box<Judgement>> {
    let other =
        |rule: Option<&Rule>, why: String| Box::new(judge_reading(service, rule, why, answer, now));
    if let Some(rule) = first_match(service, state.rules.iter(), answer) {
        return Err(other(Some(rule), String::new()));
    }
    let looked_at: Vec<&Pointer> = [&list.each].into_iter().chain(&list.total).collect();
    let json = usable(answer, &looked_at).map_err(|why| other(None, why))?;
    let each = list.each.find(json).and_then(Value::as_array).ok_or_else(|| {
        other(None, format!("the answer has no list at `{}`", list.each.as_str()))
    })?;
    let mut page = ReadPage {
        total: list.total.as_ref().and_then(|at| at.find(json)?.as_u64()),
        ..ReadPage::default()
    };
    for entry in each {
        match text_at(&list.id, entry).filter(|id| !id.is_empty()) {
            Some(id) => page.entries.push(read_entry(service, state, list, id, entry)),
            None => page.nameless += 1,
        }
    }
    page.next = next_page(list, &page, answer);
    Ok(page)
}

fn read_entry(
    service: &Service,
    state: &StateReading,
    list: &StateList,
    id: String,
    entry: &Value,
) -> ReadEntry {
    let counters: Vec<(Value, u64)> = match &list.state {
        EntryState::Word(at) => {
            let value = at.find(entry).filter(|value| is_plain(value));
            value.map(|value| (value.clone(), 1)).into_iter().collect()
        }
        EntryState::Counters(at) => {
            let fields = at.find(entry).and_then(Value::as_object).into_iter().flatten();
            let counted = fields.filter_map(|(name, count)| Some((name, count.as_u64()?)));
            let counted = counted.filter(|&(_, count)| count > 0);
            counted.map(|(name, count)| (name.as_str().into(), count)).collect()
        }
    };
    let values: Vec<&Value> = counters.iter().map(|(value, _)| value).collect();
    let seen = service.id.id(&id).ok().map(|id| service.observed(state, id, &values));
    let states = counters.iter().map(|(value, count)| (plain_text(value), *count)).collect();
    let name = list.name.as_ref().and_then(|at| text_at(at, entry)).unwrap_or_default();
    ReadEntry { id, name, states, seen, whole: entry.clone() }
}

fn next_page(list: &StateList, page: &ReadPage, answer: &SeenAnswer) -> NextPage {
    let Some(paging) = &list.page else { return NextPage::None };
    match &paging.by {
        PageBy::Number { .. } | PageBy::Offset { .. } => NextPage::Numbered,
        PageBy::Cursor { from: CursorFrom::LastId, .. } => match page.entries.last() {
            Some(last) => NextPage::Behind(last.id.clone()),
            None => NextPage::None,
        },
        PageBy::Cursor { from: CursorFrom::Page(at), .. } => {
            let mark = answer.json().and_then(|json| text_at(at, json));
            mark.filter(|mark| !mark.is_empty()).map_or(NextPage::None, NextPage::Mark)
        }
        PageBy::Next { from } => {
            let text = source_text(from, answer);
            let link = text.and_then(|text| {
                if text.trim_start().starts_with('<') { link(&text) } else { Some(text) }
            });
            link.map_or(NextPage::None, NextPage::Link)
        }
    }
}

/// Returns the link of a `Link` header to the next page (RFC 8288).
fn link(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, behind)) = rest.split_once('<') {
        let (target, behind) = behind.split_once('>')?;
        let parameters = behind.split('<').next().unwrap_or_default();
        let is_next = parameters.split([';', ',']).any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            let mut kinds = value.trim().trim_matches('"').split_ascii_whitespace();
            name.trim().eq_ignore_ascii_case("rel")
                && kinds.any(|kind| kind.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target.trim().to_owned());
        }
        rest = behind;
    }
    None
}

/// Returns the JSON of an answer that a state may be read from, or why there is none.
fn usable<'a>(answer: &'a SeenAnswer, looked_at: &[&Pointer]) -> Result<&'a Value, String> {
    if !(200..300).contains(&answer.status) {
        return Err(format!("no rule is for this answer with status {}", answer.status));
    }
    // What else it is, is said in the place of an error.
    let json = answer.json().ok_or("the answer is no JSON")?;
    match looked_at.iter().find_map(|pointer| answer.twice_on_the_way(pointer)) {
        Some(field) => Err(format!("the answer has the field {field} twice")),
        None => Ok(json),
    }
}

fn is_plain(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
}

fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Service {
    /// Returns what follows from the states of a thing, or of its parts.
    fn observed(&self, state: &StateReading, id: TaskId, values: &[&Value]) -> ObservedState {
        let toward =
            |action: &Action| Some((action.command(), self.toward(state, action, values)?));
        let actions: Box<[(Command, Toward)]> = self.actions.iter().filter_map(toward).collect();
        ObservedState::of_actions(id, state.words.state_of_all(values), actions)
    }

    /// Returns how far such states are on the way of an action; nothing if it leads nowhere.
    fn toward(&self, state: &StateReading, action: &Action, values: &[&Value]) -> Option<Toward> {
        let leads_to = action.leads_to.as_deref()?;
        let words = &state.words;
        let is_there = |value: &&Value| {
            words.stands_for(leads_to, value)
                || action.reached.iter().any(|reached| is_same_state(reached, value))
        };
        let opposite = action.opposite.as_deref().and_then(|name| self.action(name));
        let against = opposite.and_then(|opposite| opposite.leads_to.as_deref());
        let is_against = |value: &&Value| {
            !is_there(value)
                && against.is_some_and(|word| {
                    words.stands_for(word, value) || words.is_on_the_way(word, value)
                })
        };
        Some(if values.iter().any(is_against) {
            Toward::Against
        } else if !values.is_empty() && values.iter().all(is_there) {
            Toward::Reached
        } else {
            Toward::Open
        })
    }
}

#[cfg(test)]
#[path = "state_reader_tests.rs"]
mod tests;
