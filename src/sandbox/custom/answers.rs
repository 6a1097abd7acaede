//! The answers of a set of rules, made once and then found by their meaning.

use crate::sandbox::custom::json_place::{put, put_below};
use crate::sandbox::custom::made_answer::{
    Asking, MadeAnswer, answer_of, in_words, place_of_errors,
};
use crate::service::{Action, AnswerMeaning, Rule, Service, StateReading};
use serde_json::{Map, Value};

/// The answers of the rules of an action, or of those for states.
#[derive(Debug)]
pub(crate) struct Answers(Vec<(AnswerMeaning, MadeAnswer)>);

impl Answers {
    /// Returns the answers to an action.
    pub(crate) fn of_action(service: &Service, action: &Action, asking: Asking) -> Self {
        Self::of_rules(service, &service.rules_of(action).collect::<Vec<_>>(), asking)
    }

    /// Returns the answers to requests for states, apart from the good ones.
    pub(crate) fn of_state(service: &Service, state: &StateReading, asking: Asking) -> Self {
        Self::of_rules(service, &state.rules.iter().collect::<Vec<_>>(), asking)
    }

    fn of_rules(service: &Service, rules: &[&Rule], asking: Asking) -> Self {
        let made = rules
            .iter()
            .filter_map(|rule| Some((rule.means, answer_of(service, rules, rule, asking)?)));
        Self(made.collect())
    }

    /// Returns the first answer of a meaning.
    pub(crate) fn find(&self, means: AnswerMeaning) -> Option<&MadeAnswer> {
        self.0.iter().find(|(found, _)| *found == means).map(|(_, answer)| answer)
    }

    /// Returns the first answer to an action that was carried out, and its meaning.
    pub(crate) fn good(&self) -> Option<(AnswerMeaning, &MadeAnswer)> {
        let is_good = |means| matches!(means, AnswerMeaning::Done | AnswerMeaning::Counted);
        let found = self.0.iter().find(|(means, _)| is_good(*means));
        found.map(|(means, answer)| (*means, answer))
    }

    /// Returns the answers that a call may get by chance when the service fails.
    pub(crate) fn faults(&self) -> Vec<&MadeAnswer> {
        let is_fault = |means| {
            matches!(
                means,
                AnswerMeaning::Refused | AnswerMeaning::Transient | AnswerMeaning::InDoubt
            )
        };
        self.0.iter().filter(|(means, _)| is_fault(*means)).map(|(_, answer)| answer).collect()
    }
}

/// Returns an answer with a status that no rule has to be for, in the service's form of an error.
pub(crate) fn bare(service: &Service, status: u16, message: &str) -> MadeAnswer {
    let mut json = Value::Object(Map::new());
    match service.errors.message.first() {
        Some(at) => put_below(&mut json, &place_of_errors(service), at, message.into()),
        None => put(&mut json, "/message", message.into()),
    };
    MadeAnswer::plain(status, json)
}

/// Returns the answer that stands for a meaning that no rule has.
pub(crate) fn usual(service: &Service, means: AnswerMeaning) -> MadeAnswer {
    let status = match means {
        AnswerMeaning::Done | AnswerMeaning::Counted | AnswerMeaning::Unchanged => {
            return MadeAnswer::plain(200, Value::Object(Map::new()));
        }
        AnswerMeaning::Gone => 404,
        AnswerMeaning::Refused => 400,
        AnswerMeaning::Throttled => 429,
        AnswerMeaning::Unauthorised => 401,
        AnswerMeaning::Transient => 503,
        AnswerMeaning::InDoubt => 500,
    };
    bare(service, status, in_words(means))
}
