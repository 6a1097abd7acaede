//! Judges an answer by the rules of a service: the first that matches counts, and what matches none
//! is in doubt.
//!
//! Pure. What follows from a judgement is the policy's to say.

use crate::policy::{ActionResult, AnswerMeaning, Judgement, ServiceError, retry_after};
use crate::service::answer::{SeenAnswer, SeenBody};
use crate::service::definition::{Action, GONE, Service};
use crate::service::pointer::Pointer;
use crate::service::rule::{ErrorAt, Rule, TextSource, WaitSource};
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// Judges the answer to an action for an id.
pub fn judge(
    service: &Service,
    action: &Action,
    id: &str,
    answer: &SeenAnswer,
    now: SystemTime,
) -> Judgement {
    let rule = first_match(service, service.rules_of(action), answer);
    let (error, error_list) = texts(&service.errors, answer);
    let count = |pointer: &Option<Pointer>| {
        pointer.as_ref().and_then(|pointer| whole(pointer.find(answer.json()?)?))
    };
    let counts = service.counts.as_ref();
    let result = ActionResult {
        id: action.answer_id.as_ref().and_then(|at| text_at(at, answer.json()?)),
        total: counts.and_then(|at| count(&at.total)),
        failed: counts.and_then(|at| count(&at.failed)),
        succeeded: counts.and_then(|at| count(&at.succeeded)),
        error_list,
    };
    let mut judgement = Judgement {
        meaning: rule.map(|rule| rule.means),
        rule: rule.map(|rule| rule.line),
        request_id: service.request_id.iter().find_map(|from| source_text(from, answer)),
        leads_to_gone: action.leads_to.as_deref() == Some(GONE),
        wait: rule.and_then(|rule| wait(rule, &error.message, answer, now)),
        distrust: None,
        result,
        error,
    };
    if let Some(advice) = rule.and_then(|rule| rule.advice.as_ref()) {
        judgement.error.advice.clone_from(advice);
    }
    if let Some(rule) = rule.filter(|rule| rule.means.is_good()) {
        let other = judgement.result.id.as_deref().filter(|&other| other != id);
        judgement.distrust = field_given_twice(service, action, rule, answer)
            .map(|field| format!("the answer has the field {field} twice"))
            .or_else(|| other.map(|other| format!("the answer is for another id: {other}")));
    }
    judgement
}

/// Judges an answer that should have been a state, or a page of states, by a rule if one matches;
/// `why` says what is wrong with one that no rule is for.
pub(super) fn judge_reading(
    service: &Service,
    rule: Option<&Rule>,
    why: String,
    answer: &SeenAnswer,
    now: SystemTime,
) -> Judgement {
    let (mut error, _) = texts(&service.errors, answer);
    if rule.is_none() && error.message.is_empty() {
        error.message = why;
    }
    if let Some(advice) = rule.and_then(|rule| rule.advice.as_ref()) {
        error.advice.clone_from(advice);
    }
    Judgement {
        meaning: rule.map(|rule| rule.means),
        rule: rule.map(|rule| rule.line),
        request_id: service.request_id.iter().find_map(|from| source_text(from, answer)),
        wait: rule.and_then(|rule| wait(rule, &error.message, answer, now)),
        error,
        ..Judgement::default()
    }
}

/// Returns the first rule that matches an answer.
pub fn first_match<'r>(
    service: &Service,
    rules: impl Iterator<Item = &'r Rule>,
    answer: &SeenAnswer,
) -> Option<&'r Rule> {
    let (error, _) = texts(&service.errors, answer);
    let mut rules = rules.filter(|rule| rule.has_status(answer.status));
    rules.find(|rule| matches(rule, &error, answer))
}

fn matches(rule: &Rule, error: &ServiceError, answer: &SeenAnswer) -> bool {
    // A good meaning needs a body that can be read, whatever else the rule says.
    let is_unusable = matches!(answer.body, SeenBody::Unusable(_));
    let has_body = answer.has_body(rule.body) && !(is_unusable && rule.means.is_good());
    let has_code =
        rule.code.is_empty() || rule.code.iter().any(|pattern| pattern.fits(&error.code));
    let find = |pointer: &Pointer| answer.json().and_then(|json| pointer.find(json));
    let has_json = rule.json.iter().all(|(pointer, test)| test.fits(find(pointer)));
    let has_text = || {
        rule.text.as_ref().is_none_or(|text| match &answer.body {
            SeenBody::Text(body) => text.is_match(body),
            SeenBody::Empty | SeenBody::Json(_) | SeenBody::Unusable(_) => {
                text.is_match(&error.message)
            }
        })
    };
    let asks = || {
        let wait = wait(rule, &error.message, answer, SystemTime::UNIX_EPOCH);
        !rule.asks_to_wait || wait.is_some()
    };
    has_body && has_code && has_json && has_text() && asks()
}

/// Returns a field that stands twice in an answer of a good meaning, and that decides about it.
fn field_given_twice<'a>(
    service: &Service,
    action: &Action,
    rule: &Rule,
    answer: &'a SeenAnswer,
) -> Option<&'a str> {
    let counts = service.counts.iter().filter(|_| rule.means == AnswerMeaning::Counted);
    let counts = counts.flat_map(|at| [&at.total, &at.failed, &at.succeeded]).flatten();
    let tested = rule.json.iter().map(|(pointer, _)| pointer);
    let mut looked_at = counts.chain(tested).chain(&action.answer_id).chain(&service.errors.code);
    looked_at.find_map(|pointer| answer.twice_on_the_way(pointer))
}

/// Reads the wait that an answer asks for; nonsense counts as absent.
fn wait(rule: &Rule, message: &str, answer: &SeenAnswer, now: SystemTime) -> Option<Duration> {
    let date = answer.header("Date");
    let span = |text: &str| retry_after(text, date, now);
    rule.wait.iter().find_map(|source| match source {
        WaitSource::Header(name) => span(answer.header(name)?),
        WaitSource::Json(pointer) => span(&text_at(pointer, answer.json()?)?),
        WaitSource::Text(regex) => {
            let text = match &answer.body {
                SeenBody::Text(body) => body,
                SeenBody::Empty | SeenBody::Json(_) | SeenBody::Unusable(_) => message,
            };
            let found = regex.captures(text)?;
            let count = found.name("wait")?.as_str();
            match found.name("unit") {
                Some(unit) => span_of_unit(count, unit.as_str(), &span),
                None => span(count),
            }
        }
    })
}

fn span_of_unit(
    count: &str,
    unit: &str,
    seconds: &impl Fn(&str) -> Option<Duration>,
) -> Option<Duration> {
    let unit = unit.to_ascii_lowercase();
    if matches!(unit.as_str(), "ms" | "millisecond" | "milliseconds") {
        return Some(Duration::from_millis(count.parse().ok()?));
    }
    let factor = match unit.as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        _ => return None,
    };
    // Again through the reader of seconds, which knows what is too long to be meant.
    let whole = seconds(count)?.as_secs().checked_mul(factor)?;
    seconds(&whole.to_string())
}

/// Reads a whole number, also where it is written with a point or as a text.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let digits = number.to_string();
            let (whole, rest) = digits.split_once('.')?;
            whole.parse().ok().filter(|_| rest.bytes().all(|digit| digit == b'0'))
        }),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Reads the texts of an error, and the list of errors.
fn texts(at: &ErrorAt, answer: &SeenAnswer) -> (ServiceError, Vec<String>) {
    let Some(json) = answer.json() else {
        let message = match &answer.body {
            SeenBody::Text(text) => text.clone(),
            SeenBody::Unusable(why) => why.clone(),
            SeenBody::Empty | SeenBody::Json(_) => String::new(),
        };
        return (ServiceError { message, ..ServiceError::default() }, Vec::new());
    };
    let first = |places: &[Pointer], below: &Value| {
        let mut texts = places.iter().filter_map(|place| text_at(place, below));
        texts.find(|text| !text.is_empty()).unwrap_or_default()
    };
    let has_error = |below: &&Value| {
        !first(&at.code, below).is_empty() || !first(&at.message, below).is_empty()
    };
    let mut places = at.within.iter().flat_map(|within| {
        let found = within.at.find(json);
        let fields = found.filter(|_| within.any_field).and_then(Value::as_object);
        let fields = fields.into_iter().flat_map(|fields| fields.values());
        let fields = fields.filter(|field| field.is_object());
        found.filter(|_| !within.any_field).into_iter().chain(fields)
    });
    let Some(below) = places.find(has_error) else {
        return (ServiceError::default(), list(at, json));
    };
    let error = ServiceError {
        code: first(&at.code, below),
        message: first(&at.message, below),
        detail: first(&at.detail, below),
        params: Vec::new(),
        reason: first(&at.reason, below),
        advice: first(&at.advice, below),
        request_id: String::new(),
    };
    (error, list(at, below))
}

fn list(at: &ErrorAt, below: &Value) -> Vec<String> {
    let mut lists = at.list.iter().filter_map(|place| place.find(below)?.as_array());
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    lists.next().map(|values| values.iter().map(plain).collect()).unwrap_or_default()
}

pub(super) fn source_text(from: &TextSource, answer: &SeenAnswer) -> Option<String> {
    match from {
        TextSource::Header(name) => answer.header(name).map(str::to_owned),
        TextSource::Json(pointer) => text_at(pointer, answer.json()?),
    }
    .filter(|text| !text.is_empty())
}

/// Returns a text, number or boolean as text.
pub(super) fn text_at(pointer: &Pointer, json: &Value) -> Option<String> {
    match pointer.find(json)? {
        Value::String(text) => Some(text.clone()),
        value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
