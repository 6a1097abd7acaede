//! Copies the row of a run out of the database into a file, which is read like that of any other run.
//!
//! The order of the segments is that in which they were written,
//! over all chunks; those about the run itself come first, so that no session ends between the
//! attempts of others.

use crate::database::copied::{Failed, OwnRecords, copy_workers};
use crate::database::error::DatabaseError;
use crate::database::numbers::u32_at;
use crate::database::standing::note_applied;
use crate::journal::{Damage, Place, PlanChunk, distance, with_distance};
use crate::store::schema;
use crate::store::{ChunkBodies, Home, Segment, StoreError, Totals, head_text, parse_head, sqlite};
use futures::TryStreamExt;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;
use std::pin::pin;
use tokio_postgres::{Row, RowStream, Transaction};

const CHUNKS: &str = "
SELECT no, tasks, body, crc, next_seq, epoch FROM chunk WHERE run = $1 ORDER BY no";
const OF_THE_RUN: &str = "
SELECT chunk, seq, epoch, body, crc FROM segment WHERE run = $1 AND chunk < 0 ORDER BY chunk DESC, seq";
const OF_CHUNKS: &str = "
SELECT chunk, seq, epoch, body, crc FROM segment WHERE run = $1 AND chunk >= 0 ORDER BY place, seq";

/// Where a copy of a run ends, so that what is added to it can be taken into the database.
#[derive(Debug, Clone)]
pub struct CopyMark {
    /// The number of the run in the database.
    pub(super) run: i64,
    /// The number of segments in the copy.
    pub(super) segments: u64,
    /// The epoch of each chunk, and the number of its segments in the database.
    pub(super) chunks: Vec<(u32, u32)>,
    /// The damaged segments about the run itself: the number of the worker, negative, and theirs.
    pub(super) damaged_of_workers: Vec<(i32, i32)>,
}

impl CopyMark {
    /// Returns the epoch of a chunk, and the number of its segments in the database.
    pub(super) fn of_chunk(&self, no: u32) -> (u32, u32) {
        let place = usize::try_from(no).unwrap_or(usize::MAX);
        self.chunks.get(place).copied().unwrap_or_default()
    }
}

/// What becomes of a row that is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnDamage {
    /// The run is not copied.
    Refuse,
    /// It is copied, so that the file is damaged in the same place.
    Keep,
}

/// The most segments that are taken for missing where a number is too large.
const MOST_MISSING: u32 = 1 << 16;

/// Copies the row of a run or of one of its targets into a file that is not in its place yet. The row
/// begins with its number, the description, the checksum of that, and why it stops.
pub(super) async fn copy_row(
    snapshot: &Transaction<'_>,
    row: &Row,
    path: &Path,
    shown: &str,
    on_damage: OnDamage,
) -> Result<CopyMark, Failed> {
    let connection = schema::create(path)?;
    let failed = sqlite(path);
    let run = row.get(0);
    let mut copying = Copying {
        home: Home::new(&connection),
        connection: &connection,
        path,
        shown,
        run,
        totals: Totals { commits: 1, ..Totals::default() },
        on_damage,
        damaged_of_workers: Vec::new(),
    };
    let chunks = copying.copy(snapshot, row).await?;
    let Copying { totals: Totals { segments, .. }, damaged_of_workers, .. } = copying;
    schema::finish(&connection).map_err(&failed)?;
    connection.close().map_err(|(_, error)| failed(error))?;
    Ok(CopyMark { run, segments, chunks, damaged_of_workers })
}

/// A copy on its way.
struct Copying<'a> {
    home: Home<'a>,
    connection: &'a Connection,
    path: &'a Path,
    shown: &'a str,
    run: i64,
    totals: Totals,
    on_damage: OnDamage,
    damaged_of_workers: Vec<(i32, i32)>,
}

impl Copying<'_> {
    async fn copy(
        &mut self,
        snapshot: &Transaction<'_>,
        row: &Row,
    ) -> Result<Vec<(u32, u32)>, Failed> {
        let failed = sqlite(self.path);
        let head: Vec<u8> = row.get(1);
        self.check(Place::Head, &head, row.get(2))?;
        let head = String::from_utf8(head).map_err(|_| self.damaged(Place::Head.missing()))?;
        let head = without_a_plan(head, row.get(3));
        self.connection.execute_batch("BEGIN").map_err(&failed)?;
        self.home.put_head(&head).map_err(&failed)?;
        let chunks = self.copy_chunks(snapshot).await?;
        self.copy_run_segments(snapshot).await?;
        self.copy_segments(snapshot, &chunks).await?;
        copy_workers(snapshot, self.run, self.connection, self.path).await?;
        let counted = self.count();
        // What is damaged is counted anew when it is read.
        if self.on_damage == OnDamage::Refuse {
            counted?;
        }
        self.home.put_totals(&self.totals).map_err(&failed)?;
        self.connection.execute_batch("COMMIT").map_err(&failed)?;
        Ok(chunks)
    }

    async fn stream(
        &self,
        snapshot: &Transaction<'_>,
        query: &str,
    ) -> Result<RowStream, tokio_postgres::Error> {
        snapshot.query_raw(query, [self.run]).await
    }

    /// Copies the plan, and returns the epoch of each chunk and the number of its segments.
    async fn copy_chunks(&self, snapshot: &Transaction<'_>) -> Result<Vec<(u32, u32)>, Failed> {
        let mut rows = pin!(self.stream(snapshot, CHUNKS).await?);
        let mut chunks = Vec::new();
        while let Some(row) = rows.try_next().await? {
            let no = u32_at(&row, 0);
            while chunks.len() < no as usize {
                let missing = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
                self.pass_over(Place::Chunk(missing).missing())?;
                chunks.push((0, 0));
            }
            let (place, body): (Place, Vec<u8>) = (Place::Chunk(no), row.get(2));
            let mut first = PlanChunk::new(&body).map(|chunk| chunk.first);
            if !self.is_whole(place, &body, row.get(3))? {
                first = Ok(0);
            }
            let first = first.map_err(|bad| self.damaged(place.damage(bad)))?;
            let named = [no, first, u32_at(&row, 1)];
            let put = self.home.put_chunk_as(named, &body, row.get(3));
            put.map_err(sqlite(self.path))?;
            chunks.push((u32_at(&row, 5), u32_at(&row, 4)));
        }
        Ok(chunks)
    }

    /// Copies the segments about the run, each worker as a session. Those that ended come last, in
    /// the order of their ends, because the last session says how the run ended.
    async fn copy_run_segments(&mut self, snapshot: &Transaction<'_>) -> Result<(), Failed> {
        let mut workers: BTreeMap<i32, OwnRecords> = BTreeMap::new();
        let mut rows = pin!(self.stream(snapshot, OF_THE_RUN).await?);
        while let Some(row) = rows.try_next().await? {
            let (worker, seq) = (row.get::<_, i32>(0), u32_at(&row, 1));
            let place =
                Place::Segment { chunk: None, epoch: worker.unsigned_abs(), seq: u64::from(seq) };
            let body: Vec<u8> = row.get(3);
            let own = workers.entry(worker).or_default();
            if self.is_whole(place, &body, row.get(4))? {
                own.add(body).map_err(|bad| self.damaged(place.damage(bad)))?;
            } else {
                self.damaged_of_workers.push((worker, row.get(1)));
                own.bodies.push(None);
            }
        }
        let mut workers: Vec<OwnRecords> = workers.into_values().rev().collect();
        workers.sort_by_key(|own| (own.ended_us.is_some(), own.ended_us.or(own.began_us)));
        let mut sessions = 0;
        for own in workers {
            sessions += u32::from(own.began_us.is_some());
            self.totals.lost_tasks += own.lost_tasks;
            for body in own.bodies {
                let distance = u64::from(self.totals.segments > 0);
                match body {
                    Some(body) => self.append(None, sessions, &body, distance)?,
                    None => self.append_damaged(None, sessions, &[])?,
                }
            }
        }
        Ok(())
    }

    async fn copy_segments(
        &mut self,
        snapshot: &Transaction<'_>,
        chunks: &[(u32, u32)],
    ) -> Result<(), Failed> {
        let mut rows = pin!(self.stream(snapshot, OF_CHUNKS).await?);
        // For each chunk: how many segments were copied, and the number of the last one in the file.
        let mut copied = vec![(0_u32, 0_u64); chunks.len()];
        while let Some(row) = rows.try_next().await? {
            let (chunk, seq, epoch) = (u32_at(&row, 0), u32_at(&row, 1), u32_at(&row, 2));
            let place = Place::Segment { chunk: Some(chunk), epoch, seq: u64::from(seq) };
            let at = usize::try_from(chunk).unwrap_or(usize::MAX);
            let Some((count, last)) = copied.get_mut(at).filter(|(count, _)| *count <= seq) else {
                self.pass_over(place.missing())?;
                continue;
            };
            if *count < seq {
                *last = self.append_missing(chunk, *count, seq)?.unwrap_or(*last);
            }
            let next = self.totals.segments + 1;
            let distance = distance(next, *last);
            (*count, *last) = (seq + 1, next);
            let body: Vec<u8> = row.get(3);
            if self.is_whole(place, &body, row.get(4))? {
                self.append(Some(chunk), epoch, &body, distance)?;
            } else {
                self.append_damaged(Some(chunk), epoch, &body)?;
            }
        }
        for (chunk, (&(_, expected), (count, _))) in (0..).zip(chunks.iter().zip(copied)) {
            if expected != count {
                self.append_missing(chunk, count, expected)?;
            }
        }
        Ok(())
    }

    /// Appends segments that are missing of a chunk, and returns the number of the last one.
    fn append_missing(&mut self, chunk: u32, from: u32, to: u32) -> Result<Option<u64>, Failed> {
        let place = Place::Segment { chunk: Some(chunk), epoch: 0, seq: u64::from(from) };
        self.pass_over(place.missing())?;
        let most = to.min(from.saturating_add(MOST_MISSING));
        for _ in from..most {
            self.append_damaged(Some(chunk), 0, &[])?;
        }
        Ok((from < most).then_some(self.totals.segments))
    }

    /// Appends a segment whose checksum cannot fit.
    fn append_damaged(
        &mut self,
        chunk: Option<u32>,
        epoch: u32,
        body: &[u8],
    ) -> Result<(), Failed> {
        let segment = Segment { chunk, epoch, seq: self.totals.segments + 1, body };
        let put = self.home.append_as(segment, !segment.place().checksum(body));
        put.map_err(sqlite(self.path))?;
        self.totals.segments = segment.seq;
        Ok(())
    }

    fn append(
        &mut self,
        chunk: Option<u32>,
        epoch: u32,
        body: &[u8],
        distance: u64,
    ) -> Result<(), Failed> {
        let seq = self.totals.segments + 1;
        let place = Place::Segment { chunk, epoch, seq };
        let moved = with_distance(body, distance);
        let (_, body) = moved.map_err(|bad| self.damaged(place.damage(bad)))?;
        let put = self.home.append(Segment { chunk, epoch, seq, body: &body });
        put.map_err(sqlite(self.path))?;
        self.totals.segments = seq;
        Ok(())
    }

    /// Counts the tasks by outcome.
    fn count(&mut self) -> Result<(), StoreError> {
        let failed = sqlite(self.path);
        for no in 0..self.home.chunks().map_err(&failed)?.len() {
            let bodies = ChunkBodies::read(self.home, no).map_err(&failed)?;
            let fold = bodies.fold(u64::MAX).map_err(&failed)?;
            self.totals.settled += fold.settled();
        }
        Ok(())
    }

    /// Returns whether a row is what was written; one that is not may be refused.
    fn is_whole(&self, place: Place, body: &[u8], crc: i64) -> Result<bool, StoreError> {
        match place.check(body, crc) {
            Ok(()) => Ok(true),
            Err(damage) => self.pass_over(damage).map(|()| false),
        }
    }

    /// Refuses damage, unless it is kept.
    fn pass_over(&self, damage: Damage) -> Result<(), StoreError> {
        match self.on_damage {
            OnDamage::Refuse => Err(self.damaged(damage)),
            OnDamage::Keep => Ok(()),
        }
    }

    fn check(&self, place: Place, body: &[u8], crc: i64) -> Result<(), StoreError> {
        place.check(body, crc).map_err(|damage| self.damaged(damage))
    }

    fn damaged(&self, damage: Damage) -> StoreError {
        let (shown, detail) = (self.shown.to_owned(), damage.to_string());
        DatabaseError::Damaged { shown, detail }.into()
    }
}

/// Returns the description of a run; one that was applied is not shown as a plan any more.
fn without_a_plan(head: String, stopping: Option<&str>) -> String {
    let Ok(mut record) = parse_head(&head) else { return head };
    if note_applied(&mut record, stopping) { head_text(&record) } else { head }
}
