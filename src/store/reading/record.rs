//! What a run's file says about the run as a whole.

use crate::clock::Timestamp;
use crate::event::StopReason;
use crate::settings::RunSettings;
use crate::store::codes;
use crate::store::files::RunId;
use rusqlite::Row;
use std::time::Duration;

/// What is known of a run before its plan is read.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// Its id.
    pub id: RunId,
    /// The run it follows: it retries that one's tasks, or leaves out what that one has done.
    pub parent: Option<RunId>,
    /// For a retry: how many tasks of its chain were outstanding when it was planned.
    pub outstanding_before: Option<u64>,
    /// The job it is one run of.
    pub job: Option<String>,
    /// Why it was started, in the operator's words.
    pub reason: Option<String>,
    /// The command line's word: `start`, `stop` or `run`.
    pub command: String,
    /// When it was planned; all its times count from here.
    pub origin: Timestamp,
    /// The endpoint.
    pub endpoint: String,
    /// The project.
    pub project_id: String,
    /// How it is carried out.
    pub settings: RunSettings,
}

/// What a run's file says about the run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// What was known before its plan was read.
    pub run: NewRun,
    /// How many rows its inputs held.
    pub rows: u64,
    /// How many tasks were selected.
    pub selected: u64,
    /// How many rows said the same as an earlier one.
    pub duplicates: u64,
    /// How many rows name a task that the run it follows has done already.
    pub already_done: u64,
    /// How many rows were invalid.
    pub invalid: u64,
    /// The inputs.
    pub sources: Vec<SourceRecord>,
    /// The processes that carried it out, in order.
    pub sessions: Vec<SessionRecord>,
}

/// An input of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRecord {
    /// What it is called.
    pub name: String,
    /// Its columns other than id and command.
    pub columns: Vec<String>,
}

/// One process's part in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRecord {
    /// When it began.
    pub started: Timestamp,
    /// How it ended, if it did.
    pub end: Option<StoredEnd>,
    /// The number of the process.
    pub process: u32,
    /// The version of batchctl.
    pub version: String,
    /// The sendings a second at which the service throttled it, if a search found that.
    pub rate_learnt: Option<f64>,
}

/// How a process's part in a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEnd {
    /// When.
    pub at: Timestamp,
    /// Why it ended before every task had its outcome, if it did.
    pub stopped: Option<StopReason>,
    /// How long the service held it back.
    pub held: Duration,
}

/// Reads what a run's row says; its sources and sessions are rows of their own.
pub(crate) fn run_record(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let run = NewRun {
        id: codes::parsed(row, 0)?,
        parent: codes::parsed_or_null(row, 1)?,
        outstanding_before: row.get(13)?,
        job: row.get(2)?,
        reason: row.get(3)?,
        command: row.get(4)?,
        origin: Timestamp::from_micros(row.get(5)?),
        endpoint: row.get(6)?,
        project_id: row.get(7)?,
        settings: codes::json(row, 8)?,
    };
    Ok(RunRecord {
        run,
        rows: row.get(9)?,
        selected: row.get(10)?,
        duplicates: row.get(11)?,
        already_done: row.get(14)?,
        invalid: row.get(12)?,
        sources: Vec::new(),
        sessions: Vec::new(),
    })
}
