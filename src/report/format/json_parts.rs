//! Parts of the report as JSON: the shards of a merged run, and its waves.

use crate::report::model::ServicePart;
use crate::store::ShardRow;
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
