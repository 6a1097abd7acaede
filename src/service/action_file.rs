//! Reads `[action.NAME]`: one thing that a service can do with an id.

use crate::service::body::BodyTemplate;
use crate::service::definition::{Action, Method};
use crate::service::problem::Problems;
use crate::service::request_file;
use crate::service::rule_file::{RulesOf, plain_value, pointer, rules};
use crate::service::section::{Section, section_of, whole_number};
use crate::service::template::ValueSource;
use crate::task::Command;

/// The most actions of a service.
const MOST_ACTIONS: usize = 32;

/// An action with the places that later checks need.
#[derive(Debug)]
pub(super) struct PlacedAction {
    pub(super) action: Action,
    pub(super) at: usize,
    pub(super) leads_to_at: usize,
    pub(super) opposite_at: usize,
    pub(super) reached_at: usize,
}

/// Reads all actions.
///
/// Returns the names of all of them as well, also of those that cannot be read.
pub(super) fn actions(
    table: &mut Section<'_>,
    problems: &mut Problems<'_>,
) -> (Vec<PlacedAction>, Vec<String>) {
    let Some(section) = table.section("action", problems) else {
        let hint = "write `[action.on]` with its `method` and `path`";
        problems.add_with_hint(table.at, "there is no action", hint);
        return (Vec::new(), Vec::new());
    };
    let entries = section.into_entries();
    let names = entries.iter().map(|entry| entry.key.clone()).collect();
    if let Some(beyond) = entries.get(MOST_ACTIONS) {
        problems.add(beyond.key_at, format!("a service has at most {MOST_ACTIONS} actions"));
    }
    let mut found = Vec::new();
    for entry in entries {
        // Not interned here: the names of a file that is only checked are not kept.
        if !Command::is_name(&entry.key) {
            let hint = "a name has up to 32 of a-z, 0-9, `_` and `-`, and begins with a letter";
            problems.add_with_hint(
                entry.key_at,
                format!("`{}` is no name of an action", entry.key),
                hint,
            );
        }
        let what = format!("`action.{}`", entry.key);
        if let Some(section) = section_of(entry.value, entry.key_at, &what, problems) {
            found.extend(action(entry.key, section, problems));
        }
    }
    (found, names)
}

fn action(
    name: String,
    mut table: Section<'_>,
    problems: &mut Problems<'_>,
) -> Option<PlacedAction> {
    let at = table.at;
    reserve(&mut table, problems);
    let method = method(&mut table, problems);
    let path = request_file::path(&mut table, problems);
    let query = request_file::query(&mut table, problems);
    let headers = request_file::headers(&mut table, problems);
    let (has_body, body) = body(&mut table, problems);
    let content_type = content_type(&mut table, has_body, problems);
    let repeatable = table.switch("repeatable", problems).map(|(value, _)| value);
    let leads_to = table.text("leads_to", problems);
    let reached_at = table.at;
    let reached = table.list("reached", problems).unwrap_or_default();
    let reached_at = reached.first().map_or(reached_at, |(_, at)| *at);
    let reached = reached.into_iter().filter_map(|(value, at)| plain_value(&value, at, problems));
    let reached = reached.collect();
    let opposite = table.text("opposite", problems);
    let answer_id = table.text("answer_id", problems);
    let answer_id = answer_id.and_then(|text| pointer(&text, problems));
    let rules = rules(RulesOf::Actions, &mut table, problems);
    table.finish(problems);
    let (method, path) = (method?, path?);
    let (leads_to_at, opposite_at) = (
        leads_to.as_ref().map_or(at, |text| text.at),
        opposite.as_ref().map_or(at, |text| text.at),
    );
    let action = Action {
        name,
        method,
        path,
        query,
        headers,
        body,
        content_type,
        repeatable: repeatable.unwrap_or(method.is_idempotent()),
        leads_to: leads_to.map(|text| text.value),
        reached,
        opposite: opposite.map(|text| text.value),
        answer_id,
        rules,
    };
    // A body that could not be read may have been the place of the id.
    if !has_id(&action) && (action.body.is_some() || !has_body) {
        let hint = "without `{id}` all tasks would be the same call";
        problems.add_with_hint(
            at,
            format!("`{}` has `{{id}}` in neither path, query nor body", action.name),
            hint,
        );
    }
    Some(PlacedAction { action, at, leads_to_at, opposite_at, reached_at })
}

/// Refuses keys of later versions. A value of 1 says what this version does anyway.
pub(super) fn reserve(table: &mut Section<'_>, problems: &mut Problems<'_>) {
    if let Some(entry) = table.take("ids_per_call")
        && whole_number(&entry.value) != Some(1)
    {
        problems.add(
            entry.key_at,
            "ids_per_call is for many ids in one call, which this version does not know: one id \
             per call",
        );
    }
    for (key, why) in [
        ("job", "jobs that are polled, which this version does not know"),
        ("form", "bodies that are no JSON, which this version does not know"),
        ("include", "parts of other files, which this version does not know"),
        ("vars", "values of the file's own, which this version does not know"),
    ] {
        table.reserve(key, why, problems);
    }
}

fn method(table: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<Method> {
    let text = table.required("method", problems)?;
    let found = Method::ALL.into_iter().find(|method| method.as_str() == text.value);
    if found.is_none() {
        let hint = "an action changes something; states are read by `[state]`";
        match text.value.to_ascii_uppercase().as_str() {
            "GET" | "HEAD" | "OPTIONS" => {
                problems.add_with_hint(text.at, "an action cannot only read", hint);
            }
            _ => problems.add(text.at, "`method` is `PUT`, `POST`, `PATCH` or `DELETE`"),
        }
    }
    found
}

/// Reads the body: whether there is one, and what it is if it is sound.
fn body(table: &mut Section<'_>, problems: &mut Problems<'_>) -> (bool, Option<BodyTemplate>) {
    let before = problems.len();
    let body = request_file::body(table, problems);
    (body.is_some() || problems.len() > before, body)
}

fn content_type(table: &mut Section<'_>, has_body: bool, problems: &mut Problems<'_>) -> String {
    let default = || "application/json".to_owned();
    let Some(text) = table.text("content_type", problems) else { return default() };
    let essence = text.value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json =
        essence.contains('/') && (essence.ends_with("/json") || essence.ends_with("+json"));
    let is_visible = text.value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !is_json || !is_visible {
        problems.add(text.at, "`content_type` ends in `/json` or `+json`, because bodies are JSON");
        return default();
    }
    if !has_body {
        problems.add(text.at, "`content_type` has no effect without `body`");
    }
    text.value
}

/// Returns whether the id stands in the path, the query or the body of a call.
fn has_id(action: &Action) -> bool {
    let in_body = action.body.as_ref().is_some_and(|body| {
        let mut places = body.placeholders();
        places.any(|value| value.source == ValueSource::Id)
    });
    in_body || action.path.has_id() || action.query.iter().any(|(_, field)| field.has_id())
}
