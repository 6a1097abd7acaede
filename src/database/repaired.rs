//! Takes the repair of a copy into the database: all of it in one transaction, or nothing.
//!
//! Of each chunk that was damaged every segment is written again, in its place. Its tasks whose records
//! were lost are in doubt from then on. Nobody may be on the run meanwhile.

use crate::database::copy::CopyMark;
use crate::database::numbers::{i32_of, u32_at};
use crate::database::orders::BUSY;
use crate::database::plan::LOAD_TIMEOUT;
use crate::database::publish::{Additions, JOIN};
use crate::database::runs::DatabaseRuns;
use crate::database::segments::{SegmentRow, insert};
use crate::journal::{Malformed, Place, RunSegmentWriter, with_distance};
use crate::repair::DamagedPart;
use crate::store::schema;
use crate::store::{ChunkBodies, Home, StoreError, damage, sqlite};
use crate::task::{Outcome, OutcomeCounts};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;

const STANDING: &str =
    "SELECT no, epoch, next_seq FROM chunk WHERE run = $1 AND no = ANY($2) ORDER BY no FOR UPDATE";
const CHUNK: &str = "
INSERT INTO chunk (run, no, tasks, body, crc, state, epoch, next_seq, settled, succeeded, partial, failed,
    ambiguous, unchanged)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (run, no) DO UPDATE SET tasks = $3, body = $4, crc = $5, state = $6, epoch = $7, next_seq = $8,
    settled = $9, succeeded = $10, partial = $11, failed = $12, ambiguous = $13, unchanged = $14,
    owner = NULL, lease_until = NULL";
const SEGMENT: &str = "UPDATE segment SET epoch = $4, worker = $5, body = $6, crc = $7 WHERE run = $1 AND chunk = $2 AND seq = $3";
/// A segment that is missing comes before the next one of its chunk.
const MISSING: &str = "
INSERT INTO segment (place, run, chunk, seq, epoch, worker, body, crc) OVERRIDING SYSTEM VALUE
SELECT place, run, chunk, $3, $4::int, $5::int, $6::bytea, $7::bigint FROM segment
WHERE run = $1 AND chunk = $2 AND seq > $3 ORDER BY seq LIMIT 1";

/// What takes the place of what was damaged.
#[derive(Debug, Default)]
struct Repair {
    chunks: BTreeMap<u32, RepairedChunk>,
    /// The damaged segments about the run itself: the number of the worker, negative, and theirs.
    of_workers: Vec<(i32, i32)>,
    added: Additions,
}

#[derive(Debug, Default)]
struct RepairedChunk {
    /// What the database has of it.
    epoch: u32,
    next_seq: u32,
    tasks: u32,
    body: Vec<u8>,
    segments: Vec<Vec<u8>>,
    settled: OutcomeCounts,
}

/// Reads a copy that was repaired, given what was damaged in it. Of a run of several targets that may be
/// more than what is in this file: a chunk that was whole is written again as it was.
fn read(path: &Path, mark: &CopyMark, parts: &[DamagedPart]) -> Result<Repair, StoreError> {
    let connection = schema::open_reader(path)?;
    let home = Home::new(&connection);
    let failed = sqlite(path);
    let mut repair = Repair { of_workers: mark.damaged_of_workers.clone(), ..Repair::default() };
    let count = home.chunks().map_err(&failed)?.len();
    let is_there = |no: &u32| *no < count;
    for no in parts.iter().filter_map(|part| part.chunk).filter(is_there) {
        let (epoch, next_seq) = mark.of_chunk(no);
        repair.chunks.insert(no, RepairedChunk { epoch, next_seq, ..RepairedChunk::default() });
    }
    home.segments::<rusqlite::Error>(|segment| {
        let is_added = segment.seq > mark.segments;
        let added = match segment.chunk {
            Some(no) => repair.add(no, segment.body, is_added, mark),
            None if is_added => repair.added.add(None, segment.body, mark),
            None => Ok(()),
        };
        added.map_err(|bad| damage(segment.place().damage(bad)))
    })
    .map_err(&failed)?;
    for (&no, chunk) in &mut repair.chunks {
        chunk.body = home.chunk(no).map_err(&failed)?;
        let bodies = ChunkBodies::read(home, no).map_err(&failed)?;
        let fold = bodies.fold(u64::MAX).map_err(&failed)?;
        chunk.tasks = u32::try_from(fold.tasks.len()).unwrap_or(u32::MAX);
        chunk.settled = fold.settled();
    }
    Ok(repair)
}

impl Repair {
    fn add(
        &mut self,
        no: u32,
        body: &[u8],
        is_added: bool,
        mark: &CopyMark,
    ) -> Result<(), Malformed> {
        let (epoch, next_seq) = mark.of_chunk(no);
        let chunk = match self.chunks.get_mut(&no) {
            Some(chunk) => chunk,
            // The damage could not be placed, so that other chunks may have lost their end.
            None if is_added => {
                let fresh = RepairedChunk { epoch, next_seq, ..RepairedChunk::default() };
                self.chunks.entry(no).or_insert(fresh)
            }
            None => return Ok(()),
        };
        let distance = u64::from(!chunk.segments.is_empty());
        chunk.segments.push(with_distance(body, distance)?.1);
        Ok(())
    }
}

impl DatabaseRuns {
    /// Takes in the repair of the copies of a run; returns whether it counts. If not, nothing is
    /// changed: a worker is on the run, or was since it was copied.
    ///
    /// # Errors
    ///
    /// A copy cannot be read, or the database is away.
    pub async fn publish_repair(
        &mut self,
        copies: &[(PathBuf, CopyMark)],
        damaged: &[DamagedPart],
    ) -> Result<bool, StoreError> {
        let repaired =
            |(copy, mark): &(PathBuf, CopyMark)| Ok((mark.run, read(copy, mark, damaged)?));
        let parts = copies.iter().map(repaired).collect::<Result<Vec<_>, StoreError>>()?;
        let published = self.link.transact_within(LOAD_TIMEOUT, async |transaction| {
            for (run, repair) in &parts {
                if transaction.query_one(BUSY, &[run]).await?.get(0)
                    || !stands_as_copied(transaction, *run, repair).await?
                {
                    return Ok(None);
                }
                let worker: i32 = transaction.query_one(JOIN, &[run]).await?.get(0);
                for (&no, chunk) in &repair.chunks {
                    put_chunk(transaction, *run, no, chunk).await?;
                    put_segments(transaction, *run, worker, no, chunk).await?;
                }
                empty_segments(transaction, *run, repair).await?;
                insert(transaction, *run, worker, &repair.added.rows(worker)).await?;
            }
            Ok(Some(()))
        });
        Ok(published.await?.is_some())
    }
}

/// Returns whether the chunks are as they were when the copy was made.
async fn stands_as_copied(
    transaction: &Transaction<'_>,
    run: i64,
    repair: &Repair,
) -> Result<bool, tokio_postgres::Error> {
    let numbers: Vec<i32> = repair.chunks.keys().copied().map(i32_of).collect();
    let rows = transaction.query(STANDING, &[&run, &numbers]).await?;
    Ok(rows.iter().all(|row| {
        let [no, epoch, next_seq] = [0, 1, 2].map(|at| u32_at(row, at));
        repair.chunks.get(&no).is_some_and(|it| (it.epoch, it.next_seq) == (epoch, next_seq))
    }))
}

async fn put_chunk(
    transaction: &Transaction<'_>,
    run: i64,
    no: u32,
    chunk: &RepairedChunk,
) -> Result<(), tokio_postgres::Error> {
    let of = |outcome| i32_of(chunk.settled[outcome]);
    let settled = i32_of(chunk.settled.selected());
    // A chunk whose ids are lost has no task, and so nothing to claim.
    let state: i16 = if settled == i32_of(chunk.tasks) { 2 } else { 0 };
    let checksum = i64::from(Place::Chunk(no).checksum(&chunk.body));
    transaction
        .execute(
            CHUNK,
            &[
                &run,
                &i32_of(no),
                &i32_of(chunk.tasks),
                &chunk.body,
                &checksum,
                &state,
                &i32_of(chunk.epoch + 1),
                &i32_of(chunk.segments.len()),
                &settled,
                &of(Outcome::Succeeded),
                &of(Outcome::Partial),
                &of(Outcome::Failed),
                &of(Outcome::Ambiguous),
                &of(Outcome::Unchanged),
            ],
        )
        .await
        .map(drop)
}

async fn put_segments(
    transaction: &Transaction<'_>,
    run: i64,
    worker: i32,
    no: u32,
    chunk: &RepairedChunk,
) -> Result<(), tokio_postgres::Error> {
    for (seq, body) in (0_u32..).zip(&chunk.segments) {
        let row = SegmentRow::of_chunk(no, chunk.epoch + 1, seq, body);
        let is_put = replace(transaction, run, worker, row).await?;
        let SegmentRow { chunk, seq, epoch, body, crc } = row;
        let values: [&(dyn ToSql + Sync); 7] = [&run, &chunk, &seq, &epoch, &worker, &body, &crc];
        if !is_put && transaction.execute(MISSING, &values).await? == 0 {
            insert(transaction, run, worker, &[row]).await?;
        }
    }
    Ok(())
}

/// Puts a segment in the place of the one that is there, and returns whether one is.
async fn replace(
    transaction: &Transaction<'_>,
    run: i64,
    worker: i32,
    SegmentRow { chunk, seq, epoch, body, crc }: SegmentRow<'_>,
) -> Result<bool, tokio_postgres::Error> {
    let values: [&(dyn ToSql + Sync); 7] = [&run, &chunk, &seq, &epoch, &worker, &body, &crc];
    Ok(transaction.execute(SEGMENT, &values).await? > 0)
}

/// Leaves nothing of damaged segments about the run itself.
async fn empty_segments(
    transaction: &Transaction<'_>,
    run: i64,
    repair: &Repair,
) -> Result<(), tokio_postgres::Error> {
    for &(worker, seq) in &repair.of_workers {
        let mut body = Vec::new();
        RunSegmentWriter::default().write(u64::from(seq > 0), &mut body);
        let row = SegmentRow::of_worker(worker, seq.unsigned_abs(), &body);
        replace(transaction, run, row.epoch, row).await?;
    }
    Ok(())
}
