//! The calls of the last seconds, by the time they were sent, and which of them were throttled.
//!
//! A throttled answer comes at once, while a served call takes its time. So a call without an answer
//! counts as accepted as soon as a throttled answer to it would have arrived.

use crate::policy::pace::throttled_order::irregularity;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long calls are remembered, in nanoseconds.
const MEMORY: Stamp = 6_000_000_000;
/// How many calls are remembered at least, however long ago they were sent.
const MIN_CALLS: usize = 8;
/// How many calls are remembered at most, whatever the rate: some 300 kB.
const MAX_CALLS: usize = 20_000;
/// The longest time, in seconds, that a throttled answer is taken to need: one that hangs says nothing
/// about the next, and calls are remembered for [`MEMORY`] alone.
const LONGEST_LAG: f64 = 1.0;
/// By how much the longest wait for a throttled answer shrinks with each that came sooner.
const LAG_DECAY: f64 = 0.98;
/// How many calls show whether throttled ones have an order.
const MOST_ORDERED: usize = 200;
/// How far apart calls are that stay in their order, as a share of the time that an answer takes.
const SURELY_IN_ORDER: f64 = 0.5;
/// The same for calls of which one may overtake many others.
const HARDLY_IN_ORDER: f64 = 0.0625;
/// How many calls a span needs to show a rate. Where it has fewer, that of as many latest calls does.
const FEW: f64 = 2.0;
const LATEST: usize = 4;
/// The shortest span over which a rate is computed.
const SHORTEST_SPAN: f64 = 0.05;

/// An instant in nanoseconds: they are compared very often, and that is quicker than with instants.
type Stamp = u64;
/// The stamp of the beginning: earlier instants have one, too.
const BEGUN: Stamp = 3_600_000_000_000;

/// Counts calls and throttled calls of the last seconds.
#[derive(Debug, Clone)]
pub(super) struct CallHistory {
    begun: Instant,
    sent: VecDeque<Stamp>,
    throttled: VecDeque<Stamp>,
    /// When calls ended that were not throttled.
    ended: VecDeque<Stamp>,
    accepted: f64,
    throttled_in_all: f64,
    ended_in_all: f64,
    /// How long a throttled answer takes to arrive, in seconds.
    lag: f64,
}

impl CallHistory {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            begun: now,
            sent: VecDeque::new(),
            throttled: VecDeque::new(),
            ended: VecDeque::new(),
            accepted: 0.0,
            throttled_in_all: 0.0,
            ended_in_all: 0.0,
            lag: 0.0,
        }
    }

    pub(super) fn count_sent(&mut self, now: Instant) {
        let now = self.stamp(now);
        self.accepted += 1.0;
        self.sent.push_back(now);
        self.forget(now);
    }

    pub(super) fn count_throttled(&mut self, sent: Instant, now: Instant) {
        self.lag = seconds(sent, now).max(self.lag * LAG_DECAY).min(LONGEST_LAG);
        self.accepted -= 1.0;
        self.throttled_in_all += 1.0;
        let (sent, now) = (self.stamp(sent), self.stamp(now));
        // Answers may overtake one another; nearly all come last.
        let place = until(&self.throttled, sent);
        self.throttled.insert(place, sent);
        self.forget(now);
    }

    /// Takes note of the end of a call that was not throttled.
    pub(super) fn count_ended(&mut self, now: Instant) {
        let now = self.stamp(now);
        self.ended_in_all += 1.0;
        self.ended.push_back(now);
        self.forget(now);
    }

    /// Forgets what is too long ago, and of all kinds the same: they are compared.
    fn forget(&mut self, now: Stamp) {
        let kept = self.sent.len().checked_sub(MIN_CALLS).map(|first| self.sent[first]);
        let oldest = kept.map_or(0, |kept| kept.min(now.saturating_sub(MEMORY)));
        for times in [&mut self.sent, &mut self.throttled, &mut self.ended] {
            while times.len() > MAX_CALLS || times.front().is_some_and(|&at| at < oldest) {
                times.pop_front();
            }
        }
    }

    /// Returns how many calls were sent since the beginning, and how many of these were throttled.
    pub(super) fn in_all(&self) -> (f64, f64) {
        (self.accepted + self.throttled_in_all, self.throttled_in_all)
    }

    /// Returns how many calls are on the wire.
    pub(super) fn on_the_wire(&self) -> usize {
        whole(self.accepted - self.ended_in_all)
    }

    /// Returns how many calls that were accepted were on the wire.
    pub(super) fn level_at(&self, at: Instant) -> usize {
        self.level(self.stamp(at))
    }

    fn level(&self, at: Stamp) -> usize {
        let newest = self.ended.back().copied().unwrap_or(at).max(at);
        let ended = self.ended_in_all - count(&self.ended, at, newest);
        whole(self.accepted_by(at) - ended)
    }

    /// Returns of the latest calls up to an instant how many accepted ones each found on the wire, and
    /// whether it was throttled itself.
    pub(super) fn levels(&self, calls: usize, to: Instant) -> Vec<(usize, bool)> {
        let end = until(&self.sent, self.stamp(to));
        let begin = end.saturating_sub(calls);
        let Some(&first) = self.sent.get(begin) else { return Vec::new() };
        let mut level = self.level(first - 1);
        let mut throttled = self.throttled.range(until(&self.throttled, first - 1)..).peekable();
        let mut ended = self.ended.range(until(&self.ended, first - 1)..).peekable();
        let mut sent = self.sent.range(begin..end).peekable();
        let mut found = Vec::with_capacity(end - begin);
        while let Some(&at) = sent.next() {
            while ended.next_if(|&&other| other <= at).is_some() {
                level = level.saturating_sub(1);
            }
            // Of calls sent at the same time the last ones find most on the wire.
            let mut together = 1;
            while sent.next_if_eq(&&at).is_some() {
                together += 1;
            }
            let mut refused = 0;
            while refused < together && throttled.next_if(|&&other| other <= at).is_some() {
                refused += 1;
            }
            for _ in refused..together {
                found.push((level, false));
                level += 1;
            }
            for _ in 0..refused {
                found.push((level, true));
            }
        }
        found
    }

    /// Returns how many seconds after its sending a throttled call is answered at the latest.
    pub(super) fn answers_within(&self) -> f64 {
        1.1 * self.lag
    }

    /// Returns the last instant whose calls can be judged: no throttled answer is missing for them.
    pub(super) fn horizon(&self, now: Instant) -> Instant {
        before(now, self.answers_within())
    }

    /// Returns when the latest call was sent.
    pub(super) fn last_sent(&self) -> Option<Instant> {
        self.sent.back().map(|&at| self.instant(at))
    }

    /// Returns when the latest throttled call was sent.
    pub(super) fn last_throttled(&self) -> Option<Instant> {
        self.throttled.back().map(|&at| self.instant(at))
    }

    /// Returns when the latest throttled call up to then was sent.
    pub(super) fn last_throttled_until(&self, at: Instant) -> Option<Instant> {
        let end = until(&self.throttled, self.stamp(at));
        end.checked_sub(1).map(|index| self.instant(self.throttled[index]))
    }

    pub(super) fn sent_between(&self, after: Instant, to: Instant) -> f64 {
        count(&self.sent, self.stamp(after), self.stamp(to))
    }

    pub(super) fn throttled_between(&self, after: Instant, to: Instant) -> f64 {
        count(&self.throttled, self.stamp(after), self.stamp(to))
    }

    pub(super) fn accepted_between(&self, after: Instant, to: Instant) -> f64 {
        self.accepted_from(self.stamp(after), self.stamp(to))
    }

    fn accepted_from(&self, after: Stamp, to: Stamp) -> f64 {
        count(&self.sent, after, to) - count(&self.throttled, after, to)
    }

    /// Returns how many calls were accepted in all, up to an instant of the last seconds.
    pub(super) fn accepted_until(&self, at: Instant) -> f64 {
        self.accepted_by(self.stamp(at))
    }

    fn accepted_by(&self, at: Stamp) -> f64 {
        let newest = self.sent.back().copied().unwrap_or(at).max(at);
        self.accepted - self.accepted_from(at, newest)
    }

    /// Returns the accepted calls per second in the `span` before `to`, or since the beginning; of the
    /// latest calls where those are too few.
    pub(super) fn accepted_per_second(&self, span: f64, to: Instant) -> f64 {
        let span = self.telling(span, to);
        self.accepted_between(before(to, span), to) / span
    }

    /// Returns the sent calls per second in the second before `to`, or since the beginning; of the latest
    /// calls where those are too few.
    pub(super) fn sent_per_second(&self, to: Instant) -> f64 {
        let span = self.telling(1.0, to);
        self.sent_between(before(to, span), to) / span
    }

    /// Returns the span before `to` that shows a rate. Slow calls that leave one after the other show
    /// none in a second, and a pace that falls to nothing hardly comes back.
    fn telling(&self, span: f64, to: Instant) -> f64 {
        let span = seconds(self.begun, to).clamp(SHORTEST_SPAN, span);
        if self.sent_between(before(to, span), to) >= FEW {
            return span;
        }
        let end = until(&self.sent, self.stamp(to));
        let earlier = end.checked_sub(LATEST + 1).map(|index| self.sent[index]);
        let begin = earlier.map_or(self.begun, |at| self.instant(at));
        span.max(seconds(begin, to))
    }

    /// Returns whether the last `row` throttled calls were sent after `after` and one after the
    /// other, with none between them that was accepted.
    pub(super) fn ends_with_throttled(&self, row: usize, after: Instant) -> bool {
        let first = self.throttled.len().checked_sub(row).map(|index| self.throttled[index]);
        let (Some(first), Some(&last)) = (first, self.throttled.back()) else { return false };
        first >= self.stamp(after) && self.accepted_from(first, last) <= 0.0
    }

    /// Returns how much more likely the order of the throttled calls of a span is by chance than under
    /// a limit. Calls that follow one another closely may overtake one another: no order of theirs is
    /// one by chance.
    pub(super) fn irregularity(&self, after: Instant, to: Instant) -> f64 {
        let found = irregularity(&self.in_order(self.stamp(after), self.stamp(to)));
        if self.apart(after, to) < SURELY_IN_ORDER * self.lag { found.min(0.0) } else { found }
    }

    /// Returns whether the calls of a span follow one another so closely that later ones overtake many.
    pub(super) fn overtake(&self, after: Instant, to: Instant) -> bool {
        self.apart(after, to) < HARDLY_IN_ORDER * self.lag
    }

    /// Returns how many seconds the calls of a span are apart.
    fn apart(&self, after: Instant, to: Instant) -> f64 {
        seconds(after, to) / self.sent_between(after, to).max(1.0)
    }

    /// Returns of the calls of a span, in their order, which were throttled; the last ones if there
    /// are many.
    fn in_order(&self, after: Stamp, to: Stamp) -> Vec<bool> {
        let end = until(&self.sent, to);
        let begin = until(&self.sent, after).max(end.saturating_sub(MOST_ORDERED));
        let Some(&first) = self.sent.get(begin) else { return Vec::new() };
        let mut throttled = self.throttled.range(until(&self.throttled, first - 1)..).peekable();
        let sent = self.sent.range(begin..end.max(begin));
        sent.map(|&at| throttled.next_if(|&&other| other <= at).is_some()).collect()
    }

    /// Returns how the throttled calls of a span lie among the accepted ones.
    pub(super) fn groups(&self, after: Instant, to: Instant) -> Groups {
        let begin = until(&self.throttled, self.stamp(after));
        let end = until(&self.throttled, self.stamp(to)).max(begin);
        let (mut groups, mut longest_accepted) = (0.0, 0.0_f64);
        let mut last = self.stamp(after);
        for (index, &at) in self.throttled.range(begin..end).enumerate() {
            let accepted = self.accepted_from(last, at);
            groups += if index > 0 && accepted < 0.5 { 0.0 } else { 1.0 };
            (longest_accepted, last) = (longest_accepted.max(accepted), at);
        }
        let longest_accepted = longest_accepted.max(self.accepted_from(last, self.stamp(to)));
        let (calls, throttled) = (self.sent_between(after, to), (end - begin) as f64);
        Groups { calls, throttled, groups, longest_accepted }
    }

    fn stamp(&self, at: Instant) -> Stamp {
        match at.checked_duration_since(self.begun) {
            Some(later) => BEGUN + nanos(later),
            None => BEGUN.saturating_sub(nanos(self.begun - at)),
        }
    }

    /// Returns the instant of a call, none of which is from before the beginning.
    fn instant(&self, stamp: Stamp) -> Instant {
        self.begun + Duration::from_nanos(stamp.saturating_sub(BEGUN))
    }
}

/// The throttled calls of a span, and the groups in which they follow one another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Groups {
    calls: f64,
    throttled: f64,
    groups: f64,
    longest_accepted: f64,
}

impl Groups {
    /// Returns whether they lie scattered.
    ///
    /// Of `n` calls with `k` throttled by chance, k·(n − k)/n groups are expected (the runs of the
    /// Wald–Wolfowitz test); those of a limit come in few groups.
    pub(super) fn are_scattered(self) -> bool {
        let Self { calls, throttled, groups, .. } = self;
        let expected = throttled * (calls - throttled) / calls.max(1.0);
        groups >= 3.0 && groups >= 0.6 * (expected + 0.5)
    }

    /// Returns how many groups there are.
    pub(super) fn count(self) -> f64 {
        self.groups
    }

    /// Returns how many calls in a row were accepted, at most.
    pub(super) fn longest_accepted(self) -> f64 {
        self.longest_accepted
    }

    /// Returns how many calls of the span were accepted.
    pub(super) fn accepted(self) -> f64 {
        self.calls - self.throttled
    }

    /// Returns how many follow one another on average.
    pub(super) fn in_a_row(self) -> f64 {
        self.throttled / self.groups.max(1.0)
    }
}

/// Returns how many of these are not later than that.
fn until(times: &VecDeque<Stamp>, to: Stamp) -> usize {
    // Most questions are about the present.
    if times.back().is_none_or(|&last| last <= to) {
        return times.len();
    }
    times.partition_point(|&at| at <= to)
}

fn count(times: &VecDeque<Stamp>, after: Stamp, to: Stamp) -> f64 {
    until(times, to).saturating_sub(until(times, after)) as f64
}

/// Returns a span in whole nanoseconds, as far as they are counted: more than 500 years.
fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX - BEGUN)
}

/// Returns a count as the number of items that it is.
pub(super) fn whole(count: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are whole")]
    let whole = count.max(0.0) as usize;
    whole
}

/// Returns the seconds from one instant to a later one.
pub(super) fn seconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64()
}

/// Returns the instant that many seconds after another one.
pub(super) fn after(at: Instant, span: f64) -> Instant {
    at + Duration::from_secs_f64(span)
}

/// Returns the instant that many seconds before another one, as far back as instants reach.
pub(super) fn before(at: Instant, span: f64) -> Instant {
    at.checked_sub(Duration::from_secs_f64(span)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
    fn origin() -> Instant {
        Instant::now()
    }

    /// A history of a call every 10 ms, of which those in `throttled` were throttled at once.
    fn history(calls: u64, throttled: &[u64]) -> (CallHistory, impl Fn(u64) -> Instant) {
        let start = origin();
        let at = move |call: u64| start + Duration::from_millis(10 * call);
        let mut history = CallHistory::new(start);
        for call in 1..=calls {
            history.count_sent(at(call));
            if throttled.contains(&call) {
                history.count_throttled(at(call), at(call));
            }
        }
        (history, at)
    }

    #[test]
    fn accepted_calls_are_counted_by_the_time_they_were_sent() {
        let (history, at) = history(100, &[51, 52, 100]);
        assert_eq!(history.accepted_per_second(1.0, at(100)), 97.0);
        assert_eq!(history.accepted_until(at(50)), 50.0);
        assert_eq!(history.accepted_until(at(52)), 50.0);
        assert_eq!(history.sent_per_second(at(100)), 100.0);
    }

    #[test]
    fn a_slow_call_shows_a_slow_pace_and_not_none() {
        let (history, at) = history(1, &[]);
        let paces = [1, 100, 102, 500].map(|call| history.sent_per_second(at(call)));
        assert_eq!(paces, [20.0, 1.0, 1.0 / 1.02, 0.2]);
        assert_eq!(CallHistory::new(at(0)).sent_per_second(at(500)), 0.0);
    }

    #[test]
    fn calls_minutes_apart_show_their_pace() {
        let start = origin();
        let at = |secs: u64| start + Duration::from_secs(secs);
        let mut history = CallHistory::new(start);
        for call in 1..=20 {
            history.count_sent(at(60 * call));
            if call % 4 == 0 {
                history.count_throttled(at(60 * call), at(60 * call + 5));
            } else {
                history.count_ended(at(60 * call + 5));
            }
        }
        let (to, pace) = (at(1_200), 1.0 / 60.0);
        assert!((history.sent_per_second(to) - pace).abs() < 1e-12);
        assert!((history.accepted_per_second(1.0, to) - 0.75 * pace).abs() < 1e-12);
        // What is forgotten of one kind is forgotten of all.
        assert!(!history.ends_with_throttled(2, at(0)));
        assert_eq!((history.sent.len(), history.throttled.len(), history.ended.len()), (8, 2, 6));
        assert_eq!(history.on_the_wire(), 0);
    }

    #[test]
    fn two_calls_of_a_second_show_its_rate_and_one_does_not() {
        let start = origin();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut history = CallHistory::new(start);
        for millis in [1_000, 2_000, 3_000, 4_000, 5_000, 5_900] {
            history.count_sent(at(millis));
        }
        assert_eq!(history.sent_per_second(at(5_999)), 2.0);
        // The four latest in four seconds and what has passed since the last one.
        assert_eq!(history.sent_per_second(at(6_000)), 1.0);
        assert_eq!(history.sent_per_second(at(4_000)), 1.0);
    }

    #[test]
    fn a_row_of_throttled_calls_ends_with_one_that_was_accepted() {
        let (unbroken, at) = history(20, &[17, 18, 19, 20]);
        assert!(unbroken.ends_with_throttled(4, at(17)));
        assert!(!unbroken.ends_with_throttled(4, at(18)));
        assert!(!unbroken.ends_with_throttled(5, at(1)));
        let (broken, at) = history(20, &[16, 18, 19, 20]);
        assert!(!broken.ends_with_throttled(4, at(1)));
    }

    #[test]
    fn chance_scatters_and_a_limit_does_not() {
        let (chance, at) = history(60, &[3, 9, 20, 22, 37, 41, 58]);
        assert!(chance.groups(at(0), at(60)).are_scattered());
        let (limit, at) = history(60, &[54, 55, 56, 57, 58, 59, 60]);
        let limit = limit.groups(at(0), at(60));
        assert!(!limit.are_scattered());
        assert_eq!((chance.groups(at(18), at(60)).in_a_row(), limit.in_a_row()), (1.0, 7.0));
    }

    #[test]
    fn each_call_finds_the_accepted_ones_that_have_not_ended() {
        let (mut history, at) = history(6, &[3]);
        history.count_ended(at(4) + Duration::from_millis(5));
        let levels = [(0, false), (1, false), (2, true), (2, false), (2, false), (3, false)];
        assert_eq!(history.levels(10, at(6)), levels);
        assert_eq!(history.levels(2, at(5)), levels[3..5]);
        assert_eq!((history.level_at(at(4)), history.on_the_wire()), (3, 4));
    }

    #[test]
    fn calls_that_come_at_one_instant_find_one_another_and_not_what_ended_then() {
        let start = origin();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut history = CallHistory::new(start);
        // The first two end when the next three begin, of which the last two are throttled.
        for millis in [10, 10, 20, 20, 20, 30] {
            history.count_sent(at(millis));
        }
        (0..2).for_each(|_| history.count_ended(at(20)));
        (0..2).for_each(|_| history.count_throttled(at(20), at(21)));
        let levels = [(0, false), (1, false), (0, false), (1, true), (1, true), (1, false)];
        assert_eq!(history.levels(6, at(30)), levels);
        assert_eq!(history.levels(4, at(30)), levels[2..]);
        assert_eq!(history.levels(5, at(20)), levels[..5]);
        assert_eq!(history.levels(9, at(9)), []);
        // The span begins in their midst, and one that was throttled lies before it.
        assert_eq!(history.levels(1, at(20)), [(0, true)]);
        let at_each = [0, 10, 19, 20, 29, 30, 40].map(|millis| history.level_at(at(millis)));
        assert_eq!(at_each, [0, 2, 2, 1, 1, 2, 2]);
        assert_eq!(history.on_the_wire(), 2);
    }

    #[test]
    fn the_longest_wait_for_a_throttled_answer_shrinks_by_a_fiftieth_each_time() {
        let start = origin();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut history = CallHistory::new(start);
        let mut check = |sent: u64, answered: u64, lag: f64| {
            history.count_throttled(at(sent), at(answered));
            let off = (history.answers_within() - 1.1 * lag).abs();
            assert!(off < 1e-9, "{} for {lag}", history.answers_within());
            let horizon = seconds(history.horizon(at(60_000)), at(60_000));
            assert!((horizon - 1.1 * lag).abs() < 1e-6, "{horizon} for {lag}");
        };
        check(0, 500, 0.5);
        check(1_000, 1_100, 0.49);
        check(2_000, 2_100, 0.4802);
        check(3_000, 3_600, 0.6);
        check(4_000, 6_000, LONGEST_LAG);
    }

    #[test]
    fn the_latest_calls_are_known_by_when_they_were_sent() {
        let (history, at) = history(30, &[10, 20]);
        assert_eq!((history.last_sent(), history.last_throttled()), (Some(at(30)), Some(at(20))));
        let until = |call| history.last_throttled_until(at(call));
        assert_eq!([until(9), until(10), until(19)], [None, Some(at(10)), Some(at(10))]);
        assert_eq!([until(20), until(30)], [Some(at(20)); 2]);
        let none = CallHistory::new(at(0));
        assert_eq!((none.last_sent(), none.last_throttled()), (None, None));
        assert_eq!((none.on_the_wire(), none.level_at(at(1))), (0, 0));
    }

    #[test]
    fn a_rate_is_that_of_its_span_or_since_the_beginning_and_never_of_a_moment() {
        let (history, at) = history(100, &[71, 72, 73, 74, 75]);
        assert_eq!(history.accepted_per_second(0.5, at(100)), 90.0);
        assert_eq!(history.accepted_per_second(0.5, at(40)), 100.0);
        assert_eq!(history.accepted_per_second(2.0, at(50)), 100.0);
        assert_eq!(history.accepted_per_second(0.5, at(2)), 40.0);
        assert_eq!(history.sent_per_second(at(2)), 40.0);
        assert_eq!(history.sent_per_second(at(50)), 100.0);
        let between = |after, to| {
            (
                history.sent_between(at(after), at(to)),
                history.throttled_between(at(after), at(to)),
                history.accepted_between(at(after), at(to)),
            )
        };
        assert_eq!(between(70, 75), (5.0, 5.0, 0.0));
        assert_eq!(between(71, 80), (9.0, 4.0, 5.0));
        assert_eq!(between(80, 70), (0.0, 0.0, 0.0));
    }

    #[test]
    fn groups_are_scattered_if_there_are_three_and_six_tenths_of_what_chance_gives() {
        let scattered = |calls, throttled, groups| {
            Groups { calls, throttled, groups, longest_accepted: 0.0 }.are_scattered()
        };
        // Half of 18 give 4.5 groups by chance, and half of 20 give 5.
        assert!(scattered(18.0, 9.0, 3.0) && !scattered(18.0, 9.0, 2.0));
        assert!(scattered(20.0, 10.0, 4.0) && !scattered(20.0, 10.0, 3.0));
        assert!(scattered(10.0, 3.0, 3.0) && !scattered(10.0, 2.0, 2.0));
        let (history, at) = history(30, &[3, 4, 9, 11, 12, 13]);
        let groups = history.groups(at(0), at(30));
        assert_eq!((groups.count(), groups.in_a_row()), (3.0, 2.0));
        let groups = history.groups(at(3), at(11));
        assert_eq!((groups.count(), groups.in_a_row()), (3.0, 1.0));
        let longest = |after, to| history.groups(at(after), at(to)).longest_accepted();
        assert_eq!(
            (longest(0, 30), longest(0, 13), longest(2, 9), longest(9, 12)),
            (17.0, 4.0, 4.0, 1.0)
        );
        assert_eq!((longest(20, 24), longest(3, 4)), (4.0, 0.0));
        assert_eq!(history.groups(at(20), at(30)).in_a_row(), 0.0);
    }

    /// Throttled calls that lie scattered, and others long before them.
    const SCATTERED: [u64; 13] = [1, 3, 4, 210, 211, 213, 219, 222, 223, 225, 230, 232, 233];

    #[test]
    fn the_order_of_the_last_200_calls_counts() {
        let (history, at) = history(300, &SCATTERED);
        let order: Vec<bool> = (101..=300).map(|call| SCATTERED.contains(&call)).collect();
        let in_order =
            |after, to| history.in_order(history.stamp(at(after)), history.stamp(at(to)));
        assert_eq!(in_order(0, 300), order);
        assert_eq!(in_order(209, 234), order[109..134]);
        assert_eq!(in_order(210, 234), order[110..134]);
        assert!(in_order(240, 210).is_empty());
        assert!(in_order(300, 400).is_empty());
    }

    #[test]
    fn where_calls_may_overtake_one_another_no_order_is_one_by_chance() {
        let start = origin();
        let at = |call: u64| start + Duration::from_millis(10 * call);
        let found = |throttled: &[u64], answered_after: u64, after, to| {
            let mut history = CallHistory::new(start);
            (1..=300).for_each(|call| history.count_sent(at(call)));
            for &call in throttled {
                let answered = at(call) + Duration::from_millis(answered_after);
                history.count_throttled(at(call), answered);
            }
            history.irregularity(at(after), at(to))
        };
        let order: Vec<bool> = (210..=234).map(|call| SCATTERED.contains(&call)).collect();
        let by_chance = irregularity(&order);
        assert!(by_chance > 1.0, "{by_chance}");
        // Calls are 10 ms apart, which is half of 20 ms.
        for (answered_after, expected) in [(0, by_chance), (20, by_chance), (21, 0.0)] {
            assert_eq!(found(&SCATTERED, answered_after, 209, 234), expected);
        }
        // An order of a limit is one at any pace.
        let thirds = [3, 6, 9, 12, 15, 18, 21, 24, 27, 30];
        assert!(found(&thirds, 90, 0, 30) < -1.0);
    }

    #[test]
    fn a_span_without_end_counts_as_the_longest() {
        assert_eq!(nanos(Duration::from_nanos(7)), 7);
        assert_eq!(BEGUN + nanos(Duration::MAX), u64::MAX);
    }

    #[test]
    fn no_more_than_20_000_calls_are_remembered() {
        let start = origin();
        let mut history = CallHistory::new(start);
        for calls in 1..=20_003 {
            history.count_sent(start);
            assert_eq!(history.sent.len(), calls.min(20_000));
        }
    }

    #[test]
    fn calls_are_forgotten_after_a_while() {
        let (history, at) = history(1_000, &[]);
        assert_eq!(history.sent_between(at(0), at(1_000)), 601.0);
        assert_eq!(history.accepted_until(at(1_000)), 1_000.0);
    }

    #[test]
    fn what_is_older_than_six_seconds_is_forgotten_of_every_kind_but_for_the_last_eight() {
        let start = origin();
        for (last, expected) in [(6_001, 9), (12_000, 8)] {
            let mut history = CallHistory::new(start);
            for millis in [0, 1, 2, 3, 4, 5, 6, 7, 6_000, last] {
                let now = start + Duration::from_millis(millis);
                history.count_sent(now);
                history.count_throttled(now, now);
                history.count_ended(now);
            }
            let kept = [&history.sent, &history.throttled, &history.ended].map(VecDeque::len);
            assert_eq!(kept, [expected; 3], "{last}");
        }
    }
}
