//! What came back for one attempt, free of any HTTP client's types.

use crate::policy::pace::RateHint;
use crate::task::FailureKind;
use std::time::Duration;

/// What one attempt brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A response, read to its end or as far as it could be.
    Response(Response),
    /// No response.
    NoResponse(NoResponse),
    /// The code that made the call panicked, with this message.
    Panicked(String),
}

impl Answer {
    /// Returns the HTTP status, if there is a response.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Response(response) => Some(response.status),
            Self::NoResponse(_) | Self::Panicked(_) => None,
        }
    }
}

/// Whether any byte of an attempt can have reached the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// None can: the name, the connection or the handshake failed.
    NeverLeft,
    /// It may have been received, and carried out.
    Possible,
}

/// An attempt without a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoResponse {
    /// Where it failed.
    pub kind: FailureKind,
    /// Whether it may have reached the service.
    pub delivery: Delivery,
    /// What the transport said.
    pub message: String,
}

impl NoResponse {
    /// Returns the answer of a call that was given up after `timeout`: it is in doubt.
    pub fn timed_out(timeout: Duration) -> Self {
        Self {
            kind: FailureKind::Timeout,
            delivery: Delivery::Possible,
            message: format!("no answer within {timeout:?}"),
        }
    }
}

/// A response to an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The service's own id of the request.
    pub request_id: Option<String>,
    /// How long the service asks to wait, from its `Retry-After` header.
    pub retry_after: Option<Duration>,
    /// What it says of the service's quota; hardly any answer does.
    pub rate_hint: Option<Box<RateHint>>,
    /// What the body says.
    pub body: Body,
}

/// What the body of a response says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The answer to an action.
    Result(ActionResult),
    /// An error in one of the shapes of service, gateway and IAM.
    Error(ServiceError),
    /// Neither; the text says what was seen instead.
    Unreadable(String),
}

/// The answer to an action. No field is sure to be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionResult {
    /// `id`.
    pub id: Option<String>,
    /// `total_count`.
    pub total: Option<i64>,
    /// `failed_count`.
    pub failed: Option<i64>,
    /// `succeed_count`.
    pub succeeded: Option<i64>,
    /// `error_list`.
    pub error_list: Vec<String>,
}

/// An error of the service, its gateway or IAM. Texts are empty where it sent none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceError {
    /// `error_code`, such as `VIAS.00010012` or `APIGW.0308`.
    pub code: String,
    /// `error_msg`.
    pub message: String,
    /// `detail`.
    pub detail: String,
    /// `reason`.
    pub reason: String,
    /// `advice`.
    pub advice: String,
    /// `request_id`, which only the gateway puts into the body.
    pub request_id: String,
}
