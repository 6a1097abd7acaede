//! Says in a line what is wrong, from an error and its causes.

use std::error::Error;

/// Walks from an error to its causes.
pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Returns what the last cause says, and the one before it where that adds something: the
/// outer ones only repeat that a request could not be sent.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut messages: Vec<String> = causes(error).map(ToString::to_string).collect();
    // Some errors repeat the text of their source; the outer text then says both.
    messages.dedup_by(|inner, outer| outer.contains(inner.as_str()));
    let skipped = messages.len().saturating_sub(2);
    messages.drain(..skipped);
    messages.join(": ")
}
