//! Divides the time in which processes worked on a run into equal spans, for charts.
//!
//! The time between two processes is left out, because a chart of a run that was resumed the next
//! day would be empty but for two dots. Each process begins a span of its own, so that no span has
//! calls of two processes. Pure.

use crate::clock::Timestamp;
use std::ops::Range;
use std::time::Duration;

/// The most spans, unless there are more processes: columns of a chart stay wide enough to see.
const MAX_SPANS: u128 = 72;

/// The lengths of a span, in milliseconds: round numbers of the units that people use.
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
    processes: Vec<ProcessSpans>,
    length: Duration,
    spans: usize,
}

/// The spans of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ProcessSpans {
    worked: Range<Timestamp>,
    spans: Range<usize>,
}

impl Axis {
    /// Divides the active time into spans of the shortest length of which there are not too many.
    pub(crate) fn new(worked: &[Range<Timestamp>], shortest: Duration) -> Self {
        let mut worked = worked.to_vec();
        // A clock that was set back between two processes puts them out of order.
        worked.sort_by_key(|process| process.start);
        let fits = |length: &Duration| {
            *length >= shortest
                && worked.iter().map(|process| spans(process, *length)).sum::<u128>()
                    <= MAX_SPANS.max(worked.len() as u128)
        };
        let longest = shortest.max(Duration::from_millis(LENGTHS[LENGTHS.len() - 1]));
        // The limit's window may be longer than every listed length.
        let length = LENGTHS.map(Duration::from_millis).into_iter().find(fits).unwrap_or(longest);
        let mut next = 0;
        let process = |worked: Range<Timestamp>| {
            let first = next;
            next += usize::try_from(spans(&worked, length)).unwrap_or(usize::MAX);
            ProcessSpans { worked, spans: first..next }
        };
        let processes = worked.into_iter().map(process).collect();
        Self { processes, length, spans: next }
    }

    /// Returns the number of spans.
    pub(crate) fn spans(&self) -> usize {
        self.spans
    }

    /// Returns the length of each span.
    pub(crate) fn length(&self) -> Duration {
        self.length
    }

    /// Returns the longest unit that divides this length and all longer ones.
    pub(crate) fn unit(&self) -> Duration {
        let millis = u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX);
        let longer = LENGTHS.into_iter().filter(|length| *length >= millis);
        Duration::from_millis(longer.fold(millis, common_divisor))
    }

    /// Returns the span of a time: the nearest one, if no process worked then.
    pub(crate) fn span_of(&self, at: Timestamp) -> Option<usize> {
        let process = self.process_at(at)?;
        Some(self.span_in(process, at))
    }

    /// Calls `take` with each span that a time overlaps, and for how long, while its process worked.
    pub(crate) fn spread(&self, time: &Range<Timestamp>, mut take: impl FnMut(usize, Duration)) {
        let Some(process) = self.process_at(time.start) else { return };
        let until = time.end.min(process.worked.end);
        let from = time.start.max(process.worked.start);
        // A hold may begin after the last record of a killed process.
        if until <= from {
            return;
        }
        for span in self.span_in(process, from)..=self.span_in(process, until) {
            let begin = self.begin_in(process, span);
            let end = self.begin_in(process, span + 1).min(until);
            take(span, end.since(begin.max(from)));
        }
    }

    /// Returns when a span begins.
    pub(crate) fn begin(&self, span: usize) -> Option<Timestamp> {
        let process = self.processes.iter().find(|process| process.spans.contains(&span))?;
        Some(self.begin_in(process, span))
    }

    /// Returns the first span of each process after the first process.
    pub(crate) fn resumed(&self) -> impl Iterator<Item = usize> {
        self.processes.iter().skip(1).map(|process| process.spans.start)
    }

    fn process_at(&self, at: Timestamp) -> Option<&ProcessSpans> {
        let begun = self.processes.partition_point(|process| process.worked.start <= at);
        // A time before all processes belongs to the first.
        self.processes.get(begun.saturating_sub(1))
    }

    fn span_in(&self, process: &ProcessSpans, at: Timestamp) -> usize {
        let index = at.since(process.worked.start).as_micros() / self.length.as_micros();
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        // A time after the end of its process belongs to the last span of the process.
        process.spans.start.saturating_add(index).min(process.spans.end - 1)
    }

    fn begin_in(&self, process: &ProcessSpans, span: usize) -> Timestamp {
        let after = self.length.as_micros() * (span - process.spans.start) as u128;
        process.worked.start.plus_micros(i64::try_from(after).unwrap_or(i64::MAX))
    }
}

/// Returns the greatest common divisor, by Euclid.
fn common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { common_divisor(other, one % other) }
}

/// Returns the number of spans of a process, at least one.
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
    fn spans_are_as_short_as_their_number_allows() {
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
    fn a_time_is_spread_over_the_spans_in_which_its_process_worked() {
        let axis = axis(&[(0, 2_500), (10_000, 11_000)], 1_000);
        let mut parts = Vec::new();
        axis.spread(&(at(500)..at(9_000)), |span, time| parts.push((span, time.as_millis())));
        assert_eq!(parts, [(0, 500), (1, 1_000), (2, 500)]);
    }

    #[test]
    fn the_unit_of_every_length_divides_that_of_the_next() {
        let unit = |millis: u64| {
            let axis =
                Axis { processes: Vec::new(), length: Duration::from_millis(millis), spans: 0 };
            axis.unit().as_millis()
        };
        assert_eq!(
            [10, 20, 50, 200, 10_000, 2_592_000_000].map(unit),
            [10, 10, 50, 100, 5_000, 2_592_000_000]
        );
        for (number, length) in LENGTHS.into_iter().enumerate() {
            for longer in &LENGTHS[number..] {
                assert_eq!(u128::from(*longer) % unit(length), 0, "{length} {longer}");
                assert_eq!(unit(*longer) % unit(length), 0, "{length} {longer}");
            }
        }
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
