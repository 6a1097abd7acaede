//! The contract between the engine, the store and the watchers: what happened, in order.
//!
//! Events are facts, named in the past tense. They carry no format, colour or path. The store
//! commits each batch first; only committed events are shown. See `docs/GLOSSARY.md`: event.

mod operator;
mod stop_reason;
mod store_wait;
mod wait_sign;

pub use operator::Operator;
pub use stop_reason::{StopReason, UnknownStopReason};
pub use store_wait::{StoreWait, WaitCause};
pub use wait_sign::WaitSign;

use crate::clock::Timestamp;
use crate::task::{Counts, DrillEnd, DrilledTask, Failure, Outcome, Rate, ServiceLimit, Task};
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Add;
use std::sync::Arc;
use std::time::Duration;

/// The number of an attempt within its run, counted from 1 across all tasks and sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptSeq(pub u64);

/// A fact about a run, with its time.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The time at which it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
}

/// Watches a run: receives its events in order, once they are durable.
///
/// A watcher cannot influence the run. It should return at once and never panic; a watcher that
/// panics is dropped, and the run goes on. Any `FnMut(&[Event])` is a watcher:
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
    /// Receives the events since the last call, oldest first.
    fn on_events(&mut self, events: &[Event]);

    /// Receives the events of one target, in a run of several. By default takes them like those of a
    /// run.
    fn on_target_events(&mut self, target: &Arc<str>, events: &[Event]) {
        let _ = target;
        self.on_events(events);
    }

    /// Receives the number of tasks that all workers of a run in a database have settled so far. By
    /// default does nothing.
    fn on_settled_by_all(&mut self, settled: u64, now: Timestamp) {
        let _ = (settled, now);
    }

    /// Receives the number of tasks of one target that all workers have settled so far, in a run of
    /// several in a database. By default does nothing.
    fn on_target_settled_by_all(&mut self, target: &Arc<str>, settled: u64, now: Timestamp) {
        let _ = (target, settled, now);
    }

    /// Receives that the store waits, such as for room on a full disk, and then, with `None`, that it
    /// waits no longer. By default does nothing.
    fn on_store_wait(&mut self, wait: Option<&StoreWait>, now: Timestamp) {
        let _ = (wait, now);
    }

    /// Receives the same of one target, in a run of several. By default does nothing.
    fn on_target_store_wait(
        &mut self,
        target: &Arc<str>,
        wait: Option<&StoreWait>,
        now: Timestamp,
    ) {
        let _ = (target, wait, now);
    }

    /// Called about once a second, even without events. By default does nothing.
    fn tick(&mut self, now: Timestamp) {
        let _ = now;
    }

    /// Receives the number of events dropped since the last call, because watchers were too slow.
    /// By default does nothing.
    fn missed(&mut self, events: u64) {
        let _ = events;
    }

    /// Called after the last event, before the terminal has other output. By default does nothing.
    fn finish(&mut self) {}
}

// A watcher that only counts needs no type of its own.
impl<F: FnMut(&[Event]) + Send> Watch for F {
    fn on_events(&mut self, events: &[Event]) {
        self(events);
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// A process began to send the calls of the run, or continued.
    RunStarted(RunStarted),
    /// An attempt was admitted; its bytes leave only after this is durable.
    AttemptStarted {
        /// Its number in the run.
        seq: AttemptSeq,
        /// The task.
        // Shared, because the engine, the store and the watchers keep the same task.
        task: Arc<Task>,
        /// Its number within the task, from 1.
        number: u32,
        /// The earliest time at which its bytes can leave, kept for an attempt without an end.
        leaves: Timestamp,
    },
    /// An admitted attempt was withdrawn before a byte of it left.
    AttemptWithdrawn {
        /// Its number in the run.
        seq: AttemptSeq,
        /// The task.
        task: Arc<Task>,
    },
    /// An attempt ended, with an answer or without.
    AttemptEnded {
        /// Its number in the run.
        seq: AttemptSeq,
        /// The task.
        task: Arc<Task>,
        /// The result of the attempt.
        result: AttemptResult,
    },
    /// A task waits before it is sent again.
    RetryScheduled {
        /// The task.
        task: Arc<Task>,
        /// The time at which it may be sent again.
        due: Timestamp,
    },
    /// A wave of the run began.
    WaveStarted(WaveStarted),
    /// A task got its outcome.
    TaskSettled {
        /// The task.
        task: Arc<Task>,
        /// The outcome.
        outcome: Outcome,
        /// Its last attempt.
        seq: AttemptSeq,
        /// The number of its attempts.
        attempts: u32,
        /// The time at which its first attempt was sent.
        first_sent: Timestamp,
    },
    /// A request for a page of the list was begun; its bytes leave only after this is durable.
    PollStarted {
        /// The earliest time at which its bytes can leave.
        leaves: Timestamp,
    },
    /// The survey ended: all states were read, and tasks that are left alone are settled.
    Surveyed(SurveyCounts),
    /// A verify round ended: the states of the tasks that were sent were read again.
    Verified(ArrivalCounts),
    /// The calls are over, and tasks whose outcome is not good are looked into.
    DrillStarted {
        /// The number of these tasks.
        tasks: u64,
    },
    /// A task was looked into.
    // Boxed, because it names sub-tasks and an event should stay small.
    Drilled(Box<DrilledTask>),
    /// No more tasks are looked into.
    DrillEnded(DrillEnd),
    /// The whole run holds.
    RunHeld {
        /// The expected end of the hold.
        until: Timestamp,
        /// The reason.
        reason: HoldReason,
    },
    /// The whole run continued after a hold.
    RunContinued,
    /// The run met a new limit of the service, or found that the old one no longer holds.
    RateLearnt(ServiceLimit),
    /// An operator changed how the run is carried out.
    RunChanged {
        /// The change.
        change: Change,
        /// The operator.
        by: Operator,
    },
    /// No new attempt will be admitted; calls on the wire may finish.
    RunStopping {
        /// The reason.
        reason: StopReason,
        /// The number of calls on the wire.
        on_wire: usize,
    },
    /// The process ended its part in the run.
    RunEnded(RunStats),
}

/// The result of a survey: the tasks without an outcome, by their states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SurveyCounts {
    /// Not where their commands lead.
    pub will_change: u64,
    /// Already where their commands lead, and settled as unchanged.
    pub unchanged: u64,
    /// In doubt before, now seen where their commands lead, and settled as succeeded.
    pub confirmed: u64,
    /// With sub-tasks in trouble; they are sent.
    pub in_trouble: u64,
    /// Not known to the project.
    pub unknown: u64,
    /// The unknown tasks that are settled as failed, because they must not be sent.
    pub skipped: u64,
    /// Not seen, in a list that may not have been whole; they are sent.
    pub unread: u64,
}

impl Add for SurveyCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            will_change: self.will_change + other.will_change,
            unchanged: self.unchanged + other.unchanged,
            confirmed: self.confirmed + other.confirmed,
            in_trouble: self.in_trouble + other.in_trouble,
            unknown: self.unknown + other.unknown,
            skipped: self.skipped + other.skipped,
            unread: self.unread + other.unread,
        }
    }
}

/// The result of a verify round: the sent tasks that had not arrived before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ArrivalCounts {
    /// Now seen where their commands lead.
    pub arrived: u64,
    /// Not there yet.
    pub on_the_way: u64,
    /// Not there, and with sub-tasks in trouble.
    pub stuck: u64,
}

/// The settings and counts with which a process begins to send.
#[derive(Debug, Clone, PartialEq)]
pub struct RunStarted {
    /// The number of selected tasks.
    pub selected: u64,
    /// The number of tasks with an outcome before this process began.
    pub settled: u64,
    /// The rate limit, if there is one.
    pub rate_limit: Option<Rate>,
    /// Whether the rate is searched below that limit, by the service's answers.
    pub finds_rate: bool,
    /// The number of tasks whose states are looked at, in a process that sends nothing.
    pub looks_at: Option<u64>,
    /// The most calls on the wire at a time.
    pub concurrency: usize,
}

/// A wave of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaveStarted {
    /// Its number, from 1.
    pub wave: usize,
    /// The number of waves.
    pub of: usize,
    /// How many tasks are sent when it is over, in all.
    pub end: u64,
}

/// The result of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptResult {
    /// The time at which it was sent.
    pub sent: Timestamp,
    /// The time from then until the answer was read, or the call was given up.
    pub duration: Duration,
    /// The status of the answer, if one came.
    pub http_status: Option<u16>,
    /// The service's own id of the request.
    pub request_id: Option<String>,
    /// The counts the service sent, whether or not they add up.
    pub counts: Option<Counts>,
    /// The reason why it failed, wholly or in part.
    // Boxed, because most attempts succeed and an event should stay small.
    pub failure: Option<Box<Failure>>,
    /// Whether the service may have carried it out although no trustworthy answer came back.
    pub in_doubt: bool,
}

/// The reason for a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldReason {
    /// The service asked for fewer calls.
    Throttled,
    /// The service is away; one call at a time probes whether it is back.
    Away,
    /// The credentials were refused and are being renewed.
    Credentials,
    /// The pause between two waves.
    WavePause,
}

impl HoldReason {
    /// Returns the word used in files, such as `throttled`.
    pub const fn as_str(self) -> &'static str {
        match self {
            // Files of earlier runs contain these words, so none of them may change.
            Self::Throttled => "throttled",
            Self::Away => "away",
            Self::Credentials => "credentials",
            Self::WavePause => "wave_pause",
        }
    }
}

/// A change by an operator to a run under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing new is sent until the run is resumed.
    Paused,
    /// New calls are sent again.
    Resumed,
    /// A new rate limit; `None` for no limit.
    Rate(Option<Rate>),
    /// A new number of slots.
    Concurrency(NonZeroUsize),
    /// Nothing new is sent any more; the run ends once the calls on the wire have ended.
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

    /// Returns the new value as a flag takes it, if the change has one.
    pub fn value(self) -> Option<String> {
        match self {
            // The flag takes the word `none` as well, so the value can be used in a command.
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

/// The summary of one process's part in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunStats {
    /// The reason why it ended before every task had its outcome, if it did.
    pub stopped: Option<StopReason>,
    /// The time for which the whole run held, for the service, its outages or an operator.
    pub held: Duration,
}
