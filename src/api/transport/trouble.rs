//! Describes a call without an answer by the step at which it failed.
//!
//! A call that may have left is in doubt; one that never left is not. See `docs/GLOSSARY.md`: call,
//! in doubt.

use super::dialer::DnsError;
use super::head::HeadError;
use super::tunnel::{ProxyAway, ProxyRefusal, ProxySilent};
use super::wire::AnyError;
use crate::api::redactor::Redactor;
use crate::policy::{Delivery, NoResponse};
use crate::task::FailureKind;
use rustls::{AlertDescription, CertificateError, InvalidMessage};
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The longest excerpt of an answer that is not HTTP, in characters.
const MAX_EXCERPT: usize = 40;

/// The reason for a missing answer, by how far the call came.
pub(in crate::api) enum TransportError {
    /// No connection was made.
    Unreached(AnyError),
    /// There was none after that time, on the way through a proxy if there is one.
    TooSlow(Duration, Option<Arc<str>>),
    /// The connection was closed before a byte of the request was written.
    Unsent(hyper::Error),
    /// It broke off after that.
    Lost {
        /// The error of the connection.
        error: hyper::Error,
        /// Whether the connection had no exchange before this one.
        is_new: bool,
    },
}

impl TransportError {
    /// Says what happened, without the secrets that the other side may have echoed.
    pub(in crate::api) fn described(self, redactor: &Redactor) -> NoResponse {
        let (kind, delivery, message) = match self {
            Self::Unreached(error) => unreached(&*error, redactor),
            Self::TooSlow(limit, proxy) => {
                let way = proxy.map_or_else(String::new, |it| format!(" through the proxy {it}"));
                let message = format!("no connection within {limit:?}{way}");
                (FailureKind::Connect, Delivery::NeverLeft, message)
            }
            Self::Unsent(error) => (FailureKind::Reset, Delivery::NeverLeft, innermost(&error)),
            Self::Lost { error, is_new } => lost(&error, is_new, redactor),
        };
        NoResponse { kind, delivery, message }
    }
}

/// The reason why the rest of a body is missing.
pub(in crate::api) enum Incomplete {
    /// It is longer than what is read of one.
    TooLong,
    /// The connection broke off.
    BrokenOff(hyper::Error),
}

impl Incomplete {
    /// Says what is missing; `too_long` is said of a body that is too long.
    pub(in crate::api) fn described(&self, too_long: &str) -> String {
        match self {
            Self::TooLong => too_long.into(),
            Self::BrokenOff(error) => format!("the answer broke off: {}", innermost(error)),
        }
    }
}

/// What helps against the certificate of a client or of a program.
const NO_SERVER: &str = "it is not one for servers: the service needs another one";
/// Where the TLS library explains an error: the text before it says enough.
const EXPLAINED_AT: &str = ": https://docs.rs/";

type Description = (FailureKind, Delivery, String);

/// Describes at which of the steps to a connection it failed.
fn unreached(error: &(dyn Error + 'static), redactor: &Redactor) -> Description {
    // The proxy's own answer explains more than the errors around it, so it is looked for first.
    let refusal = causes(error).find_map(wrapped::<ProxyRefusal>);
    if let Some(refusal) = refusal {
        let delivery =
            if refusal.is_final() { Delivery::ProxyRefused } else { Delivery::NeverLeft };
        return (FailureKind::Connect, delivery, refusal.to_string());
    }
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
        Some(tls) => match remedy(tls) {
            Some(remedy) => format!("{}; {remedy}", reason(error, redactor)),
            None => reason(error, redactor),
        },
        None => reason(error, redactor),
    };
    let away = causes(error).find_map(wrapped::<ProxyAway>).map(ToString::to_string);
    let silent = causes(error).find_map(wrapped::<ProxySilent>).map(ToString::to_string);
    let message = match away.or(silent) {
        // The message names the proxy once, whether or not the inner error does.
        Some(proxy) if !reason.starts_with(&proxy) => format!("{proxy}: {reason}"),
        Some(_) | None => reason,
    };
    (kind, Delivery::NeverLeft, message)
}

/// Returns what helps against a handshake that is refused on either side: no retry does.
fn remedy(error: &rustls::Error) -> Option<&'static str> {
    match error {
        rustls::Error::InvalidCertificate(refused) => remedy_of_certificate(refused),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            Some("it wants a certificate of its clients, which batchctl does not have")
        }
        rustls::Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            Some("it may want a certificate of its clients, or older ciphers; batchctl has neither")
        }
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)
        | rustls::Error::PeerIncompatible(_) => Some("TLS 1.2 or 1.3 is needed"),
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            Some("it does not speak HTTP/1.1, which batchctl needs")
        }
        rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            Some("no host of that name is there: check the endpoint")
        }
        _ => None,
    }
}

fn remedy_of_certificate(refused: &CertificateError) -> Option<&'static str> {
    match refused {
        CertificateError::UnknownIssuer => Some(
            "its authority is not trusted here: name the file of that with `--ca-file`, unless the \
             service sends its chain in part",
        ),
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            Some("it has to be renewed, or the clock of this machine is wrong")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Some("the endpoint has to be a name that it is for")
        }
        // The verifier has no error of its own for that.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            Some("it is that of an authority: the service needs one that the authority has issued")
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Some(NO_SERVER)
        }
        // Its text speaks of extensions; only its name says which.
        CertificateError::Other(other) if format!("{other:?}").contains("EkuError") => {
            Some(NO_SERVER)
        }
        _ => None,
    }
}

/// Returns whether the other side answered a TLS handshake in another protocol.
fn is_plain_answer(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType))
}

/// Describes why an answer did not come or could not be read.
fn lost(error: &hyper::Error, is_new: bool, redactor: &Redactor) -> Description {
    let possible = Delivery::Possible;
    // The handshake of TLS 1.3 ends for the client before the service has looked at its certificate,
    // and no request is carried out before that.
    let refused = causes(error).find_map(wrapped::<rustls::Error>).filter(|_| is_new);
    let is_refused = |tls: &&rustls::Error| {
        matches!(tls, rustls::Error::AlertReceived(AlertDescription::CertificateRequired))
    };
    if let Some((tls, remedy)) = refused.filter(is_refused).and_then(|it| Some((it, remedy(it)?))) {
        return (FailureKind::Tls, Delivery::NeverLeft, format!("{tls}; {remedy}"));
    }
    match causes(error).find_map(wrapped::<HeadError>) {
        // A host that waits for a handshake took the request for a broken one.
        Some(tls @ HeadError::Tls) if is_new => wants_tls(tls),
        // Nor does a host that waits for another beginning of the connection.
        Some(other @ HeadError::Http2) if is_new => {
            (FailureKind::Connect, Delivery::NeverLeft, other.to_string())
        }
        // It spoke HTTP before, so it may have understood this request as well.
        Some(HeadError::Tls) => {
            (FailureKind::Body, possible, "TLS came in place of an answer".into())
        }
        Some(_) => (FailureKind::Body, possible, reason(error, redactor)),
        None if error.is_parse() => {
            let message = format!("the head of the answer cannot be read: {}", innermost(error));
            (FailureKind::Body, possible, message)
        }
        None => (FailureKind::Reset, possible, innermost(error)),
    }
}

fn wants_tls(error: &HeadError) -> Description {
    (FailureKind::Tls, Delivery::NeverLeft, error.to_string())
}

/// Describes a call that a port for TLS has answered in plain HTTP, without carrying it out.
pub(in crate::api) fn plain_http_to_tls() -> NoResponse {
    let (kind, delivery, message) = wants_tls(&HeadError::Tls);
    NoResponse { kind, delivery, message }
}

/// Returns what an error says, with the beginning of an answer that is not HTTP.
fn reason(error: &(dyn Error + 'static), redactor: &Redactor) -> String {
    match causes(error).find_map(wrapped::<HeadError>) {
        Some(head @ HeadError::NotHttp(beginning)) => {
            let excerpt = redactor.beginning(beginning, MAX_EXCERPT);
            format!("{head}: `{}`", excerpt.escape_debug())
        }
        Some(head) => head.to_string(),
        None => innermost(error),
    }
}

/// Returns an error of this type that a cause is or wraps: errors of input and output wrap others
/// without naming them as their source.
fn wrapped<'a, E: Error + 'static>(cause: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let inner = || cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    cause.downcast_ref().or_else(|| inner().and_then(|inner| wrapped(inner)))
}

/// Walks from an error to its causes.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Returns what the last cause says, and the one before it where that adds something: the
/// outer ones only repeat that a request could not be sent.
#[must_use]
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut messages: Vec<String> =
        causes(error).map(|cause| unexplained(cause.to_string())).collect();
    // Some errors repeat the text of their source; the outer text then says both.
    messages.dedup_by(|inner, outer| outer.contains(inner.as_str()));
    let skipped = messages.len().saturating_sub(2);
    messages.drain(..skipped);
    messages.join(": ")
}

/// Cuts the address of an explanation off.
fn unexplained(mut text: String) -> String {
    if let Some(at) = text.find(EXPLAINED_AT) {
        text.truncate(at);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the verifier of the platform has it.
    #[derive(Debug, thiserror::Error)]
    #[error("certificate had invalid extensions")]
    struct EkuError;

    #[test]
    fn what_helps_against_a_certificate_is_told_where_it_is_known() {
        let told = |refused| remedy(&rustls::Error::InvalidCertificate(refused));
        assert!(told(CertificateError::UnknownIssuer).unwrap().contains("`--ca-file`"));
        assert!(told(CertificateError::Expired).unwrap().contains("the clock of this machine"));
        assert!(told(CertificateError::NotValidYet).unwrap().contains("the clock of this machine"));
        assert!(told(CertificateError::NotValidForName).unwrap().contains("endpoint"));
        let own = io::Error::other("CaUsedAsEndEntity");
        let own = CertificateError::Other(rustls::OtherError(Arc::new(own)));
        assert!(told(own).unwrap().contains("an authority"));
        assert_eq!(told(CertificateError::BadSignature), None);
        let client = CertificateError::Other(rustls::OtherError(Arc::new(EkuError)));
        assert_eq!(told(client), Some(NO_SERVER));
        assert_eq!(remedy(&rustls::Error::HandshakeNotComplete), None);
        let alert = |alert| remedy(&rustls::Error::AlertReceived(alert));
        assert!(alert(AlertDescription::NoApplicationProtocol).unwrap().contains("HTTP/1.1"));
        assert!(alert(AlertDescription::ProtocolVersion).unwrap().contains("TLS 1.2"));
        assert_eq!(alert(AlertDescription::InternalError), None);
    }

    #[test]
    fn no_message_ends_with_the_address_of_an_explanation() {
        let error = io::Error::other("no close_notify: https://docs.rs/rustls/latest/x.html#eof");
        assert_eq!(innermost(&error), "no close_notify");
    }
}
