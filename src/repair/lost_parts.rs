//! What earlier repairs have recorded as lost.

use crate::journal::RunRecord as Fact;
use crate::repair::damaged_part::DamagedPart;
use crate::store::{Home, SourceRecord, Totals, for_each_fact};
use rusqlite::Error;
use std::collections::BTreeMap;

/// Reads which rows were lost with plan chunks that a repair has set aside.
pub(crate) fn lost_parts(
    home: Home<'_>,
    totals: Totals,
    sources: &[SourceRecord],
) -> rusqlite::Result<Vec<DamagedPart>> {
    let mut parts = BTreeMap::new();
    if totals.lost_tasks == 0 {
        return Ok(Vec::new());
    }
    for_each_fact::<Error>(home, |_, fact| {
        if let Fact::TasksLost { chunk, tasks, rows } = fact {
            let name = |source| usize::try_from(source).ok().and_then(|at| sources.get(at));
            let rows = rows.and_then(|(source, from, to)| Some((name(source)?, from, to)));
            let rows = rows.map(|(source, from, to)| (source.name.clone(), from, to));
            parts.insert(chunk, DamagedPart::lost_chunk(chunk, tasks, rows).repaired());
        }
        Ok(())
    })?;
    Ok(parts.into_values().collect())
}
