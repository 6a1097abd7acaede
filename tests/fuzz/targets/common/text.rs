//! The texts of the library that its readers of bodies name.

#[allow(dead_code, reason = "the library uses the rest")]
#[path = "../../../../src/text/json.rs"]
pub(crate) mod json;
#[allow(dead_code, reason = "the library uses the rest")]
#[path = "../../../../src/text/unread.rs"]
pub(crate) mod unread;

/// The sign of a cut.
pub(crate) const ELLIPSIS: char = '…';
