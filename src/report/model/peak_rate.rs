//! Counts the most attempts that were sent in any window of one second.
//!
//! Exact for attempts that are added nearly in order: a buffer sorts them before they are counted.
//! Memory grows with the rate, not with the number of attempts.

use crate::clock::Timestamp;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// All attempts of a window are less than this apart.
const WINDOW: Duration = Duration::from_secs(1);
/// How far out of order attempts may be added. They are read in the order in which they were
/// begun, and one that waited for a slot may leave after the next ones.
const DISORDER: Duration = Duration::from_secs(10);

/// The most attempts in one second so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct PeakRate {
    /// Not counted yet, because an earlier one may still be added.
    pending: BinaryHeap<Reverse<Timestamp>>,
    newest: Option<Timestamp>,
    /// The counted attempts of the last window, in order.
    window: VecDeque<Timestamp>,
    most: usize,
}

impl PeakRate {
    /// Adds an attempt.
    pub(crate) fn add(&mut self, sent: Timestamp) {
        // Earlier than an attempt that is counted already: the system's clock was set back between
        // two processes. The windows begin anew, because the same second on both clocks was not
        // the same time.
        if self.window.back().is_some_and(|&counted| sent < counted) {
            self.count_all();
            self.window.clear();
            self.newest = None;
        }
        let newest = self.newest.map_or(sent, |newest| newest.max(sent));
        self.newest = Some(newest);
        self.pending.push(Reverse(sent));
        while let Some(&Reverse(first)) = self.pending.peek()
            && newest.since(first) > DISORDER
        {
            self.pending.pop();
            self.count(first);
        }
    }

    /// Returns the most attempts in any window of one second.
    pub(crate) fn finish(mut self) -> u64 {
        self.count_all();
        u64::try_from(self.most).expect("a usize fits a u64")
    }

    fn count_all(&mut self) {
        let mut pending = std::mem::take(&mut self.pending).into_vec();
        // They are nearly in order, which this sort makes use of and taking one after the other does not.
        pending.sort_by_key(|Reverse(sent)| *sent);
        pending.into_iter().for_each(|Reverse(sent)| self.count(sent));
    }

    /// Moves the window so that it ends with `sent`.
    fn count(&mut self, sent: Timestamp) {
        // The fullest window can be moved so that it ends with an attempt, so no other window
        // needs to be looked at.
        self.window.push_back(sent);
        while self.window.front().is_some_and(|&first| sent.since(first) >= WINDOW) {
            self.window.pop_front();
        }
        self.most = self.most.max(self.window.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn peak(micros: &[i64]) -> u64 {
        let mut peak = PeakRate::default();
        for &at in micros {
            peak.add(Timestamp::from_micros(at));
        }
        peak.finish()
    }

    fn check(millis: &[i64], expected: u64) {
        let micros: Vec<i64> = millis.iter().map(|at| at * 1_000).collect();
        assert_eq!(peak(&micros), expected, "{millis:?}");
    }

    #[test]
    fn two_attempts_a_second_apart_share_no_window() {
        check(&[], 0);
        check(&[0], 1);
        check(&[0, 999], 2);
        check(&[0, 1_000, 2_000], 1);
    }

    #[test]
    fn the_fullest_window_counts_wherever_it_begins() {
        check(&[0, 700, 1_400, 1_500, 1_600, 3_000], 4);
    }

    #[test]
    fn windows_begin_anew_after_a_clock_was_set_back() {
        check(&[0, 60_000, 60_500, 120_000, 60_100, 60_200, 60_300], 3);
    }

    proptest! {
        #[test]
        fn the_peak_equals_the_fullest_of_all_windows(
            steps in prop::collection::vec((0..700_000i64, -2_000_000..2_000_000i64), 0..200),
        ) {
            let mut base = 0;
            let nearly_in_order = steps.iter().map(|(step, late)| {
                base += step;
                base + late
            });
            let sent: Vec<i64> = nearly_in_order.collect();
            let held_from = |&from: &i64| {
                let window = from..from + 1_000_000;
                sent.iter().filter(|&at| window.contains(at)).count()
            };
            let expected = sent.iter().map(held_from).max().unwrap_or(0);
            prop_assert_eq!(peak(&sent), expected as u64);
        }
    }
}
