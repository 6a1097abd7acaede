//! The object of a control request, read so that each of its keys stands in it once.

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// The reason of a request with a repeated key.
const REPEATED: &str = "a key stands in it more than once";

/// Reads the object of a request; the reason is that of a refusal.
///
/// `Value` alone would keep the last of two values in silence, and a log or a proxy may have seen
/// the first.
pub(crate) fn read(line: &[u8]) -> Result<Value, String> {
    let value: Value = serde_json::from_slice(line).map_err(|_| "that is no JSON".to_owned())?;
    if !value.is_object() {
        return Ok(value);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    deserializer.deserialize_map(KeysOnce).map_err(|error| match error.to_string() {
        text if text.starts_with(REPEATED) => REPEATED.to_owned(),
        _ => "that is no JSON".to_owned(),
    })
}

struct KeysOnce;

impl<'de> Visitor<'de> for KeysOnce {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, value)) = entries.next_entry::<String, Value>()? {
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom(REPEATED));
            }
        }
        Ok(Value::Object(object))
    }
}
