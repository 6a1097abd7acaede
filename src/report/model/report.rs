//! What a run came to: the one model that every format shows.

use crate::clock::Timestamp;
use crate::policy::TuningHint;
use crate::report::model::ExitStatus;
use crate::report::model::FailureGroup;
use crate::report::model::build;
use crate::settings::RunSettings;
use crate::store::ChangeRow;
use crate::store::RunId;
use crate::store::RunReader;
use crate::store::StoreError;
use crate::task::Counts;
use crate::task::OutcomeCounts;
use crate::task::Rate;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// Whether a process works on a run while its report is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StillRunning {
    /// A process holds the lock of the run.
    Yes,
    /// None does: what has no end now will have none.
    No,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Which run, and when.
    pub run: RunPart,
    /// Where its calls went.
    pub target: Target,
    /// What it was made from.
    pub input: InputPart,
    /// How it was carried out, as it was stored.
    pub settings: RunSettings,
    /// How many tasks ended with each outcome; the sum is the number of selected tasks.
    pub tasks: OutcomeCounts,
    /// The service's counts of sub-tasks, summed over the last attempts of all tasks; counts that
    /// could not be believed are left out.
    pub counts: Counts,
    /// How many calls it took.
    pub calls: Calls,
    /// What was seen of the tasks that were sent.
    pub arrivals: Arrivals,
    /// How long they took; nothing if none came to its end.
    pub latency: Option<Latency>,
    /// How fast they were sent.
    pub pace: Pace,
    /// Why tasks are not where the operator wants them, by cause, the most frequent first.
    pub failures: Vec<FailureGroup>,
    /// What would make the next run better, the most important first.
    pub advice: Vec<TuningHint>,
    /// What operators changed while it was under way, in order.
    pub changes: Vec<ChangeRow>,
    /// What stopped it before every task had its outcome, if anything did.
    pub stopped: Option<Stopped>,
    /// How it ended; nothing while it runs.
    pub exit: Option<ExitStatus>,
}

impl Report {
    /// Reads the report of a run, which may still be running or have been killed.
    ///
    /// # Errors
    ///
    /// Only the store's: it cannot be read any longer, or is damaged.
    pub fn read(run: &RunReader, still_running: StillRunning) -> Result<Self, StoreError> {
        build::report(run, still_running)
    }
}

/// Which run a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPart {
    /// Its id.
    pub id: RunId,
    /// The run that it retries, or whose successful tasks it leaves out.
    pub parent: Option<RunId>,
    /// The job it is one run of.
    pub job: Option<String>,
    /// Why it was started, in the operator's words.
    pub reason: Option<String>,
    /// `start`, `stop` or `run`.
    pub command: String,
    /// When its first process began, if one did.
    pub started_at: Option<Timestamp>,
    /// When its last process ended, if it recorded an end.
    pub finished_at: Option<Timestamp>,
    /// From the beginning of its first process to the end of its last, pauses between them
    /// included; where that recorded no end, to the last thing that is known of it.
    pub duration: Duration,
    /// The times in which its processes worked on it.
    pub worked: Vec<Range<Timestamp>>,
    /// Whether every selected task has its outcome and the last process has ended.
    pub complete: bool,
    /// How many tasks are not where they were sent: those of this run, and for a retry also
    /// those of the runs before it that it did not take up.
    pub outstanding: u64,
    /// Whether it retries its parent; otherwise it leaves out what that one has done.
    pub is_retry: bool,
}

/// Where the calls of a run went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The endpoint.
    pub endpoint: String,
    /// The project.
    pub project_id: String,
}

/// What a run was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputPart {
    /// What the inputs are called, in order.
    pub sources: Vec<String>,
    /// How many rows they held.
    pub rows: u64,
    /// How many tasks were selected.
    pub selected: u64,
    /// How many rows said the same as an earlier one.
    pub duplicates: u64,
    /// How many rows name a task that the run this one follows has done already.
    pub already_done: u64,
    /// How many rows were invalid.
    pub invalid: u64,
}

/// How many HTTP exchanges a run took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// All sendings.
    pub attempts: u64,
    /// Those that were not the first of their task.
    pub retries: u64,
    /// Those that the service throttled.
    pub throttled: u64,
    /// How many were answered with each HTTP status.
    pub by_status: BTreeMap<u16, u64>,
    /// Those that no status came back for.
    pub without_answer: u64,
    /// How many pages of the list were asked for beside them, to see states.
    pub pages: u64,
}

/// What was seen of the tasks that were sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Those that were seen where they were sent.
    pub verified: u64,
    /// Those that nobody has looked for to the end.
    pub unverified: u64,
}

/// How long the attempts took, from sending to the end of the answer or of the wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// The shortest.
    pub min: Duration,
    /// Half of them took no longer.
    pub p50: Duration,
    /// Nine of ten took no longer.
    pub p90: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// How fast a run was sent. Retries count as every other sending.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// The limit that was set, if one was.
    pub rate_limit: Option<Rate>,
    /// Sendings a second between the first and the last of each process; nothing if there was
    /// no time between them. What passed between two processes is left out.
    pub rate_average: Option<f64>,
    /// The most sendings that any window of one second holds.
    pub rate_peak_1s: u64,
    /// The sendings a second at which the service throttles, if `--rate auto` has found that.
    pub rate_learnt: Option<f64>,
    /// How long the service held the run back.
    pub paused: Duration,
}

/// What stopped a run before every task had its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The word for it, such as `too_many_failures`; `killed` if no end was recorded.
    pub reason: String,
    /// What there is to say about it; may hold words of the service.
    pub detail: String,
}
