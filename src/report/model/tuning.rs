//! Draws from a run's own numbers what would make the next one better.
//!
//! Collects the figures; what follows from them is decided by `policy::tuning_hints`.

use crate::policy::RunFigures;
use crate::policy::TuningHint;
use crate::policy::tuning_hints;
use crate::report::model::Calls;
use crate::report::model::active_time::ActiveTime;
use crate::settings::RunSettings;
use crate::store::SendingRow;
use crate::task::FailureKind;
use std::time::Duration;

/// What the attempts tell about time-outs and answers.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    timed_out: u64,
    answered: u32,
    total: Duration,
    slowest: Duration,
}

impl Answered {
    /// Takes note of an attempt.
    pub(crate) fn add(&mut self, sending: &SendingRow) {
        self.timed_out += u64::from(sending.failed == Some(FailureKind::Timeout));
        let answered = sending.duration.filter(|_| sending.http_status.is_some());
        if let Some(duration) = answered {
            self.answered = self.answered.saturating_add(1);
            self.total = self.total.saturating_add(duration);
            self.slowest = self.slowest.max(duration);
        }
    }

    /// Returns the advice, as far as it follows from the figures.
    pub(crate) fn advice(
        &self,
        calls: &Calls,
        worked: &ActiveTime,
        held: Duration,
        settings: &RunSettings,
    ) -> Vec<TuningHint> {
        tuning_hints(&RunFigures {
            attempts: calls.attempts,
            throttled: calls.throttled,
            timed_out: self.timed_out,
            elapsed: worked.time(),
            held,
            rate: settings.rate.fixed(),
            finds_rate: settings.rate.is_auto(),
            concurrency: settings.concurrency.get(),
            mean_latency: self.total.checked_div(self.answered).unwrap_or_default(),
            slowest: self.slowest,
            timeout: settings.timeout,
        })
    }
}
