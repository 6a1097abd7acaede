//! Counts the progress of each target of a run, or of a run without targets.

use super::tally::Tally;
use crate::clock::Timestamp;
use crate::event::Event;
use std::sync::Arc;

/// The tally of a run, or those of its targets.
#[derive(Debug, Clone, Default)]
pub struct TargetTallies {
    whole: Tally,
    targets: Vec<(Arc<str>, Tally)>,
}

impl TargetTallies {
    /// Takes events of one target, or of a run without targets.
    pub fn take(&mut self, target: Option<&Arc<str>>, events: &[Event]) {
        let Some(target) = target else { return self.whole.take(events) };
        // By name, because which target begins first is a matter of chance.
        let place = self.targets.binary_search_by(|(name, _)| name.cmp(target));
        let place = place.unwrap_or_else(|place| {
            self.targets.insert(place, (Arc::clone(target), Tally::default()));
            place
        });
        self.targets[place].1.take(events);
    }

    /// Takes the number of tasks that all workers of the run have settled so far.
    pub fn settled_by_all(&mut self, settled: u64, now: Timestamp) {
        self.whole.settled_by_all(settled, now);
    }

    /// Returns the tally of a run without targets.
    pub fn whole(&self) -> &Tally {
        &self.whole
    }

    /// Returns the tally of each target that has begun, in the order of their names.
    pub fn targets(&self) -> &[(Arc<str>, Tally)] {
        &self.targets
    }
}
