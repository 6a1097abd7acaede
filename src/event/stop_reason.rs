//! Why a run ends before every task has its outcome.

use std::str::FromStr;

/// The reason why a run stopped before every task had its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// SIGINT, or an equivalent request.
    Interrupted,
    /// SIGTERM or SIGHUP.
    Terminated,
    /// More tasks failed than `--max-failures` tolerates.
    TooManyFailures,
    /// `--max-duration` is over, or `--finish-by` has come.
    OutOfTime,
    /// The credentials were refused.
    NotAuthorised,
    /// The proxy refused to pass calls on.
    ProxyRefused,
    /// The service was away for longer than `--outage-timeout`.
    Outage,
    /// The service throttled every call, or asked to wait, for longer than `--throttle-timeout`.
    Throttled,
    /// One of the tasks of `--canary` did not succeed.
    CanaryFailed,
    /// A task of a wave did not succeed, and another wave would have followed.
    WaveFailed,
    /// An operator asked the run to drain.
    Drained,
    /// The slots of the rate group could not be reserved for too long.
    RateGroupLost,
}

/// The text does not name a reason to stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown reason to stop")]
pub struct UnknownStopReason;

impl FromStr for StopReason {
    type Err = UnknownStopReason;

    fn from_str(word: &str) -> Result<Self, UnknownStopReason> {
        // One list serves both directions, so every word that is written can be read.
        Self::ALL.into_iter().find(|reason| reason.as_str() == word).ok_or(UnknownStopReason)
    }
}

impl StopReason {
    /// Every reason, in the order of the enum.
    // The compiler checks only the length, so a new reason must be added by hand.
    pub const ALL: [Self; 12] = [
        Self::Interrupted,
        Self::Terminated,
        Self::TooManyFailures,
        Self::OutOfTime,
        Self::NotAuthorised,
        Self::ProxyRefused,
        Self::Outage,
        Self::Throttled,
        Self::CanaryFailed,
        Self::WaveFailed,
        Self::Drained,
        Self::RateGroupLost,
    ];

    /// Returns whether all workers of a run stop for it; other reasons are those of one worker.
    pub const fn is_of_all_workers(self) -> bool {
        match self {
            Self::TooManyFailures
            | Self::OutOfTime
            | Self::CanaryFailed
            | Self::WaveFailed
            | Self::Drained => true,
            Self::Interrupted
            | Self::Terminated
            | Self::NotAuthorised
            | Self::ProxyRefused
            | Self::Outage
            | Self::Throttled
            | Self::RateGroupLost => false,
        }
    }

    /// Returns the word used in reports, such as `too_many_failures`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
            Self::TooManyFailures => "too_many_failures",
            Self::OutOfTime => "out_of_time",
            Self::NotAuthorised => "not_authorised",
            Self::ProxyRefused => "proxy_refused",
            Self::Outage => "outage",
            Self::Throttled => "throttled",
            Self::CanaryFailed => "canary_failed",
            Self::WaveFailed => "wave_failed",
            Self::Drained => "drained",
            Self::RateGroupLost => "rate_group_lost",
        }
    }
}
