//! A place in a JSON value: RFC 6901, checked and taken apart when the file is read.

use serde_json::Value;
use std::fmt;

/// A JSON pointer, such as `/server/status`; the empty one is the whole value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pointer {
    text: String,
    /// The names on the way, without escapes. Each answer is searched for many places, and most
    /// have none of them, so the text is not taken apart each time.
    steps: Vec<String>,
}

/// The text is no JSON pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// It is not empty and does not begin with `/`.
    #[error("a place in JSON begins with `/`, such as `/error/code`")]
    NoSlash,
    /// It has a `~` without `0` or `1` behind it.
    #[error("in a place in JSON `~` is written `~0`, and `/` in a name is written `~1`")]
    Tilde,
}

impl Pointer {
    /// Checks a pointer.
    ///
    /// # Errors
    ///
    /// [`PointerError`] where RFC 6901 knows no such pointer.
    pub fn new(text: &str) -> Result<Self, PointerError> {
        if !text.is_empty() && !text.starts_with('/') {
            return Err(PointerError::NoSlash);
        }
        // `serde_json` would take another `~` as it stands.
        let is_escape = |rest: &str| rest.starts_with(['0', '1']);
        if !text.split('~').skip(1).all(is_escape) {
            return Err(PointerError::Tilde);
        }
        // In this order, so that `~01` is a `~1` and no slash.
        let step = |step: &str| step.replace("~1", "/").replace("~0", "~");
        Ok(Self { text: text.into(), steps: text.split('/').skip(1).map(step).collect() })
    }

    /// Returns what stands at this place.
    pub fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        let below = |value: &'v Value, step: &String| match value {
            Value::Object(fields) => fields.get(step),
            Value::Array(entries) => entries.get(index(step)?),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        self.steps.iter().try_fold(value, below)
    }

    /// Returns the first name on the way; `None` if it is the whole value.
    pub(super) fn first(&self) -> Option<&str> {
        self.steps.first().map(String::as_str)
    }

    /// Returns the pointer as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether another place is this one or above it.
    pub fn is_below(&self, above: &str) -> bool {
        let rest = self.text.strip_prefix(above);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Returns the number of an entry, which has neither a sign nor a zero in front.
fn index(step: &str) -> Option<usize> {
    let is_odd = step.starts_with('+') || (step.starts_with('0') && step.len() > 1);
    step.parse().ok().filter(|_| !is_odd)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_pointer_is_checked_before_it_is_used() {
        for (text, expected) in [
            ("", Ok(())),
            ("/", Ok(())),
            ("/a/0/~0~1", Ok(())),
            ("a", Err(PointerError::NoSlash)),
            ("/a~", Err(PointerError::Tilde)),
            ("/a~2", Err(PointerError::Tilde)),
            ("/~/a", Err(PointerError::Tilde)),
        ] {
            assert_eq!(Pointer::new(text).map(|_| ()), expected, "{text}");
        }
    }

    #[test]
    fn a_pointer_finds_its_place_and_knows_what_is_above_it() {
        let pointer = Pointer::new("/a/b~1c").unwrap();
        assert_eq!(pointer.find(&json!({"a": {"b/c": 7}})), Some(&json!(7)));
        assert!(pointer.is_below("/a") && pointer.is_below("") && pointer.is_below("/a/b~1c"));
        assert!(!pointer.is_below("/a/b") && !pointer.is_below("/x"));
    }
    proptest! {
        #[test]
        fn a_pointer_finds_what_the_library_finds(text in "(/(a|b|~0|~1|~01|0|1|01|\\+1|-|)){0,3}") {
            let inner = json!([[1, {"a": 2}], {"b": [3], "0": 4, "": 5}]);
            let value = json!({
                "a": inner, "~": {"/": inner}, "/": [inner], "~1": 6, "": {"": 7, "01": 8}, "b": null
            });
            for value in [&value, &inner] {
                let found = Pointer::new(&text).unwrap();
                prop_assert_eq!(found.find(value), value.pointer(&text), "{}", text);
            }
        }
    }
}
