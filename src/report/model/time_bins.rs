//! Counts by time in bins that fit any chart of the run, so that a chart needs no row anew.
//!
//! A bin begins a whole number of units after the beginning of a process, as the spans of a chart do
//! (`format/html/axis`). So each bin is in one span, if the unit divides its length. Pure.

use crate::clock::Timestamp;
use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::Duration;

/// The shortest bins: no span of a chart is shorter.
pub(crate) const SHORTEST_BIN: Duration = Duration::from_millis(10);

/// Where bins begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BinScale {
    /// The beginnings of processes, in order.
    starts: Vec<Timestamp>,
    unit_micros: i64,
}

impl BinScale {
    /// Begins bins of this length with each process.
    pub(crate) fn new(starts: impl Iterator<Item = Timestamp>, unit: Duration) -> Self {
        let mut starts: Vec<Timestamp> = starts.collect();
        // A clock that was set back between two processes puts them out of order.
        starts.sort_unstable();
        Self { starts, unit_micros: i64::try_from(unit.as_micros()).unwrap_or(i64::MAX).max(1) }
    }

    /// Returns the same scale with longer bins; `None` if these are not longer.
    pub(crate) fn coarser(&self, unit: Duration) -> Option<Self> {
        let coarser = Self::new(self.starts.iter().copied(), unit);
        (coarser.unit_micros > self.unit_micros).then_some(coarser)
    }

    /// Returns whether bins are no longer than this.
    pub(crate) fn fits(&self, unit: Duration) -> bool {
        u128::try_from(self.unit_micros).is_ok_and(|micros| micros <= unit.as_micros().max(1))
    }

    /// Returns where the bin of a time begins.
    fn bin_of(&self, at: Timestamp) -> Timestamp {
        let begun = self.starts.partition_point(|start| *start <= at);
        // A time before all processes belongs to the first.
        let Some(start) = self.starts.get(begun.saturating_sub(1)) else { return at };
        let after = at.micros_since(*start).max(0);
        start.plus_micros(after - after % self.unit_micros)
    }
}

/// Counts by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimeBins<T>(BTreeMap<Timestamp, T>);

impl<T> Default for TimeBins<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Copy + Default + AddAssign> TimeBins<T> {
    /// Counts something at a time.
    pub(crate) fn add(&mut self, scale: &BinScale, at: Timestamp, counts: T) {
        *self.0.entry(scale.bin_of(at)).or_default() += counts;
    }

    /// Puts the counts into the bins of a coarser scale.
    pub(crate) fn coarsen(&mut self, scale: &BinScale) {
        for (at, counts) in std::mem::take(&mut self.0) {
            self.add(scale, at, counts);
        }
    }

    /// Calls `take` with the beginning and the counts of each bin, in order.
    pub(crate) fn for_each(&self, mut take: impl FnMut(Timestamp, T)) {
        self.0.iter().for_each(|(at, counts)| take(*at, *counts));
    }
}
