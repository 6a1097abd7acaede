//! Divides the time in which processes worked on a run into equal spans, for charts.
//!
//! The time between two processes is left out: a run that was resumed the next day is not a
//! line of nothing with two dots. Each process begins a span of its own, so that no span holds
//! what two of them sent. Pure.

use crate::clock::Timestamp;
use std::ops::Range;
use std::time::Duration;

/// How many spans there are at the most, unless there are more processes.
const MOST_SPANS: u128 = 72;

/// Lengths that people count in, in milliseconds.
const LENGTHS: [u64; 27] = [
    10,
    20,
    50,
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    15_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    3_600_000,
    7_200_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    172_800_000,
    604_800_000,
    2_592_000_000,
];

/// The spans of a run, numbered from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Axis {
    parts: Vec<Part>,
    length: Duration,
    spans: usize,
}

/// The spans of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    worked: Range<Timestamp>,
    spans: Range<usize>,
}

impl Axis {
    /// Divides what was worked into spans of a length that is good to read.
    pub(crate) fn new(worked: &[Range<Timestamp>], shortest: Duration) -> Self {
        let mut worked = worked.to_vec();
        worked.sort_by_key(|part| part.start);
        let fits = |length: &Duration| {
            *length >= shortest
                && worked.iter().map(|part| spans(part, *length)).sum::<u128>()
                    <= MOST_SPANS.max(worked.len() as u128)
        };
        let longest = shortest.max(Duration::from_millis(LENGTHS[LENGTHS.len() - 1]));
        let length = LENGTHS.map(Duration::from_millis).into_iter().find(fits).unwrap_or(longest);
        let mut next = 0;
        let part = |worked: Range<Timestamp>| {
            let first = next;
            next += usize::try_from(spans(&worked, length)).unwrap_or(usize::MAX);
            Part { worked, spans: first..next }
        };
        let parts = worked.into_iter().map(part).collect();
        Self { parts, length, spans: next }
    }

    /// Returns how many spans there are.
    pub(crate) fn spans(&self) -> usize {
        self.spans
    }

    /// Returns how long each is.
    pub(crate) fn length(&self) -> Duration {
        self.length
    }

    /// Returns the span in which something happened: the nearest, if nobody worked then.
    pub(crate) fn span_of(&self, at: Timestamp) -> Option<usize> {
        let part = self.part_of(at)?;
        Some(self.span_in(part, at))
    }

    /// Hands out how much of a time lies in which span, as far as its process worked.
    pub(crate) fn spread(&self, time: &Range<Timestamp>, mut take: impl FnMut(usize, Duration)) {
        let Some(part) = self.part_of(time.start) else { return };
        let until = time.end.min(part.worked.end);
        let from = time.start.max(part.worked.start);
        if until <= from {
            return;
        }
        for span in self.span_in(part, from)..=self.span_in(part, until) {
            let begin = self.begin_in(part, span);
            let end = self.begin_in(part, span + 1).min(until);
            take(span, end.since(begin.max(from)));
        }
    }

    /// Returns when a span begins.
    pub(crate) fn begin(&self, span: usize) -> Option<Timestamp> {
        let part = self.parts.iter().find(|part| part.spans.contains(&span))?;
        Some(self.begin_in(part, span))
    }

    /// Returns the spans with which processes after the first began.
    pub(crate) fn resumed(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().skip(1).map(|part| part.spans.start)
    }

    fn part_of(&self, at: Timestamp) -> Option<&Part> {
        let begun = self.parts.partition_point(|part| part.worked.start <= at);
        self.parts.get(begun.saturating_sub(1))
    }

    fn span_in(&self, part: &Part, at: Timestamp) -> usize {
        let index = at.since(part.worked.start).as_micros() / self.length.as_micros();
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        part.spans.start.saturating_add(index).min(part.spans.end - 1)
    }

    fn begin_in(&self, part: &Part, span: usize) -> Timestamp {
        let after = self.length.as_micros() * (span - part.spans.start) as u128;
        part.worked.start.plus_micros(i64::try_from(after).unwrap_or(i64::MAX))
    }
}

/// Returns how many spans a process takes: at least one.
fn spans(worked: &Range<Timestamp>, length: Duration) -> u128 {
    worked.end.since(worked.start).as_micros().div_ceil(length.as_micros()).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(millis * 1_000)
    }

    fn axis(worked: &[(i64, i64)], shortest_millis: u64) -> Axis {
        let worked: Vec<_> = worked.iter().map(|&(from, until)| at(from)..at(until)).collect();
        Axis::new(&worked, Duration::from_millis(shortest_millis))
    }

    fn check(worked: &[(i64, i64)], shortest: u64, length_millis: u64, spans: usize) {
        let axis = axis(worked, shortest);
        assert_eq!((axis.length().as_millis(), axis.spans()), (length_millis.into(), spans));
    }

    #[test]
    fn spans_are_as_short_as_there_is_room_for() {
        check(&[], 1_000, 1_000, 0);
        check(&[(0, 0)], 1, 10, 1);
        check(&[(0, 7_000)], 1, 100, 70);
        check(&[(0, 7_000)], 1_000, 1_000, 7);
        check(&[(0, 3_600_000)], 1_000, 60_000, 60);
        check(&[(0, 7_000), (90_000_000, 90_007_000)], 1_000, 1_000, 14);
        check(&[(0, 7_000)], 3_000_000_000, 3_000_000_000, 1);
    }

    #[test]
    fn a_time_is_in_the_span_of_its_process_or_the_nearest() {
        let axis = axis(&[(0, 2_500), (10_000, 11_000)], 1_000);
        let spans = [-5, 0, 999, 1_000, 2_499, 9_999, 10_000, 99_999].map(|t| axis.span_of(at(t)));
        assert_eq!(spans, [0, 0, 0, 1, 2, 2, 3, 3].map(Some));
        assert_eq!(axis.begin(3), Some(at(10_000)));
        assert_eq!(axis.resumed().collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn a_time_is_spread_over_its_spans_as_far_as_its_process_worked() {
        let axis = axis(&[(0, 2_500), (10_000, 11_000)], 1_000);
        let mut parts = Vec::new();
        axis.spread(&(at(500)..at(9_000)), |span, time| parts.push((span, time.as_millis())));
        assert_eq!(parts, [(0, 500), (1, 1_000), (2, 500)]);
    }

    proptest! {
        #[test]
        fn every_time_has_a_span(
            worked in prop::collection::vec((0..1_000_000i64, 0..100_000_000i64), 1..9),
            time in -1_000_000..200_000_000i64,
        ) {
            let worked: Vec<_> = worked.iter().map(|&(from, long)| (from, from + long)).collect();
            let axis = axis(&worked, 10);
            prop_assert!(axis.span_of(at(time)).is_some_and(|span| span < axis.spans()));
            prop_assert!(axis.spans() <= 72);
        }
    }
}
