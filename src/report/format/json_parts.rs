//! Parts of the report as JSON: the shards of a merged run, its waves, and what of it is damaged.

use crate::store::{DamagedPart, ShardRow};
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

/// A part of the run's file that is not what was written.
#[derive(Serialize)]
pub(super) struct DamageJson<'a> {
    pub(super) chunk: Option<u32>,
    pub(super) segment: Option<u64>,
    pub(super) tasks: u64,
    pub(super) lost: &'a str,
    pub(super) rows: Vec<RowsJson<'a>>,
}

#[derive(Serialize)]
pub(super) struct RowsJson<'a> {
    pub(super) source: &'a str,
    pub(super) first_line: u64,
    pub(super) last_line: Option<u64>,
}

impl<'a> DamageJson<'a> {
    pub(super) fn from_part(part: &'a DamagedPart) -> Self {
        let rows = part.rows.iter().map(|(source, first_line, last)| RowsJson {
            source,
            first_line: *first_line,
            last_line: Some(*last).filter(|&last| last != u64::MAX),
        });
        let DamagedPart { chunk, segment, tasks, lost, .. } = part;
        let (chunk, segment, tasks) = (*chunk, *segment, *tasks);
        Self { chunk, segment, tasks, lost, rows: rows.collect() }
    }
}
