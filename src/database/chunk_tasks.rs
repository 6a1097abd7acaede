//! The tasks of a leased chunk: its plan and its segments, folded.

use crate::clock::Timestamp;
use crate::database::error::DatabaseError;
use crate::database::leases::LeasedChunk;
use crate::database::link::Link;
use crate::database::numbers::{i32_of, u32_at};
use crate::event::AttemptSeq;
use crate::journal::{ChunkFold, Damage, Malformed, Place};
use crate::store::UnsettledTask;
use crate::store::codes;
use crate::task::{Ordinal, Task};

const SEGMENTS: &str =
    "SELECT seq, epoch, body, crc FROM segment WHERE run = $1 AND chunk = $2 ORDER BY seq";

/// The tasks of a chunk that have no outcome.
#[derive(Debug)]
pub(super) struct ChunkTasks {
    /// The ordinal of its first task.
    pub(super) first: u32,
    /// The ordinal of its last task.
    pub(super) last: u32,
    /// The tasks.
    pub(super) unsettled: Vec<UnsettledTask>,
    /// The number of these that are in doubt.
    pub(super) in_doubt: u32,
}

/// Reads what became of a chunk under earlier leases, and returns what is left of it.
pub(super) async fn read(
    link: &mut Link,
    run: i64,
    chunk: &LeasedChunk,
    origin: Timestamp,
) -> Result<ChunkTasks, DatabaseError> {
    let mut segments = Vec::new();
    if chunk.next_seq > 0 {
        let no = i32_of(chunk.no);
        let rows = link.with(async |client| client.query(SEGMENTS, &[&run, &no]).await).await?;
        for (expected, row) in (0_u64..).zip(rows) {
            let epoch = u32_at(&row, 1);
            let place = Place::Segment { chunk: Some(chunk.no), epoch, seq: expected };
            let body: Vec<u8> = row.get(2);
            let is_next = u64::try_from(row.get::<_, i32>(0)) == Ok(expected);
            let checked =
                if is_next { place.check(&body, row.get(3)) } else { Err(place.missing()) };
            checked.map_err(|damage| damaged(link.shown(), &damage))?;
            segments.push((place, expected, body));
        }
    }
    if segments.len() as u64 != u64::from(chunk.next_seq) {
        let seq = segments.len() as u64;
        let missing = Place::Segment { chunk: Some(chunk.no), epoch: 0, seq }.missing();
        return Err(damaged(link.shown(), &missing));
    }
    fold(chunk, &segments, origin).map_err(|damage| damaged(link.shown(), &damage))
}

pub(super) fn fold(
    chunk: &LeasedChunk,
    segments: &[(Place, u64, Vec<u8>)],
    origin: Timestamp,
) -> Result<ChunkTasks, Damage> {
    let place = Place::Chunk(chunk.no);
    let mut fold = ChunkFold::new(&chunk.body).map_err(|bad| place.damage(bad))?;
    for (place, seq, body) in segments {
        let distance = fold.apply(body).map_err(|bad| place.damage(bad))?;
        if distance != (*seq).min(1) {
            let what = "it does not follow the segment before it";
            return Err(place.damage(Malformed { at: 0, what }));
        }
    }
    // Which attempts have left is known to their worker alone, so any of them may have.
    fold.finish(u64::MAX);
    let first = fold.tasks.first().map_or(0, |(task, _)| task.ordinal);
    let last = fold.tasks.last().map_or(0, |(task, _)| task.ordinal);
    let mut tasks = ChunkTasks { first, last, unsettled: Vec::new(), in_doubt: 0 };
    for (planned, record) in fold.tasks.iter().filter(|(_, record)| record.settled.is_none()) {
        let id = codes::task_id(planned)
            .map_err(|_| place.damage(Malformed { at: 0, what: "an id is not one" }))?;
        let (ordinal, command) = (Ordinal(planned.ordinal), planned.command);
        let task = Task { ordinal, id, command, cells: codes::cells(planned) };
        tasks.in_doubt += u32::from(record.in_doubt);
        tasks.unsettled.push(UnsettledTask {
            task,
            attempts: record.attempts,
            throttled: record.throttled,
            in_doubt: record.in_doubt,
            doubted_before: planned.doubted,
            first_sent: record.first_sent_us.map(|micros| origin.plus_micros(micros)),
            last_seq: record.last.as_ref().map(|last| AttemptSeq(last.seq)),
        });
    }
    Ok(tasks)
}

fn damaged(shown: &str, damage: &Damage) -> DatabaseError {
    DatabaseError::Damaged { shown: shown.to_owned(), detail: damage.to_string() }
}
