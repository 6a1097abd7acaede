//! Counts attempts, outcomes and held time in each span of a run, for its charts.
//!
//! Outcomes are counted in the walk over all tasks; attempts and holds are read row by row. Memory
//! grows only with the number of spans.

use crate::clock::Timestamp;
use crate::report::format::html::axis::Axis;
use crate::report::model::Report;
use crate::store::{RunReader, SendingRow, StoreError, TaskRow};
use crate::task::{FailureKind, OutcomeCounts};
use std::ops::Range;
use std::time::Duration;

/// The number of latency classes for a factor of ten.
const CLASSES_PER_DECADE: f64 = 8.0;
/// The first class begins here and takes all shorter latencies.
const SHORTEST: Duration = Duration::from_micros(100);
/// The number of classes: up to an hour.
const CLASSES: usize = 62;

/// Counts and times in each span.
#[derive(Debug)]
pub(crate) struct TimeSeries {
    /// Settled tasks.
    pub(crate) outcomes: OutcomeSeries,
    /// The spans in which attempts are counted; none is shorter than the limit's window.
    pub(crate) pace_axis: Axis,
    /// Attempts that were sent in each span.
    pub(crate) sent: Vec<u64>,
    /// Attempts that were sent in each span and throttled.
    pub(crate) throttled: Vec<u64>,
    /// How long the service held the run back in each span.
    pub(crate) held: Vec<Duration>,
    /// Attempts by latency.
    pub(crate) latency: LatencyClasses,
}

/// Settled tasks in each span.
#[derive(Debug)]
pub(crate) struct OutcomeSeries {
    pub(crate) axis: Axis,
    pub(crate) counts: Vec<OutcomeCounts>,
}

impl OutcomeSeries {
    /// Begins with no task, for a run on which processes worked in these times.
    pub(crate) fn new(worked: &[Range<Timestamp>]) -> Self {
        let axis = Axis::new(worked, Duration::from_millis(10));
        Self { counts: vec![OutcomeCounts::default(); axis.spans()], axis }
    }

    /// Counts a task, if it is settled.
    pub(crate) fn add(&mut self, task: &TaskRow) {
        if let Some(span) = task.settled.and_then(|at| self.axis.span_of(at)) {
            self.counts[span][task.outcome] += 1;
        }
    }
}

/// Attempts by latency, in classes that grow by a constant factor.
#[derive(Debug)]
pub(crate) struct LatencyClasses([u64; CLASSES]);

impl TimeSeries {
    /// Counts the attempts and holds of a run whose outcomes are counted.
    pub(crate) fn read(
        run: &RunReader,
        report: &Report,
        outcomes: OutcomeSeries,
    ) -> Result<Self, StoreError> {
        let window = report.pace.rate_limit.map_or(Duration::from_secs(1), |rate| rate.window);
        // Spans shorter than the window would show rates above the limit, although it was kept.
        let pace_axis = Axis::new(&report.run.worked, window);
        let mut series = Self {
            outcomes,
            sent: vec![0; pace_axis.spans()],
            throttled: vec![0; pace_axis.spans()],
            held: vec![Duration::ZERO; pace_axis.spans()],
            latency: LatencyClasses([0; CLASSES]),
            pace_axis,
        };
        series.read_sendings(run)?;
        series.read_holds(run)?;
        Ok(series)
    }

    fn read_sendings(&mut self, run: &RunReader) -> Result<(), StoreError> {
        run.for_each_sending(|sending| {
            self.add_sending(&sending);
            Ok(())
        })
    }

    fn add_sending(&mut self, sending: &SendingRow) {
        if let Some(duration) = sending.duration {
            self.latency.add(duration);
        }
        let Some(span) = self.pace_axis.span_of(sending.sent) else { return };
        self.sent[span] += 1;
        self.throttled[span] += u64::from(sending.failed == Some(FailureKind::Throttled));
    }

    fn read_holds(&mut self, run: &RunReader) -> Result<(), StoreError> {
        // Holds may overlap and come in the order of their beginnings. Time up to here is counted.
        let mut covered = None;
        run.for_each_hold(|hold| {
            let from = covered.map_or(hold.from, |covered| hold.from.max(covered));
            self.pace_axis.spread(&(from..hold.until), |span, time| self.held[span] += time);
            covered = covered.max(Some(hold.until));
            Ok(())
        })
    }
}

impl LatencyClasses {
    fn add(&mut self, duration: Duration) {
        // log10 of the ratio, so that equal factors are equally wide in the chart.
        let decades = (duration.as_secs_f64() / SHORTEST.as_secs_f64()).max(1.0).log10();
        // The cast saturates, and the last class takes all longer latencies.
        let class = (decades * CLASSES_PER_DECADE) as usize;
        self.0[class.min(CLASSES - 1)] += 1;
    }

    /// Returns the classes from the first to the last with an attempt: where each begins, and its
    /// number of attempts.
    pub(crate) fn occupied(&self) -> Vec<(Duration, u64)> {
        let first = self.0.iter().position(|&count| count > 0).unwrap_or(CLASSES);
        let last = self.0.iter().rposition(|&count| count > 0).map_or(first, |last| last + 1);
        (first..last).map(|class| (Self::from(class), self.0[class])).collect()
    }

    /// Returns where a class begins.
    fn from(class: usize) -> Duration {
        SHORTEST.mul_f64(10_f64.powf(class as f64 / CLASSES_PER_DECADE))
    }

    /// Returns the position of a duration on an axis of classes whose first begins at `first`.
    pub(crate) fn position(duration: Duration, first: Duration) -> f64 {
        (duration.as_secs_f64() / first.as_secs_f64()).max(1.0).log10() * CLASSES_PER_DECADE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_class_that_begins_before_it() {
        let mut classes = LatencyClasses([0; CLASSES]);
        for millis in [0, 17, 17, 900, 9_999_999] {
            classes.add(Duration::from_millis(millis));
        }
        let occupied = classes.occupied();
        assert_eq!(occupied.iter().map(|(_, count)| count).sum::<u64>(), 5);
        assert_eq!(occupied.len(), CLASSES);
        let seventeen =
            occupied.iter().rfind(|(from, _)| *from <= Duration::from_millis(17)).unwrap();
        assert_eq!(seventeen.1, 2);
    }

    #[test]
    fn a_factor_of_ten_is_as_wide_everywhere() {
        let first = Duration::from_millis(1);
        assert!((LatencyClasses::position(Duration::from_millis(10), first) - 8.0).abs() < 1e-9);
        assert!((LatencyClasses::position(Duration::from_millis(100), first) - 16.0).abs() < 1e-9);
        assert_eq!(LatencyClasses::position(Duration::ZERO, first), 0.0);
    }
}
