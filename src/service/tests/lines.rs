//! Every key of the format, one by one: a value of another type, and another name for it, are told
//! at its place.

use super::examples::{GENERIC, opened, without};
use super::problems;
use std::collections::BTreeSet;

/// Every key that the format has.
const KEYS: [&str; 55] = [
    "about",
    "advice",
    "answer_id",
    "asks_to_wait",
    "auth",
    "believed_after",
    "body",
    "by",
    "code",
    "column",
    "content_type",
    "counters",
    "detail",
    "each",
    "endpoint",
    "example",
    "failed",
    "first",
    "format",
    "from",
    "headers",
    "hosts",
    "id",
    "json",
    "last",
    "leads_to",
    "list",
    "means",
    "message",
    "method",
    "name",
    "opposite",
    "page",
    "param",
    "params",
    "path",
    "pattern",
    "present",
    "query",
    "reached",
    "reason",
    "repeatable",
    "request_id",
    "size",
    "size_param",
    "status",
    "succeeded",
    "text",
    "total",
    "wait",
    "within",
    "word",
    "words",
    "get",
    "answer",
];

/// Names that the writer of a file chooses: fields of a query, and words for states.
const CHOSEN: [&str; 10] =
    ["dry", "reason", "fields", "sort", "on", "off", "to_on", "to_off", "changing", "bad"];

/// A key somewhere in a text, with its value.
struct Found<'t> {
    key: &'t str,
    /// The bytes at which the key and its value begin, and at which the value ends.
    places: [usize; 3],
}

/// Returns where a value ends, at whose beginning a text is.
fn end_of_value(text: &str) -> usize {
    let (mut depth, mut quote) = (0, None);
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '"' | '\'') => quote = Some(character),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') if depth > 0 => depth -= 1,
            (None, '\n' | ',' | '}') if depth == 0 => return text[..at].trim_end().len(),
            (Some(_) | None, _) => {}
        }
    }
    text.len()
}

/// Returns every key of a text that has its value on the same line, however deep it is.
fn keys(text: &str) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(" = ") {
        let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
        if text[line..].starts_with('#') {
            continue;
        }
        let key = text[line..at].rsplit(['{', ',', ' ']).next().unwrap();
        let value = at + " = ".len();
        let end = value + end_of_value(&text[value..]);
        found.push(Found { key: key.trim_matches('"'), places: [at - key.len(), value, end] });
    }
    found
}

/// Returns the place of a byte, as it is told.
fn place(text: &str, at: usize) -> String {
    let before = &text[..at];
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    format!("{}:{}: ", before.matches('\n').count() + 1, before[line..].chars().count() + 1)
}

/// The template with all that may stand in it: states by id, by pages with numbers, by a mark.
fn templates() -> [String; 3] {
    let by_id = opened(GENERIC, &["#:"]);
    let by_list = opened(&without(&by_id, "[state.get]"), &["#|"]);
    let page = by_list.find("page = {").unwrap();
    let (head, rest) = by_list.split_at(page);
    let (_, tail) = rest.split_once('\n').unwrap();
    let by_mark = "page = { by = \"cursor\", param = \"after\", from = \"/next\" }\n";
    let head = head.replace("\nword = \"/power\"", "\ncounters = \"/powers\"");
    let by_mark = format!("{head}{by_mark}{tail}");
    [by_id, by_list, by_mark]
}

#[test]
fn every_key_of_the_format_is_told_at_its_place_if_it_has_another_type_or_name() {
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for text in templates() {
        assert_eq!(problems(&text), Vec::<String>::new());
        for Found { key, places: [at, value, end] } in keys(&text) {
            seen.insert(key.to_owned());
            // No key has a number with a fraction.
            let told = problems(&format!("{}1.5{}", &text[..value], &text[end..]));
            let [here, there] = [at, value].map(|at| place(&text, at));
            if !told.iter().any(|told| told.starts_with(&here) || told.starts_with(&there)) {
                wrong.push(format!("{here}{key} = 1.5: {told:?}"));
            }
            let is_chosen = key.starts_with("X-") || key.starts_with('/') || CHOSEN.contains(&key);
            let end_of_key = at + text[at..].find(" = ").unwrap();
            let told = problems(&format!("{}x{}", &text[..end_of_key], &text[end_of_key..]));
            if !is_chosen && !told.iter().any(|told| told.starts_with(&here)) {
                wrong.push(format!("{here}{key}x: {told:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let tables: Vec<&str> = GENERIC.split(['[', ']', '.']).collect();
    let is_seen = |key: &&str| seen.contains(*key) || tables.contains(key);
    let missing: Vec<&str> = KEYS.into_iter().filter(|key| !is_seen(key)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}
