//! The body of a request: JSON whose texts are templates, sent as it is written.
//!
//! Places are looked for in JSON texts alone, never in names. So braces of JSON need no escape, and
//! no value can leave its quotes.

use crate::service::template::{Part, Placeholder, Template, TemplateError, ValueKind};
use serde::de::IgnoredAny;

/// A body with places for values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyTemplate {
    /// Its parts, in order. A text is JSON as it stands; values have their quotes around them,
    /// unless they are numbers or booleans.
    pub parts: Vec<Part>,
}

impl BodyTemplate {
    /// Reads a body.
    pub(super) fn parse(json: &str) -> Result<Self, TemplateError> {
        if let Err(error) = serde_json::from_str::<IgnoredAny>(json) {
            let error = TemplateError::new(format!("the body is no JSON: {error}"));
            return Err(error.with_hint("the body of a call is JSON, without placeholders too"));
        }
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = json;
        while let Some(start) = rest.find('"') {
            push_text(&mut parts, &rest[..start]);
            let end = start + 1 + end_of_text(&rest[start + 1..]);
            let (inside, behind) = (&rest[start + 1..end], &rest[end + 1..]);
            if behind.trim_start().starts_with(':') {
                check_name(inside)?;
                push_text(&mut parts, &rest[start..=end]);
            } else {
                add_text(&mut parts, inside)?;
            }
            rest = behind;
        }
        push_text(&mut parts, rest);
        Ok(Self { parts })
    }

    /// Returns its places for values.
    pub fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Value(value) => Some(value),
        })
    }
}

/// Returns the place of the quote that ends a JSON text.
fn end_of_text(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at,
            _ => {}
        }
    }
    // It was parsed as JSON before, so its texts end.
    text.len()
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Text(last)) => last.push_str(text),
        Some(Part::Value(_)) | None => parts.push(Part::Text(text.into())),
    }
}

/// Adds a JSON text, with the places in it.
fn add_text(parts: &mut Vec<Part>, inside: &str) -> Result<(), TemplateError> {
    let template = Template::parse(inside)?;
    if let [Part::Value(value)] = &template.parts[..]
        && value.kind != ValueKind::Text
    {
        check_default(value)?;
        parts.push(Part::Value(value.clone()));
        return Ok(());
    }
    push_text(parts, "\"");
    for part in template.parts {
        match part {
            Part::Text(text) => push_text(parts, &text),
            Part::Value(value) if value.kind != ValueKind::Text => {
                return Err(TemplateError::new(format!(
                    "`{}` is a number or a boolean among other text",
                    value.source
                ))
                .with_hint("such a place stands alone in its quotes: \"{n:number}\""));
            }
            Part::Value(value) => parts.push(Part::Value(unescaped(value)?)),
        }
    }
    push_text(parts, "\"");
    Ok(())
}

/// Takes the escapes of JSON from a default, which is escaped again when it is sent.
fn unescaped(value: Placeholder) -> Result<Placeholder, TemplateError> {
    let Some(default) = &value.default else { return Ok(value) };
    let plain = serde_json::from_str(&format!("\"{default}\""));
    let plain: String = plain.map_err(|_| {
        TemplateError::new(format!("the default of `{}` cuts an escape in two", value.source))
    })?;
    Ok(Placeholder { default: Some(plain), ..value })
}

/// Checks that the default of a number or a boolean is one.
fn check_default(value: &Placeholder) -> Result<(), TemplateError> {
    let Some(default) = &value.default else { return Ok(()) };
    if is_of_kind(default, value.kind) {
        return Ok(());
    }
    let what = if value.kind == ValueKind::Number { "number" } else { "boolean" };
    let message = format!("the default of `{}` is no {what} as JSON writes it", value.source);
    Err(TemplateError::new(message))
}

/// Returns whether a value is JSON's spelling of a number or a boolean.
pub fn is_of_kind(value: &str, kind: ValueKind) -> bool {
    match kind {
        ValueKind::Text => true,
        ValueKind::Boolean => matches!(value, "true" | "false"),
        // The parser takes blanks around a number, which are no part of its spelling.
        ValueKind::Number => {
            value.trim() == value && serde_json::from_str::<serde_json::Number>(value).is_ok()
        }
    }
}

/// Refuses a place in a name: a value must not choose a field.
fn check_name(name: &str) -> Result<(), TemplateError> {
    let has_place = Template::parse(name).is_ok_and(|name| name.placeholders().next().is_some());
    if has_place {
        return Err(TemplateError::new(format!("the name `{name}` of a field has a place in it"))
            .with_hint("a value may stand in a text alone, never in a name"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str) -> String {
        let body = BodyTemplate::parse(json).unwrap();
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Value(value) => {
                let default = value.default.as_ref().map(|text| format!("={text}"));
                format!("<{}{}>", value.source, default.unwrap_or_default())
            }
        };
        body.parts.iter().map(part).collect()
    }

    #[test]
    fn places_stand_in_texts_and_braces_of_json_need_no_escape() {
        assert_eq!(shown(r#"{"note":"{note=none}"}"#), r#"{"note":"<note=none>"}"#);
        assert_eq!(shown(r#"{ "a" : {"b": [1, "x{y}z"]} }"#), r#"{ "a" : {"b": [1, "x<y>z"]} }"#);
        assert_eq!(shown(r#"{"n":"{n:number}"}"#), r#"{"n":<n>}"#);
        assert_eq!(shown(r#"{"on":"{on:boolean=true}"}"#), r#"{"on":<on=true>}"#);
        assert_eq!(shown(r#"["{a=\"q\"}", "{{}}", "\\"]"#), r#"["<a="q">", "{}", "\\"]"#);
        assert_eq!(shown("null"), "null");
    }

    #[test]
    fn bodies_that_no_value_can_be_put_into_say_why() {
        for (json, expected) in [
            ("{", "no JSON"),
            ("{\"a\":{id}}", "no JSON"),
            (r#"{"{id}":1}"#, "has a place"),
            (r#"{"a":"x{n:number}"}"#, "among other text"),
            (r#"{"a":"{n:number=many}"}"#, "no number"),
            (r#"{"a":"{n"}"#, "has no `}`"),
        ] {
            let error = BodyTemplate::parse(json).unwrap_err();
            assert!(error.message.contains(expected), "{json}: {error:?}");
        }
    }
}
