//! Reads `[state]`: the requests that read states, and the words for them.

use crate::service::pointer::Pointer;
use crate::service::problem::Problems;
use crate::service::request_file;
use crate::service::rule_file::{RulesOf, plain_value, pointer, rules, text_source};
use crate::service::section::{Entry, Section, Text, list_of};
use crate::service::state::{
    CursorFrom, EntryState, PageBy, Paging, StateGet, StateList, StateReading, StateRequest,
    StateSource, StateWords, is_same_state,
};
use crate::service::template::{Template, ValueSource};
use serde_json::Value;
use std::time::Duration;

/// How late what is read may be, unless the file says so.
const BELIEVED_AFTER: Duration = Duration::from_secs(3);
/// What `believed_after` may be at most.
const LONGEST_DELAY: Duration = Duration::from_secs(3_600);
/// The last page that is asked for, unless the file says so.
const LAST_PAGE: i64 = 10_000;
/// Words that no file may give a meaning, because they have one already.
const OWN_WORDS: [&str; 3] = ["unknown", "mixed", "gone"];

/// Reads the table.
pub(super) fn state(mut table: Section<'_>, problems: &mut Problems<'_>) -> Option<StateReading> {
    table.reserve("batch", "many ids in one call, which this version does not know", problems);
    let believed_after = table.text("believed_after", problems);
    let believed_after = believed_after.and_then(|text| span(&text, problems));
    let (get, list) = (table.section("get", problems), table.section("list", problems));
    let from = match (get, list) {
        (Some(get), None) => self::get(get, problems).map(StateSource::Get),
        (None, Some(list)) => self::list(list, problems).map(|list| StateSource::List(list.into())),
        (Some(_), Some(list)) => {
            problems.add(list.at, "`get` and `list` are given: states are read in one way");
            None
        }
        (None, None) => {
            let hint = "a GET for each id is `get`, a list of all is `list`";
            problems.add_with_hint(table.at, "neither `get` nor `list` is given", hint);
            None
        }
    };
    let rules = rules(RulesOf::States, &mut table, problems);
    let words = match table.section("words", problems) {
        Some(section) => Some(words(section, problems)),
        None => {
            let hint = "write `words = { running = [\"ON\"], stopped = [\"OFF\"] }`";
            problems.add_with_hint(table.at, "`words` is missing", hint);
            None
        }
    };
    table.finish(problems);
    let believed_after = believed_after.unwrap_or(BELIEVED_AFTER);
    Some(StateReading { believed_after, from: from?, rules, words: words? })
}

/// Reads a span such as `3s` or `500ms`.
fn span(text: &Text, problems: &mut Problems<'_>) -> Option<Duration> {
    let units: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let digits = text.value.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let unit = &text.value[digits.len()..];
    let unit = units.iter().find(|(name, _)| *name == unit).map(|(_, millis)| *millis);
    let count: Option<u64> = digits.parse().ok();
    let millis = unit.zip(count).and_then(|(unit, count)| unit.checked_mul(count));
    let span = millis.map(Duration::from_millis).filter(|&span| span <= LONGEST_DELAY);
    if span.is_none() {
        problems.add(text.at, "this is no span up to `1h`, such as `3s` or `500ms`");
    }
    span
}

fn get(mut table: Section<'_>, problems: &mut Problems<'_>) -> Option<StateGet> {
    let at = table.at;
    let request = request(&mut table, problems);
    let word = table.required("word", problems).and_then(|text| pointer(&text, problems));
    table.finish(problems);
    let request = request?;
    let has_id =
        request.path.has_id() || request.query.iter().any(|(_, template)| template.has_id());
    if !has_id {
        problems.add(at, "the request for a state has `{id}` neither in its path nor in its query");
    }
    Some(StateGet { request, word: word? })
}

fn list(mut table: Section<'_>, problems: &mut Problems<'_>) -> Option<StateList> {
    let at = table.at;
    let request = request(&mut table, problems);
    if let Some(request) = &request {
        check_without_task(request, at, problems);
    }
    let each = table.required("each", problems).and_then(|text| pointer(&text, problems));
    let id = table.required("id", problems).and_then(|text| pointer(&text, problems));
    let mut place = |key| optional(key, &mut table, problems);
    let (word, counters) = (place("word"), place("counters"));
    let (name, total) = (place("name"), place("total"));
    let state = match (word, counters) {
        (Some(word), None) => Some(EntryState::Word(word)),
        (None, Some(counters)) => Some(EntryState::Counters(counters)),
        (Some(_), Some(_)) => {
            problems.add(at, "`word` and `counters` are given: a state stands in one place");
            None
        }
        (None, None) => {
            problems.add(at, "neither `word` nor `counters` is given");
            None
        }
    };
    let page = table.section("page", problems).and_then(|page| paging(page, problems));
    table.finish(problems);
    let (request, each, id) = (request?, each?, id?);
    Some(StateList { request, each, id, state: state?, name, total, page })
}

fn optional(
    key: &'static str,
    table: &mut Section<'_>,
    problems: &mut Problems<'_>,
) -> Option<Pointer> {
    table.text(key, problems).and_then(|text| pointer(&text, problems))
}

fn request(table: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<StateRequest> {
    let path = request_file::path(table, problems);
    let query = request_file::query(table, problems);
    let headers = request_file::headers(table, problems);
    Some(StateRequest { path: path?, query, headers })
}

/// Refuses what only a task has in a request that is for all of them.
pub(super) fn is_of_task(template: &Template) -> bool {
    template.placeholders().any(|value| {
        matches!(value.source, ValueSource::Id | ValueSource::Action | ValueSource::Column(_))
    })
}

fn check_without_task(request: &StateRequest, at: usize, problems: &mut Problems<'_>) {
    let fields = request.query.iter().chain(&request.headers).map(|(_, template)| template);
    if fields.chain([&request.path]).any(is_of_task) {
        let hint = "`{region}` and `{project_id}` may stand there";
        problems.add_with_hint(at, "the request for a list has a place for one task", hint);
    }
}

fn paging(mut table: Section<'_>, problems: &mut Problems<'_>) -> Option<Paging> {
    let Some(by) = table.required("by", problems) else {
        // Which of the others belong there is not known; what is none of them is told.
        for key in ["param", "first", "last", "from", "size_param", "size"] {
            table.take(key);
        }
        table.finish(problems);
        return None;
    };
    let found = match by.value.as_str() {
        "number" => {
            let param = table.required("param", problems);
            let first = table.number("first", 0..=LAST_PAGE, problems).unwrap_or(1);
            let last = table.number("last", 1..=1_000_000, problems).unwrap_or(LAST_PAGE);
            let number = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
            param.map(|param| PageBy::Number {
                param: param.value,
                first: number(first),
                last: number(last),
            })
        }
        "offset" => {
            table.required("param", problems).map(|param| PageBy::Offset { param: param.value })
        }
        "cursor" => {
            let param = table.required("param", problems);
            let from = table.required("from", problems);
            let from = from.and_then(|text| match text.value.as_str() {
                "last_id" => Some(CursorFrom::LastId),
                _ => pointer(&text, problems).map(CursorFrom::Page),
            });
            param.zip(from).map(|(param, from)| PageBy::Cursor { param: param.value, from })
        }
        "next" => {
            let from = table.required("from", problems);
            let from = from.and_then(|text| text_source(&text, problems));
            from.map(|from| PageBy::Next { from })
        }
        _ => {
            problems.add(by.at, "`by` is `number`, `offset`, `cursor` or `next`");
            return None;
        }
    };
    let size_param = table.text("size_param", problems).map(|text| text.value);
    let size = table.number("size", 1..=5_000, problems);
    table.finish(problems);
    let size = size.and_then(|size| u32::try_from(size).ok());
    Some(Paging { by: found?, size_param, size })
}

fn words(section: Section<'_>, problems: &mut Problems<'_>) -> StateWords {
    let at = section.at;
    let mut found = StateWords::default();
    let mut seen: Vec<(Value, String)> = Vec::new();
    let mut ways = Vec::new();
    for entry in section.into_entries() {
        let key = Text { value: entry.key.clone(), at: entry.key_at };
        let states = states(entry, &mut seen, problems);
        match key.value.strip_prefix("to_") {
            Some(word) => ways.push((Text { value: word.into(), at: key.at }, states)),
            None => {
                check_word(&key, problems);
                found.words.push((key.value, states));
            }
        }
    }
    if found.words.is_empty() {
        problems.add(at, "`words` has no word for a state");
    }
    for (word, states) in ways {
        if !found.has(&word.value) {
            let message = format!("`to_{0}` leads to no word of this table: `{0}`", word.value);
            problems.add(word.at, message);
        }
        found.ways.push((word.value, states));
    }
    found
}

/// Reads the states of a word, none of which is another word's.
fn states(
    entry: Entry<'_>,
    seen: &mut Vec<(Value, String)>,
    problems: &mut Problems<'_>,
) -> Vec<Value> {
    let what = format!("`{}`", entry.key);
    let mut states = Vec::new();
    for (value, at) in list_of(entry.value, entry.at, &what, problems).unwrap_or_default() {
        let Some(state) = plain_value(&value, at, problems) else { continue };
        if let Some((_, word)) = seen.iter().find(|(known, _)| is_same_state(known, &state)) {
            problems.add(at, format!("the state {state} stands for `{word}` already"));
            continue;
        }
        seen.push((state.clone(), entry.key.clone()));
        states.push(state);
    }
    states
}

fn check_word(word: &Text, problems: &mut Problems<'_>) {
    let name = &word.value;
    if OWN_WORDS.contains(&name.as_str()) {
        problems.add(word.at, format!("the word `{name}` is batchctl's own"));
        return;
    }
    let is_char = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    let fits = name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(is_char);
    if !fits {
        let hint = "a word has up to 32 of a-z, 0-9 and `_`, and begins with a letter";
        problems.add_with_hint(word.at, format!("`{name}` is no word for a state"), hint);
    }
}
