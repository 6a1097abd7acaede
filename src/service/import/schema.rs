//! The skeleton of a body: what its schema asks for, with a place for each value.

use crate::service::import::draft::as_template;
use serde_json::{Map, Value};

/// How many references lead on, and how deep a body is.
const DEEPEST: usize = 64;
/// How deep objects of a skeleton are nested.
const DEEPEST_BODY: usize = 8;

/// A document, in which references lead to other places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document<'d>(pub(super) &'d Value);

impl<'d> Document<'d> {
    /// Follows references within the document; others lead nowhere.
    pub(super) fn followed(self, value: &'d Value) -> &'d Value {
        let mut found = value;
        for _ in 0..DEEPEST {
            let Some(target) = found.get("$ref").and_then(Value::as_str) else { return found };
            let Some(pointer) = target.strip_prefix('#') else { return &Value::Null };
            found = self.0.pointer(pointer).unwrap_or(&Value::Null);
        }
        // References that lead in a circle.
        &Value::Null
    }
}

/// Returns the body of a media type as a template: its example, or what its schema asks for.
pub(super) fn skeleton(document: Document<'_>, media: &Value) -> String {
    if let Some(example) = media.get("example") {
        return as_template(example);
    }
    let schema = media.get("schema").unwrap_or(&Value::Null);
    of_schema(document, schema, "value", 0)
}

fn of_schema(document: Document<'_>, schema: &Value, name: &str, depth: usize) -> String {
    let schema = document.followed(schema);
    for fixed in ["const", "default"] {
        if let Some(value) = schema.get(fixed) {
            return as_template(value);
        }
    }
    if let Some(first) = ["allOf", "oneOf", "anyOf"].iter().find_map(|key| schema.get(key)?.get(0))
        && schema.get("properties").is_none()
        && depth < DEEPEST_BODY
    {
        return of_schema(document, first, name, depth + 1);
    }
    // Version 3.1 has lists of types, of which `null` is never the one that is meant.
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).find(|k| *k != "null"),
        Some(kind) => kind.as_str(),
        None => schema.get("properties").map(|_| "object"),
    };
    let place = column(name);
    match kind {
        Some("object") if depth < DEEPEST_BODY => object(document, schema, depth),
        Some("object") => "{}".into(),
        Some("array") => "[]".into(),
        Some("integer" | "number") => format!("\"{{{place}:number}}\""),
        Some("boolean") => format!("\"{{{place}:boolean}}\""),
        _ => format!("\"{{{place}}}\""),
    }
}

fn object(document: Document<'_>, schema: &Value, depth: usize) -> String {
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| {
        required.is_some_and(|names| names.iter().any(|wanted| wanted.as_str() == Some(name)))
    };
    // Where nothing is required, all there is, because an empty body says nothing.
    let takes_all = !properties.keys().any(|name| is_required(name));
    let is_written = |value: &Value| {
        let read_only = document.followed(value).get("readOnly").and_then(Value::as_bool);
        read_only != Some(true)
    };
    let fields = properties
        .iter()
        .filter(|(name, value)| (takes_all || is_required(name)) && is_written(value));
    let fields = fields.map(|(name, value)| {
        let shown = Value::from(name.as_str());
        format!("{shown}:{}", of_schema(document, value, name, depth + 1))
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// Returns the name of a column for a field.
fn column(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect();
    match plain.as_str() {
        "id" => "id".into(),
        "action" | "region" | "project_id" | "ids" => format!("column.{plain}"),
        _ => plain,
    }
}
