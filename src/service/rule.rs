//! What answers mean, as a service file says it: rules, of which the first that matches counts.

use crate::policy::AnswerMeaning;
use crate::service::pointer::Pointer;
use regex::Regex;
use serde_json::Value;
use std::ops::RangeInclusive;

/// One rule: which answers it is for, and what they mean.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The statuses, of which one must fit.
    pub status: Vec<RangeInclusive<u16>>,
    /// The codes, of which one must fit; none: any.
    pub code: Vec<CodePattern>,
    /// What must hold in the JSON of the answer.
    pub json: Vec<(Pointer, JsonTest)>,
    /// What must be found in the message, or in a body that is no JSON.
    pub text: Option<Regex>,
    /// What the body must be.
    pub body: BodyKind,
    /// Where the answer asks for a wait; the first that gives a time counts.
    pub wait: Vec<WaitSource>,
    /// Whether the answer must ask for a wait.
    pub asks_to_wait: bool,
    /// What helps, where the answer has no advice of its own.
    pub advice: Option<String>,
    /// What such an answer means.
    pub means: AnswerMeaning,
    /// What the sandbox sends.
    pub example: Option<Example>,
    /// The line of the file in which it begins.
    pub line: u64,
    /// The byte of the file at which it begins.
    pub(super) at: usize,
}

/// The code of an error, in which `*` stands for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodePattern(pub String);

/// What must hold at a place of the answer's JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonTest {
    /// It is one of these texts, integers or booleans, type and all.
    OneOf(Vec<Value>),
    /// Something is there that is not `null`.
    Present,
    /// Nothing is there, or `null`.
    Absent,
}

/// What a body must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// JSON.
    Json,
    /// Nothing.
    Empty,
    /// JSON or nothing.
    JsonOrEmpty,
    /// Whatever it is.
    Any,
}

/// Where an answer asks for a wait.
#[derive(Debug, Clone)]
pub enum WaitSource {
    /// A header: seconds, or an HTTP date.
    Header(String),
    /// A place in the JSON: the same.
    Json(Pointer),
    /// The group `wait` of the message, in seconds or in the unit of the group `unit`.
    Text(Regex),
}

/// An answer of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
}

/// Where a text of an answer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextSource {
    /// In a header.
    Header(String),
    /// In the JSON.
    Json(Pointer),
}

/// Where the service's own counts stand in an answer; at least two are given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CountsAt {
    /// All.
    pub total: Option<Pointer>,
    /// Those that failed.
    pub failed: Option<Pointer>,
    /// Those that succeeded.
    pub succeeded: Option<Pointer>,
}

/// Where the texts of an error stand, tried in turn, below the first place with a code or a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorAt {
    /// The places below which the others are looked for.
    pub within: Vec<Within>,
    /// The code.
    pub code: Vec<Pointer>,
    /// The message.
    pub message: Vec<Pointer>,
    /// More about it.
    pub detail: Vec<Pointer>,
    /// What it is about.
    pub params: Vec<Pointer>,
    /// Why.
    pub reason: Vec<Pointer>,
    /// What helps.
    pub advice: Vec<Pointer>,
    /// The list of errors.
    pub list: Vec<Pointer>,
}

/// A place below which the texts of an error stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Within {
    /// The place.
    pub at: Pointer,
    /// Whether it is any field there that is an object.
    pub any_field: bool,
}

impl Default for ErrorAt {
    fn default() -> Self {
        let root = Pointer::new("").expect("nothing is a pointer to all");
        let none = Vec::new;
        Self {
            within: vec![Within { at: root, any_field: false }],
            code: none(),
            message: none(),
            detail: none(),
            params: none(),
            reason: none(),
            advice: none(),
            list: none(),
        }
    }
}

impl ErrorAt {
    /// Returns whether there may be a code or a message in a value; a look at its names tells of most
    /// that there is none.
    pub(super) fn may_be_in(&self, json: &Value) -> bool {
        let Value::Object(fields) = json else { return true };
        let leads = |place: &Pointer, name: &str| place.first().is_none_or(|first| first == name);
        let is_within = |name: &str, value: &Value| {
            self.within.iter().any(|within| match within.at.first() {
                Some(first) => first == name,
                None if within.any_field => value.is_object(),
                None => self.code.iter().chain(&self.message).any(|place| leads(place, name)),
            })
        };
        fields.iter().any(|(name, value)| is_within(name, value))
    }
}

impl Rule {
    /// Returns whether a status is one of the rule's.
    pub fn has_status(&self, status: u16) -> bool {
        self.status.iter().any(|range| range.contains(&status))
    }

    /// Returns whether the rule asks for nothing but a status.
    pub(super) fn is_for_every_answer(&self) -> bool {
        self.code.is_empty()
            && self.json.is_empty()
            && self.text.is_none()
            && !self.asks_to_wait
            && self.body == BodyKind::Any
    }
}

impl CodePattern {
    /// Returns whether a code fits.
    pub fn fits(&self, code: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = code.strip_prefix(first) else { return false };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            // The earliest place leaves most for the parts behind it.
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        true
    }
}

impl JsonTest {
    /// Returns whether what stands at the place fits.
    pub fn fits(&self, found: Option<&Value>) -> bool {
        let found = found.filter(|value| !value.is_null());
        match self {
            Self::Present => found.is_some(),
            Self::Absent => found.is_none(),
            Self::OneOf(values) => found.is_some_and(|found| values.contains(found)),
        }
    }
}

impl BodyKind {
    /// The word in the file.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "json" => Self::Json,
            "empty" => Self::Empty,
            "json_or_empty" => Self::JsonOrEmpty,
            "any" => Self::Any,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_in_a_code_stands_for_anything_and_nothing_else_is_special() {
        for (pattern, code, expected) in [
            ("VIAS.*0012", "VIAS.00010012", true),
            ("VIAS.*0012", "VIAS.0012", true),
            ("VIAS.*0012", "APIG.0012", false),
            ("*0308", "APIGW.0308", true),
            ("*0308", "APIGW.03080", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("a.c", "abc", false),
            ("*", "", true),
            ("**", "x", true),
            ("a", "a", true),
            ("a", "ab", false),
        ] {
            assert_eq!(CodePattern(pattern.into()).fits(code), expected, "{pattern} {code}");
        }
    }

    #[test]
    fn a_test_compares_type_and_all() {
        use serde_json::json;
        let test = JsonTest::OneOf(vec![json!("1"), json!(true)]);
        assert!(test.fits(Some(&json!("1"))) && test.fits(Some(&json!(true))));
        assert!(!test.fits(Some(&json!(1))) && !test.fits(None));
        assert!(JsonTest::Present.fits(Some(&json!(0))) && JsonTest::Absent.fits(None));
        assert!(!JsonTest::Present.fits(Some(&Value::Null)));
        assert!(JsonTest::Absent.fits(Some(&Value::Null)));
    }
}
