//! Estimates the speed of a run from the times of its events, in constant memory.
//!
//! There are two measures. The calls that were just sent are exact, over whole windows of the
//! limit. The tasks settled per second are smoothed, so that the time left does not jump. Reads no
//! clock.

use crate::clock::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// The span of time that counts as "now", unless the limit's window is longer.
const RECENT: Duration = Duration::from_secs(5);
/// The fewest slices of a window.
const LEAST_SLICES: u32 = 4;

/// Counts sent calls in slices of time, to know how many were sent in the last windows.
///
/// Only complete windows count, because a limit says nothing about a part of a window.
#[derive(Debug, Clone)]
pub(super) struct Sendings {
    origin: Timestamp,
    slice: Duration,
    per_window: u64,
    windows: u64,
    /// The number of each slice since the origin, and the calls sent in it.
    slices: VecDeque<(u64, u64)>,
}

impl Sendings {
    pub(super) fn new(origin: Timestamp, window: Duration) -> Self {
        // Slices of at most a second divide all windows of rates (1 s, 1 min, 1 h) evenly.
        let per_window = LEAST_SLICES.max(u32::try_from(window.as_secs()).unwrap_or(u32::MAX));
        Self {
            origin,
            slice: (window / per_window).max(Duration::from_micros(1)),
            per_window: u64::from(per_window),
            windows: RECENT.as_micros().div_ceil(window.as_micros().max(1)) as u64,
            slices: VecDeque::new(),
        }
    }

    pub(super) fn sent(&mut self, at: Timestamp) {
        let number = self.slice_of(at);
        match self.slices.back_mut() {
            // A time may be earlier than the last one; slices must stay in order.
            Some((last, count)) if *last >= number => *count += 1,
            Some(_) | None => self.slices.push_back((number, 1)),
        }
        // One window more than is counted, because a display may ask for an earlier time.
        let kept = (self.windows + 1) * self.per_window;
        while self.slices.front().is_some_and(|&(first, _)| first + kept < number) {
            self.slices.pop_front();
        }
    }

    /// Removes the last call, which was withdrawn before it left.
    pub(super) fn withdraw(&mut self) {
        // The slice of the withdrawn call is not known; the newest one is off by little.
        if let Some((_, count)) = self.slices.back_mut() {
            *count = count.saturating_sub(1);
        }
    }

    /// Returns the calls per window, over the last complete windows.
    pub(super) fn per_window(&self, now: Timestamp) -> f64 {
        let passed = self.slice_of(now);
        if passed < self.per_window {
            return self.in_first_window(passed);
        }
        let windows = (passed / self.per_window).min(self.windows);
        self.count(passed - windows * self.per_window, passed) as f64 / windows as f64
    }

    /// Counts gaps, not calls: the first call leaves at once and says nothing about the pace.
    fn in_first_window(&self, passed: u64) -> f64 {
        let gaps = self.count(0, passed).saturating_sub(1);
        gaps as f64 * self.per_window as f64 / passed.max(1) as f64
    }

    fn count(&self, from: u64, to: u64) -> u64 {
        let within = |&&(number, _): &&(u64, u64)| (from..to).contains(&number);
        self.slices.iter().filter(within).map(|&(_, count)| count).sum()
    }

    fn slice_of(&self, at: Timestamp) -> u64 {
        (at.since(self.origin).as_micros() / self.slice.as_micros()) as u64
    }
}

/// The time constant of the rate of settling, in seconds: older events count little.
const MEMORY: f64 = 60.0;
/// The shortest time, in seconds, that must be observed before a rate is returned.
const LEAST_SEEN: f64 = 3.0;
/// The most that one hold adds to the observed time, as a share of it. A service that holds the
/// run again and again does slow it down; but one long hold must not turn minutes into hours.
const MOST_OF_A_HOLD: f64 = 0.25;

/// The rate at which tasks are settled: a fading average, which is frozen during a hold.
#[derive(Debug, Clone)]
pub(super) struct SettlingRate {
    settled: f64,
    seconds: f64,
    until: Timestamp,
    held: bool,
}

impl SettlingRate {
    pub(super) fn new(origin: Timestamp) -> Self {
        Self { settled: 0.0, seconds: 0.0, until: origin, held: false }
    }

    pub(super) fn settled(&mut self, at: Timestamp) {
        self.settled_more(at, 1);
    }

    pub(super) fn settled_more(&mut self, at: Timestamp, tasks: u64) {
        self.go_to(at);
        self.settled += tasks as f64;
    }

    pub(super) fn held(&mut self, at: Timestamp) {
        self.go_to(at);
        self.held = true;
    }

    pub(super) fn continued(&mut self, at: Timestamp) {
        if self.held {
            self.held = false;
            let most = Duration::from_secs_f64(self.seconds * MOST_OF_A_HOLD);
            self.pass(at.since(self.until).min(most));
            self.until = at;
        }
    }

    /// Returns the tasks settled per second, once enough time was observed.
    pub(super) fn per_second(&self, now: Timestamp) -> Option<f64> {
        // A copy, because a question must not change the state: displays ask at odd times.
        let mut present = self.clone();
        present.go_to(now);
        let is_known = present.seconds >= LEAST_SEEN && present.settled > 0.0;
        is_known.then(|| present.settled / present.seconds)
    }

    fn go_to(&mut self, at: Timestamp) {
        if !self.held && at > self.until {
            self.pass(at.since(self.until));
            self.until = at;
        }
    }

    /// Lets time pass: both sums fade alike, so their quotient is unbiased from the start.
    fn pass(&mut self, time: Duration) {
        // An exponentially weighted average in continuous time: a weight of e^(-age/MEMORY), and
        // its integral over `time` is MEMORY * (1 - kept).
        let kept = (-time.as_secs_f64() / MEMORY).exp();
        self.settled *= kept;
        self.seconds = self.seconds * kept + MEMORY * (1.0 - kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Timestamp = Timestamp::from_micros(1_720_180_800_000_000);

    fn after(millis: i64) -> Timestamp {
        ORIGIN.plus_micros(millis * 1_000)
    }

    fn sending_every(millis: i64, window: u64, last: i64) -> Sendings {
        let mut sendings = Sendings::new(ORIGIN, Duration::from_secs(window));
        (0..=last).step_by(millis as usize).for_each(|at| sendings.sent(after(at)));
        sendings
    }

    fn check_rate(sendings: &Sendings, millis: i64, expected: f64) {
        assert_eq!(sendings.per_window(after(millis)), expected, "after {millis} ms");
    }

    #[test]
    fn the_rate_is_that_of_the_last_whole_windows() {
        let sendings = sending_every(100, 1, 60_000);
        check_rate(&sendings, 60_000, 10.0);
        check_rate(&sendings, 60_120, 10.0);
        check_rate(&sendings, 62_500, 5.2);
        check_rate(&sendings, 65_250, 0.0);
    }

    #[test]
    fn a_run_that_begins_does_not_look_faster_than_it_is() {
        let sendings = sending_every(100, 1, 3_000);
        check_rate(&sendings, 0, 0.0);
        check_rate(&sendings, 250, 8.0);
        check_rate(&sendings, 500, 8.0);
        check_rate(&sendings, 1_000, 10.0);
        let slow = sending_every(12_000, 60, 30_000);
        check_rate(&slow, 1_000, 0.0);
        check_rate(&slow, 20_000, 3.0);
    }

    #[test]
    fn a_limit_per_minute_is_told_per_minute() {
        let sendings = sending_every(12_000, 60, 300_000);
        check_rate(&sendings, 300_000, 5.0);
    }

    #[test]
    fn what_was_withdrawn_was_not_sent() {
        let mut sendings = sending_every(100, 1, 4_999);
        sendings.withdraw();
        check_rate(&sendings, 5_000, 9.8);
    }

    #[test]
    fn memory_does_not_grow_with_the_sendings() {
        let sendings = sending_every(1, 1, 600_000);
        assert!(sendings.slices.len() <= 25, "{}", sendings.slices.len());
    }

    fn settling_every(millis: i64, last: i64) -> SettlingRate {
        let mut settling = SettlingRate::new(ORIGIN);
        (millis..=last).step_by(millis as usize).for_each(|at| settling.settled(after(at)));
        settling
    }

    /// Compares in thousandths of a task per second.
    fn check_settling(settling: &SettlingRate, millis: i64, expected: Option<i64>) {
        let rate = settling.per_second(after(millis));
        assert_eq!(rate.map(|rate| (rate * 1_000.0) as i64), expected, "after {millis} ms");
    }

    #[test]
    fn a_steady_run_has_a_steady_rate() {
        check_settling(&settling_every(100, 2_900), 2_900, None);
        check_settling(&settling_every(100, 10_000), 10_000, Some(10_008));
        check_settling(&settling_every(100, 600_000), 600_000, Some(10_008));
    }

    #[test]
    fn a_stall_lowers_the_rate_bit_by_bit() {
        let settling = settling_every(100, 600_000);
        check_settling(&settling, 601_000, Some(9_842));
        check_settling(&settling, 630_000, Some(6_070));
    }

    #[test]
    fn nothing_settled_tells_nothing() {
        check_settling(&SettlingRate::new(ORIGIN), 60_000, None);
    }

    #[test]
    fn a_hold_leaves_the_rate_alone_while_it_lasts() {
        let mut settling = settling_every(100, 600_000);
        settling.held(after(600_000));
        check_settling(&settling, 600_000, Some(10_008));
        check_settling(&settling, 900_000, Some(10_008));
    }

    #[test]
    fn a_long_hold_counts_for_no_more_than_a_quarter_of_what_was_seen() {
        let mut settling = settling_every(100, 600_000);
        settling.held(after(600_000));
        settling.continued(after(900_000));
        check_settling(&settling, 900_000, Some(7_794));
    }

    #[test]
    fn holds_that_recur_slow_the_run_down() {
        let mut settling = SettlingRate::new(ORIGIN);
        for second in 0..600 {
            (1..=5).for_each(|tenth| settling.settled(after(second * 1_000 + tenth * 100)));
            settling.held(after(second * 1_000 + 500));
            settling.continued(after(second * 1_000 + 1_000));
        }
        check_settling(&settling, 600_000, Some(4_983));
    }
}
