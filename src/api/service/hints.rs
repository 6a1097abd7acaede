//! Reads what the headers of an answer say of waits and quotas, as for VIAS.

use crate::policy::{RateHint, may_tell_rate, quota_in_message, rate_hint, retry_after};
use crate::service::SeenAnswer;
use std::time::{Duration, SystemTime};

/// Returns the wait that an answer asks for. A proxy may add a second header; the longest wait
/// satisfies both.
pub(super) fn asked_wait(seen: &SeenAnswer, now: SystemTime) -> Option<Duration> {
    let waits = seen.headers_of("Retry-After");
    waits.filter_map(|value| retry_after(value, seen.header("Date"), now)).max()
}

/// Returns what an answer says of the service's quota: in its headers, or else in the message of its
/// error, whose wording may change.
///
/// `Retry-After` wins, because it asks for a wait explicitly.
pub(super) fn quota_hint(
    seen: &SeenAnswer,
    wait: Option<Duration>,
    message: Option<&str>,
) -> Option<Box<RateHint>> {
    if wait.is_some() {
        return None;
    }
    // Names of headers that were received are in lower case. Most answers have none of these.
    let named = seen.headers.iter().filter(|(name, _)| may_tell_rate(name));
    let headers = named.map(|(name, value)| (name.as_str(), value.as_str()));
    let hint = rate_hint(headers, seen.header("Date"));
    hint.or_else(|| quota_in_message(message?)).map(Box::new)
}
