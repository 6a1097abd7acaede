//! Tells from a transport error how far a call came.

use crate::policy::Delivery;
use crate::policy::NoResponse;
use crate::task::FailureKind;
use std::error::Error;
use std::io;

/// Describes a call that brought back no response.
///
/// `reqwest::Error::is_connect` is the test of whether a byte may have left: true for name
/// look-up, connection and TLS handshake, and for nothing that comes later.
pub(super) fn no_response(error: reqwest::Error) -> NoResponse {
    // The URL stays out of messages: they are grouped by their text, and the id is in it.
    let error = error.without_url();
    let (kind, delivery) = match (error.is_connect(), error.is_timeout()) {
        (true, _) if error.is_dns() => (FailureKind::Dns, Delivery::NeverLeft),
        (true, _) if is_tls(&error) => (FailureKind::Tls, Delivery::NeverLeft),
        (true, _) => (FailureKind::Connect, Delivery::NeverLeft),
        (false, true) => (FailureKind::Timeout, Delivery::Possible),
        (false, false) if error.is_builder() => (FailureKind::NotSent, Delivery::NeverLeft),
        (false, false) => (FailureKind::Reset, Delivery::Possible),
    };
    NoResponse { kind, delivery, message: innermost(&error) }
}

/// Walks from an error to its causes.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn is_tls(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(is_or_wraps_tls)
}

/// Looks into errors of input and output, which wrap others without naming them as their source.
fn is_or_wraps_tls(cause: &(dyn Error + 'static)) -> bool {
    let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    cause.is::<rustls::Error>() || wrapped.is_some_and(|wrapped| is_or_wraps_tls(wrapped))
}

/// Returns what the last cause says, and the one before it where that adds something: the
/// outer ones only repeat that a request could not be sent.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut messages: Vec<String> = causes(error).map(ToString::to_string).collect();
    messages.dedup_by(|inner, outer| outer.contains(inner.as_str()));
    let skipped = messages.len().saturating_sub(2);
    messages.drain(..skipped);
    messages.join(": ")
}
