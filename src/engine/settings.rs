//! The settings of an engine.

use crate::clock::Timestamp;
use crate::event::Change;
use crate::policy::{PaceStart, RetryPolicy, SharedSlots, Waves};
use crate::task::Rate;
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

/// How a run is carried out. A duration beyond the range of instants means no limit.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The maximum number of calls on the wire.
    pub concurrency: NonZeroUsize,
    /// The maximum number of sendings in a window; without it only the service limits the run.
    pub rate: Option<Rate>,
    /// The bounds of the pace that follows the service, and where it begins; it never exceeds `rate`.
    pub pace: PaceStart,
    /// The slots that the run shares with other processes, if it does; it needs a rate then.
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
    /// The latest sending times, oldest first: as many as a window may hold.
    pub last_sent: Vec<Timestamp>,
    /// What this process does otherwise than the one before it.
    pub changes: Vec<Change>,
}
