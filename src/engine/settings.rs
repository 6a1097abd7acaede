//! The settings of an engine.

use crate::clock::Timestamp;
use crate::event::Change;
use crate::policy::{OnDoubt, PaceStart, RetryPolicy, SharedSlots, Waves};
use crate::task::Rate;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

const FOUR: NonZeroU32 = NonZeroU32::new(4).expect("not zero");

/// How a run is carried out. A duration beyond the range of instants means no limit.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The maximum number of calls on the wire.
    pub concurrency: NonZeroUsize,
    /// The maximum number of sendings in a window; without it only the service limits the run.
    pub rate: Option<Rate>,
    /// The bounds of the pace that follows the service, and where it begins; it never exceeds `rate`.
    pub pace: PaceStart,
    /// Whether the pace is found elsewhere for all processes of the run, and kept by its slots.
    pub is_pace_common: bool,
    /// The slots that the run shares with other processes, if it does.
    pub slots: Option<SharedSlots>,
    /// The time-out of one attempt, connecting included.
    pub timeout: Duration,
    /// When and how often a task is sent again.
    pub retry: RetryPolicy,
    /// The duration over which the rate grows to its limit, if it does.
    pub ramp: Option<Duration>,
    /// The number of tasks that must succeed before the others are sent.
    pub canary: Option<NonZeroU64>,
    /// The waves in which the tasks are sent, if they are.
    pub waves: Option<Waves>,
    /// The pause between two waves.
    pub wave_pause: Duration,
    /// The number of tolerated failures; one more stops new sendings.
    pub tolerated_failures: u64,
    /// The duration of an outage after which the run stops.
    pub outage_timeout: Duration,
    /// The time for which the service may throttle every call before the run stops.
    pub throttle_timeout: Duration,
    /// The duration after which new sendings stop.
    pub max_duration: Option<Duration>,
    /// The time for calls on the wire to finish after a stop.
    pub drain_timeout: Duration,
    /// The work of earlier processes of the run.
    pub origin: StartingPoint,
}

impl EngineSettings {
    /// Returns settings for a run of so many tasks from its start: no rate and no limit of failures, one
    /// attempt at most of 60 s and four of a task, 10 min of outages or throttling, 30 s to finish.
    pub fn unlimited(concurrency: NonZeroUsize, tasks: u64) -> Self {
        let ten_minutes = Duration::from_secs(600);
        Self {
            concurrency,
            rate: None,
            pace: PaceStart::below(None),
            is_pace_common: false,
            slots: None,
            timeout: Duration::from_secs(60),
            retry: RetryPolicy { max_attempts: FOUR, on_doubt: OnDoubt::Retry },
            ramp: None,
            canary: None,
            waves: None,
            wave_pause: Duration::ZERO,
            tolerated_failures: u64::MAX,
            outage_timeout: ten_minutes,
            throttle_timeout: ten_minutes,
            max_duration: None,
            drain_timeout: Duration::from_secs(30),
            origin: StartingPoint { selected: tasks, ..StartingPoint::default() },
        }
    }

    /// Returns the same settings with at most so many sendings in a window.
    #[must_use]
    pub fn at_rate(self, rate: Option<Rate>) -> Self {
        Self { rate, pace: PaceStart::below(rate), ..self }
    }
}

/// The work of earlier processes of a run.
#[derive(Debug, Clone, Default)]
pub struct StartingPoint {
    /// The number of selected tasks.
    pub selected: u64,
    /// The number of them that are settled.
    pub settled: u64,
    /// The number of the settled ones that needed no call, such as unchanged ones.
    pub unsent: u64,
    /// The end of the last pause between two waves.
    pub wave_pause_until: Option<Timestamp>,
    /// The number of them that failed.
    pub failed: u64,
    /// The number of attempts.
    pub attempts: u64,
    /// How attempts are numbered.
    pub numbering: Numbering,
    /// The latest sending times, oldest first: as many as a window may hold.
    pub last_sent: Vec<Timestamp>,
    /// What this process does otherwise than the one before it.
    pub changes: Vec<Change>,
}

/// How attempts are numbered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Numbering {
    /// One after the other, because no other process has attempts of the run.
    #[default]
    Counted,
    /// By the time at which they are begun, so that those of several workers are in one order.
    Timed {
        /// The worker.
        worker: u32,
    },
}

/// How many workers have numbers of their own in each microsecond.
const WORKERS: u64 = 1 << 10;

/// Returns the number of an attempt that a worker begins at a time: at least `least`.
pub(crate) fn timed_number(at: Timestamp, worker: u32, least: u64) -> u64 {
    let worker = u64::from(worker) % WORKERS;
    let micros = u64::try_from(at.as_micros()).unwrap_or_default();
    let rounds = least.saturating_sub(worker).div_ceil(WORKERS);
    micros.max(rounds) * WORKERS + worker
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_several_workers_are_in_the_order_of_time_and_never_the_same() {
        let at = |micros: i64| Timestamp::from_micros(1_720_180_800_000_000 + micros);
        let one = timed_number(at(0), 1, 0);
        let two = timed_number(at(0), 2, 0);
        assert!(one < two && two < timed_number(at(1), 1, 0));
        // A second one at the same time, and one after the clock was set back.
        let next = timed_number(at(0), 1, one + 1);
        assert_eq!(next - one, WORKERS);
        assert_eq!(timed_number(at(-5), 1, next + 1) - next, WORKERS);
        // SQLite keeps signed numbers.
        assert!(i64::try_from(timed_number(at(0), 1_023, 0)).is_ok());
    }
}
