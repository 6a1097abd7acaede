//! The record of a run as a whole: what it is, its inputs, and the sessions that carried it out.

use crate::clock::Timestamp;
use crate::event::StopReason;
use crate::settings::RunSettings;
use crate::store::ids::RunId;
use crate::task::{Command, ServiceLimit, Shard, task_hash};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The facts about a run that are known before its plan is read.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// Its id.
    pub id: RunId,
    /// The run it follows: it retries that run's tasks, or leaves out those that it has done.
    pub parent: Option<RunId>,
    /// For a retry: the number of tasks of its chain that were outstanding when it was planned.
    pub outstanding_before: Option<u64>,
    /// Its job, if it has one.
    pub job: Option<String>,
    /// The reason for the run, in the operator's words.
    pub reason: Option<String>,
    /// The word of the command line: `start`, `stop` or `run`.
    pub command: String,
    /// The time at which it was planned; all its times count from here.
    pub origin: Timestamp,
    /// The endpoint.
    pub endpoint: String,
    /// The project.
    pub project_id: String,
    /// How it is carried out.
    pub settings: RunSettings,
    /// The service that it calls; `None` for VIAS.
    pub service: Option<ServiceRecord>,
}

/// A service that a file describes, as a run keeps it: the file may change or go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRecord {
    /// Its name.
    pub name: String,
    /// The SHA-256 of the file, as hexadecimal digits.
    pub sha256: String,
    /// The text of the file.
    pub text: String,
    /// The names of its actions, in the order of the file.
    pub actions: Vec<String>,
    /// Whether its answers count what was done.
    #[serde(default, skip_serializing_if = "is_false")]
    pub counts: bool,
    /// The region, if the operator has named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl NewRun {
    /// Returns whether two runs, or targets of runs, have the same tasks for the service: those of
    /// one target by its name, otherwise those of one project.
    pub(crate) fn is_of_same_place(&self, other: &Self) -> bool {
        let targets = (self.settings.target.as_ref(), other.settings.target.as_ref());
        if let (Some(one), Some(other)) = targets {
            return one.name() == other.name();
        }
        (&self.endpoint, &self.project_id) == (&other.endpoint, &other.project_id)
    }
}

/// The record of a run in its file.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// The facts that were known before its plan was read.
    pub run: NewRun,
    /// The number of rows in its inputs.
    pub rows: u64,
    /// The number of selected tasks.
    pub selected: u64,
    /// The number of rows that repeat the id and command of an earlier row.
    pub duplicates: u64,
    /// The number of rows whose task the run it follows has done already.
    pub already_done: u64,
    /// The number of invalid rows.
    pub invalid: u64,
    /// The plan that this run is a shard of, if it is one.
    pub sharded: Option<ShardedPlan>,
    /// Whether its plan deletes batch tasks.
    pub deletes: bool,
    /// The inputs.
    pub sources: Vec<SourceRecord>,
    /// The processes that carried it out, in order.
    pub sessions: Vec<SessionRecord>,
}

impl RunRecord {
    /// Returns the last session of each target that has begun one, or of a run without targets.
    pub fn last_sessions(&self) -> Vec<&SessionRecord> {
        let mut last: Vec<&SessionRecord> = Vec::new();
        for session in &self.sessions {
            match last.iter_mut().find(|other| other.target == session.target) {
                Some(other) => *other = session,
                None => last.push(session),
            }
        }
        last
    }

    /// Adds the record of another target of the same run.
    pub(crate) fn add_target(&mut self, other: Self) {
        self.selected += other.selected;
        self.rows += other.rows;
        self.duplicates += other.duplicates;
        self.already_done += other.already_done;
        self.sessions.extend(other.sessions);
        self.run.settings.choice.left_out.add(other.run.settings.choice.left_out);
    }

    /// Returns the end of the last session, if it recorded one: of targets that of the latest.
    pub fn finished_at(&self) -> Option<Timestamp> {
        let ends: Option<Vec<Timestamp>> =
            self.last_sessions().iter().map(|last| last.end.as_ref().map(|end| end.at)).collect();
        ends?.into_iter().max()
    }
}

/// The plan that a run is one shard of: what all its shards share, and what adds up over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardedPlan {
    /// This shard.
    pub shard: Shard,
    /// The number of tasks in all shards.
    pub tasks: u64,
    /// The sum of the hashes of all tasks, by which shards of other inputs are recognised.
    pub inputs: u64,
    /// The sum of the hashes of this shard's own tasks.
    pub own: u64,
}

impl ShardedPlan {
    /// Counts a task of the plan, and returns whether it belongs to this shard.
    pub(crate) fn add(&mut self, command: Command, id: &str) -> bool {
        let hash = task_hash(command, id);
        self.tasks += 1;
        // Sums, so that the order of the input does not matter.
        self.inputs = self.inputs.wrapping_add(hash);
        let is_own = self.shard.has(id);
        if is_own {
            self.own = self.own.wrapping_add(hash);
        }
        is_own
    }
}

/// An input of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// Its name.
    pub name: String,
    /// Its columns other than id and command.
    pub columns: Vec<String>,
}

/// The part of one process in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRecord {
    /// The target that it worked on, in a run of several.
    pub target: Option<String>,
    /// The beginning.
    pub started: Timestamp,
    /// The end, if it ended in order.
    pub end: Option<StoredEnd>,
    /// The number of the process.
    pub process: u32,
    /// The version of batchctl.
    pub version: String,
    /// The requests per second at which the service throttled it, if a search found that.
    pub learnt: ServiceLimit,
}

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEnd {
    /// The time.
    pub at: Timestamp,
    /// The reason why it ended before every task had an outcome, if it did.
    pub stopped: Option<StopReason>,
    /// How long the service held it back.
    pub held: Duration,
}
