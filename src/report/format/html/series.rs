//! Counts attempts, outcomes and held time in each span of a run, for its charts.
//!
//! Outcomes are counted in the walk over all tasks; attempts and holds are read row by row. Of a run
//! that is followed both are known in bins. Memory grows only with the number of spans.

use crate::clock::Timestamp;
use crate::reading::{RunReader, SendingRow, TaskRow};
use crate::report::format::html::axis::Axis;
use crate::report::model::{FollowedSums, LatencyClasses, Report, SentCounts};
use crate::store::StoreError;
use crate::task::OutcomeCounts;
use std::ops::Range;
use std::time::Duration;

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
        if let Some(at) = task.settled {
            let mut one = OutcomeCounts::default();
            one[task.outcome] = 1;
            self.add_counts(at, one);
        }
    }

    fn add_counts(&mut self, at: Timestamp, counts: OutcomeCounts) {
        if let Some(span) = self.axis.span_of(at) {
            self.counts[span] += counts;
        }
    }
}

impl TimeSeries {
    /// Counts the attempts and holds of a run whose outcomes are counted.
    pub(crate) fn read(
        run: &RunReader,
        report: &Report,
        outcomes: OutcomeSeries,
    ) -> Result<Self, StoreError> {
        let mut series = Self::begin(report, outcomes);
        series.read_sendings(run)?;
        series.read_holds(run)?;
        Ok(series)
    }

    /// Takes the attempts and outcomes of a run that is followed, and reads its holds.
    pub(crate) fn of_followed(
        run: &RunReader,
        report: &Report,
        sums: &FollowedSums,
    ) -> Result<Self, StoreError> {
        let mut outcomes = OutcomeSeries::new(&report.run.worked);
        sums.for_each_settled(|at, counts| outcomes.add_counts(at, counts));
        let mut series = Self::begin(report, outcomes);
        if let Some(attempts) = sums.attempts() {
            attempts.for_each(|at, counts| series.add_sent(at, counts));
            series.latency = attempts.latency().clone();
        }
        series.read_holds(run)?;
        Ok(series)
    }

    fn begin(report: &Report, outcomes: OutcomeSeries) -> Self {
        let window = report.pace.rate_limit.map_or(Duration::from_secs(1), |rate| rate.window);
        // Spans shorter than the window would show rates above the limit, although it was kept.
        let pace_axis = Axis::new(&report.run.worked, window);
        Self {
            outcomes,
            sent: vec![0; pace_axis.spans()],
            throttled: vec![0; pace_axis.spans()],
            held: vec![Duration::ZERO; pace_axis.spans()],
            latency: LatencyClasses::default(),
            pace_axis,
        }
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
        self.add_sent(sending.sent, SentCounts::of(sending));
    }

    fn add_sent(&mut self, at: Timestamp, counts: SentCounts) {
        let Some(span) = self.pace_axis.span_of(at) else { return };
        self.sent[span] += counts.sent;
        self.throttled[span] += counts.throttled;
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
