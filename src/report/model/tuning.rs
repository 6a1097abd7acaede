//! Collects the figures of a run from which tuning hints follow.
//!
//! `policy::tuning_hints` decides which hints follow. See `docs/GLOSSARY.md`: tuning hint.

use crate::policy::{RunFigures, TuningHint, tuning_hints};
use crate::reading::SendingRow;
use crate::report::model::Calls;
use crate::report::model::active_time::ActiveTime;
use crate::settings::RunSettings;
use crate::task::{FailureKind, ServiceLimit};
use std::time::Duration;

/// The sums over answered and timed-out attempts.
#[derive(Debug, Clone, Default)]
pub(crate) struct AnswerTotals {
    timed_out: u64,
    answered: u32,
    time: Duration,
    slowest: Duration,
}

impl AnswerTotals {
    /// Adds an attempt.
    pub(crate) fn add(&mut self, sending: &SendingRow) {
        self.timed_out += u64::from(sending.failed == Some(FailureKind::Timeout));
        // The duration of a time-out says how long we waited, not how long the service takes.
        let answered = sending.duration.filter(|_| sending.http_status.is_some());
        if let Some(duration) = answered {
            self.answered = self.answered.saturating_add(1);
            self.time = self.time.saturating_add(duration);
            self.slowest = self.slowest.max(duration);
        }
    }

    /// Returns the hints that follow from the figures.
    pub(crate) fn hints(
        &self,
        calls: &Calls,
        (worked, held): (&ActiveTime, Duration),
        learnt: ServiceLimit,
        settings: &RunSettings,
    ) -> Vec<TuningHint> {
        let mean_latency = self.time.checked_div(self.answered).unwrap_or_default();
        // A found rate is not a setting that a hint could lower, so only a fixed one is passed on.
        tuning_hints(&RunFigures {
            attempts: calls.attempts,
            throttled: calls.throttled,
            timed_out: self.timed_out,
            // Looks at the states before and afterwards send no call.
            elapsed: worked.sending_time() + mean_latency,
            held,
            rate: settings.own_rate().fixed(),
            service_limit: learnt.per_second,
            finds_rate: settings.rate.is_auto(),
            concurrency: settings.concurrency.get(),
            mean_latency,
            slowest: self.slowest,
            timeout: settings.timeout,
        })
    }
}
