//! The unusual conditions of a run: a hold, and the last trouble of the service.

use crate::clock::Timestamp;
use crate::event::HoldReason;

/// The failure of a call without an answer, or with a 5xx answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The status of the answer, if one came.
    pub http_status: Option<u16>,
    /// The message of the answer or of the connection; untrusted.
    pub message: String,
}

/// A hold of the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// The time at which it began.
    pub since: Timestamp,
    /// Its expected end.
    pub until: Timestamp,
    /// Its reason.
    pub reason: HoldReason,
}
