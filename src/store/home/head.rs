//! The description of a run as its row keeps it: JSON, under a checksum.

use crate::clock::Timestamp;
use crate::settings::RunSettings;
use crate::store::reading::{NewRun, RunRecord, SourceRecord};
use serde::{Deserialize, Serialize};

/// The version of the journal's encoding.
const ENCODING: u32 = 1;

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
    settings: RunSettings,
    sources: Vec<SourceJson>,
}

#[derive(Serialize, Deserialize)]
struct SourceJson {
    name: String,
    columns: Vec<String>,
}

/// Returns the description of a run; its sessions are in segments.
pub(crate) fn head_text(record: &RunRecord) -> String {
    let RunRecord { run, rows, selected, duplicates, already_done, invalid, sources, .. } = record;
    let source = |source: &SourceRecord| SourceJson {
        name: source.name.clone(),
        columns: source.columns.clone(),
    };
    let json = HeadJson {
        already_done: *already_done,
        command: run.command.clone(),
        duplicates: *duplicates,
        encoding: ENCODING,
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
        settings: run.settings.clone(),
        sources: sources.iter().map(source).collect(),
    };
    serde_json::to_string(&json).expect("settings and texts have a form in JSON")
}

/// Reads the description of a run.
pub(crate) fn parse_head(text: &str) -> Result<RunRecord, serde_json::Error> {
    let json: HeadJson = serde_json::from_str(text)?;
    let unfit = serde::de::Error::custom;
    if json.encoding != ENCODING {
        return Err(serde::de::Error::custom("the encoding of the journal is unknown"));
    }
    let source = |source: SourceJson| SourceRecord { name: source.name, columns: source.columns };
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
    };
    Ok(RunRecord {
        run,
        rows: json.rows,
        selected: json.selected,
        duplicates: json.duplicates,
        already_done: json.already_done,
        invalid: json.invalid,
        sources: json.sources.into_iter().map(source).collect(),
        sessions: Vec::new(),
    })
}
