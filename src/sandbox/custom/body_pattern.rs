//! The body of an action as a shape that requests are compared with: the same fields, the same
//! texts around the values, nothing more.

use crate::sandbox::custom::reading::{Reading, Spelling};
use crate::service::{BodyTemplate, Part, Placeholder, ValueKind};
use serde_json::Value;

/// What stands around the number of a place while a body is parsed; no text has these characters.
const MARKS: [char; 2] = ['\u{FDD0}', '\u{FDD1}'];

/// The shape of a body.
#[derive(Debug)]
pub(crate) enum BodyPattern {
    /// A text with places.
    Text(Vec<Part>),
    /// A number or a boolean.
    Typed(Placeholder),
    /// Exactly this.
    Fixed(Value),
    /// A list.
    List(Vec<Self>),
    /// An object with these fields.
    Object(Vec<(String, Self)>),
}

impl BodyPattern {
    /// Returns the shape of a template.
    pub(crate) fn new(template: &BodyTemplate) -> Self {
        let (mut json, mut places) = (String::new(), Vec::new());
        for part in &template.parts {
            match part {
                Part::Text(text) => json.push_str(text),
                Part::Value(place) => {
                    let mark = format!("{}{}{}", MARKS[0], places.len(), MARKS[1]);
                    let is_text = place.kind == ValueKind::Text;
                    json += &if is_text { mark } else { format!("\"{mark}\"") };
                    places.push(place.clone());
                }
            }
        }
        let value = serde_json::from_str(&json).expect("the file was checked, so it is JSON");
        Self::of_value(value, &places)
    }

    fn of_value(value: Value, places: &[Placeholder]) -> Self {
        match value {
            Value::String(text) => match &parts(&text, places)[..] {
                [Part::Value(place)] if place.kind != ValueKind::Text => Self::Typed(place.clone()),
                parts => Self::Text(parts.to_vec()),
            },
            Value::Array(values) => {
                Self::List(values.into_iter().map(|value| Self::of_value(value, places)).collect())
            }
            Value::Object(fields) => {
                let field = |(name, value)| (name, Self::of_value(value, places));
                Self::Object(fields.into_iter().map(field).collect())
            }
            plain => Self::Fixed(plain),
        }
    }

    /// Returns whether a value has this shape.
    pub(crate) fn reads(&self, value: &Value, reading: &mut Reading<'_>) -> bool {
        match (self, value) {
            (Self::Text(parts), Value::String(text)) => reading.reads(parts, text, Spelling::Plain),
            (Self::Typed(place), value) => match (place.kind, value) {
                (ValueKind::Number, Value::Number(_)) | (ValueKind::Boolean, Value::Bool(_)) => {
                    reading.takes_plain(place, &value.to_string())
                }
                (_, _) => false,
            },
            (Self::Fixed(fixed), value) => fixed == value,
            (Self::List(patterns), Value::Array(values)) => {
                patterns.len() == values.len()
                    && patterns.iter().zip(values).all(|(shape, value)| shape.reads(value, reading))
            }
            (Self::Object(patterns), Value::Object(fields)) => {
                patterns.len() == fields.len()
                    && patterns.iter().all(|(name, shape)| {
                        fields.get(name).is_some_and(|value| shape.reads(value, reading))
                    })
            }
            (Self::Text(_) | Self::List(_) | Self::Object(_), _) => false,
        }
    }
}

/// Splits a text at its marks.
fn parts(text: &str, places: &[Placeholder]) -> Vec<Part> {
    let mut parts = Vec::new();
    for (index, piece) in text.split(MARKS).enumerate() {
        // Every second piece is the number of a place.
        match piece.parse::<usize>().ok().filter(|_| index % 2 == 1) {
            Some(number) => parts.push(Part::Value(places[number].clone())),
            None if piece.is_empty() => {}
            None => parts.push(Part::Text(piece.into())),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{ServiceFile, VIAS};

    fn check(template: &str, body: &str, expected: bool) {
        let file = VIAS.1.replacen(
            "method = \"PUT\"",
            &format!("method = \"PUT\"\nbody = '{template}'"),
            1,
        );
        let service = ServiceFile::read(&file).unwrap().service;
        let pattern = BodyPattern::new(service.actions[0].body.as_ref().unwrap());
        let mut reading = Reading::new(&service, Some("start"));
        let value = serde_json::from_str(body).unwrap();
        assert_eq!(pattern.reads(&value, &mut reading), expected, "{template}: {body}");
    }

    #[test]
    fn a_body_has_the_fields_and_types_of_its_template_and_no_others() {
        let template = r#"{"note":"a {note=none}!","n":["{n:number}",{"on":true}]}"#;
        check(template, r#"{"note":"a b!","n":[7,{"on":true}]}"#, true);
        check(template, r#"{"n":[7.5e3,{"on":true}],"note":"a !"}"#, true);
        check(template, r#"{"note":"a \"}{!","n":[7,{"on":true}]}"#, true);
        check(template, r#"{"note":"a b!","n":[7,{"on":true}],"admin":true}"#, false);
        check(template, r#"{"note":"a b!","n":["7",{"on":true}]}"#, false);
        check(template, r#"{"note":"a b!","n":[7,{"on":false}]}"#, false);
        check(template, r#"{"note":"b!","n":[7,{"on":true}]}"#, false);
        check(template, r#"{"note":["a b!"],"n":[7,{"on":true}]}"#, false);
        check(r#"{"id":"{id}","again":"{id}"}"#, r#"{"id":"gate","again":"gate"}"#, true);
        check(r#"{"id":"{id}","again":"{id}"}"#, r#"{"id":"gate","again":"door"}"#, false);
        check(r#"{"id":"{id:number}"}"#, r#"{"id":1234}"#, true);
        check("{\"os-start\":null}", "{\"os-start\":null}", true);
        check("{\"os-start\":null}", "{\"os-stop\":null}", false);
    }
}
