//! The sums over the attempts of a run that is followed: those of a report, and those of its charts.

use crate::clock::Timestamp;
use crate::reading::SendingRow;
use crate::report::model::LatencyClasses;
use crate::report::model::active_time::ActiveTime;
use crate::report::model::sending_totals::SendingTotals;
use crate::report::model::time_bins::{BinScale, TimeBins};
use crate::task::FailureKind;
use std::ops::AddAssign;

/// The sums over all attempts so far.
#[derive(Debug, Clone)]
pub(crate) struct FollowedAttempts {
    totals: SendingTotals,
    sent: TimeBins<SentCounts>,
    latency: LatencyClasses,
}

/// The number of attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SentCounts {
    /// All that were sent.
    pub(crate) sent: u64,
    /// Those of them that were throttled.
    pub(crate) throttled: u64,
}

impl SentCounts {
    /// Counts one attempt.
    pub(crate) fn of(sending: &SendingRow) -> Self {
        Self { sent: 1, throttled: u64::from(sending.failed == Some(FailureKind::Throttled)) }
    }
}

impl AddAssign for SentCounts {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.throttled += other.throttled;
    }
}

impl FollowedAttempts {
    /// Begins with no attempt, for processes that worked in this time.
    pub(crate) fn new(worked: ActiveTime) -> Self {
        let (sent, latency) = (TimeBins::default(), LatencyClasses::default());
        Self { totals: SendingTotals::new(worked), sent, latency }
    }

    /// Adds an attempt.
    pub(crate) fn add(&mut self, scale: &BinScale, sending: &SendingRow) {
        self.totals.add(sending);
        self.sent.add(scale, sending.sent, SentCounts::of(sending));
        sending.duration.into_iter().for_each(|duration| self.latency.add(duration));
    }

    /// Puts the counts by time into the bins of a coarser scale.
    pub(crate) fn coarsen(&mut self, scale: &BinScale) {
        self.sent.coarsen(scale);
    }

    /// Returns the sums of a report, with what its processes have recorded of their ends.
    pub(crate) fn totals(&self, mut worked: ActiveTime) -> SendingTotals {
        let mut totals = self.totals.clone();
        worked.take_sendings(totals.worked);
        totals.worked = worked;
        totals
    }

    /// Calls `take` with the attempts at each time.
    pub(crate) fn for_each(&self, take: impl FnMut(Timestamp, SentCounts)) {
        self.sent.for_each(take);
    }

    /// Returns the attempts by latency.
    pub(crate) fn latency(&self) -> &LatencyClasses {
        &self.latency
    }
}
