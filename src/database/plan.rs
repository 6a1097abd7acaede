//! Stores the plan of a run in the database: all of it or nothing, in one transaction.

use crate::database::error::DatabaseError;
use crate::database::numbers::{i32_of, i64_of, trip_at};
use crate::database::parts::row_id;
use crate::database::phase::Phase;
use crate::database::rates::{RateTerms, interval_nanos, scope_of, text_of};
use crate::database::runs::DatabaseRuns;
use crate::database::segments::{SegmentRow, insert};
use crate::journal::Place;
use crate::store::RunId;
use std::pin::pin;
use std::time::Duration;
use tokio_postgres::Transaction;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

/// How long the load of a plan may take.
pub(super) const LOAD_TIMEOUT: Duration = Duration::from_secs(600);
/// How many chunks a plan has at least, if it has enough tasks: small runs are shared, too.
const CHUNKS: u64 = 64;
const LEAST_TASKS: u64 = 16;

/// Why nobody works on a plan of its own.
pub(super) const NOT_APPLIED: &str = "not_applied";

/// The time between two slots where a search for the rate begins.
const SEARCHED_NS: i64 = 100_000_000;

const JOB: &str = "UPDATE job SET run = $1 WHERE name = $2 AND epoch = $3";

/// A run that is to be stored.
#[derive(Debug, Clone)]
pub(crate) struct NewDatabaseRun {
    /// Its id.
    pub(crate) id: RunId,
    /// Its place among the targets of the run; 0 without any.
    pub(crate) part: usize,
    /// Its job, if it has one.
    pub(crate) job: Option<String>,
    /// Its description, as the journal writes it.
    pub(crate) head: String,
    /// The number of its tasks.
    pub(crate) tasks: u64,
    /// How long a worker that is not heard of keeps its chunks.
    pub(crate) lease: Duration,
    /// The number of failed tasks that is tolerated.
    pub(crate) tolerated: u64,
    /// The rate that all workers keep together.
    pub(crate) rate: RateTerms,
    /// Over which span the rate grows to its limit.
    pub(crate) ramp: Duration,
    /// The longest round trip of a worker that keeps the rate.
    pub(crate) trip: Duration,
    /// Under which epoch its job is taken, if it is.
    pub(crate) job_epoch: Option<i32>,
    /// The phase that it begins with.
    pub(crate) first_phase: Phase,
    /// Whether tasks are looked at when the calls are over.
    pub(crate) looks_after: bool,
    /// Whether it is a plan of its own, which nobody works on before it is applied.
    pub(crate) is_unapplied: bool,
}

/// A chunk of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewChunk {
    /// The number of its tasks.
    pub(crate) tasks: u32,
    /// Its body, as the journal writes it.
    pub(crate) body: Vec<u8>,
    /// The body of its first segment, with the states that its tasks were in; empty without any.
    pub(crate) states: Vec<u8>,
}

/// Returns how many tasks a chunk has at most in a run of so many tasks.
pub(crate) fn chunk_size(tasks: u64) -> u64 {
    tasks.div_ceil(CHUNKS).clamp(LEAST_TASKS, u64::from(crate::journal::MAX_CHUNK_TASKS))
}

impl DatabaseRuns {
    /// Stores a run, which has a plan for each of its targets, and returns the numbers of its rows; one
    /// that is stored already stays as it is.
    ///
    /// # Errors
    ///
    /// Nothing is stored then, unless the database stayed away after its answer was lost.
    pub(crate) async fn store(
        &mut self,
        parts: &[(NewDatabaseRun, Vec<NewChunk>)],
    ) -> Result<Vec<i64>, DatabaseError> {
        let first = &parts[0].0;
        let mut is_id_taken = false;
        let stored = self.link.transact_within(LOAD_TIMEOUT, async |transaction| {
            let mut numbers = Vec::new();
            for (run, chunks) in parts {
                let Some(no) = insert_run(transaction, run, chunks.len()).await? else {
                    is_id_taken = true;
                    return Ok(None);
                };
                copy_chunks(transaction, no, chunks).await?;
                copy_states(transaction, no, chunks).await?;
                insert_rate(transaction, no, run).await?;
                numbers.push(no);
            }
            // From here on the workers of the run keep the job.
            let kept =
                transaction.execute(JOB, &[&numbers[0], &first.job, &first.job_epoch]).await?;
            Ok((kept > 0 || first.job_epoch.is_none()).then_some(numbers))
        });
        let stored = stored.await?;
        if is_id_taken {
            self.check_same(first).await?;
            return self.numbers_of(&first.id).await;
        }
        stored.ok_or_else(|| DatabaseError::JobTaken { shown: self.link.shown().to_owned() })
    }

    /// Checks that a run was stored by an earlier try, whose answer was lost.
    async fn check_same(&mut self, run: &NewDatabaseRun) -> Result<(), DatabaseError> {
        let found = self.link.with(async |client| {
            // Another planner may have chosen the same id at the same moment; its run is not this one.
            let same = "SELECT FROM run WHERE id = $1 AND head = $2";
            client.query_opt(same, &[&run.id.as_str(), &run.head.as_bytes()]).await
        });
        let taken =
            |shown: &str| DatabaseError::RunExists { shown: shown.into(), run: run.id.clone() };
        found.await?.map(drop).ok_or_else(|| taken(self.link.shown()))
    }

    /// Gives a run that is taken up the rate that it has now.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn set_rate(&mut self, run: i64, rate: &RateTerms) -> Result<(), DatabaseError> {
        self.link.with(async |client| {
        let transaction = client.transaction().await?;
        let trip = "SELECT trip_us FROM run WHERE no = $1";
        let trip = trip_at(&transaction.query_one(trip, &[&run]).await?, 0);
        let interval = rate.limit.map_or(0, |rate| interval_nanos(rate, trip));
        let timeline = insert_timeline(&transaction, run, rate).await?;
        let statement = "UPDATE rate SET timeline = $2, text_limit = $3, interval_ns = $4, searches = $5, \
                         pace_ns = CASE WHEN $5 AND pace_ns = 0 THEN $6::bigint ELSE pace_ns END WHERE scope = $1";
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&scope_of(run), &timeline, &text_of(rate.limit), &interval, &rate.searches, &SEARCHED_NS];
        transaction.execute(statement, &values).await?;
        transaction.commit().await
    })
    .await
    }
}

/// Inserts the row of a run, unless its id is taken.
async fn insert_run(
    transaction: &Transaction<'_>,
    run: &NewDatabaseRun,
    chunks: usize,
) -> Result<Option<i64>, tokio_postgres::Error> {
    let head = run.head.as_bytes();
    let statement = "INSERT INTO run (id, job, tasks, chunks, head, crc, lease, tolerated, trip_us, \
                     phase, first_phase, looks_after, stopping) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7 * interval '1 second', $8, $9, $10, $10, $11, $12) \
                     ON CONFLICT (id) DO NOTHING RETURNING no";
    let row = transaction
        .query_opt(
            statement,
            &[
                &row_id(&run.id, run.part),
                &run.job,
                &i64_of(run.tasks),
                &i32_of(chunks),
                &head,
                &i64::from(Place::Head.checksum(head)),
                &run.lease.as_secs_f64(),
                &i64_of(run.tolerated),
                &i32_of(run.trip.as_micros()),
                &run.first_phase.number(),
                &run.looks_after,
                &run.is_unapplied.then_some(NOT_APPLIED),
            ],
        )
        .await?;
    Ok(row.map(|row| row.get(0)))
}

async fn copy_chunks(
    transaction: &Transaction<'_>,
    run: i64,
    chunks: &[NewChunk],
) -> Result<(), tokio_postgres::Error> {
    let copy = "COPY chunk (run, no, tasks, body, crc, next_seq) FROM STDIN BINARY";
    let sink = transaction.copy_in(copy).await?;
    let types = [Type::INT8, Type::INT4, Type::INT4, Type::BYTEA, Type::INT8, Type::INT4];
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
    for (no, chunk) in (0_u32..).zip(chunks) {
        let checksum = i64::from(Place::Chunk(no).checksum(&chunk.body));
        let (no, tasks) = (i32_of(no), i32_of(chunk.tasks));
        let next_seq = i32::from(!chunk.states.is_empty());
        writer.as_mut().write(&[&run, &no, &tasks, &chunk.body, &checksum, &next_seq]).await?;
    }
    writer.finish().await.map(drop)
}

/// Copies the states of tasks into the first segments of their chunks: no worker has written them, and
/// no lease had begun.
async fn copy_states(
    transaction: &Transaction<'_>,
    run: i64,
    chunks: &[NewChunk],
) -> Result<(), tokio_postgres::Error> {
    let rows = (0_u32..).zip(chunks).filter(|(_, chunk)| !chunk.states.is_empty());
    let rows = rows.map(|(no, chunk)| SegmentRow::of_chunk(no, 0, 0, &chunk.states));
    insert(transaction, run, 0, &rows.collect::<Vec<_>>()).await
}

async fn insert_rate(
    transaction: &Transaction<'_>,
    no: i64,
    run: &NewDatabaseRun,
) -> Result<(), tokio_postgres::Error> {
    let statement = "INSERT INTO rate (scope, timeline, text_limit, interval_ns, searches, ramp_ns, pace_ns) \
                     VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $5 THEN $7::bigint ELSE 0 END)";
    let RateTerms { limit, searches, .. } = run.rate;
    let interval = limit.map_or(0, |rate| interval_nanos(rate, run.trip));
    let ramp = i64_of(run.ramp.as_nanos());
    let timeline = insert_timeline(transaction, no, &run.rate).await?;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
        [&scope_of(no), &timeline, &text_of(limit), &interval, &searches, &ramp, &SEARCHED_NS];
    transaction.execute(statement, &values).await.map(drop)
}

/// Makes the timeline of a group, if it is missing, and returns the one that a run uses.
async fn insert_timeline(
    transaction: &Transaction<'_>,
    run: i64,
    rate: &RateTerms,
) -> Result<String, tokio_postgres::Error> {
    let Some(group) = &rate.group else { return Ok(scope_of(run)) };
    let scope = format!("group:{group}");
    let statement = "INSERT INTO rate (scope, timeline, text_limit, interval_ns) \
                     VALUES ($1, $1, 'none', 0) ON CONFLICT DO NOTHING";
    transaction.execute(statement, &[&scope]).await?;
    Ok(scope)
}
