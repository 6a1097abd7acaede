//! The model that every format shows: one value for each figure and each fact of a run.
//!
//! Data alone: `build` reads it from the store.

use crate::clock::Timestamp;
use crate::policy::{TuningHint, WavePlace};
use crate::reading::{ChangeRow, ShardRow};
use crate::repair::DamagedPart;
use crate::report::model::command::command;
use crate::report::model::{DrillPart, ExitStatus, FailureGroup};
use crate::settings::{LeftOut, RunSettings};
use crate::store::{RunId, TakeoverRow, WorkerRow};
use crate::task::{Counts, ExcludedTask, OutcomeCounts, Rate, ServiceLimit, UnderWay};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// Whether a process works on a run while its report is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StillRunning {
    /// A process holds the lock of the run.
    Yes,
    /// No process does. A session without a recorded end was killed.
    No,
}

/// The account of a run, as far as its file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Which run it is, and its times.
    pub run: RunPart,
    /// The service and project that its calls went to.
    pub target: Target,
    /// The input that it was planned from.
    pub input: InputPart,
    /// The settings that it was carried out with.
    pub settings: RunSettings,
    /// The number of tasks with each outcome; the sum is the number of selected tasks.
    pub tasks: OutcomeCounts,
    /// The number of its tasks with each outcome, without those that are under way.
    pub so_far: OutcomeCounts,
    /// The number of its tasks that were sent and have no outcome yet; none once it has ended. In
    /// `tasks` they have the outcome that they would have if it ended now.
    pub under_way: UnderWay,
    /// The service's counts of sub-tasks, summed over the last attempts of all tasks. Counts that
    /// could not be trusted are left out.
    pub counts: Counts,
    /// The wave of the last task with an outcome, if it has waves.
    pub wave: Option<WavePlace>,
    /// The number of tasks that succeeded without a sub-task, so that nothing happened in them.
    pub empty: u64,
    /// The number of tasks that succeeded at their second or a later attempt.
    pub flaky: u64,
    /// The number of attempts, in all and by answer.
    pub calls: Calls,
    /// The number of tasks that were seen, or not, where their commands lead.
    pub arrivals: VerifyCounts,
    /// The time that attempts took; `None` if no attempt ended.
    pub latency: Option<Latency>,
    /// The rates at which attempts were sent.
    pub pace: PacePart,
    /// The tasks that were looked into; nothing if none were to be.
    pub drill: Option<DrillPart>,
    /// The failed tasks by cause, the most frequent cause first.
    pub failures: Vec<FailureGroup>,
    /// Settings that would make the next run better, the most important first.
    pub tuning_hints: Vec<TuningHint>,
    /// The changes that operators made while it was under way, in order.
    pub changes: Vec<ChangeRow>,
    /// The shards that it was merged from, in order.
    pub shards: Vec<ShardRow>,
    /// The workers of a run in a database, in the order in which they came.
    pub workers: Vec<WorkerRow>,
    /// The chunks that they took over from workers that were gone, in order.
    pub takeovers: Vec<TakeoverRow>,
    /// What each target did, in a run of several.
    pub targets: Vec<TargetReport>,
    /// The parts of its file that are damaged.
    pub damage: Vec<DamagedPart>,
    /// What stopped it before every task had its outcome, if anything did.
    pub stopped: Option<Stopped>,
    /// How it ended; `None` while it runs.
    pub exit: Option<ExitStatus>,
}

impl Report {
    /// Returns the command that sends the tasks of one failure group again.
    ///
    /// `None` if it would find no task, or while the run goes on, because groups still change.
    pub fn retry_command(&self, group: &FailureGroup) -> Option<String> {
        // A command is typed where the file of the run is, and a merged one has none.
        let is_offered = group.settled > 0 && self.exit.is_some() && self.shards.is_empty();
        is_offered.then(|| {
            command(&self.run.id, &self.settings, "retry", &format!("--group {}", group.label))
        })
    }

    /// Returns whether it waits for its beginning: a plan, or a run that no process has begun.
    pub(crate) fn is_planned(&self) -> bool {
        self.exit.is_none() && self.stopped.is_some()
    }

    /// Returns whether an operator changed a setting while the run was under way.
    pub(crate) fn is_changed(&self, setting: &str) -> bool {
        self.changes.iter().any(|change| change.what == setting)
    }
}

/// Which run a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPart {
    /// Its id.
    pub id: RunId,
    /// The run that it retries, or whose successful tasks it leaves out.
    pub parent: Option<RunId>,
    /// Its job, if it has one.
    pub job: Option<String>,
    /// Why it was started, in the operator's words.
    pub reason: Option<String>,
    /// `start`, `stop` or `run`.
    pub command: String,
    /// When its first process began, if one did.
    pub started_at: Option<Timestamp>,
    /// When its last process ended, if it recorded an end.
    pub finished_at: Option<Timestamp>,
    /// The time from the start of its first process to the end of its last, pauses between them
    /// included. If the last recorded no end, the time of its last record counts.
    pub duration: Duration,
    /// The times in which its processes worked on it.
    pub worked: Vec<Range<Timestamp>>,
    /// Whether every selected task has its outcome and the last process has ended.
    pub complete: bool,
    /// The number of tasks that are not where their commands lead: those of this run, and for a
    /// retry also tasks of the runs before it that it did not take up.
    pub outstanding: u64,
    /// Whether it retries its parent; otherwise it leaves out what its parent has done.
    pub is_retry: bool,
    /// The service that it calls; `None` for VIAS.
    pub service: Option<ServicePart>,
}

/// The service of a run, other than VIAS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePart {
    /// Its name.
    pub name: String,
    /// The SHA-256 of the file that describes it.
    pub sha256: String,
    /// The names of its actions.
    pub actions: Vec<String>,
    /// Whether its answers count what was done.
    pub counts: bool,
}

impl RunPart {
    /// Returns whether answers count sub-tasks, so that words about them have a meaning.
    pub(crate) fn has_counts(&self) -> bool {
        self.service.as_ref().is_none_or(|service| service.counts)
    }
}

/// The service and project that the calls of a run went to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The endpoint.
    pub endpoint: String,
    /// The project.
    pub project_id: String,
}

/// The part of one target in a run of several.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetReport {
    /// Its name.
    pub name: String,
    /// The service and project that its calls went to.
    pub target: Target,
    /// How it was carried out.
    pub settings: RunSettings,
    /// The number of its tasks with each outcome.
    pub tasks: OutcomeCounts,
    /// The number of its tasks with each outcome, without those that are under way.
    pub so_far: OutcomeCounts,
    /// The number of its tasks that were sent and have no outcome yet; none once it has ended. In
    /// `tasks` they have the outcome that they would have if it ended now.
    pub under_way: UnderWay,
    /// The number of its attempts.
    pub attempts: u64,
    /// Attempts a second; `None` if there was no time between the first and the last.
    pub rate_average: Option<f64>,
    /// The most attempts in any window of one second.
    pub rate_peak_1s: u64,
    /// Whether every task of it has its outcome.
    pub complete: bool,
    /// What stopped it before that, if anything did.
    pub stopped: Option<Stopped>,
    /// How it ended; `None` while it runs.
    pub exit: Option<ExitStatus>,
}

/// An excluded task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExcludedPart {
    /// The task, and why it is excluded.
    #[serde(flatten)]
    pub task: ExcludedTask,
    /// Whether it became excluded after the run was planned.
    pub later: bool,
}

/// The input that a run was planned from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputPart {
    /// The names of the inputs, in order.
    pub sources: Vec<String>,
    /// The number of rows in them.
    pub rows: u64,
    /// The number of selected tasks.
    pub selected: u64,
    /// The number of rows that repeat an earlier one.
    pub duplicates: u64,
    /// The number of rows whose task an earlier run, which this one follows, has done already.
    pub already_done: u64,
    /// The number of excluded tasks.
    pub excluded_count: u64,
    /// The number of selected tasks that became excluded before they were settled.
    pub excluded_later_count: u64,
    /// The first excluded tasks of both kinds; at most 1,000 of each are named.
    pub excluded: Vec<ExcludedPart>,
    /// The number of rows that do not meet the conditions.
    pub not_matched: u64,
    /// The number of tasks that do not belong to the sample.
    pub not_sampled: u64,
    /// The number of tasks before the first one that was taken.
    pub before_offset: u64,
    /// The number of invalid rows.
    pub invalid: u64,
    /// The number of tasks of the same inputs that belong to other shards.
    pub of_other_shards: u64,
}

impl InputPart {
    /// Adds tasks that became excluded after the run was planned.
    pub(super) fn add_excluded_later(&mut self, left_out: LeftOut) {
        self.excluded_later_count += left_out.excluded;
        let parts = left_out.named.into_iter().map(|task| ExcludedPart { task, later: true });
        self.excluded.extend(parts);
    }
}

/// The number of attempts of a run, in all and by answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// All attempts that were sent.
    pub attempts: u64,
    /// Attempts after the first of their task.
    pub retries: u64,
    /// Attempts that the service throttled.
    pub throttled: u64,
    /// Attempts by the HTTP status of their answer.
    pub by_status: BTreeMap<u16, u64>,
    /// Attempts without an HTTP status.
    pub without_answer: u64,
    /// Pages of the list that were requested to read states. They are not attempts.
    pub pages: u64,
}

/// The number of tasks that were seen, or not, where their commands lead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct VerifyCounts {
    /// Tasks that were seen where their commands lead.
    pub verified: u64,
    /// Sent tasks that may have arrived and were not verified to the end.
    pub unverified: u64,
}

/// The time that attempts took, from sending to the end of the answer or of the wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// The shortest.
    pub min: Duration,
    /// The median.
    pub p50: Duration,
    /// 90 % took no longer.
    pub p90: Duration,
    /// 99 % took no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// The rates at which a run was sent. Retries count like first attempts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PacePart {
    /// The operator's limit, if there was one.
    pub rate_limit: Option<Rate>,
    /// Attempts a second between the first and the last of each process. The time between two
    /// processes is left out. `None` if there was no time between first and last.
    pub rate_average: Option<f64>,
    /// The most attempts in any window of one second.
    pub rate_peak_1s: u64,
    /// The limits of the service that the run met.
    pub learnt: ServiceLimit,
    /// How long the service held the run back.
    pub paused: Duration,
}

/// What stopped a run before every task had its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// Its word in documents, such as `too_many_failures`; `killed` if no end was recorded.
    pub reason: String,
    /// The reason in a sentence, for people; may contain words of the service.
    pub detail: String,
}
