//! An answer as rules look at it: status, headers, and a body that is JSON, text or unusable.
//!
//! JSON keeps the last of two fields of one name, and says which objects had such: a good meaning
//! must not follow from a field that stands twice.

use crate::service::pointer::Pointer;
use crate::service::rule::{BodyKind, Example};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// The largest body that is looked at, in bytes.
pub const MOST_BODY_BYTES: usize = 1 << 20;
/// How much of a body that is no JSON is searched for a text.
const MOST_TEXT_BYTES: usize = 64 << 10;
/// How deep values are looked into.
const MOST_DEPTH: usize = 100;

/// An answer as rules look at it.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenAnswer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: SeenBody,
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum SeenBody {
    /// Nothing.
    Empty,
    /// JSON.
    Json(JsonBody),
    /// Text that is no JSON.
    Text(String),
    /// A body that was cut, encoded or too long, or is no text; it says which.
    Unusable(String),
}

/// A JSON value that was read with care.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonBody {
    /// The value.
    pub value: Value,
    /// The places of fields that stood twice.
    twice: Vec<String>,
}

impl SeenAnswer {
    /// Returns an answer whose body came whole.
    pub fn new(status: u16, headers: Vec<(String, String)>, body: &[u8]) -> Self {
        let is_encoded = headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("content-encoding") && !value.eq_ignore_ascii_case("identity")
        });
        let body = match std::str::from_utf8(body) {
            _ if is_encoded => SeenBody::Unusable("the body is encoded".into()),
            _ if body.len() > MOST_BODY_BYTES => {
                SeenBody::Unusable("the body is longer than 1 MiB".into())
            }
            Ok(text) if text.trim().is_empty() => SeenBody::Empty,
            Ok(text) => match JsonBody::read(text) {
                Some(json) => SeenBody::Json(json),
                None => SeenBody::Text(crate::text::cut(text, MOST_TEXT_BYTES).into()),
            },
            Err(_) => SeenBody::Unusable("the body is no UTF-8".into()),
        };
        Self { status, headers, body }
    }

    /// Returns an answer whose body did not come whole; `why` says so in words.
    pub fn cut(status: u16, headers: Vec<(String, String)>, why: String) -> Self {
        Self { status, headers, body: SeenBody::Unusable(why) }
    }

    /// Returns the answer that an example of a rule is.
    pub fn of_example(example: &Example) -> Self {
        Self::new(example.status, example.headers.clone(), example.body.as_bytes())
    }

    /// Returns a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the JSON of the body, if it is some.
    pub fn json(&self) -> Option<&Value> {
        match &self.body {
            SeenBody::Json(json) => Some(&json.value),
            SeenBody::Empty | SeenBody::Text(_) | SeenBody::Unusable(_) => None,
        }
    }

    /// Returns whether the body is what a rule asks for.
    pub fn has_body(&self, kind: BodyKind) -> bool {
        match (kind, &self.body) {
            (BodyKind::Any, _)
            | (BodyKind::Json | BodyKind::JsonOrEmpty, SeenBody::Json(_))
            | (BodyKind::Empty | BodyKind::JsonOrEmpty, SeenBody::Empty) => true,
            (_, _) => false,
        }
    }

    /// Returns the place of a field that stood twice on the way to a place, if there is one.
    pub fn twice_on_the_way(&self, pointer: &Pointer) -> Option<&str> {
        let SeenBody::Json(json) = &self.body else { return None };
        json.twice.iter().map(String::as_str).find(|twice| pointer.is_below(twice))
    }
}

impl JsonBody {
    /// Reads JSON, and nothing behind it.
    pub fn read(text: &str) -> Option<Self> {
        // RFC 8259, 8.1: a mark before JSON may be ignored.
        let text = text.trim_start_matches('\u{feff}');
        Self::read_strictly(text).or_else(|| Self::read_strictly(&with_whole_characters(text)))
    }

    fn read_strictly(text: &str) -> Option<Self> {
        let mut twice = Vec::new();
        let mut reader = serde_json::Deserializer::from_str(text);
        let noting = Noting { path: String::new(), depth: 0, twice: &mut twice };
        let value = noting.deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        Some(Self { value, twice })
    }
}

/// Returns JSON in which halves of characters, which some writers leave, stand for no character.
fn with_whole_characters(text: &str) -> String {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)
    };
    let (mut whole, mut at) = (String::with_capacity(text.len()), 0);
    while let Some(found) = text[at..].find('\\') {
        whole.push_str(&text[at..at + found]);
        at += found;
        let length = match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                whole.push_str("\\ufffd");
                at += 6;
                continue;
            }
            // The second character belongs to the escape, also if it is another backslash.
            (_, _) => 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
        whole.push_str(&text[at..at + length]);
        at += length;
    }
    whole + &text[at..]
}

/// Reads a value and notes the places of fields that stand twice.
struct Noting<'a> {
    path: String,
    depth: usize,
    twice: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Noting<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.depth > MOST_DEPTH {
            // Passed over without a stack, however deep it goes.
            return IgnoredAny::deserialize(deserializer).map(|_| Value::Null);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Noting<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        loop {
            let path = format!("{}/{}", self.path, values.len());
            let Some(value) =
                seq.next_element_seed(Noting { path, depth: self.depth + 1, twice: self.twice })?
            else {
                return Ok(Value::Array(values));
            };
            values.push(value);
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let step = name.replace('~', "~0").replace('/', "~1");
            let path = format!("{}/{step}", self.path);
            let is_twice = fields.contains_key(&name);
            if is_twice {
                self.twice.push(path.clone());
            }
            let value =
                map.next_value_seed(Noting { path, depth: self.depth + 1, twice: self.twice })?;
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_of_two_fields_counts_and_both_are_told() {
        let answer =
            SeenAnswer::new(200, Vec::new(), br#"{"a":{"b":1,"b":2},"c":[{"d":1,"d":2}]}"#);
        assert_eq!(answer.json(), Some(&json!({"a": {"b": 2}, "c": [{"d": 2}]})));
        let twice = |text: &str| answer.twice_on_the_way(&Pointer::new(text).unwrap());
        assert_eq!(twice("/a/b"), Some("/a/b"));
        assert_eq!(twice("/a/b/x"), Some("/a/b"));
        assert_eq!(twice("/c/0/d"), Some("/c/0/d"));
        assert_eq!(twice("/a"), None);
        assert_eq!(twice("/c/1/d"), None);
    }

    #[test]
    fn halves_of_characters_hide_nothing_beside_them() {
        for (text, expected) in [
            (r#"{"a":"\ud83d","b":1}"#, json!({"a": "\u{fffd}", "b": 1})),
            (r#"{"a":"\ud83d\u0041"}"#, json!({"a": "\u{fffd}A"})),
            (r#"{"a":"\udc00\ud83d\ude00"}"#, json!({"a": "\u{fffd}😀"})),
            (r#"{"a":"\\ud83d"}"#, json!({"a": "\\ud83d"})),
            (r#"{"a":"\ud83d\\"}"#, json!({"a": "\u{fffd}\\"})),
        ] {
            assert_eq!(JsonBody::read(text).map(|json| json.value), Some(expected), "{text}");
        }
        assert!(JsonBody::read("{\"a\":\"\\").is_none());
    }

    #[test]
    fn a_body_is_read_whole_or_not_at_all() {
        let body = |headers: &[(&str, &str)], bytes: &[u8]| {
            let headers = headers.iter().map(|&(name, value)| (name.into(), value.into()));
            SeenAnswer::new(200, headers.collect(), bytes).body
        };
        assert_eq!(body(&[], b""), SeenBody::Empty);
        assert_eq!(body(&[], b" \n"), SeenBody::Empty);
        assert_eq!(body(&[], b"<html>"), SeenBody::Text("<html>".into()));
        assert_eq!(body(&[], b"{} x"), SeenBody::Text("{} x".into()));
        assert!(matches!(body(&[], b"{}"), SeenBody::Json(_)));
        assert!(matches!(body(&[], b"\xff"), SeenBody::Unusable(_)));
        assert!(matches!(body(&[("Content-Encoding", "gzip")], b"{}"), SeenBody::Unusable(_)));
        assert!(matches!(body(&[("Content-Encoding", "identity")], b"{}"), SeenBody::Json(_)));
        let long = vec![b' '; MOST_BODY_BYTES + 1];
        assert!(matches!(body(&[], &long), SeenBody::Unusable(_)));
        assert!(matches!(body(&[], b"\xef\xbb\xbf{}"), SeenBody::Json(_)));
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(matches!(body(&[], deep.as_bytes()), SeenBody::Json(_)));
        let deep = "[".repeat(10_000);
        assert!(matches!(body(&[], deep.as_bytes()), SeenBody::Text(_)));
    }
}
