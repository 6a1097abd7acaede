//! Puts a value at a place of a JSON value, and makes what leads there.

use crate::service::Pointer;
use serde_json::{Map, Value};

/// Puts a value at a place. Returns false if something else stands on the way.
pub(crate) fn put(json: &mut Value, at: &str, value: Value) -> bool {
    let mut place = json;
    for step in at.split('/').skip(1) {
        let name = step.replace("~1", "/").replace("~0", "~");
        if place.is_null() {
            // A first element is a list's; any other number may be the name of a field.
            *place = if name == "0" { Value::Array(Vec::new()) } else { Map::new().into() };
        }
        place = match place {
            Value::Object(fields) => fields.entry(name).or_insert(Value::Null),
            Value::Array(values) => {
                let Ok(index) = name.parse::<usize>() else { return false };
                if index == values.len() {
                    values.push(Value::Null);
                }
                let Some(value) = values.get_mut(index) else { return false };
                value
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return false,
        };
    }
    // An object that others were put into must not be lost.
    if place.is_object() && !value.is_object() && place != &Value::Object(Map::new()) {
        return false;
    }
    *place = value;
    true
}

/// Puts a value at a place of a file, below another.
pub(crate) fn put_below(json: &mut Value, above: &str, at: &Pointer, value: Value) -> bool {
    put(json, &format!("{above}{at}"), value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_leads_to_a_place_is_made() {
        let mut json = Value::Null;
        assert!(put(&mut json, "/a/b", json!(1)));
        assert!(put(&mut json, "/a/x~1y/0/~0", json!("z")));
        assert!(put(&mut json, "/a/x~1y/1", json!(2)));
        assert_eq!(json, json!({"a": {"b": 1, "x/y": [{"~": "z"}, 2]}}));
        assert!(!put(&mut json, "/a/b/c", json!(3)));
        assert!(!put(&mut json, "/a/x~1y/7", json!(3)));
        assert!(!put(&mut json, "/a", json!(3)));
        assert!(put(&mut Value::Null, "", json!("all")));
    }
}
