//! An answer as rules look at it: status, headers, and a body that is JSON, text or unusable.
//!
//! JSON keeps the last of two fields of one name, and says which objects had such: a good meaning
//! must not follow from a field that stands twice. JSON is read as leniently as that of VIAS.

use crate::service::pointer::Pointer;
use crate::service::rule::{BodyKind, Example};
use crate::text::unread::{compressed, compression, no_json, not_understood};
use crate::text::{cut, json};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::fmt;

/// The largest body of a call that is looked at, in bytes.
pub const MOST_BODY_BYTES: usize = 1 << 20;
/// The largest page of a list that is looked at, in bytes.
pub const MOST_PAGE_BYTES: usize = 8 << 20;
/// How much memory the values of a body may take, by the two estimates below: short values take many
/// times their text.
const MOST_MEMORY: usize = 64 << 20;
/// What a value takes in its list or object.
const VALUE_MEMORY: usize = 64;
/// What an object with fields takes besides them.
const OBJECT_MEMORY: usize = 640;
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
    /// What this side knows that helps against a refusal.
    pub advice: Option<String>,
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
    /// The text of the whole body.
    pub(super) text: String,
    /// The places of fields that stood twice.
    twice: Vec<String>,
}

impl SeenAnswer {
    /// Returns an answer whose body came whole.
    pub fn new(status: u16, headers: Vec<(String, String)>, body: &[u8]) -> Self {
        Self::redacted(status, headers, body, |text| text)
    }

    /// Returns an answer whose body came whole, without what `redact` takes out of its text.
    ///
    /// The text is decoded first, because a secret in UTF-16 looks like none.
    pub fn redacted(
        status: u16,
        headers: Vec<(String, String)>,
        body: &[u8],
        redact: impl FnOnce(String) -> String,
    ) -> Self {
        let named = |name: &str| name.eq_ignore_ascii_case("content-encoding");
        let encodings = headers.iter().filter(|(name, _)| named(name));
        let announced = compression(encodings.map(|(_, value)| value.as_str()));
        let body = SeenBody::read(body, announced, redact);
        Self { status, headers, body, advice: None }
    }

    /// Returns the answer with what this side knows that helps against a refusal.
    #[must_use]
    pub fn advising(self, advice: Option<String>) -> Self {
        Self { advice, ..self }
    }

    /// Returns the answer if its body did not come whole; `why` says so in words.
    ///
    /// An object that is complete counts: what is missing can only stand behind it.
    #[must_use]
    pub fn cut(self, why: String) -> Self {
        match self.body {
            SeenBody::Json(JsonBody { value: Value::Object(_), .. }) => self,
            _ => Self { body: SeenBody::Unusable(why), ..self },
        }
    }

    /// Returns the answer that an example of a rule is.
    pub fn of_example(example: &Example) -> Self {
        Self::new(example.status, example.headers.clone(), example.body.as_bytes())
    }

    /// Returns whether it redirects, or says that nothing has changed.
    pub(super) fn is_redirect(&self) -> bool {
        (300..400).contains(&self.status)
    }

    /// Returns a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers_of(name).next()
    }

    /// Returns all headers of a name.
    pub fn headers_of(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// Returns the JSON of the body, if it is some.
    pub fn json(&self) -> Option<&Value> {
        match &self.body {
            SeenBody::Json(json) => Some(&json.value),
            SeenBody::Empty | SeenBody::Text(_) | SeenBody::Unusable(_) => None,
        }
    }

    /// Says that the body, which is JSON, is not understood.
    pub(super) fn not_understood(&self, why: &str) -> String {
        let SeenBody::Json(json) = &self.body else { return why.to_owned() };
        not_understood(&json.text, why)
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

    /// Returns whether no field of the body stood twice.
    pub(super) fn has_each_field_once(&self) -> bool {
        !matches!(&self.body, SeenBody::Json(json) if !json.twice.is_empty())
    }

    /// Returns the place of a field that stood twice on the way to a place, if there is one.
    pub fn twice_on_the_way(&self, pointer: &Pointer) -> Option<&str> {
        let SeenBody::Json(json) = &self.body else { return None };
        json.twice.iter().map(String::as_str).find(|twice| pointer.is_below(twice))
    }
}

impl SeenBody {
    fn read(
        bytes: &[u8],
        compression: Option<&str>,
        redact: impl FnOnce(String) -> String,
    ) -> Self {
        if bytes.len() > MOST_PAGE_BYTES {
            return Self::Unusable("the body is longer than 8 MiB".into());
        }
        // Of bytes that are no UTF-8, JSON alone is sure to be read as it was meant.
        let (text, is_sure) = match json::decode(bytes) {
            Cow::Borrowed(text) => (text.to_owned(), true),
            Cow::Owned(lossy) => {
                match json::decode_as_json(bytes, |text| JsonBody::read(text).is_some()) {
                    Some(text) => (text, true),
                    None => (lossy, false),
                }
            }
        };
        let text = redact(text);
        // Encodings are announced that were not applied, so JSON counts whatever is announced.
        match (JsonBody::read(&text), compression) {
            (Some(json), _) => Self::Json(JsonBody { text, ..json }),
            (None, Some(name)) => Self::Unusable(compressed(name)),
            (None, None) if text.trim().is_empty() => Self::Empty,
            (None, None) if is_sure => Self::Text(cut(&text, MOST_TEXT_BYTES).into()),
            (None, None) => Self::Unusable(no_json(&text)),
        }
    }
}

impl JsonBody {
    /// Reads JSON. A text that JSON forbids is mended, and what follows an object is passed over,
    /// unless it may be another object: texts beside codes and counts must not hide them.
    pub fn read(text: &str) -> Option<Self> {
        // RFC 8259, 8.1: a mark before JSON may be ignored.
        let text = text.trim_start_matches('\u{feff}');
        Self::read_strictly(text)
            .or_else(|| Self::read_strictly(&without_large_numbers(&json::mend_strings(text))))
    }

    fn read_strictly(text: &str) -> Option<Self> {
        let mut notes = Notes { twice: Vec::new(), memory_left: MOST_MEMORY };
        let mut reader = serde_json::Deserializer::from_str(text);
        let noting = Noting { place: Place::Whole, depth: 0, notes: &mut notes };
        let value = noting.deserialize(&mut reader).ok()?;
        let is_last = || value.is_object() && !json::after_first_value(text).contains('{');
        let Notes { twice, .. } = notes;
        (reader.end().is_ok() || is_last()).then_some(Self { value, text: String::new(), twice })
    }
}

/// Returns JSON in which numbers that are too large to be read are null.
fn without_large_numbers(text: &str) -> String {
    let is_of_number = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let mut kept = String::with_capacity(text.len());
    let (mut rest, mut is_in_string) = (text, false);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if is_in_string => {
                is_in_string = first != '"';
                // The character behind a backslash belongs to it, also if it is a quote.
                let escaped = rest.chars().nth(1).filter(|_| first == '\\');
                first.len_utf8() + escaped.map_or(0, char::len_utf8)
            }
            '"' => {
                is_in_string = true;
                1
            }
            _ if is_of_number(first) => rest.find(|c| !is_of_number(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (part, behind) = rest.split_at(length);
        let is_number = first.is_ascii_digit() || first == '-';
        let is_large = is_number && part.parse().is_ok_and(f64::is_infinite);
        kept.push_str(if is_large { "null" } else { part });
        rest = behind;
    }
    kept
}

/// What is noted while a body is read.
struct Notes {
    /// The places of fields that stand twice.
    twice: Vec<String>,
    /// How much more its values may take.
    memory_left: usize,
}

impl Notes {
    fn take<E: Error>(&mut self, memory: usize) -> Result<(), E> {
        let left = self.memory_left.checked_sub(memory);
        self.memory_left = left.ok_or_else(|| E::custom("the values take too much memory"))?;
        Ok(())
    }
}

/// Reads a value and notes the places of fields that stand twice.
struct Noting<'a> {
    place: Place<'a>,
    depth: usize,
    notes: &'a mut Notes,
}

/// Where a value stands. Written as a text only for fields that stand twice, which are rare.
enum Place<'a> {
    Whole,
    Field(&'a Place<'a>, &'a str),
    Entry(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Field(above, name) => {
                write!(f, "{above}/{}", name.replace('~', "~0").replace('/', "~1"))
            }
            Self::Entry(above, index) => write!(f, "{above}/{index}"),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Noting<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.notes.take(VALUE_MEMORY)?;
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
            let place = Place::Entry(&self.place, values.len());
            let noting = Noting { place, depth: self.depth + 1, notes: self.notes };
            let Some(value) = seq.next_element_seed(noting)? else {
                return Ok(Value::Array(values));
            };
            values.push(value);
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if fields.is_empty() {
                self.notes.take(OBJECT_MEMORY)?;
            }
            let (place, before) = (Place::Field(&self.place, &name), self.notes.twice.len());
            let noting = Noting { place, depth: self.depth + 1, notes: self.notes };
            let value = map.next_value_seed(noting)?;
            match fields.entry(name) {
                Entry::Vacant(field) => {
                    field.insert(value);
                }
                Entry::Occupied(mut field) => {
                    // In front of those within it.
                    let place = Place::Field(&self.place, field.key()).to_string();
                    self.notes.twice.insert(before, place);
                    field.insert(value);
                }
            }
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
        let once = SeenAnswer::new(200, Vec::new(), br#"{"a":{"b":1},"b":{"b":1}}"#);
        assert!(once.has_each_field_once());
        let answer =
            SeenAnswer::new(200, Vec::new(), br#"{"a":{"b":1,"b":2},"c":[{"d":1,"d":2}]}"#);
        assert!(!answer.has_each_field_once());
        assert_eq!(answer.json(), Some(&json!({"a": {"b": 2}, "c": [{"d": 2}]})));
        let twice = |text: &str| answer.twice_on_the_way(&Pointer::new(text).unwrap());
        assert_eq!(twice("/a/b"), Some("/a/b"));
        assert_eq!(twice("/a/b/x"), Some("/a/b"));
        assert_eq!(twice("/c/0/d"), Some("/c/0/d"));
        assert_eq!(twice("/a"), None);
        assert_eq!(twice("/c/1/d"), None);
        let answer = SeenAnswer::new(200, Vec::new(), br#"{"a":1,"a":{"b":1,"b":2}}"#);
        let twice = answer.twice_on_the_way(&Pointer::new("/a/b").unwrap());
        assert_eq!(twice, Some("/a"), "the outermost one is told");
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

    #[track_caller]
    fn check_read(bytes: &[u8], expected: &Value) {
        assert_eq!(SeenAnswer::new(200, Vec::new(), bytes).json(), Some(expected), "{bytes:x?}");
    }

    #[test]
    fn what_json_forbids_in_one_field_hides_no_other() {
        check_read(b"{\"a\":\"x\ny\",\"b\":1}", &json!({"a": "x\ny", "b": 1}));
        check_read(br#"{"a":"\x41","b":1}"#, &json!({"a": "\\x41", "b": 1}));
        check_read(br#"{"a":1e999,"b":[-1e999,1]}"#, &json!({"a": null, "b": [null, 1]}));
        check_read(
            br#"{"a":"1e999 \" 1e999","b":1e999}"#,
            &json!({"a": "1e999 \" 1e999", "b": null}),
        );
        check_read(b"{\"a\":\"\xff\",\"b\":1}", &json!({"a": "\u{fffd}", "b": 1}));
        // GBK writes one of its characters as D5 5C.
        check_read(b"{\"a\":\"\xd5\\\",\"b\":1}", &json!({"a": "\u{fffd}", "b": 1}));
        check_read(b"\xff\xfe{\0}\0", &json!({}));
        check_read(b"\xfe\xff\0{\0}", &json!({}));
    }

    #[test]
    fn an_object_is_complete_whatever_was_cut_behind_it() {
        let cut = |body: &[u8]| SeenAnswer::new(200, Vec::new(), body).cut("why".into()).body;
        assert!(matches!(cut(b"{\"a\":1}"), SeenBody::Json(_)));
        assert!(matches!(cut(b"{\"a\":1} -"), SeenBody::Json(_)));
        for body in ["", "1", "\"a\"", "[1]", "{\"a\":1", "ok"] {
            assert_eq!(cut(body.as_bytes()), SeenBody::Unusable("why".into()), "{body}");
        }
    }

    #[test]
    fn a_body_is_redacted_once_it_is_decoded() {
        let units: Vec<u8> =
            "\u{feff}{\"a\":\"secret\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let redact = |text: String| text.replace("secret", "-");
        let answer = SeenAnswer::redacted(200, Vec::new(), &units, redact);
        assert_eq!(answer.json(), Some(&json!({"a": "-"})));
    }

    #[test]
    fn short_values_that_take_many_times_their_text_are_bounded() {
        let page = |entry: &str, entries: usize| format!("[{}]", vec![entry; entries].join(","));
        // As many as fit into the largest page, and as many as a page of a real list has.
        assert!(JsonBody::read(&page(r#"{"a":1}"#, 1_000_000)).is_none());
        assert!(JsonBody::read(&page("1", 4_000_000)).is_none());
        assert!(JsonBody::read(&page(r#"{"id":"a","x":{"y":[1,2,3]}}"#, 20_000)).is_some());
        let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(8_000));
        assert!(JsonBody::read(&page(&long, 1_000)).is_some());
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
        assert!(matches!(body(&[], b"{} x"), SeenBody::Json(_)));
        assert_eq!(body(&[], b"{} {}"), SeenBody::Text("{} {}".into()));
        assert_eq!(body(&[], b"[] x"), SeenBody::Text("[] x".into()));
        assert!(matches!(body(&[], b"{}"), SeenBody::Json(_)));
        assert!(matches!(body(&[], b"\xff"), SeenBody::Unusable(_)));
        assert!(matches!(body(&[("Content-Encoding", "gzip")], b"{}"), SeenBody::Json(_)));
        assert!(matches!(body(&[("Content-Encoding", "gzip")], b"ok"), SeenBody::Unusable(_)));
        assert!(matches!(body(&[("Content-Encoding", "identity")], b"{}"), SeenBody::Json(_)));
        let long = vec![b' '; MOST_PAGE_BYTES + 1];
        assert!(matches!(body(&[], &long), SeenBody::Unusable(_)));
        assert!(matches!(body(&[], b"\xef\xbb\xbf{}"), SeenBody::Json(_)));
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(matches!(body(&[], deep.as_bytes()), SeenBody::Json(_)));
        let deep = "[".repeat(10_000);
        assert!(matches!(body(&[], deep.as_bytes()), SeenBody::Text(_)));
    }
}
