//! The sums over all attempts that were sent: calls, latency, pace.

use crate::reading::{RunReader, SendingRow};
use crate::report::model::active_time::ActiveTime;
use crate::report::model::peak_rate::PeakRate;
use crate::report::model::tuning::AnswerTotals;
use crate::report::model::{Calls, Latency};
use crate::store::StoreError;
use crate::task::FailureKind;
use hdrhistogram::Histogram;
use std::time::Duration;

/// The sums over all attempts that were sent.
#[derive(Debug, Clone)]
pub(crate) struct SendingTotals {
    pub(crate) calls: Calls,
    pub(crate) latency: LatencyHistogram,
    pub(crate) peak: PeakRate,
    pub(crate) worked: ActiveTime,
    pub(crate) answers: AnswerTotals,
}

impl SendingTotals {
    /// Begins with no attempt, for processes that worked in this time.
    pub(crate) fn new(worked: ActiveTime) -> Self {
        Self {
            calls: Calls::default(),
            latency: LatencyHistogram::new(),
            peak: PeakRate::default(),
            worked,
            answers: AnswerTotals::default(),
        }
    }

    /// Reads all attempts of a run.
    pub(crate) fn read(run: &RunReader, worked: ActiveTime) -> Result<Self, StoreError> {
        let mut totals = Self::new(worked);
        run.for_each_sending::<StoreError>(|sending| {
            totals.add(&sending);
            Ok(())
        })?;
        Ok(totals)
    }

    /// Adds an attempt.
    pub(crate) fn add(&mut self, sending: &SendingRow) {
        self.count(sending);
        self.answers.add(sending);
        self.peak.add(sending.sent);
        self.worked.add_sending(sending.sent);
        // An attempt without a duration was on the wire when its process was killed.
        if let Some(duration) = sending.duration {
            let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
            self.worked.add_sign_of_life(sending.sent.plus_micros(micros));
            self.latency.add(duration);
        }
    }

    fn count(&mut self, sending: &SendingRow) {
        self.calls.attempts += 1;
        self.calls.retries += u64::from(sending.number > 1);
        self.calls.throttled += u64::from(sending.failed == Some(FailureKind::Throttled));
        match sending.http_status {
            Some(status) => *self.calls.by_status.entry(status).or_default() += 1,
            None => self.calls.without_answer += 1,
        }
    }
}

/// How long the attempts took that ended.
#[derive(Debug, Clone)]
pub(crate) struct LatencyHistogram {
    micros: Histogram<u64>,
    min: Duration,
    max: Duration,
}

impl LatencyHistogram {
    fn new() -> Self {
        const HOUR_MICROS: u64 = 3_600_000_000;
        // Three digits take some 200 KB, whatever the number of attempts.
        let micros = Histogram::new_with_bounds(1, HOUR_MICROS, 3)
            .expect("the bounds are in order and three digits are allowed");
        Self { micros, min: Duration::MAX, max: Duration::ZERO }
    }

    fn add(&mut self, duration: Duration) {
        // Saturating, because a longer duration than the histogram's bound must not be lost.
        self.micros.saturating_record(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
        self.min = self.min.min(duration);
        self.max = self.max.max(duration);
    }

    /// Returns the shortest, the longest and the percentiles; `None` if no attempt ended.
    pub(crate) fn finish(self) -> Option<Latency> {
        if self.micros.is_empty() {
            return None;
        }
        let (min, max) = (self.min, self.max);
        // The histogram rounds to three digits, while both ends are exact: without the clamp a
        // percentile could lie outside them.
        let at =
            |share| Duration::from_micros(self.micros.value_at_quantile(share)).clamp(min, max);
        Some(Latency { min, p50: at(0.5), p90: at(0.9), p99: at(0.99), max })
    }
}
