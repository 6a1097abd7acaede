//! The damaged parts of a run's file, as JSON.

use crate::repair::DamagedPart;
use serde::Serialize;

/// A part of the run's file that is not what was written.
#[derive(Serialize)]
pub(crate) struct DamageJson<'a> {
    chunk: Option<u32>,
    segment: Option<u64>,
    tasks: u64,
    lost: &'a str,
    rows: Vec<RowsJson<'a>>,
}

#[derive(Serialize)]
struct RowsJson<'a> {
    source: &'a str,
    first_line: u64,
    last_line: Option<u64>,
}

impl<'a> DamageJson<'a> {
    pub(crate) fn from_part(part: &'a DamagedPart) -> Self {
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
