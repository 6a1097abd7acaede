//! The sign that a writer gives while it waits, for those who show it.
//!
//! It is looked for and not told, so that a writer waits for nobody who shows it.

use super::store_wait::{StoreWait, WaitCause};
use crate::clock::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The sign of one writer; its clones are the same sign.
#[derive(Debug, Clone)]
pub struct WaitSign {
    cause: WaitCause,
    place: String,
    most: Duration,
    is_up: Arc<AtomicBool>,
}

impl WaitSign {
    /// Returns the sign of a writer that waits for one thing, and so long at most.
    pub(crate) fn new(cause: WaitCause, place: String, most: Duration) -> Self {
        Self { cause, place, most, is_up: Arc::default() }
    }

    pub(crate) fn raise(&self) {
        self.is_up.store(true, Ordering::Relaxed);
    }

    pub(crate) fn lower(&self) {
        self.is_up.store(false, Ordering::Relaxed);
    }

    /// Returns whether the writer waits.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// Returns the wait, if it began at that time.
    pub fn wait_since(&self, since: Timestamp) -> StoreWait {
        let most = i64::try_from(self.most.as_micros()).unwrap_or(i64::MAX);
        let (cause, place) = (self.cause, self.place.clone());
        StoreWait { cause, place, since, until: since.plus_micros(most) }
    }
}
