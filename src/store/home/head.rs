//! The description of a run as its row keeps it: JSON, under a checksum.

use crate::clock::Timestamp;
use crate::settings::RunSettings;
use crate::store::record::{NewRun, RunRecord, ServiceRecord, ShardedPlan, SourceRecord};
use crate::task::InvalidShard;
use serde::{Deserialize, Serialize};

/// The version of the journal's encoding.
const ENCODING: u32 = 1;
/// The version of a file that has one target of several: programs that know no targets would take
/// its tasks for all of the run.
const OF_TARGETS: u32 = 2;
/// The version of a plan with deletions, which older programs must not take for something else.
const WITH_DELETIONS: u32 = 3;
/// The version of a file with both.
const OF_TARGETS_WITH_DELETIONS: u32 = 4;
/// The version of a run at another service than VIAS, whose tasks name actions.
const OF_SERVICE: u32 = 5;
/// The version of a file that has one target of several of such a run.
const OF_SERVICE_AT_TARGETS: u32 = 6;

/// The fields and their names never change; a field that is missing is that of an older version.
#[derive(Serialize, Deserialize)]
struct HeadJson {
    already_done: u64,
    command: String,
    duplicates: u64,
    encoding: u32,
    endpoint: String,
    id: String,
    invalid: u64,
    job: Option<String>,
    origin_us: i64,
    outstanding_before: Option<u64>,
    parent: Option<String>,
    project_id: String,
    reason: Option<String>,
    rows: u64,
    selected: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<ServiceRecord>,
    settings: RunSettings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sharded: Option<ShardedJson>,
    sources: Vec<SourceRecord>,
}

/// Sums of hashes are sixteen hexadecimal digits, because
/// readers of JSON may take large integers for floats.
#[derive(Serialize, Deserialize)]
struct ShardedJson {
    inputs: String,
    own: String,
    shard: String,
    tasks: u64,
}

/// Returns the description of a run; its sessions are in segments.
pub(crate) fn head_text(record: &RunRecord) -> String {
    let RunRecord { run, rows, selected, duplicates, already_done, invalid, .. } = record;
    let sharded = |plan: &ShardedPlan| ShardedJson {
        inputs: format!("{:016x}", plan.inputs),
        own: format!("{:016x}", plan.own),
        shard: plan.shard.to_string(),
        tasks: plan.tasks,
    };
    let json = HeadJson {
        already_done: *already_done,
        command: run.command.clone(),
        duplicates: *duplicates,
        encoding: encoding_of(run, record.deletes),
        endpoint: run.endpoint.clone(),
        id: run.id.to_string(),
        invalid: *invalid,
        job: run.job.clone(),
        origin_us: run.origin.as_micros(),
        outstanding_before: run.outstanding_before,
        parent: run.parent.as_ref().map(ToString::to_string),
        project_id: run.project_id.clone(),
        reason: run.reason.clone(),
        rows: *rows,
        selected: *selected,
        service: run.service.clone(),
        settings: run.settings.clone(),
        sharded: record.sharded.as_ref().map(sharded),
        sources: record.sources.clone(),
    };
    serde_json::to_string(&json).expect("settings and texts have a form in JSON")
}

fn encoding_of(run: &NewRun, deletes: bool) -> u32 {
    if run.service.is_some() {
        return if run.settings.target.is_some() { OF_SERVICE_AT_TARGETS } else { OF_SERVICE };
    }
    match (run.settings.target.is_some(), deletes) {
        (false, false) => ENCODING,
        (true, false) => OF_TARGETS,
        (false, true) => WITH_DELETIONS,
        (true, true) => OF_TARGETS_WITH_DELETIONS,
    }
}

impl ShardedJson {
    fn parse(&self) -> Result<ShardedPlan, String> {
        let sum = |digits| u64::from_str_radix(digits, 16).map_err(|error| error.to_string());
        let shard = self.shard.parse().map_err(|error: InvalidShard| error.to_string())?;
        Ok(ShardedPlan {
            shard,
            tasks: self.tasks,
            inputs: sum(&self.inputs)?,
            own: sum(&self.own)?,
        })
    }
}

/// Reads the description of a run.
pub(crate) fn parse_head(text: &str) -> Result<RunRecord, serde_json::Error> {
    let json: HeadJson = serde_json::from_str(text)?;
    let unfit = serde::de::Error::custom;
    let deletes = matches!(json.encoding, WITH_DELETIONS | OF_TARGETS_WITH_DELETIONS);
    let run = NewRun {
        id: json.id.parse().map_err(unfit)?,
        parent: json.parent.map(|id| id.parse().map_err(serde::de::Error::custom)).transpose()?,
        outstanding_before: json.outstanding_before,
        job: json.job,
        reason: json.reason,
        command: json.command,
        origin: Timestamp::from_micros(json.origin_us),
        endpoint: json.endpoint,
        project_id: json.project_id,
        settings: json.settings,
        service: json.service,
    };
    if json.encoding != encoding_of(&run, deletes) {
        return Err(serde::de::Error::custom("the encoding of the journal is unknown"));
    }
    Ok(RunRecord {
        run,
        rows: json.rows,
        selected: json.selected,
        duplicates: json.duplicates,
        already_done: json.already_done,
        invalid: json.invalid,
        deletes,
        sharded: json
            .sharded
            .map(|plan| plan.parse().map_err(serde::de::Error::custom))
            .transpose()?,
        sources: json.sources,
        sessions: Vec::new(),
    })
}
