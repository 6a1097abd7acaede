//! Claims chunks, and appends what became of them: only as long as the lease is this worker's.
//!
//! Each claim of a chunk has the next epoch. A flush names epoch and sequence number, and one
//! statement checks both and appends. So every outcome is recorded exactly once, whoever holds the
//! chunk, and however often an answer of the database is lost.

use crate::database::error::DatabaseError;
use crate::database::link::{Link, Values};
use crate::database::numbers::{i32_of, u32_at};
use crate::journal::Place;
use crate::task::{Outcome, OutcomeCounts};
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

const CLAIM: &str = "
WITH free AS (
    SELECT run, no, state AS was, owner AS before FROM chunk
    WHERE run = $1 AND state < 2 AND (state = 0 OR lease_until < clock_timestamp())
        -- Before all may send, only the worker may that the phase belongs to.
        AND (SELECT phase >= 2 OR phase_owner = $2 FROM run WHERE no = $1)
        AND no <> ALL ($4::int[])
    ORDER BY no LIMIT 1 FOR UPDATE SKIP LOCKED),
got AS (
    UPDATE chunk c SET state = 1, epoch = c.epoch + 1, owner = $2,
        lease_until = clock_timestamp() + $3 * interval '1 second'
    FROM free WHERE c.run = free.run AND c.no = free.no
    RETURNING c.no, c.epoch, c.next_seq, c.tasks, c.body, c.crc, free.was, free.before),
noted AS (
    INSERT INTO takeover (run, chunk, epoch, from_worker, by_worker)
    SELECT $1, no, epoch, before, $2 FROM got WHERE was = 1)
SELECT no, epoch, next_seq, tasks, body, crc, was, before FROM got";

const IS_OPEN: &str = "SELECT EXISTS (SELECT FROM chunk WHERE run = $1 AND state < 2)";

const FLUSH: &str = "SELECT flush($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";

const STANDING: &str = "SELECT no, epoch, next_seq FROM chunk WHERE run = $1 AND no = ANY($2)";

const GIVE_BACK: &str = "
UPDATE chunk c SET state = 0, lease_until = NULL
FROM unnest($2::int[], $3::int[]) AS m(no, epoch)
WHERE c.run = $1 AND c.no = m.no AND c.epoch = m.epoch AND c.state = 1";

const LEAVE: &str = "
UPDATE worker SET gone = clock_timestamp() WHERE run = $1 AND no = $2 RETURNING EXISTS (
    SELECT FROM job j JOIN run f ON f.no = j.run JOIN run me ON f.id = split_part(me.id, '.', 1)
    WHERE me.no = $1)";

const FREE_JOB: &str = "
DELETE FROM job j USING run me, run f
WHERE me.no = $1 AND f.id = split_part(me.id, '.', 1) AND j.run = f.no AND NOT EXISTS (
    SELECT FROM worker w JOIN run r ON r.no = w.run
    WHERE split_part(r.id, '.', 1) = f.id AND w.gone IS NULL AND w.seen > clock_timestamp() - r.lease)";

const NOTE_DOUBTS: &str = "
INSERT INTO takeover (run, chunk, epoch, from_worker, by_worker, in_doubt) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (run, chunk, epoch) DO UPDATE SET in_doubt = excluded.in_doubt";

/// The worker that this process is in a run.
#[derive(Debug, Clone, Copy)]
pub struct Worker {
    /// The number of the run in the database.
    pub run: i64,
    /// The number of the worker, never used again.
    pub no: i32,
    /// How long its chunks stay its own without a sign of life.
    pub lease: Duration,
    /// The longest way to the database and back with which the rate of the run holds.
    pub trip: Duration,
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ChunkClaim {
    /// This chunk is the worker's now.
    Chunk(LeasedChunk),
    /// Others have all that is left.
    NotYet,
    /// Everything is settled.
    Done,
}

/// A chunk under a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeasedChunk {
    /// Its number.
    pub(super) no: u32,
    /// The number of the lease.
    pub(super) epoch: u32,
    /// The sequence number of the next segment.
    pub(super) next_seq: u32,
    /// The number of its tasks.
    pub(super) tasks: u32,
    /// The plan of the chunk.
    pub(super) body: Vec<u8>,
    /// The worker that had it before, if it is known.
    pub(super) before: Option<i32>,
    /// Whether that worker's lease had ended. Otherwise the chunk was given back, or is new.
    pub(super) was_leased: bool,
}

impl LeasedChunk {
    /// Returns whether its tasks in doubt are to be told, of which it has so many. A chunk that was given
    /// back has some, too, if its worker lost its lease or gave up calls on the wire.
    pub(super) fn is_takeover(&self, in_doubt: u32) -> bool {
        self.was_leased || in_doubt > 0
    }
}

/// The records of one chunk in one flush.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flush {
    /// The chunk.
    pub(super) no: u32,
    /// The lease.
    pub(super) epoch: u32,
    /// The sequence number of the segment.
    pub(super) seq: u32,
    /// The records.
    pub(super) body: Vec<u8>,
    /// The tasks that it settles.
    pub(super) settled: OutcomeCounts,
}

/// What became of the flush of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is committed, now or by an earlier try whose answer was lost.
    Kept,
    /// It is not, and the chunk is still the worker's: send it again.
    SendAgain,
    /// The chunk is another's, with all its tasks.
    Lost,
}

impl Worker {
    /// Claims the first chunk that is free, or whose lease has ended, but for those that this worker
    /// has itself.
    pub(super) async fn claim(
        self,
        link: &mut Link,
        own: &[u32],
    ) -> Result<ChunkClaim, DatabaseError> {
        let own: Vec<i32> = own.iter().copied().map(i32_of).collect();
        let found = link
            .with(async |client| {
                let seconds = self.lease.as_secs_f64();
                let values: Values<'_, 4> = [
                    (&self.run, Type::INT8),
                    (&self.no, Type::INT4),
                    (&seconds, Type::FLOAT8),
                    (&own, Type::INT4_ARRAY),
                ];
                let claimed = client.query_typed_opt(CLAIM, &values).await?;
                if claimed.is_some() {
                    return Ok((claimed, true));
                }
                let open = client.query_one(IS_OPEN, &[&self.run]).await?;
                Ok((None, open.get(0)))
            })
            .await?;
        match found {
            (Some(row), _) => leased(&row, link.shown()).map(ChunkClaim::Chunk),
            (None, true) => Ok(ChunkClaim::NotYet),
            (None, false) => Ok(ChunkClaim::Done),
        }
    }

    /// Returns whether a chunk has a task without an outcome.
    pub(super) async fn is_open(self, link: &mut Link) -> Result<bool, DatabaseError> {
        let values: Values<'_, 1> = [(&self.run, Type::INT8)];
        let row = link.with(async |client| client.query_typed_one(IS_OPEN, &values).await).await?;
        Ok(row.get(0))
    }

    /// Appends segments to chunks, each of which counts only if its lease is this worker's.
    pub(super) async fn flush(
        self,
        link: &mut Link,
        flushes: &[Flush],
    ) -> Result<Vec<Fate>, DatabaseError> {
        let numbers = |of: fn(&Flush) -> u32| -> Vec<i32> {
            flushes.iter().map(|flush| i32_of(of(flush))).collect()
        };
        let bodies: Vec<&[u8]> = flushes.iter().map(|flush| &*flush.body).collect();
        let checksums: Vec<i64> = flushes.iter().map(|flush| i64::from(flush.checksum())).collect();
        let chunks = numbers(|flush| flush.no);
        let settled: Vec<i32> = flushes.iter().map(|it| i32_of(it.settled.selected())).collect();
        let outcomes = |outcome| -> Vec<i32> {
            flushes.iter().map(|flush| i32_of(flush.settled[outcome])).collect()
        };
        let seconds = self.lease.as_secs_f64();
        let values: Values<'_, 14> = [
            (&self.run, Type::INT8),
            (&self.no, Type::INT4),
            (&seconds, Type::FLOAT8),
            (&chunks, Type::INT4_ARRAY),
            (&numbers(|flush| flush.epoch), Type::INT4_ARRAY),
            (&numbers(|flush| flush.seq), Type::INT4_ARRAY),
            (&bodies, Type::BYTEA_ARRAY),
            (&checksums, Type::INT8_ARRAY),
            (&settled, Type::INT4_ARRAY),
            (&outcomes(Outcome::Succeeded), Type::INT4_ARRAY),
            (&outcomes(Outcome::Partial), Type::INT4_ARRAY),
            (&outcomes(Outcome::Failed), Type::INT4_ARRAY),
            (&outcomes(Outcome::Ambiguous), Type::INT4_ARRAY),
            (&outcomes(Outcome::Unchanged), Type::INT4_ARRAY),
        ];
        let (kept, others) = link
            .with(async |client| {
                let row = client.query_typed_one(FLUSH, &values).await;
                // Two tries of one flush may meet: the first one's segment is there by now.
                let kept: Vec<i32> = match row {
                    Ok(row) => row.get(0),
                    Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Vec::new(),
                    Err(error) => return Err(error),
                };
                let missing: Vec<i32> =
                    chunks.iter().copied().filter(|no| !kept.contains(no)).collect();
                if missing.is_empty() {
                    return Ok((kept, Vec::new()));
                }
                let others = client.query(STANDING, &[&self.run, &missing]).await?;
                Ok((kept, others))
            })
            .await?;
        let fate = |flush: &Flush| {
            if kept.contains(&i32_of(flush.no)) {
                return Fate::Kept;
            }
            let row = others.iter().find(|row| row.get::<_, i32>(0) == i32_of(flush.no));
            row.map_or(Fate::Lost, |row| flush.fate(row.get(1), row.get(2)))
        };
        Ok(flushes.iter().map(fate).collect())
    }

    /// Gives chunks back, so that others can claim them at once.
    pub(super) async fn give_back(
        self,
        link: &mut Link,
        chunks: &[(u32, u32)],
    ) -> Result<(), DatabaseError> {
        let (numbers, epochs) = split(chunks);
        link.with(async |client| {
            client.execute(GIVE_BACK, &[&self.run, &numbers, &epochs]).await.map(drop)
        })
        .await
    }

    /// Leaves the run: says that this worker is gone.
    pub(super) async fn leave(self, link: &mut Link) -> Result<(), DatabaseError> {
        link.with(async |client| {
            let left = client.query_opt(LEAVE, &[&self.run, &self.no]).await?;
            // A worker may delete where there is something to delete, and needs no right without it.
            if left.is_some_and(|row| row.get(0)) {
                client.execute(FREE_JOB, &[&self.run]).await?;
            }
            Ok(())
        })
        .await
    }

    /// Records how many tasks of a chunk were in doubt when this worker claimed it: a takeover.
    pub(super) async fn note_doubts(
        self,
        link: &mut Link,
        chunk: &LeasedChunk,
        in_doubt: u32,
    ) -> Result<(), DatabaseError> {
        let (no, epoch) = (i32_of(chunk.no), i32_of(chunk.epoch));
        link.with(async |client| {
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
                [&self.run, &no, &epoch, &chunk.before, &self.no, &i32_of(in_doubt)];
            client.execute(NOTE_DOUBTS, &values).await.map(drop)
        })
        .await
    }
}

pub(super) fn split(chunks: &[(u32, u32)]) -> (Vec<i32>, Vec<i32>) {
    chunks.iter().map(|&(no, epoch)| (i32_of(no), i32_of(epoch))).unzip()
}

impl Flush {
    fn checksum(&self) -> u32 {
        let (chunk, epoch, seq) = (Some(self.no), self.epoch, u64::from(self.seq));
        Place::Segment { chunk, epoch, seq }.checksum(&self.body)
    }

    /// Decides what became of a flush that changed nothing, from where its chunk stands.
    pub(super) fn fate(&self, epoch: i32, next_seq: i32) -> Fate {
        if epoch != i32_of(self.epoch) {
            return Fate::Lost;
        }
        match next_seq {
            next if next == i32_of(self.seq) => Fate::SendAgain,
            next if next == i32_of(self.seq).saturating_add(1) => Fate::Kept,
            // This worker has no later segment, so the chunk is no longer its own.
            _ => Fate::Lost,
        }
    }
}

fn leased(row: &Row, shown: &str) -> Result<LeasedChunk, DatabaseError> {
    let (no, body): (u32, Vec<u8>) = (u32_at(row, 0), row.get(4));
    if let Err(damage) = Place::Chunk(no).check(&body, row.get(5)) {
        return Err(DatabaseError::Damaged { shown: shown.to_owned(), detail: damage.to_string() });
    }
    Ok(LeasedChunk {
        no,
        epoch: u32_at(row, 1),
        next_seq: u32_at(row, 2),
        tasks: u32_at(row, 3),
        body,
        before: row.get(7),
        was_leased: row.get::<_, i16>(6) == 1,
    })
}
