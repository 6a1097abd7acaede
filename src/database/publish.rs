//! Takes into the database what was added to a copy of a run: all of it in one transaction, or
//! nothing.
//!
//! A walk through the list looks at all tasks, so it is carried out on a copy. What follows from it
//! counts only if no chunk has changed that it adds to, and if the phase is still the worker's.

use crate::database::copy::CopyMark;
use crate::database::numbers::i32_of;
use crate::database::phase::Phase;
use crate::database::plan::LOAD_TIMEOUT;
use crate::database::rates::scope_of;
use crate::database::runs::DatabaseRuns;
use crate::database::segments::{SegmentRow, insert};
use crate::journal::{Malformed, RunRecord, RunSegmentWriter, run_records, with_distance};
use crate::store::schema;
use crate::store::{ChunkBodies, Home, StoreError, sqlite};
use crate::task::{Outcome, OutcomeCounts};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokio_postgres::Transaction;

const LOCK: &str = "SELECT phase_epoch FROM run WHERE no = $1 FOR UPDATE";
pub(super) const JOIN: &str =
    "UPDATE run SET workers = workers + 1 WHERE no = $1 RETURNING workers";
const CHUNKS: &str = "
UPDATE chunk c SET epoch = c.epoch + 1, next_seq = c.next_seq + f.added, owner = $3, lease_until = NULL,
    settled = f.settled, succeeded = f.succeeded, partial = f.partial, failed = f.failed,
    ambiguous = f.ambiguous, unchanged = f.unchanged,
    state = CASE WHEN f.settled = c.tasks THEN 2 ELSE 0 END
FROM unnest($2::int[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[], $9::int[], $10::int[],
        $11::int[], $12::int[])
    AS f(no, epoch, seq, added, settled, succeeded, partial, failed, ambiguous, unchanged)
WHERE c.run = $1 AND c.no = f.no AND c.epoch = f.epoch AND c.next_seq = f.seq";
/// The next epoch, so that a second try changes nothing whose first answer was lost.
const TO_PHASE: &str =
    "UPDATE run SET phase = $2, phase_owner = NULL, phase_epoch = phase_epoch + 1 WHERE no = $1";
const GIVE_BACK: &str =
    "UPDATE run SET phase_owner = NULL, phase_epoch = phase_epoch + 1 WHERE no = $1";
const IF_AFTER: &str = "UPDATE run SET phase = 4 WHERE no = $1 AND phase = 3";
/// The ramp begins with the first call and not with the first page.
const NO_RAMP_YET: &str = "UPDATE rate SET ramp_from_ns = NULL WHERE scope = $1";

/// What is true of the run once the additions are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The phase of this epoch is over, and this one follows.
    Phase(i32, Phase),
    /// The phase of this epoch can be taken by another worker.
    GivenBack(i32),
    /// No phase was taken; if the one after the calls was open, it is over.
    LookedAfter,
    /// No phase was taken.
    AsBefore,
}

/// What was added to a copy.
#[derive(Debug, Default)]
pub(super) struct Additions {
    chunks: BTreeMap<u32, ChunkAddition>,
    /// The segments about the run itself.
    run: Vec<Vec<u8>>,
}

/// The additions to one chunk.
#[derive(Debug, Default)]
struct ChunkAddition {
    /// What the database has of it.
    epoch: u32,
    next_seq: u32,
    segments: Vec<Vec<u8>>,
    settled: OutcomeCounts,
}

impl Additions {
    pub(super) fn add(
        &mut self,
        chunk: Option<u32>,
        body: &[u8],
        mark: &CopyMark,
    ) -> Result<(), Malformed> {
        let Some(no) = chunk else {
            let mut writer = RunSegmentWriter::default();
            run_records(body, |record| {
                // A worker's session is in its own records, and sendings are in those of the rate.
                if !matches!(
                    record,
                    RunRecord::SessionStarted { .. }
                        | RunRecord::SessionEnded { .. }
                        | RunRecord::SendingsLost { .. }
                ) {
                    writer.push(&record);
                }
                Ok(())
            })?;
            if !writer.is_empty() {
                let mut kept = Vec::new();
                writer.write(u64::from(!self.run.is_empty()), &mut kept);
                self.run.push(kept);
            }
            return Ok(());
        };
        let (epoch, next_seq) = mark.of_chunk(no);
        let fresh = ChunkAddition { epoch, next_seq, ..ChunkAddition::default() };
        let chunk = self.chunks.entry(no).or_insert(fresh);
        let is_first = next_seq == 0 && chunk.segments.is_empty();
        chunk.segments.push(with_distance(body, u64::from(!is_first))?.1);
        Ok(())
    }

    /// Returns the segments as rows, those about the run under the number of a worker.
    pub(super) fn rows(&self, worker: i32) -> Vec<SegmentRow<'_>> {
        let of_run = (0..).zip(&self.run);
        let of_run = of_run.map(|(seq, body)| SegmentRow::of_worker(worker, seq, body));
        let of_chunks = self.chunks.iter().flat_map(|(&no, chunk)| {
            let segments = (chunk.next_seq..).zip(&chunk.segments);
            segments.map(move |(seq, body)| SegmentRow::of_chunk(no, chunk.epoch + 1, seq, body))
        });
        of_run.chain(of_chunks).collect()
    }
}

impl DatabaseRuns {
    /// Takes in what was added to copies of targets of a run; returns whether it counts. If not,
    /// nothing is changed: another process has gone on with the run since the copies were made.
    ///
    /// # Errors
    ///
    /// A copy cannot be read, or the database is away.
    pub async fn publish(
        &mut self,
        copies: &[(PathBuf, CopyMark)],
        then: Then,
    ) -> Result<bool, StoreError> {
        let added = |(copy, mark): &(PathBuf, CopyMark)| Ok((mark.run, read(copy, mark)?));
        let parts = copies.iter().map(added).collect::<Result<Vec<_>, StoreError>>()?;
        let published = self.link.transact_within(LOAD_TIMEOUT, async |transaction| {
            for (run, additions) in &parts {
                if !publish_part(transaction, *run, additions, then).await? {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        });
        Ok(published.await?.is_some())
    }
}

/// Reads what was added to a copy since it was made.
fn read(path: &Path, mark: &CopyMark) -> Result<Additions, StoreError> {
    let connection = schema::open_reader(path)?;
    let home = Home::new(&connection);
    let failed = sqlite(path);
    let mut additions = Additions::default();
    home.segments::<rusqlite::Error>(|segment| {
        if segment.seq > mark.segments {
            let added = additions.add(segment.chunk, segment.body, mark);
            added.map_err(|bad| crate::store::damage(segment.place().damage(bad)))?;
        }
        Ok(())
    })
    .map_err(&failed)?;
    for (&no, chunk) in &mut additions.chunks {
        let bodies = ChunkBodies::read(home, no).map_err(&failed)?;
        chunk.settled = bodies.fold(u64::MAX).map_err(&failed)?.settled();
    }
    Ok(additions)
}

async fn publish_part(
    transaction: &Transaction<'_>,
    run: i64,
    additions: &Additions,
    then: Then,
) -> Result<bool, tokio_postgres::Error> {
    let epoch: i32 = transaction.query_one(LOCK, &[&run]).await?.get(0);
    let expected = match then {
        Then::Phase(epoch, _) | Then::GivenBack(epoch) => Some(epoch),
        Then::LookedAfter | Then::AsBefore => None,
    };
    if expected.is_some_and(|expected| expected != epoch) {
        return Ok(false);
    }
    let worker: i32 = transaction.query_one(JOIN, &[&run]).await?.get(0);
    let changed = change_chunks(transaction, run, worker, additions).await?;
    if changed != additions.chunks.len() as u64 {
        return Ok(false);
    }
    insert(transaction, run, worker, &additions.rows(worker)).await?;
    go_on(transaction, run, then).await.map(|()| true)
}

async fn change_chunks(
    transaction: &Transaction<'_>,
    run: i64,
    worker: i32,
    additions: &Additions,
) -> Result<u64, tokio_postgres::Error> {
    let chunks = &additions.chunks;
    let column =
        |of: &dyn Fn(&ChunkAddition) -> i32| -> Vec<i32> { chunks.values().map(of).collect() };
    let outcomes = |outcome| column(&|chunk| i32_of(chunk.settled[outcome]));
    transaction
        .execute(
            CHUNKS,
            &[
                &run,
                &chunks.keys().copied().map(i32_of).collect::<Vec<i32>>(),
                &worker,
                &column(&|chunk| i32_of(chunk.epoch)),
                &column(&|chunk| i32_of(chunk.next_seq)),
                &column(&|chunk| i32_of(chunk.segments.len())),
                &column(&|chunk| i32_of(chunk.settled.selected())),
                &outcomes(Outcome::Succeeded),
                &outcomes(Outcome::Partial),
                &outcomes(Outcome::Failed),
                &outcomes(Outcome::Ambiguous),
                &outcomes(Outcome::Unchanged),
            ],
        )
        .await
}

async fn go_on(
    transaction: &Transaction<'_>,
    run: i64,
    then: Then,
) -> Result<(), tokio_postgres::Error> {
    match then {
        Then::Phase(_, phase) => {
            transaction.execute(TO_PHASE, &[&run, &phase.number()]).await?;
            transaction.execute(NO_RAMP_YET, &[&scope_of(run)]).await?;
        }
        Then::GivenBack(_) => drop(transaction.execute(GIVE_BACK, &[&run]).await?),
        Then::LookedAfter => drop(transaction.execute(IF_AFTER, &[&run]).await?),
        Then::AsBefore => {}
    }
    Ok(())
}
