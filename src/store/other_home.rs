//! The failure of another home of runs than files, such as a database.
//!
//! The store does not know those homes. It passes their failures on, with the answers to what is
//! asked of them.

use std::error::Error;
use std::fmt;

/// How a failure of another home is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherHomeFailure {
    /// It is away, and the same may succeed later.
    MayPass,
    /// The run is damaged there.
    Damage,
    /// Neither, so asking again does not help.
    Lasting,
}

/// Why another home of runs cannot be used.
#[derive(Debug)]
pub struct OtherHomeError {
    reason: Box<dyn Error + Send + Sync>,
    failure: OtherHomeFailure,
    hint: String,
}

impl OtherHomeError {
    /// Returns the error of a reason, with what the operator can do about it.
    pub fn new(
        reason: impl Error + Send + Sync + 'static,
        failure: OtherHomeFailure,
        hint: String,
    ) -> Self {
        Self { reason: Box::new(reason), failure, hint }
    }

    /// Returns whether the same may succeed later.
    pub fn may_pass(&self) -> bool {
        self.failure == OtherHomeFailure::MayPass
    }

    /// Returns whether the run is damaged there.
    pub fn is_damage(&self) -> bool {
        self.failure == OtherHomeFailure::Damage
    }

    /// Returns what the operator can do about it.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for OtherHomeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl Error for OtherHomeError {
    /// Returns the source of the reason: the reason itself is what is displayed.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.reason.source()
    }
}
