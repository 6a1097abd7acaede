//! Reads the parts of a request: its path, query, headers and body.
//!
//! Scheme, host, port, method and all names are fixed by the file: no value has a place there.

use crate::service::body::BodyTemplate;
use crate::service::problem::Problems;
use crate::service::rule_file::is_token;
use crate::service::section::{Section, Text};
use crate::service::template::{Part, Template, TemplateError, ValueKind};

/// The headers that batchctl sets itself, or that would change what a request is.
const FIXED: [&str; 11] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "cookie",
    "authorization",
];
/// What the names of other such headers begin with.
const FIXED_PREFIXES: [&str; 2] = ["proxy-", "x-sdk-"];

/// Reads `path`, which has to be there.
pub(super) fn path(table: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<Template> {
    let text = table.required("path", problems)?;
    let template = template(&text, problems)?;
    for fault in path_faults(&template) {
        problems.add_with_hint(text.at, fault.0, fault.1);
    }
    Some(template)
}

/// Returns what is wrong with a path, apart from the values.
fn path_faults(path: &Template) -> Vec<(&'static str, &'static str)> {
    // A value is never empty, has no `/` and is no dot segment, so any letter may stand for it.
    let shape: String = path.parts.iter().map(shape_of).collect();
    let mut faults = Vec::new();
    if !shape.starts_with('/') {
        faults.push(("the path does not begin with `/`", "it follows the host of `endpoint`"));
    }
    if shape.contains('?') {
        faults.push(("the path has a `?`", "what is behind it belongs into `query`"));
    }
    if shape.contains('#') {
        faults.push(("the path has a `#`", "a fragment is never sent"));
    }
    if shape.contains("//") {
        faults.push(("the path has an empty segment, `//`", "servers read it in different ways"));
    }
    let is_dots = |segment: &str| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        matches!(plain.as_str(), "." | "..")
    };
    if shape.split('/').any(is_dots) {
        faults.push(("the path has a segment `.` or `..`", "write the path that is meant"));
    }
    if !has_whole_escapes(&shape) {
        faults.push(("a `%` in the path is no escape", "a `%` itself is written `%25`"));
    }
    if shape.contains('\\') || !shape.bytes().all(is_path_byte) {
        faults.push((
            "the path has a character that no path may contain",
            "write it as an escape, such as `%20` for a blank",
        ));
    }
    faults
}

fn shape_of(part: &Part) -> &str {
    match part {
        Part::Text(text) => text,
        Part::Value(_) => "x",
    }
}

fn has_whole_escapes(text: &str) -> bool {
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    text.split('%').skip(1).all(is_escape)
}

/// Returns whether a byte may stand in a path, or is complained about elsewhere.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%?#".contains(&byte)
}

/// Reads `query`, in the order of the file.
pub(super) fn query(
    table: &mut Section<'_>,
    problems: &mut Problems<'_>,
) -> Vec<(String, Template)> {
    let mut fields = Vec::new();
    for (name, text) in table.pairs("query", problems) {
        check_name(&name, problems);
        if name.value.is_empty() {
            problems.add(name.at, "a field of the query has no name");
        }
        if let Some(template) = template(&text, problems) {
            fields.push((name.value, template));
        }
    }
    fields
}

/// Reads `headers`.
pub(super) fn headers(
    table: &mut Section<'_>,
    problems: &mut Problems<'_>,
) -> Vec<(String, Template)> {
    let mut found: Vec<(String, Template)> = Vec::new();
    for (name, text) in table.pairs("headers", problems) {
        check_name(&name, problems);
        check_header(&name, problems);
        if found.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name.value)) {
            problems.add(name.at, format!("the header `{}` is given twice", name.value));
        }
        let Some(template) = template(&text, problems) else { continue };
        let is_visible = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !template.texts().all(is_visible) || text.value.trim_matches(' ') != text.value {
            let hint = "visible ASCII, with blanks inside alone";
            problems.add_with_hint(text.at, "no header may have such a value", hint);
        }
        found.push((name.value, template));
    }
    found
}

fn check_header(name: &Text, problems: &mut Problems<'_>) {
    if !is_token(&name.value) {
        problems.add(name.at, format!("no header has the name `{}`", name.value));
        return;
    }
    let lower = name.value.to_ascii_lowercase();
    let is_fixed = FIXED.contains(&lower.as_str())
        || FIXED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
    if !is_fixed {
        return;
    }
    let hint = match lower.as_str() {
        "authorization" | "proxy-authorization" | "cookie" => {
            "credentials are never in this file: `auth` says how they are sent"
        }
        "content-type" => "`content_type` of the action says what its body is",
        _ => "batchctl sets it itself",
    };
    problems.add_with_hint(name.at, format!("no file may set the header `{}`", name.value), hint);
}

/// Refuses a place in a name: a value must not choose what is sent.
fn check_name(name: &Text, problems: &mut Problems<'_>) {
    if name.value.contains(['{', '}']) {
        let message = format!("the name `{}` has a place in it", name.value);
        problems.add_with_hint(name.at, message, "a value may stand in a value alone");
    }
}

/// Reads `body`.
pub(super) fn body(table: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<BodyTemplate> {
    let text = table.text("body", problems)?;
    match BodyTemplate::parse(&text.value) {
        Ok(body) => Some(body),
        Err(error) => {
            add(text.at, error, problems);
            None
        }
    }
}

/// Reads a template of a place other than a body.
pub(super) fn template(text: &Text, problems: &mut Problems<'_>) -> Option<Template> {
    let template = Template::parse(&text.value).and_then(|template| {
        let typed = template.placeholders().find(|value| value.kind != ValueKind::Text);
        match typed {
            Some(value) => Err(TemplateError::new(format!(
                "`{}` is a number or a boolean, which only a body knows",
                value.source
            ))
            .with_hint("everywhere else a value is text: leave out what is behind the `:`")),
            None => Ok(template),
        }
    });
    match template {
        Ok(template) => Some(template),
        Err(error) => {
            add(text.at, error, problems);
            None
        }
    }
}

fn add(at: usize, error: TemplateError, problems: &mut Problems<'_>) {
    match error.hint {
        Some(hint) => problems.add_with_hint(at, error.message, hint),
        None => problems.add(at, error.message),
    }
}
