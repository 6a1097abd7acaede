//! A place in a JSON value: RFC 6901, checked when the file is read.

use serde_json::Value;
use std::fmt;

/// A JSON pointer, such as `/server/status`; the empty one is the whole value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pointer(String);

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
        Ok(Self(text.into()))
    }

    /// Returns what stands at this place.
    pub fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.pointer(&self.0)
    }

    /// Returns the pointer as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether another place is this one or above it.
    pub fn is_below(&self, above: &str) -> bool {
        let rest = self.0.strip_prefix(above);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
