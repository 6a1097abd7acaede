//! Reads `[[answer]]`: rules, with all that is wrong with them.

use crate::policy::AnswerMeaning;
use crate::service::pointer::Pointer;
use crate::service::problem::Problems;
use crate::service::rule::{
    BodyKind, CodePattern, Example, JsonTest, Rule, TextSource, WaitSource,
};
use crate::service::section::{
    Section, Text, list_of, nearest, reserved, section_of, whole_number,
};
use regex::{Regex, RegexBuilder};
use serde_json::Value;
use std::ops::RangeInclusive;
use toml::de::DeValue;

/// The statuses that a rule may be for.
const STATUSES: RangeInclusive<u16> = 200..=599;
/// The largest compiled expression, in bytes.
const REGEX_BYTES: usize = 1 << 20;

/// What rules a table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RulesOf {
    /// Answers to actions.
    Actions,
    /// Other answers to the requests that read states.
    States,
}

/// Reads the rules of a table.
pub(super) fn rules(
    of: RulesOf,
    table: &mut Section<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Rule> {
    let sections = table.sections("answer", problems);
    sections.into_iter().filter_map(|section| rule(of, section, problems)).collect()
}

fn rule(of: RulesOf, mut table: Section<'_>, problems: &mut Problems<'_>) -> Option<Rule> {
    let at = table.at;
    table.reserve("each", MANY_IN_AN_ANSWER, problems);
    table.reserve("id", MANY_IN_AN_ANSWER, problems);
    let status = statuses(&mut table, problems);
    let code = table.texts("code", problems).unwrap_or_default();
    let code = code.into_iter().map(|text| CodePattern(text.value)).collect();
    let json = tests(&mut table, problems);
    let text = table.text("text", problems).and_then(|text| regex(&text, problems));
    let body = table.text("body", problems).and_then(|text| body_kind(&text, problems));
    let wait = waits(&mut table, problems);
    let asks_to_wait = table.switch("asks_to_wait", problems);
    if let Some((false, at)) = asks_to_wait {
        let message = "`asks_to_wait` is `true` or left out";
        problems.add_with_hint(at, message, "a rule behind this one is for the others");
    }
    let advice = table.text("advice", problems).map(|text| text.value);
    let meaning = means(of, &mut table, problems);
    let example = table.section("example", problems);
    let example = example.and_then(|table| self::example(table, problems));
    table.finish(problems);
    let means = meaning?;
    let default = if means.is_good() { BodyKind::JsonOrEmpty } else { BodyKind::Any };
    Some(Rule {
        status,
        code,
        json,
        text,
        body: body.unwrap_or(default),
        wait,
        asks_to_wait: asks_to_wait.is_some_and(|(value, _)| value),
        advice,
        means,
        example,
        line: problems.place(at).line,
        at,
    })
}

/// Why keys are reserved that would give an outcome for each id of an answer.
const MANY_IN_AN_ANSWER: &str =
    "an outcome for each id of an answer, which this version does not know: one id per call";

fn statuses(table: &mut Section<'_>, problems: &mut Problems<'_>) -> Vec<RangeInclusive<u16>> {
    let Some(entry) = table.take("status") else {
        problems.add_with_hint(table.at, "`status` is missing", "write `status = \"200..299\"`");
        return Vec::new();
    };
    let values = match entry.value {
        DeValue::Array(_) => list_of(entry.value, entry.at, "`status`", problems),
        value => Some(vec![(value, entry.at)]),
    };
    let mut found = Vec::new();
    for (value, at) in values.unwrap_or_default() {
        match range(&value) {
            Some(range) => found.push(range),
            None => problems.add_with_hint(
                at,
                "a status is a number from 200 to 599, or a range of them",
                "such as `409`, `\"200..299\"` or `[404, \"500..599\"]`",
            ),
        }
    }
    found
}

fn range(value: &DeValue<'_>) -> Option<RangeInclusive<u16>> {
    let is_status = |status: &u16| STATUSES.contains(status);
    if let DeValue::String(text) = value {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let read = |text: &str| text.parse().ok().filter(is_status);
        let (first, last) = (read(first)?, read(last)?);
        return (first <= last).then_some(first..=last);
    }
    let status = u16::try_from(whole_number(value)?).ok().filter(is_status)?;
    Some(status..=status)
}

fn tests(table: &mut Section<'_>, problems: &mut Problems<'_>) -> Vec<(Pointer, JsonTest)> {
    let Some(section) = table.section("json", problems) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in section.into_entries() {
        let key = Text { value: entry.key, at: entry.key_at };
        let place = pointer(&key, problems);
        let test = test(entry.value, entry.at, problems);
        found.extend(place.zip(test));
    }
    found
}

fn test(value: DeValue<'_>, at: usize, problems: &mut Problems<'_>) -> Option<JsonTest> {
    match value {
        DeValue::Array(_) => {
            let values = list_of(value, at, "a test of `json`", problems)?;
            let plain = |(value, at)| plain_value(&value, at, problems);
            Some(JsonTest::OneOf(values.into_iter().filter_map(plain).collect()))
        }
        DeValue::Table(_) => {
            let mut table = section_of(value, at, "a test of `json`", problems)?;
            let present = table.switch("present", problems);
            if present.is_none() {
                problems.add(at, "a test of `json` is a value, a list, or `{ present = true }`");
            }
            table.finish(problems);
            present.map(|(is, _)| if is { JsonTest::Present } else { JsonTest::Absent })
        }
        value => plain_value(&value, at, problems).map(|value| JsonTest::OneOf(vec![value])),
    }
}

/// Returns a text, an integer or a boolean as JSON.
pub(super) fn plain_value(
    value: &DeValue<'_>,
    at: usize,
    problems: &mut Problems<'_>,
) -> Option<Value> {
    let plain = match value {
        DeValue::String(text) => Some(Value::from(text.as_ref())),
        DeValue::Boolean(flag) => Some(Value::from(*flag)),
        DeValue::Integer(_) => whole_number(value).map(Value::from),
        _ => None,
    };
    if plain.is_none() {
        problems.add(at, "the value is no text, integer or boolean");
    }
    plain
}

fn body_kind(text: &Text, problems: &mut Problems<'_>) -> Option<BodyKind> {
    let kind = BodyKind::from_word(&text.value);
    if kind.is_none() {
        problems.add(text.at, "`body` is `json`, `empty`, `json_or_empty` or `any`");
    }
    kind
}

fn waits(table: &mut Section<'_>, problems: &mut Problems<'_>) -> Vec<WaitSource> {
    let Some(texts) = table.texts("wait", problems) else {
        return vec![WaitSource::Header("Retry-After".into())];
    };
    texts.iter().filter_map(|text| wait(text, problems)).collect()
}

fn wait(text: &Text, problems: &mut Problems<'_>) -> Option<WaitSource> {
    if let Some(pattern) = text.value.strip_prefix("text ") {
        let found = regex(&Text { value: pattern.into(), at: text.at }, problems)?;
        if !found.capture_names().any(|name| name == Some("wait")) {
            let hint = "such as `text time: (?<wait>[0-9]+) (?<unit>[a-z]+)`";
            problems.add_with_hint(text.at, "the expression has no group `wait`", hint);
            return None;
        }
        return Some(WaitSource::Text(found));
    }
    match text_source(text, problems)? {
        TextSource::Header(name) => Some(WaitSource::Header(name)),
        TextSource::Json(pointer) => Some(WaitSource::Json(pointer)),
    }
}

/// Reads `header NAME` or `json /POINTER`.
pub(super) fn text_source(text: &Text, problems: &mut Problems<'_>) -> Option<TextSource> {
    let at = text.at;
    match text.value.split_once(' ') {
        Some(("header", name)) if is_token(name) => Some(TextSource::Header(name.into())),
        Some(("header", _)) => {
            problems.add(at, "no header has such a name");
            None
        }
        Some(("json", place)) => {
            pointer(&Text { value: place.into(), at }, problems).map(TextSource::Json)
        }
        _ => {
            let hint = "such as `header X-Request-Id` or `json /request/id`";
            problems.add_with_hint(at, "this is neither a header nor a place in JSON", hint);
            None
        }
    }
}

/// Returns whether a text can be the name of a header (RFC 9110, 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_char)
}

fn means(
    of: RulesOf,
    table: &mut Section<'_>,
    problems: &mut Problems<'_>,
) -> Option<AnswerMeaning> {
    let word = table.required("means", problems)?;
    let allowed: Vec<AnswerMeaning> = match of {
        RulesOf::Actions => AnswerMeaning::ALL.to_vec(),
        RulesOf::States => {
            use AnswerMeaning::{Gone, Refused, Throttled, Transient, Unauthorised};
            vec![Gone, Throttled, Unauthorised, Transient, Refused]
        }
    };
    let found = allowed.iter().copied().find(|means| means.as_str() == word.value);
    if found.is_some() {
        return found;
    }
    let words: Vec<&str> = allowed.iter().map(|means| means.as_str()).collect();
    let list = words.join(", ");
    match word.value.as_str() {
        "?" => problems.add(word.at, format!("say what this answer means: {list}")),
        "accepted" if of == RulesOf::Actions => {
            let why = "a job that is polled, which this version does not know";
            let hint = "write `done`: with `[state]`, `--wait` looks until the task is there";
            problems.add_with_hint(word.at, reserved("`means = \"accepted\"`", why), hint);
        }
        other => {
            let message = format!("`{other}` is no meaning: it is one of {list}");
            match nearest(other, words.into_iter()) {
                Some(near) => {
                    problems.add_with_hint(word.at, message, format!("did you mean `{near}`"));
                }
                None => problems.add(word.at, message),
            }
        }
    }
    None
}

fn example(mut table: Section<'_>, problems: &mut Problems<'_>) -> Option<Example> {
    let has_status = table.take("status");
    let status = has_status.as_ref().and_then(|entry| range(&entry.value));
    let status = status.filter(|range| range.start() == range.end());
    if status.is_none() {
        let at = has_status.map_or(table.at, |entry| entry.at);
        problems.add(at, "the `status` of an example is a number from 200 to 599");
    }
    let body = table.text("body", problems).map(|text| text.value).unwrap_or_default();
    let headers = table.pairs("headers", problems);
    for (name, _) in headers.iter().filter(|(name, _)| !is_token(&name.value)) {
        problems.add(name.at, format!("no header has the name `{}`", name.value));
    }
    table.finish(problems);
    let headers = headers.into_iter().map(|(name, value)| (name.value, value.value)).collect();
    Some(Example { status: *status?.start(), body, headers })
}

/// Reads a place in JSON.
pub(super) fn pointer(text: &Text, problems: &mut Problems<'_>) -> Option<Pointer> {
    match Pointer::new(&text.value) {
        Ok(pointer) => Some(pointer),
        Err(error) => {
            problems.add(text.at, error.to_string());
            None
        }
    }
}

/// Reads one place in JSON or a list of them.
pub(super) fn pointers(
    key: &'static str,
    table: &mut Section<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Pointer> {
    let texts = table.texts(key, problems).unwrap_or_default();
    texts.iter().filter_map(|text| pointer(text, problems)).collect()
}

/// Reads a regular expression, in which time is linear and size limited.
pub(super) fn regex(text: &Text, problems: &mut Problems<'_>) -> Option<Regex> {
    match RegexBuilder::new(&text.value).size_limit(REGEX_BYTES).build() {
        Ok(regex) => Some(regex),
        Err(error) => {
            // The crate draws the place under the expression; its last line says what is wrong.
            let whole = error.to_string();
            let last = whole.lines().last().unwrap_or_default();
            let last = last.trim().trim_start_matches("error: ");
            problems.add(text.at, format!("the regular expression cannot be used: {last}"));
            None
        }
    }
}
