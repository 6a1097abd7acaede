//! The rows of the inputs that whole plan chunks name, and those between them.

use crate::journal::PlanChunk;
use crate::repair::search::FoundChunk;
use rusqlite::Connection;

/// An input, and the first and the last line in it.
pub(super) type Rows = (u32, u64, u64);

/// Returns the rows between the chunks around a lost one, if they are of one input.
pub(super) fn rows_between(
    connection: &Connection,
    chunks: &[Option<FoundChunk>],
    no: u32,
) -> rusqlite::Result<Option<Rows>> {
    let at = |no: Option<u32>| no.and_then(|no| *chunks.get(no as usize)?).and(no);
    let (mut before, mut after) = (None, None);
    if let Some(no) = at(no.checked_sub(1)) {
        let body = plan_body(connection, no)?;
        for_each_planned(&body, |_, source, line| before = Some((source, line)));
    }
    if let Some(no) = at(no.checked_add(1)) {
        let body = plan_body(connection, no)?;
        for_each_planned(&body, |_, source, line| {
            after.get_or_insert((source, line));
        });
    }
    Ok(match (before, after) {
        (Some((one, from)), Some((other, to))) if one == other => Some((one, from + 1, to - 1)),
        (None, Some((source, to))) if no == 0 && source == 0 => Some((source, 1, to - 1)),
        (Some((source, from)), None) => Some((source, from + 1, u64::MAX)),
        _ => None,
    })
}

/// Reads the body of a plan chunk.
pub(super) fn plan_body(connection: &Connection, no: u32) -> rusqlite::Result<Vec<u8>> {
    let mut query = connection.prepare_cached("SELECT body FROM main.chunk WHERE no = ?")?;
    query.query_row([no], |row| row.get(0))
}

/// Calls `take` for the ordinal, input and line of each task of a whole plan chunk.
pub(super) fn for_each_planned(body: &[u8], mut take: impl FnMut(u32, u32, u64)) {
    let Ok(mut chunk) = PlanChunk::new(body) else { return };
    while let Ok(Some(task)) = chunk.next() {
        take(task.ordinal, task.source, task.line);
    }
}
