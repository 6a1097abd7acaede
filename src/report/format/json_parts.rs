//! Parts of the report as JSON: the shards of a merged run, changes, workers, waves, the service.

use crate::reading::{ChangeRow, ShardRow};
use crate::report::model::{Report, ServicePart};
use crate::store::{TakeoverRow, WorkerRow};
use serde::Serialize;

/// A shard of a merged run.
#[derive(Serialize)]
pub(super) struct ShardJson<'a> {
    pub(super) number: u32,
    pub(super) run: &'a str,
    pub(super) selected: u64,
    pub(super) settled: u64,
}

impl<'a> ShardJson<'a> {
    pub(super) fn from_row(row: &'a ShardRow) -> Self {
        let ShardRow { shard, run, selected, settled, .. } = row;
        Self { number: shard.number(), run: run.as_str(), selected: *selected, settled: *settled }
    }
}

/// The wave of the last task with an outcome.
#[derive(Serialize)]
pub(super) struct WaveJson {
    pub(super) number: usize,
    pub(super) of: usize,
}

/// The service of a run, other than VIAS.
#[derive(Serialize)]
pub(super) struct ServiceJson<'a> {
    name: &'a str,
    sha256: &'a str,
}

impl<'a> ServiceJson<'a> {
    pub(super) fn from_part(ServicePart { name, sha256, .. }: &'a ServicePart) -> Self {
        Self { name, sha256 }
    }
}

/// A worker of a run in a database.
#[derive(Serialize)]
pub(super) struct WorkerJson<'a> {
    number: u32,
    host: &'a str,
    process: u32,
    from: String,
    to: Option<String>,
    calls: u64,
}

impl<'a> WorkerJson<'a> {
    pub(super) fn from_row(row: &'a WorkerRow) -> Self {
        let WorkerRow { number, host, process, from, to, calls } = row;
        let (number, process, calls) = (*number, *process, *calls);
        let (from, to) = (from.to_string(), to.map(|at| at.to_string()));
        Self { number, host, process, from, to, calls }
    }
}

/// A chunk that one of its workers took over from another.
#[derive(Serialize)]
pub(super) struct TakeoverJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    chunk: u32,
    from: Option<u32>,
    by: u32,
    at: String,
    in_doubt: Option<u32>,
}

impl<'a> TakeoverJson<'a> {
    /// Returns those of a run with workers, also if there were none.
    pub(super) fn of_report(report: &'a Report) -> Option<Vec<Self>> {
        let takeovers = report.takeovers.iter().map(Self::from_row);
        (!report.workers.is_empty()).then(|| takeovers.collect())
    }

    fn from_row(row: &'a TakeoverRow) -> Self {
        let TakeoverRow { ref target, chunk, from, by, at, in_doubt } = *row;
        Self { target: target.as_deref(), chunk, from, by, at: at.to_string(), in_doubt }
    }
}

/// A change that an operator made; the words are those of the `run_changed` event.
#[derive(Serialize)]
pub(super) struct ChangeJson<'a> {
    pub(super) at: String,
    pub(super) change: &'a str,
    pub(super) value: Option<&'a str>,
    pub(super) by: &'a str,
}

impl<'a> ChangeJson<'a> {
    pub(super) fn from_row(row: &'a ChangeRow) -> Self {
        // The column is named `what` in the store, and `change` in events and documents.
        let (change, value, by) = (&row.what, row.value.as_deref(), &row.by);
        Self { at: row.at.to_string(), change, value, by }
    }
}
