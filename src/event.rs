//! The contract between the engine, the store and whoever watches: what happened, in order.
//!
//! Events are facts, named in the past tense. They carry no format, colour or path. The store
//! takes each batch first; only what it has committed is shown to anyone.

use crate::clock::Timestamp;
use crate::task::Counts;
use crate::task::Failure;
use crate::task::Outcome;
use crate::task::Rate;
use crate::task::Task;
use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// The number of a sending within its run, counted from 1 across all tasks and resumptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptSeq(pub u64);

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
}

/// Watches a run: is shown what happened, in order, once it is durable.
///
/// A watcher has no say in the run. It should return at once and never panic; one that does
/// is shown nothing more, and the run goes on. Any `FnMut(&[Event])` is a watcher:
///
/// ```
/// use batchctl::clock::Timestamp;
/// use batchctl::event::{Event, EventKind, Watch};
///
/// let mut continued = 0;
/// let mut watcher = |events: &[Event]| {
///     continued += events.iter().filter(|event| event.kind == EventKind::RunContinued).count();
/// };
/// let event = Event { at: Timestamp::from_micros(0), kind: EventKind::RunContinued };
/// watcher.on_events(&[event]);
/// watcher.finish();
/// assert_eq!(continued, 1);
/// ```
pub trait Watch: Send {
    /// Takes note of what happened since the last call, oldest first.
    fn on_events(&mut self, events: &[Event]);

    /// Is called about once a second, whether or not something happened.
    ///
    /// By default nothing follows from it.
    fn tick(&mut self, now: Timestamp) {
        let _ = now;
    }

    /// Is told how many events it was not shown since the last call, because watchers were slow.
    ///
    /// By default nothing follows from it.
    fn missed(&mut self, events: u64) {
        let _ = events;
    }

    /// Is called once, after the last event, before anyone else uses the terminal.
    ///
    /// By default nothing follows from it.
    fn finish(&mut self) {}
}

impl<F: FnMut(&[Event]) + Send> Watch for F {
    fn on_events(&mut self, events: &[Event]) {
        self(events);
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// A process began, or went on, to carry out the run.
    RunStarted(RunStarted),
    /// An attempt was admitted; its bytes leave only after this is durable.
    AttemptStarted {
        /// Its number in the run.
        seq: AttemptSeq,
        /// The task.
        task: Arc<Task>,
        /// Which attempt of this task it is, from 1.
        number: u32,
        /// The earliest time at which its bytes can leave. The record of an attempt that never
        /// comes to its end keeps it.
        leaves: Timestamp,
    },
    /// An admitted attempt was withdrawn before a byte of it left.
    AttemptWithdrawn {
        /// Its number in the run.
        seq: AttemptSeq,
        /// The task.
        task: Arc<Task>,
    },
    /// An attempt came to an end, with an answer or without.
    AttemptEnded {
        /// Its number in the run.
        seq: AttemptSeq,
        /// The task.
        task: Arc<Task>,
        /// What is known of it.
        result: AttemptResult,
    },
    /// A task waits before it is sent again.
    RetryScheduled {
        /// The task.
        task: Arc<Task>,
        /// When it is due.
        due: Timestamp,
    },
    /// A task got its outcome.
    TaskSettled {
        /// The task.
        task: Arc<Task>,
        /// What became of it.
        outcome: Outcome,
        /// Its last attempt.
        seq: AttemptSeq,
        /// How many attempts it took.
        attempts: u32,
        /// When its first attempt was sent.
        first_sent: Timestamp,
    },
    /// A page of the list was about to be asked for; its bytes leave only after this is durable.
    PollStarted {
        /// The earliest time at which its bytes can leave.
        leaves: Timestamp,
    },
    /// The states of all tasks were read before any was sent, and what is left alone is settled.
    Surveyed(SurveyCounts),
    /// The states of the tasks that were sent were read once more.
    Verified(ArrivalCounts),
    /// The whole run waits.
    RunHeld {
        /// Until when.
        until: Timestamp,
        /// Why.
        reason: HoldReason,
    },
    /// The whole run went on after a wait.
    RunContinued,
    /// The search for the rate has learnt something, or found that it no longer holds.
    RateLearnt {
        /// The sendings a second at which the service throttles; nothing where that is not known.
        per_second: Option<f64>,
    },
    /// An operator changed how the run is carried out.
    RunChanged {
        /// What is different from now on.
        change: Change,
        /// Who wanted it.
        by: Operator,
    },
    /// No new attempt will be admitted; what is on the wire is let finish.
    RunStopping {
        /// Why.
        reason: StopReason,
        /// How many calls are on the wire.
        on_wire: usize,
    },
    /// The process stopped carrying out the run.
    RunEnded(RunStats),
}

/// What the tasks without an outcome were found to be before anything was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SurveyCounts {
    /// Not where they are to be sent.
    pub will_change: u64,
    /// There already, and settled as unchanged.
    pub unchanged: u64,
    /// In doubt until they were seen there, and settled as succeeded.
    pub confirmed: u64,
    /// With sub-tasks in trouble; they are sent.
    pub in_trouble: u64,
    /// Not known to the project.
    pub unknown: u64,
    /// Those of them that are settled as failed, for they are not to be sent.
    pub skipped: u64,
    /// Not seen, in a list that may not have been whole; they are sent.
    pub unread: u64,
}

/// Where the tasks are that were sent and not seen there until now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ArrivalCounts {
    /// Seen there now.
    pub arrived: u64,
    /// Not there.
    pub on_the_way: u64,
    /// Not there, with sub-tasks in trouble.
    pub stuck: u64,
}

/// What a run sets out with.
#[derive(Debug, Clone, PartialEq)]
pub struct RunStarted {
    /// How many tasks were selected in all.
    pub selected: u64,
    /// How many of them had their outcome before this process began.
    pub settled: u64,
    /// The most sendings in one window, if there is a limit.
    pub rate_limit: Option<Rate>,
    /// Whether the rate is found below that limit, by what the service answers.
    pub finds_rate: bool,
    /// The most calls on the wire at a time.
    pub concurrency: usize,
}

/// What is known of one attempt after it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptResult {
    /// When its bytes could first leave.
    pub sent: Timestamp,
    /// From then until the answer was read, or given up.
    pub duration: Duration,
    /// The status of the answer, if one came.
    pub http_status: Option<u16>,
    /// The service's own id of the request.
    pub request_id: Option<String>,
    /// The counts the service sent, whether or not they add up.
    pub counts: Option<Counts>,
    /// Why it did not succeed, wholly or in part.
    pub failure: Option<Failure>,
    /// Whether the service may have carried it out although nothing trustworthy came back.
    pub in_doubt: bool,
}

/// Why the whole run waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldReason {
    /// The service asked for fewer calls.
    Throttled,
    /// The service is away; one call at a time probes whether it is back.
    Away,
    /// The credentials were refused and are being renewed.
    Credentials,
}

impl HoldReason {
    /// Returns the word used in files, such as `throttled`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Away => "away",
            Self::Credentials => "credentials",
        }
    }
}

/// What an operator changes of a run under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing new is sent for the time being.
    Paused,
    /// It is sent again.
    Resumed,
    /// The most sendings in one window; nothing for no limit.
    Rate(Option<Rate>),
    /// The most calls on the wire at a time.
    Concurrency(NonZeroUsize),
    /// Nothing new is sent any more; the run ends with what is on the wire.
    Drained,
}

impl Change {
    /// Returns the word used in files, such as `paused`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Rate(_) => "rate",
            Self::Concurrency(_) => "concurrency",
            Self::Drained => "drained",
        }
    }

    /// Returns the new value of what has one, as a flag takes it.
    pub fn value(self) -> Option<String> {
        match self {
            Self::Rate(rate) => Some(rate.map_or_else(|| "none".into(), |rate| rate.to_string())),
            Self::Concurrency(most) => Some(most.to_string()),
            Self::Paused | Self::Resumed | Self::Drained => None,
        }
    }
}

impl fmt::Display for Change {
    /// Writes the word and the value, such as `rate 5/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value() {
            Some(value) => write!(f, "{} {value}", self.as_str()),
            None => f.write_str(self.as_str()),
        }
    }
}

/// Who changes a run under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Somebody at the terminal of the run.
    Key,
    /// Another process of the same user.
    Process(u32),
}

impl fmt::Display for Operator {
    /// Writes `a key`, or `process` and its number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("a key"),
            Self::Process(number) => write!(f, "process {number}"),
        }
    }
}

/// Why a run stopped before every task had its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// SIGINT, or the same by other means.
    Interrupted,
    /// SIGTERM or SIGHUP.
    Terminated,
    /// More tasks failed than `--max-failures` tolerates.
    TooManyFailures,
    /// `--max-duration` is over, or `--finish-by` has come.
    OutOfTime,
    /// The credentials were refused.
    NotAuthorised,
    /// The service was away for longer than `--outage-timeout`.
    Outage,
    /// One of the tasks of `--canary` did not succeed.
    CanaryFailed,
    /// An operator asked for it.
    Drained,
}

/// The text does not name a reason to stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown reason to stop")]
pub struct UnknownStopReason;

impl FromStr for StopReason {
    type Err = UnknownStopReason;

    fn from_str(word: &str) -> Result<Self, UnknownStopReason> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word).ok_or(UnknownStopReason)
    }
}

impl StopReason {
    /// Every reason, in the order of the enum.
    pub const ALL: [Self; 8] = [
        Self::Interrupted,
        Self::Terminated,
        Self::TooManyFailures,
        Self::OutOfTime,
        Self::NotAuthorised,
        Self::Outage,
        Self::CanaryFailed,
        Self::Drained,
    ];

    /// Returns the word used in reports, such as `too_many_failures`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
            Self::TooManyFailures => "too_many_failures",
            Self::OutOfTime => "out_of_time",
            Self::NotAuthorised => "not_authorised",
            Self::Outage => "outage",
            Self::CanaryFailed => "canary_failed",
            Self::Drained => "drained",
        }
    }
}

/// What one process saw of a run, in the end.
#[derive(Debug, Clone, PartialEq)]
pub struct RunStats {
    /// Why it ended before every task had its outcome, if it did.
    pub stopped: Option<StopReason>,
    /// How long the whole run was held back, by the service, its outages or an operator.
    pub held: Duration,
}
