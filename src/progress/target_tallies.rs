//! Counts the progress of each target of a run, or of a run without targets.

use super::tally::Tally;
use crate::clock::Timestamp;
use crate::event::{Event, StoreWait};
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

    /// Takes the number of tasks that all workers have settled so far, of one target or of a run without
    /// targets. One that has not begun here is not shown.
    pub fn settled_by_all(&mut self, target: Option<&Arc<str>>, settled: u64, now: Timestamp) {
        let Some(target) = target else { return self.whole.settled_by_all(settled, now) };
        if let Ok(place) = self.targets.binary_search_by(|(name, _)| name.cmp(target)) {
            self.targets[place].1.settled_by_all(settled, now);
        }
    }

    /// Takes that the store waits, or no longer: for one target, or for a run without targets.
    pub fn wait_for_store(
        &mut self,
        target: Option<&Arc<str>>,
        wait: Option<&StoreWait>,
        now: Timestamp,
    ) {
        let Some(target) = target else { return self.whole.wait_for_store(wait, now) };
        if let Ok(place) = self.targets.binary_search_by(|(name, _)| name.cmp(target)) {
            self.targets[place].1.wait_for_store(wait, now);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::test_events::{NOON, TestRun};

    #[test]
    fn what_all_workers_have_settled_counts_for_the_target_that_it_is_of() {
        let mut tallies = TargetTallies::default();
        let (north, south) = (Arc::from("north"), Arc::from("south"));
        tallies.take(Some(&north), &TestRun::new(10, 0).events);
        for target in [&north, &south] {
            tallies.settled_by_all(Some(target), 7, NOON);
        }
        let [(name, tally)] = tallies.targets() else { panic!("another target has not begun") };
        assert_eq!((name, tally.done()), (&north, 7));
        assert_eq!(tallies.whole().done(), 0);
    }
}
