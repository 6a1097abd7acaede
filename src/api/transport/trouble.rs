//! Describes a call without an answer by the step at which it failed.
//!
//! A call that may have left is in doubt; one that never left is not. See `docs/GLOSSARY.md`: call,
//! in doubt.

use super::dialer::DnsError;
use super::head::HeadError;
use super::tunnel::{ProxyAway, ProxyRefusal};
use super::wire::AnyError;
use crate::api::error_chain::{causes, innermost};
use crate::policy::{Delivery, NoResponse};
use crate::task::FailureKind;
use rustls::InvalidMessage;
use std::error::Error;
use std::io;
use std::time::Duration;

/// The reason for a missing answer, by how far the call came.
pub(in crate::api) enum TransportError {
    /// No connection was made.
    Unreached(AnyError),
    /// There was none after that time.
    TooSlow(Duration),
    /// The connection was closed before a byte of the request was written.
    Unsent(hyper::Error),
    /// It broke off after that.
    Lost(hyper::Error),
}

impl From<TransportError> for NoResponse {
    fn from(error: TransportError) -> Self {
        let (kind, delivery, message) = match error {
            TransportError::Unreached(error) => unreached(&*error),
            TransportError::TooSlow(limit) => (
                FailureKind::Connect,
                Delivery::NeverLeft,
                format!("no connection within {limit:?}"),
            ),
            TransportError::Unsent(error) => {
                (FailureKind::Reset, Delivery::NeverLeft, innermost(&error))
            }
            TransportError::Lost(error) => lost(&error),
        };
        Self { kind, delivery, message }
    }
}

type Description = (FailureKind, Delivery, String);

/// Describes at which of the steps to a connection it failed.
fn unreached(error: &(dyn Error + 'static)) -> Description {
    // The proxy's own answer explains more than the errors around it, so it is looked for first.
    let refusal = causes(error).find_map(wrapped::<ProxyRefusal>);
    if let Some(refusal) = refusal {
        let delivery =
            if refusal.is_final() { Delivery::ProxyRefused } else { Delivery::NeverLeft };
        return (FailureKind::Connect, delivery, refusal.to_string());
    }
    let away = causes(error).find_map(wrapped::<ProxyAway>);
    // The whole chain is searched, because a tunnel wraps the same errors once more.
    let kind = if causes(error).find_map(wrapped::<DnsError>).is_some() {
        FailureKind::Dns
    } else if causes(error).find_map(wrapped::<rustls::Error>).is_some() {
        FailureKind::Tls
    } else {
        FailureKind::Connect
    };
    let reason = match causes(error).find_map(wrapped::<rustls::Error>) {
        Some(tls) if is_plain_answer(tls) => {
            "it does not speak TLS on this port, and its address says https: use http".into()
        }
        Some(_) | None => innermost(error),
    };
    let message = match away {
        // The message names the proxy once, whether or not the inner error does.
        Some(away) if !reason.starts_with("cannot connect to the proxy") => {
            format!("{away}: {reason}")
        }
        Some(_) | None => reason,
    };
    (kind, Delivery::NeverLeft, message)
}

/// Returns whether the other side answered a TLS handshake in another protocol.
fn is_plain_answer(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType))
}

/// Describes why an answer did not come or could not be read.
fn lost(error: &hyper::Error) -> Description {
    match causes(error).find_map(wrapped::<HeadError>) {
        // A host that waits for a handshake took the request for a broken one.
        Some(tls @ HeadError::Tls) => (FailureKind::Tls, Delivery::NeverLeft, tls.to_string()),
        Some(head) => (FailureKind::Body, Delivery::Possible, head.to_string()),
        None => (FailureKind::Reset, Delivery::Possible, innermost(error)),
    }
}

/// Returns an error of this type that a cause is or wraps: errors of input and output wrap others
/// without naming them as their source.
fn wrapped<'a, E: Error + 'static>(cause: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let inner = || cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    cause.downcast_ref().or_else(|| inner().and_then(|inner| wrapped(inner)))
}
