//! Lets a run begin with the limit of the service that earlier ones learnt, and keeps what it learns.
//!
//! What a process of the same run has learnt comes before what others have. Both only save time:
//! nothing that goes wrong here stops a run.

use crate::clock::Timestamp;
use crate::learnt_rates::{RateKey, keep_learnt_rate, learnt_rate};
use crate::reading::RunReader;
use crate::store::{RunDirectory, RunId, RunRecord, StoreError};
use crate::task::ServiceLimit;

/// The memory of one run.
pub(crate) struct RateMemory<'a> {
    pub(crate) runs: &'a RunDirectory,
    pub(crate) run: &'a RunId,
    /// The target that it is of, in a run of several; otherwise 0.
    pub(crate) part: usize,
    /// The profile that shares the rate with later runs; without one it stays in the run.
    pub(crate) profile: Option<&'a str>,
}

impl RateMemory<'_> {
    /// Returns the limits of the service that were met before.
    pub(crate) fn before(&self) -> Result<ServiceLimit, StoreError> {
        let record = self.record()?;
        let key = self.key(&record);
        // A run without a profile, such as a rehearsal, shares no rate with others.
        let own = last_learnt(&record);
        let kept = || key.and_then(|key| learnt_rate(self.runs, &key)).unwrap_or_default();
        Ok(if own.is_none() { kept() } else { own })
    }

    /// Keeps the rate that the run has learnt for the next one.
    pub(crate) fn keep(&self, now: Timestamp) -> Result<(), StoreError> {
        let record = self.record()?;
        let Some(key) = self.key(&record) else { return Ok(()) };
        keep_learnt_rate(self.runs, key, last_learnt(&record), now)
    }

    fn record(&self) -> Result<RunRecord, StoreError> {
        RunReader::open_part(self.runs, self.run, self.part)?.record()
    }

    fn key(&self, record: &RunRecord) -> Option<RateKey> {
        let (endpoint, project_id) = (record.run.endpoint.clone(), record.run.project_id.clone());
        let profile = self.profile?.to_owned();
        Some(RateKey { profile, endpoint, project_id })
    }
}

fn last_learnt(record: &RunRecord) -> ServiceLimit {
    record.sessions.last().map(|session| session.learnt).unwrap_or_default()
}
