//! Judges an answer by the rules of a service: the first that matches counts, and what matches none
//! is in doubt.
//!
//! Pure. What follows from a judgement is the policy's to say.

use crate::policy::{ActionResult, AnswerMeaning, Judgement, ServiceError, retry_after};
use crate::service::answer::{SeenAnswer, SeenBody};
use crate::service::definition::{Action, GONE, Service};
use crate::service::pointer::Pointer;
use crate::service::rule::{ErrorAt, Rule, TextSource, WaitSource};
use crate::service::unread::in_place_of_error;
use crate::text::unread;
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// Judges the answer to an action for an id.
pub fn judge(
    service: &Service,
    action: &Action,
    answer: &SeenAnswer,
    now: SystemTime,
) -> Judgement {
    let (own, error_list) = texts(&service.errors, answer);
    let has_own_error = own.is_some();
    let error = own.unwrap_or_default();
    let rule = matching(service.rules_of(action), &error, answer);
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
    let wait = rule.and_then(|rule| wait(rule, &error.message, answer, now));
    let is_good = rule.is_some_and(|rule| rule.means.is_good());
    let is_told = has_own_error || rule.is_some_and(|rule| is_plain(rule, answer));
    let twice = || field_given_twice(service, action, rule, answer);
    let twice = if is_good || !is_told { twice() } else { None };
    let twice = twice.map(|name| answer.not_understood(&unread::duplicate_field(name)));
    let error = match &twice {
        _ if is_told => error,
        Some(message) if !answer.is_redirect() => {
            ServiceError { message: message.clone(), ..error }
        }
        Some(_) | None => in_place_of_error(answer),
    };
    Judgement {
        meaning: rule.map(|rule| rule.means),
        rule: rule.map(|rule| rule.line),
        request_id: service.request_id.iter().find_map(|from| source_text(from, answer)),
        leads_to_gone: action.leads_to.as_deref() == Some(GONE),
        wait,
        distrust: twice.filter(|_| is_good),
        result,
        error: advised(error, rule, answer, has_own_error),
        has_own_error,
    }
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
    let (own, _) = texts(&service.errors, answer);
    let has_own_error = own.is_some();
    let error = own.unwrap_or_default();
    let wait = rule.and_then(|rule| wait(rule, &error.message, answer, now));
    let error = match has_own_error {
        true => error,
        // What JSON lacks is known where it was looked for.
        false if (200..300).contains(&answer.status) && answer.json().is_some() => {
            ServiceError { message: why, ..ServiceError::default() }
        }
        false => in_place_of_error(answer),
    };
    Judgement {
        meaning: rule.map(|rule| rule.means),
        rule: rule.map(|rule| rule.line),
        request_id: service.request_id.iter().find_map(|from| source_text(from, answer)),
        wait,
        error: advised(error, rule, answer, has_own_error),
        has_own_error,
        ..Judgement::default()
    }
}

/// Returns whether an answer is good by a rule, and no more need be said of its body.
fn is_plain(rule: &Rule, answer: &SeenAnswer) -> bool {
    let has_object = answer.json().is_some_and(Value::is_object);
    rule.means.is_good() && (has_object || rule.means != AnswerMeaning::Counted)
}

/// Returns an error with what helps, where the answer itself does not say so.
fn advised(
    error: ServiceError,
    rule: Option<&Rule>,
    answer: &SeenAnswer,
    is_own: bool,
) -> ServiceError {
    if !error.advice.trim().is_empty() {
        return error;
    }
    let of_rule = rule.and_then(|rule| rule.advice.clone());
    let advice = of_rule.or_else(|| answer.advice.clone().filter(|_| is_own));
    ServiceError { advice: advice.unwrap_or(error.advice), ..error }
}

/// Returns the first rule that matches an answer.
pub fn first_match<'r>(
    service: &Service,
    rules: impl Iterator<Item = &'r Rule>,
    answer: &SeenAnswer,
) -> Option<&'r Rule> {
    matching(rules, &texts(&service.errors, answer).0.unwrap_or_default(), answer)
}

fn matching<'r>(
    rules: impl Iterator<Item = &'r Rule>,
    error: &ServiceError,
    answer: &SeenAnswer,
) -> Option<&'r Rule> {
    let mut rules = rules.filter(|rule| rule.has_status(answer.status));
    rules.find(|rule| matches(rule, error, answer))
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

/// Returns a field that stands twice in an answer, and that decides about it.
fn field_given_twice<'a>(
    service: &Service,
    action: &Action,
    rule: Option<&Rule>,
    answer: &'a SeenAnswer,
) -> Option<&'a str> {
    if answer.has_each_field_once() {
        return None;
    }
    // What is done without counts does not follow from them.
    let has_counts = |rule: &Rule| rule.means == AnswerMeaning::Counted || !rule.means.is_good();
    let counts = service.counts.iter().filter(|_| rule.is_none_or(has_counts));
    let counts = counts.flat_map(|at| [&at.total, &at.failed, &at.succeeded]).flatten();
    let tested = rule.into_iter().flat_map(|rule| rule.json.iter().map(|(pointer, _)| pointer));
    let mut looked_at = counts.chain(tested).chain(&action.answer_id).chain(&service.errors.code);
    let place = looked_at.find_map(|pointer| answer.twice_on_the_way(pointer))?;
    // A field of the outermost object is called by its name.
    let name = place.strip_prefix('/').filter(|name| !name.contains(['/', '~']));
    Some(name.unwrap_or(place))
}

/// Reads the wait that an answer asks for; nonsense counts as absent.
fn wait(rule: &Rule, message: &str, answer: &SeenAnswer, now: SystemTime) -> Option<Duration> {
    let date = answer.header("Date");
    let span = |text: &str| retry_after(text, date, now);
    rule.wait.iter().find_map(|source| match source {
        // A proxy may add a second header; the longest wait satisfies both.
        WaitSource::Header(name) => answer.headers_of(name).filter_map(span).max(),
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

/// Reads the texts of an error, if there is one, and the list of errors.
fn texts(at: &ErrorAt, answer: &SeenAnswer) -> (Option<ServiceError>, Vec<String>) {
    let Some(json) = answer.json() else { return (None, Vec::new()) };
    let below = if at.may_be_in(json) { place_of_error(at, json) } else { None };
    let Some(below) = below else { return (None, list(&at.list, json)) };
    let error = ServiceError {
        code: first_text(&at.code, below),
        message: said(&at.message, below),
        detail: said(&at.detail, below),
        params: list(&at.params, below),
        reason: said(&at.reason, below),
        advice: said(&at.advice, below),
        request_id: String::new(),
    };
    (Some(error), list(&at.list, below))
}

/// Finds the first place with a code or a message.
fn place_of_error<'v>(at: &ErrorAt, json: &'v Value) -> Option<&'v Value> {
    let has_error = |below: &&Value| {
        !first_text(&at.code, below).is_empty() || !first_text(&at.message, below).is_empty()
    };
    let mut places = at.within.iter().flat_map(|within| {
        let found = within.at.find(json);
        let fields = found.filter(|_| within.any_field).and_then(Value::as_object);
        let fields = fields.into_iter().flat_map(|fields| fields.values());
        let fields = fields.filter(|field| field.is_object());
        found.filter(|_| !within.any_field).into_iter().chain(fields)
    });
    places.find(has_error)
}

/// Reads the first text at some places that says something.
fn first_text(places: &[Pointer], below: &Value) -> String {
    let mut texts = places.iter().filter_map(|place| text_at(place, below));
    texts.find(|text| !text.is_empty()).unwrap_or_default()
}

/// Reads the first text at some places; if there is none, the first value that says something.
fn said(places: &[Pointer], below: &Value) -> String {
    let text = places.iter().find_map(|at| text_at(at, below).filter(|text| !text.is_empty()));
    // A text in several languages is an object.
    let value = || {
        let mut found = places.iter().filter_map(|place| place.find(below));
        found.find(|value| value.is_array() || value.is_object()).map(Value::to_string)
    };
    text.or_else(value).unwrap_or_default()
}

/// Reads the first list at some places: what is no text is kept as JSON, and a lone value is a list.
fn list(places: &[Pointer], below: &Value) -> Vec<String> {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut found = places.iter().filter_map(|place| place.find(below));
    match found.find(|value| !value.is_null()) {
        Some(Value::Array(values)) => values.iter().map(plain).collect(),
        Some(value) => vec![plain(value)],
        None => Vec::new(),
    }
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
