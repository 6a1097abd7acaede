//! What became of a task, as it is put together while its row is read.

use super::rows::AttemptRow;
use crate::task::Outcome;

/// What became of a task.
pub(super) struct Fate {
    pub(super) outcome: Outcome,
    pub(super) attempts: u32,
    pub(super) first_sent_us: Option<i64>,
    pub(super) settled_us: Option<i64>,
    pub(super) last: Option<AttemptRow>,
}

impl Fate {
    pub(super) const NEVER_SENT: Self = Self {
        outcome: Outcome::NotAttempted,
        attempts: 0,
        first_sent_us: None,
        settled_us: None,
        last: None,
    };
}
