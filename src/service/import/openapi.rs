//! Reads an OpenAPI 3 document: operations with their path, fields, bodies and statuses.
//!
//! Only what the chosen operations need is looked at, so a fault elsewhere in the document does not
//! matter. References lead within the document alone.

use crate::service::definition::Method;
use crate::service::import::draft::{
    ActionParts, AnswerParts, Draft, ImportError, Parts, StatusWord, action_name, is_secret,
};
use crate::service::import::schema::{Document, skeleton};
use crate::service::section::nearest;
use serde_json::{Map, Value};
use url::Url;

/// The longest example that is taken, in bytes.
const LONGEST_EXAMPLE: usize = 4 << 10;
/// How deep an example is searched for the names of secrets.
const DEEPEST_EXAMPLE: usize = 64;

/// Makes a draft of operations of a document.
///
/// # Errors
///
/// The document is no OpenAPI 3, has no such operation, or the operation is no action.
pub fn from_openapi(document: &Value, operations: &[String]) -> Result<Draft, ImportError> {
    let document = Document(document);
    let version = document.0.get("openapi").and_then(Value::as_str).unwrap_or_default();
    if !version.starts_with("3.") {
        let hint = "a document of Swagger 2.0 can be converted first";
        return Err(ImportError::new("this is no OpenAPI 3 document").with_hint(hint));
    }
    let mut parts = Parts { auth: "none".into(), ..Parts::default() };
    parts.about = document.0.pointer("/info/title").and_then(Value::as_str).map(str::to_owned);
    parts.endpoint = endpoint(document, &mut parts.notes);
    for wanted in operations {
        let found = find(document, wanted)?;
        set_auth(document, &found, &mut parts);
        let action = action(document, &found, &mut parts.notes)?;
        parts.actions.push(action);
    }
    Ok(parts.draft())
}

/// An operation of a document.
struct Operation<'d> {
    id: &'d str,
    method: &'d str,
    path: &'d str,
    item: &'d Map<String, Value>,
    fields: &'d Map<String, Value>,
}

fn find<'d>(document: Document<'d>, wanted: &str) -> Result<Operation<'d>, ImportError> {
    let paths = document.0.get("paths").and_then(Value::as_object);
    let mut known = Vec::new();
    for (path, item) in paths.into_iter().flatten() {
        let Some(item) = document.followed(item).as_object() else { continue };
        for (method, operation) in item {
            let Some(fields) = operation.as_object() else { continue };
            let Some(id) = fields.get("operationId").and_then(Value::as_str) else { continue };
            if id == wanted {
                return Ok(Operation { id, method, path, item, fields });
            }
            known.push(id);
        }
    }
    let hint = match nearest(wanted, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`"),
        None => format!("it has {}", known.iter().take(20).copied().collect::<Vec<_>>().join(", ")),
    };
    Err(ImportError::new(format!("the document has no operation `{wanted}`")).with_hint(hint))
}

/// Returns the base of all calls.
fn endpoint(document: Document<'_>, notes: &mut Vec<String>) -> String {
    let server = document.0.pointer("/servers/0");
    let url = server.and_then(|server| server.get("url")).and_then(Value::as_str);
    let mut url = url.unwrap_or_default().to_owned();
    let variables = server.and_then(|server| server.get("variables")).and_then(Value::as_object);
    for (name, variable) in variables.into_iter().flatten() {
        let default = variable.get("default").and_then(Value::as_str).unwrap_or_default();
        url = url.replace(&format!("{{{name}}}"), default);
    }
    let url = url.trim_end_matches('/');
    if Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "https" | "http")) {
        return url.to_owned();
    }
    notes.push("the document has no address of a server: write it as `endpoint`".into());
    format!("https://service.example.com{}", if url.starts_with('/') { url } else { "" })
}

/// Sets how credentials are sent, as the first scheme of the operation says.
fn set_auth(document: Document<'_>, operation: &Operation<'_>, parts: &mut Parts) {
    let own = operation.fields.get("security").or_else(|| document.0.get("security"));
    let first = own.and_then(|own| own.get(0)).and_then(Value::as_object);
    let Some(name) = first.and_then(|first| first.keys().next()) else { return };
    let schemes = document.0.pointer("/components/securitySchemes");
    let scheme = schemes.and_then(|schemes| schemes.get(name));
    let scheme = scheme.map_or(&Value::Null, |scheme| document.followed(scheme));
    let text = |key: &str| scheme.get(key).and_then(Value::as_str).unwrap_or_default();
    let lower = text("scheme").to_ascii_lowercase();
    parts.auth = match (text("type"), lower.as_str(), text("in")) {
        ("http", "basic", _) => "basic".into(),
        ("http", "bearer", _) | ("oauth2" | "openIdConnect", ..) => "bearer".into(),
        ("apiKey", _, "header") => format!("header:{}", text("name")),
        (kind, ..) => {
            let note =
                format!("the credentials `{name}` of type `{kind}` cannot be sent: see `auth`");
            parts.notes.push(note);
            return;
        }
    };
}

fn action(
    document: Document<'_>,
    operation: &Operation<'_>,
    notes: &mut Vec<String>,
) -> Result<ActionParts, ImportError> {
    let word = operation.method.to_ascii_uppercase();
    let method = Method::ALL.into_iter().find(|method| method.as_str() == word);
    let method = method.ok_or_else(|| {
        ImportError::new(format!("`{}` is a {word}, and no action", operation.id))
            .with_hint("an action is PUT, POST, PATCH or DELETE")
    })?;
    let path = path(operation)?;
    let (mut query, mut headers) = (Vec::new(), Vec::new());
    for parameter in parameters(document, operation) {
        let text = |key: &str| parameter.get(key).and_then(Value::as_str).unwrap_or_default();
        let (name, place) = (text("name"), text("in"));
        let is_required = parameter.get("required").and_then(Value::as_bool).unwrap_or(false);
        let to = match place {
            "query" => &mut query,
            "header" => &mut headers,
            _ => continue,
        };
        if is_secret(name) || !is_required {
            notes.push(format!("the {place} field `{name}` of `{}` was left out", operation.id));
            continue;
        }
        to.push((name.to_owned(), column(name)));
    }
    let (body, content_type) = body(document, operation)?;
    let answers = answers(document, operation, notes);
    Ok(ActionParts {
        name: action_name(operation.id, method),
        method,
        path,
        query,
        headers,
        body,
        content_type,
        answers,
    })
}

/// Returns a place for the column of a name.
fn column(name: &str) -> String {
    let is_own = matches!(name, "id" | "action" | "region" | "project_id" | "ids");
    let is_plain = !name.contains(['{', '}', '=', ':']) && name.trim() == name;
    match (is_plain, is_own) {
        (true, false) => format!("{{{name}}}"),
        (true, true) => format!("{{column.{name}}}"),
        (false, _) => "{value}".into(),
    }
}

/// Returns the path as a template: its last place is the id, others are columns.
fn path(operation: &Operation<'_>) -> Result<String, ImportError> {
    let places: Vec<&str> = operation.path.split('{').skip(1).collect();
    let names = places.iter().filter_map(|place| place.split_once('}').map(|(name, _)| name));
    let names: Vec<&str> = names.collect();
    let Some(last) = names.last() else {
        return Err(ImportError::new(format!("the path of `{}` has no place", operation.id))
            .with_hint(
                "an action is called for one id; write the file by hand if it is elsewhere",
            ));
    };
    let id = names.iter().find(|name| **name == "id").unwrap_or(last);
    let mut path = String::new();
    let mut rest = operation.path;
    while let Some((before, place)) = rest.split_once('{') {
        path.push_str(before);
        let (name, behind) = place.split_once('}').unwrap_or((place, ""));
        path.push_str(&if name == *id { "{id}".into() } else { column(name) });
        rest = behind;
    }
    Ok(path + rest)
}

/// Returns the parameters of an operation: its own, and those of its path.
fn parameters<'d>(document: Document<'d>, operation: &Operation<'d>) -> Vec<&'d Value> {
    let list = |fields: &'d Map<String, Value>| fields.get("parameters").and_then(Value::as_array);
    let all = list(operation.fields).into_iter().chain(list(operation.item)).flatten();
    let mut found: Vec<&Value> = Vec::new();
    for parameter in all.map(|parameter| document.followed(parameter)) {
        let key = |value: &'d Value| (value.get("name"), value.get("in"));
        // An operation's own parameter replaces that of its path.
        if !found.iter().any(|known| key(known) == key(parameter)) {
            found.push(parameter);
        }
    }
    found
}

fn body(
    document: Document<'_>,
    operation: &Operation<'_>,
) -> Result<(Option<String>, Option<String>), ImportError> {
    let Some(body) = operation.fields.get("requestBody") else { return Ok((None, None)) };
    let body = document.followed(body);
    let kinds = body.get("content").and_then(Value::as_object);
    let Some(kinds) = kinds.filter(|kinds| !kinds.is_empty()) else { return Ok((None, None)) };
    let Some((kind, media)) = kinds.iter().find(|(kind, _)| is_json(kind)) else {
        let message = format!("the body of `{}` is no JSON", operation.id);
        let hint = "this version knows bodies of JSON alone";
        return Err(ImportError::new(message).with_hint(hint));
    };
    let body = skeleton(document, media);
    let kind = Some(kind.clone()).filter(|kind| kind != "application/json");
    Ok((Some(body), kind))
}

fn answers(
    document: Document<'_>,
    operation: &Operation<'_>,
    notes: &mut Vec<String>,
) -> Vec<AnswerParts> {
    let responses = operation.fields.get("responses").and_then(Value::as_object);
    let mut found: Vec<AnswerParts> = Vec::new();
    for (status, response) in responses.into_iter().flatten() {
        let response = document.followed(response);
        let about = response.get("description").and_then(Value::as_str).unwrap_or_default();
        let word = match status.as_bytes() {
            [digit @ b'2'..=b'5', b'X' | b'x', b'X' | b'x'] => {
                Some(StatusWord::Class(u16::from(digit - b'0') * 100))
            }
            _ => status.parse().ok().filter(|s| (200..600).contains(s)).map(StatusWord::One),
        };
        let Some(word) = word else { continue };
        // The example of a class would need a status of its own.
        let example = example(document, response).filter(|_| matches!(word, StatusWord::One(_)));
        let is_kept = example.is_none_or(|example| !has_secret(example, 0));
        if !is_kept {
            notes.push(format!("the example of {status} may hold a secret, and was left out"));
        }
        let example = example.filter(|_| is_kept).map(Value::to_string);
        let example = example.filter(|example| example.len() <= LONGEST_EXAMPLE);
        found.push(AnswerParts { status: word, about: about.into(), example });
    }
    let missing =
        |status| AnswerParts { status, about: "not in the document".into(), example: None };
    // Those that a document seldom names, and nearly every service answers with.
    for usual in [StatusWord::One(401), StatusWord::One(404), StatusWord::One(429)] {
        if !found.iter().any(|known| known.status == usual) {
            found.push(missing(usual));
        }
    }
    if !found.iter().any(|answer| is_good(answer.status)) {
        found.push(missing(StatusWord::Class(200)));
    }
    // Single statuses first: the first rule that matches counts.
    found.sort_by_key(|answer| answer.status);
    found
}

/// Returns a JSON body that a document shows for an answer.
fn example<'d>(document: Document<'d>, response: &'d Value) -> Option<&'d Value> {
    let kinds = response.get("content")?.as_object()?;
    let (_, media) = kinds.iter().find(|(kind, _)| is_json(kind))?;
    media.get("example").or_else(|| {
        let first = media.get("examples")?.as_object()?.values().next()?;
        document.followed(first).get("value")
    })
}

/// Returns whether a field of a value has the name of a secret.
fn has_secret(value: &Value, depth: usize) -> bool {
    let is_deep = depth > DEEPEST_EXAMPLE;
    is_deep
        || match value {
            Value::Object(fields) => {
                fields.iter().any(|(name, value)| is_secret(name) || has_secret(value, depth + 1))
            }
            Value::Array(values) => values.iter().any(|value| has_secret(value, depth + 1)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
}

/// Returns whether a media type is JSON.
fn is_json(kind: &str) -> bool {
    let plain = kind.split(';').next().unwrap_or_default().trim();
    plain.ends_with("/json") || plain.ends_with("+json")
}

fn is_good(word: StatusWord) -> bool {
    let (StatusWord::One(first) | StatusWord::Class(first)) = word;
    (200..300).contains(&first)
}

#[cfg(test)]
#[path = "openapi_tests.rs"]
mod tests;
