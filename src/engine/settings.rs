//! What an engine is told before it begins.

use crate::clock::Timestamp;
use crate::policy::AutoRate;
use crate::policy::RetryPolicy;
use crate::task::Rate;
use std::num::NonZeroU64;
use std::num::NonZeroUsize;
use std::time::Duration;

/// How a run is carried out. A span of time that is longer than instants reach is endless.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The most calls on the wire at a time.
    pub concurrency: NonZeroUsize,
    /// The most sendings in a window; without one only the service slows the run down.
    pub rate: Option<Rate>,
    /// What a search for the rate sets out with, if there is one; it stays at or below `rate`.
    pub auto: Option<AutoRate>,
    /// How long one attempt may take, connecting included.
    pub timeout: Duration,
    /// How often a task is sent again.
    pub retry: RetryPolicy,
    /// Over which span the rate grows to its limit, if it does.
    pub ramp: Option<Duration>,
    /// How many tasks must succeed before the rest is sent, if any must.
    pub canary: Option<NonZeroU64>,
    /// How many failed tasks are tolerated; the one after them stops new sendings.
    pub tolerated_failures: u64,
    /// How long the service may be away before the run stops.
    pub outage_timeout: Duration,
    /// How long new sendings go on at the most.
    pub max_duration: Option<Duration>,
    /// How long calls on the wire may take to finish after a stop.
    pub drain_timeout: Duration,
    /// Where the run stands.
    pub origin: Origin,
}

/// Where a run stands when this process takes it up.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// How many tasks were selected in all.
    pub selected: u64,
    /// How many of them have their outcome.
    pub settled: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How many attempts were made.
    pub attempts: u64,
    /// The last of their sending times, oldest first: as many as a window may hold.
    pub last_sent: Vec<Timestamp>,
}
