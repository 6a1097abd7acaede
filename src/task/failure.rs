//! The reason why a call failed, in the service's words if it sent any.

use std::fmt;
use std::str::FromStr;

/// The kind of a failure: the `error_kind` of results and reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureKind {
    /// The name of the endpoint could not be looked up.
    Dns,
    /// No connection could be made.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The call was sent, and no answer came in time.
    Timeout,
    /// The call was sent, and the connection ended before the answer was complete.
    Reset,
    /// The service asked for fewer calls.
    Throttled,
    /// The credentials were refused.
    Auth,
    /// The service or its gateway refused this call.
    Refused,
    /// The service failed, or reported failed sub-tasks.
    Service,
    /// The answer could not be parsed, or was inconsistent.
    Body,
    /// The call was accepted, but the task never reached the state of its command.
    NotReached,
    /// The call was never sent.
    NotSent,
}

/// The text is not a kind of failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a kind of failure")]
pub struct UnknownFailureKind(pub String);

impl FailureKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 12] = [
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::Reset,
        Self::Throttled,
        Self::Auth,
        Self::Refused,
        Self::Service,
        Self::Body,
        Self::NotReached,
        Self::NotSent,
    ];

    /// Returns the word used in files and messages, such as `not_sent`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Throttled => "throttled",
            Self::Auth => "auth",
            Self::Refused => "refused",
            Self::Service => "service",
            Self::Body => "body",
            Self::NotReached => "not_reached",
            Self::NotSent => "not_sent",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` respects the width of a column, which `write_str` ignores.
        f.pad(self.as_str())
    }
}

impl FromStr for FailureKind {
    type Err = UnknownFailureKind;

    fn from_str(text: &str) -> Result<Self, UnknownFailureKind> {
        let named = |kind: &Self| kind.as_str() == text;
        Self::ALL.into_iter().find(named).ok_or_else(|| UnknownFailureKind(text.into()))
    }
}

/// Why a call, or some sub-tasks of it, did not succeed.
///
/// All texts come from outside and are untrusted; they must be made safe before they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind of failure.
    pub kind: FailureKind,
    /// The service's or the gateway's code, such as `VIAS.00010012`; empty if it sent none.
    pub code: String,
    /// The message of the service, or batchctl's own if the service sent none.
    pub message: String,
    /// The service's `detail`, empty if it gave none. In some errors it alone says what is wrong.
    pub detail: String,
    /// The service's `params`; an entry that is no text is its JSON.
    pub params: Vec<String>,
    /// The service's reason, empty if it gave none.
    pub reason: String,
    /// The service's advice, empty if it gave none.
    pub advice: String,
    /// The `error_list` of a 200 that carries failures.
    pub error_list: Vec<String>,
}

impl Failure {
    /// Returns a failure that batchctl observed itself, without texts of the service.
    pub fn seen(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: String::new(),
            message: message.into(),
            detail: String::new(),
            params: Vec::new(),
            reason: String::new(),
            advice: String::new(),
            error_list: Vec::new(),
        }
    }

    /// Returns the text that says what is wrong: the message, or the detail if there is none.
    pub fn said(&self) -> &str {
        if self.message.trim().is_empty() { &self.detail } else { &self.message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_back_from_its_word() {
        for kind in FailureKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!("oops".parse::<FailureKind>().is_err());
    }
}
