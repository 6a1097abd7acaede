//! The request of a call: a template with the values of one task in it.
//!
//! Each value is escaped for its place, and refused where no escape helps. So a value can change
//! neither the path, the names, nor the shape of what is sent.

use crate::service::body::is_of_kind;
use crate::service::definition::{Action, Method, Service};
use crate::service::state::StateRequest;
use crate::service::template::{Part, Placeholder, Template, ValueKind, ValueSource};
use memchr::{memchr, memchr2, memchr3, memrchr};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What is escaped in a path and a query: all but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The bytes of a path that are made room for at once.
const USUAL_PATH: usize = 128;
/// The longest value of a header, in bytes.
const LONGEST_HEADER: usize = 1 << 10;
/// The longest value in a body, in bytes.
const LONGEST_TEXT: usize = 64 << 10;

/// The request of a call, below the base of its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCall {
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub target: String,
    /// The headers of the file, the one of the body included.
    pub headers: Vec<(String, String)>,
    /// The body; `None` if there is none.
    pub body: Option<String>,
}

/// The values of one task.
pub trait CallValues {
    /// Returns the id of the task.
    fn id(&self) -> &str;

    /// Returns the region, if one is known.
    fn region(&self) -> Option<&str>;

    /// Returns the project, if one is known.
    fn project_id(&self) -> Option<&str>;

    /// Returns the cell of a column; `None` if there is no such column.
    fn cell(&self, column: &str) -> Option<&str>;
}

/// The place of a value in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValuePlace {
    /// The path.
    Path,
    /// A field of the query.
    Query(String),
    /// A header.
    Header(String),
    /// The body.
    Body,
}

/// Why a value cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueFault {
    /// There is no such column, and no default.
    #[error("there is no such column, and the file has no default for it")]
    NoColumn,
    /// The cell is empty, and there is no default.
    #[error("the cell is empty, and the file has no default for it")]
    Empty,
    /// The flag that gives the value is missing.
    #[error("no flag gives it")]
    NoFlag,
    /// It has a line break or a NUL.
    #[error("it has a line break or a NUL, which no place may have")]
    Control,
    /// It has a `/` or `\`, which many servers undo.
    #[error("it has a `/` or `\\`, which no part of a path may have")]
    Slash,
    /// It leaves a segment of the path empty, `.` or `..`.
    #[error("with it a part of the path would be empty, `.` or `..`")]
    Segment,
    /// It has a character that no header may have.
    #[error("a header has visible ASCII alone, with blanks inside")]
    Visible,
    /// It is too long for a header.
    #[error("it is longer than 1 KiB")]
    LongHeader,
    /// It is too long for a body.
    #[error("it is longer than 64 KiB")]
    LongText,
    /// It is not spelt as a number of JSON.
    #[error("it is no number as JSON writes it")]
    Number,
    /// It is neither `true` nor `false`.
    #[error("it is neither `true` nor `false`")]
    Boolean,
}

/// A value that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` cannot stand in {}: {fault}", place_in_words(place))]
pub struct ValueProblem {
    /// Whose value it is.
    pub value: ValueSource,
    /// Where it would stand.
    pub place: ValuePlace,
    /// What is wrong with it.
    pub fault: ValueFault,
}

fn place_in_words(place: &ValuePlace) -> String {
    match place {
        ValuePlace::Path => "the path".into(),
        ValuePlace::Query(name) => format!("the query field `{name}`"),
        ValuePlace::Header(name) => format!("the header `{name}`"),
        ValuePlace::Body => "the body".into(),
    }
}

/// Makes the request of a call.
///
/// # Errors
///
/// The first value that cannot be sent.
pub fn call(
    service: &Service,
    action: &Action,
    values: &dyn CallValues,
) -> Result<ServiceCall, ValueProblem> {
    let filler = Filler { action: &action.name, values };
    let target = filler.target(&action.path, &action.query)?;
    let mut headers = filler.all_headers(&service.headers, &action.headers)?;
    let body = action.body.as_ref().map(|body| filler.body(&body.parts)).transpose()?;
    if body.is_some() {
        headers.push(("Content-Type".into(), action.content_type.clone()));
    }
    Ok(ServiceCall { method: action.method, target, headers, body })
}

/// Makes the request for a state, or for a page of states, with more fields of the query.
///
/// # Errors
///
/// The first value that cannot be sent.
pub fn state_call(
    service: &Service,
    request: &StateRequest,
    more: &[(&str, &str)],
    values: &dyn CallValues,
) -> Result<ServiceCall, ValueProblem> {
    let filler = Filler { action: "", values };
    let mut target = filler.target(&request.path, &request.query)?;
    for (name, value) in more {
        push_field(&mut target, name);
        push_escaped(&mut target, value);
    }
    let headers = filler.all_headers(&service.headers, &request.headers)?;
    Ok(ServiceCall { method: Method::Get, target, headers, body: None })
}

/// Begins one more field of a query.
fn push_field(target: &mut String, name: &str) {
    target.push(if target.contains('?') { '&' } else { '?' });
    push_escaped(target, name);
    target.push('=');
}

/// Adds a text of which only unreserved characters stay as they are.
fn push_escaped(target: &mut String, text: &str) {
    target.extend(utf8_percent_encode(text, ESCAPED));
}

/// Returns whether a text has none of the bytes that are escaped.
fn is_unreserved(text: &str) -> bool {
    let is_kept =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    // Without an early exit, so that the loop is vectorised.
    text.bytes().fold(true, |all, byte| all & is_kept(byte))
}

/// Returns whether no segment with this value can be empty, `.` or `..`, whatever stands around it.
///
/// A letter or digit is none of them. Only the first two could be the end of an escape.
fn is_name(value: &str) -> bool {
    value.bytes().skip(2).any(|byte| byte.is_ascii_alphanumeric())
}

/// Returns the segment of a path in which a place is, or which ends there.
fn segment_at(path: &str, at: usize) -> &str {
    let start = memrchr(b'/', &path.as_bytes()[..at]).map_or(0, |slash| slash + 1);
    let end = memchr(b'/', &path.as_bytes()[at..]).map_or(path.len(), |slash| at + slash);
    &path[start..end]
}

/// Fills templates with the values of one task.
struct Filler<'a> {
    action: &'a str,
    values: &'a dyn CallValues,
}

impl Filler<'_> {
    fn target(
        &self,
        path: &Template,
        query: &[(String, Template)],
    ) -> Result<String, ValueProblem> {
        let mut target = self.path(path)?;
        for (name, field) in query {
            push_field(&mut target, name);
            target.push_str(&self.query(name, field)?);
        }
        Ok(target)
    }

    /// Fills headers; each of a request's own replaces the shared one of that name.
    fn all_headers(
        &self,
        shared: &[(String, Template)],
        own: &[(String, Template)],
    ) -> Result<Vec<(String, String)>, ValueProblem> {
        let is_replaced =
            |name: &str| own.iter().any(|(replacing, _)| replacing.eq_ignore_ascii_case(name));
        let shared = shared.iter().filter(|(name, _)| !is_replaced(name));
        let filled =
            shared.chain(own).map(|(name, value)| Ok((name.clone(), self.header(name, value)?)));
        filled.collect()
    }

    fn path(&self, template: &Template) -> Result<String, ValueProblem> {
        let place = || ValuePlace::Path;
        let mut path = String::with_capacity(USUAL_PATH);
        // Where values stand that could spoil their segments, to look at those once they are whole.
        let mut values = Vec::new();
        for part in &template.parts {
            match part {
                Part::Text(text) => path.push_str(text),
                Part::Value(value) => {
                    let text = self.found(value).map_err(|fault| problem(value, place(), fault))?;
                    if !is_name(text) {
                        values.push((path.len(), value));
                    }
                    // Nearly every text: it has nothing that is refused or escaped.
                    if is_unreserved(text) {
                        path.push_str(text);
                        continue;
                    }
                    let text = self.value(value, place)?;
                    if memchr2(b'/', b'\\', text.as_bytes()).is_some() {
                        return Err(problem(value, place(), ValueFault::Slash));
                    }
                    push_escaped(&mut path, text);
                }
            }
        }
        // A segment without a value was checked when the file was read.
        let spoilt = values.into_iter().find(|&(at, _)| is_no_name(segment_at(&path, at)));
        match spoilt {
            Some((_, value)) => Err(problem(value, place(), ValueFault::Segment)),
            None => Ok(path),
        }
    }

    fn query(&self, name: &str, template: &Template) -> Result<String, ValueProblem> {
        let mut query = String::new();
        for part in &template.parts {
            let text = match part {
                Part::Text(text) => text,
                Part::Value(value) => self.value(value, || ValuePlace::Query(name.into()))?,
            };
            push_escaped(&mut query, text);
        }
        Ok(query)
    }

    fn header(&self, name: &str, template: &Template) -> Result<String, ValueProblem> {
        let place = || ValuePlace::Header(name.into());
        let mut header = String::new();
        for part in &template.parts {
            match part {
                Part::Text(text) => header.push_str(text),
                Part::Value(value) => {
                    let text = self.value(value, place)?;
                    let is_visible = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
                    if !is_visible || text.trim_matches(' ') != text {
                        return Err(problem(value, place(), ValueFault::Visible));
                    }
                    header.push_str(text);
                    if header.len() > LONGEST_HEADER {
                        return Err(problem(value, place(), ValueFault::LongHeader));
                    }
                }
            }
        }
        Ok(header)
    }

    fn body(&self, parts: &[Part]) -> Result<String, ValueProblem> {
        let place = || ValuePlace::Body;
        let mut body = String::new();
        for part in parts {
            let value = match part {
                Part::Text(text) => {
                    body.push_str(text);
                    continue;
                }
                Part::Value(value) => value,
            };
            let text = self.value(value, place)?;
            if text.len() > LONGEST_TEXT {
                return Err(problem(value, place(), ValueFault::LongText));
            }
            match value.kind {
                ValueKind::Text => {
                    let quoted = serde_json::Value::from(text).to_string();
                    body.push_str(&quoted[1..quoted.len() - 1]);
                }
                kind if is_of_kind(text, kind) => body.push_str(text),
                ValueKind::Number => return Err(problem(value, place(), ValueFault::Number)),
                ValueKind::Boolean => return Err(problem(value, place(), ValueFault::Boolean)),
            }
        }
        Ok(body)
    }

    /// Returns a value that has nothing which no place may have.
    fn value<'v>(
        &'v self,
        value: &'v Placeholder,
        place: impl Fn() -> ValuePlace,
    ) -> Result<&'v str, ValueProblem> {
        // Bytes and not characters are searched: it is done twice for each value of each task.
        let found =
            self.found(value).and_then(|text| match memchr3(b'\r', b'\n', 0, text.as_bytes()) {
                Some(_) => Err(ValueFault::Control),
                None => Ok(text),
            });
        found.map_err(|fault| problem(value, place(), fault))
    }

    /// Returns a value as it is.
    fn found<'v>(&'v self, value: &'v Placeholder) -> Result<&'v str, ValueFault> {
        match &value.source {
            ValueSource::Id => Ok(self.values.id()),
            ValueSource::Action => Ok(self.action),
            ValueSource::Region => self.values.region().ok_or(ValueFault::NoFlag),
            ValueSource::ProjectId => self.values.project_id().ok_or(ValueFault::NoFlag),
            ValueSource::Column(name) => match (self.values.cell(name), &value.default) {
                (Some(""), None) => Err(ValueFault::Empty),
                (None, None) => Err(ValueFault::NoColumn),
                (None | Some(""), Some(default)) => Ok(default.as_str()),
                (Some(cell), _) => Ok(cell),
            },
        }
    }
}

fn problem(value: &Placeholder, place: ValuePlace, fault: ValueFault) -> ValueProblem {
    ValueProblem { value: value.source.clone(), place, fault }
}

/// Returns whether a segment is empty, `.` or `..`, with escapes as what they stand for: servers
/// undo them on the way.
fn is_no_name(segment: &str) -> bool {
    let mut plain = percent_decode_str(segment);
    // Read byte by byte: the first one decides about nearly every segment.
    match [plain.next(), plain.next(), plain.next()] {
        [None, ..] | [Some(b'.'), None, _] | [Some(b'.'), Some(b'.'), None] => true,
        [..] => false,
    }
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
