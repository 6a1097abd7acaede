//! A wait of the store for a condition that may pass.
//!
//! It is no event: nothing can be recorded while it lasts, and nothing needs to be afterwards.

use crate::clock::Timestamp;

/// A wait of the store for a condition that may pass. Nothing becomes durable meanwhile, so nothing
/// new is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreWait {
    /// What it waits for.
    pub cause: WaitCause,
    /// The directory that has no room, or the database.
    pub place: String,
    /// The time at which it was noticed.
    pub since: Timestamp,
    /// The time at which the run ends if nothing changes.
    pub until: Timestamp,
}

/// What a store waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitCause {
    /// The disk is full.
    NoRoom,
    /// The database cannot be reached, or takes nothing.
    DatabaseAway,
}

impl WaitCause {
    /// Returns the word used for programs, such as `no_room`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoRoom => "no_room",
            Self::DatabaseAway => "database_away",
        }
    }
}
