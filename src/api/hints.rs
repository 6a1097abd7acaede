//! Reads what the headers of an answer say of waits and quotas.

use crate::clock::system_time;
use crate::policy::{Body, RateHint, may_tell_rate, quota_in_message, rate_hint, retry_after};
use hyper::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use std::time::{Duration, UNIX_EPOCH};

/// Returns the wait that an answer asks for.
pub(super) fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    // Most answers ask for none, and of those no date is read.
    let asked = headers.contains_key(RETRY_AFTER).then(|| headers.get_all(RETRY_AFTER))?;
    let values = asked.into_iter().filter_map(|value| value.to_str().ok());
    let date = header(headers, &DATE);
    let here = || UNIX_EPOCH + Duration::from_micros(system_time().as_micros().unsigned_abs());
    // A proxy may add a second header; the longest wait satisfies both.
    values.filter_map(|value| retry_after(value, date, here())).max()
}

/// Returns what headers, or else the gateway's message, say of the service's quota.
pub(super) fn quota_hint(headers: &HeaderMap, body: &Body) -> Option<RateHint> {
    let in_message = || match body {
        Body::Error(error) => quota_in_message(&error.message),
        Body::Result(_) | Body::Unreadable(_) | Body::Judged(_) => None,
    };
    // Headers come before the message, whose wording may change.
    header_quota(headers).or_else(in_message)
}

/// Returns what headers say of the service's quota.
pub(super) fn header_quota(headers: &HeaderMap) -> Option<RateHint> {
    // By their names first: whether a value is text is seen from each of its bytes.
    let mut named = headers.iter().filter(|(name, _)| may_tell_rate(name.as_str())).peekable();
    named.peek()?;
    let hints = named.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    rate_hint(hints, header(headers, &DATE))
}

/// Returns the value of a header, if it is text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
