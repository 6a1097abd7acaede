//! Tells how far a call came that brought back no answer.

use super::dialer::AnyError;
use super::dialer::DnsError;
use crate::api::error_chain::causes;
use crate::api::error_chain::innermost;
use crate::policy::Delivery;
use crate::policy::NoResponse;
use crate::task::FailureKind;
use std::error::Error;
use std::io;
use std::time::Duration;

/// Why there is no answer, by how far the call came.
pub(in crate::api) enum TransportError {
    /// There is no connection.
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
            TransportError::Unreached(error) => {
                (unreached(&*error), Delivery::NeverLeft, innermost(&*error))
            }
            TransportError::TooSlow(limit) => (
                FailureKind::Connect,
                Delivery::NeverLeft,
                format!("no connection within {limit:?}"),
            ),
            TransportError::Unsent(error) => {
                (FailureKind::Reset, Delivery::NeverLeft, innermost(&error))
            }
            TransportError::Lost(error) => {
                (FailureKind::Reset, Delivery::Possible, innermost(&error))
            }
        };
        Self { kind, delivery, message }
    }
}

/// Tells at which of the steps to a connection it failed.
fn unreached(error: &(dyn Error + 'static)) -> FailureKind {
    if causes(error).any(<dyn Error>::is::<DnsError>) {
        return FailureKind::Dns;
    }
    if causes(error).any(is_or_wraps_tls) { FailureKind::Tls } else { FailureKind::Connect }
}

/// Looks into errors of input and output, which wrap others without naming them as their source.
fn is_or_wraps_tls(cause: &(dyn Error + 'static)) -> bool {
    let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    cause.is::<rustls::Error>() || wrapped.is_some_and(|wrapped| is_or_wraps_tls(wrapped))
}
