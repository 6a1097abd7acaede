//! Says which database has a run as well, and what this worker's part is.

use crate::database::{DatabaseAddress, StoredTerms, UnrecordedOutcomes};
use std::sync::Arc;
use std::time::Duration;

/// How a run is taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenUp {
    /// It is new: its plan is stored first.
    Anew,
    /// It is a plan of its own, which workers may carry out from now on.
    Applied,
    /// It goes on, also if it was stopped.
    Again,
    /// This worker joins those that are on it.
    Joined,
}

/// Called with the uncertainty of this worker's clock and the longest one that keeps the rate.
pub type OnUncertain = Arc<dyn Fn(Duration, Duration) + Send + Sync>;

/// Called with what a worker knows and could not record.
type OnUnrecorded = Arc<dyn Fn(UnrecordedOutcomes) + Send + Sync>;

/// The database in which other workers have a run as well, and this worker's part.
#[derive(Clone)]
pub struct SharedRun {
    /// The database.
    pub address: DatabaseAddress,
    /// How workers carry the run out together.
    pub terms: StoredTerms,
    /// How long the database may be away.
    pub patience: Duration,
    /// The name of this machine.
    pub host: String,
    /// Whether it is new.
    pub taken_up: TakenUp,
    /// Called once if this worker's clock is too uncertain to send anything.
    pub on_uncertain: OnUncertain,
    /// Called with the outcomes that are known and were not recorded, if the worker ends without the
    /// database.
    pub on_unrecorded: OnUnrecorded,
}

impl std::fmt::Debug for SharedRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedRun").field("address", &self.address).finish_non_exhaustive()
    }
}
