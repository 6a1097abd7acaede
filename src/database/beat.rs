//! The sign of life of a worker: it renews its leases, and brings the wishes of operators.

use crate::database::error::DatabaseError;
use crate::database::leases::{Worker, split};
use crate::database::link::{Link, Values};
use crate::database::numbers::{i32_of, i64_of, trip_at, u32_or_none};
use std::time::Duration;
use tokio_postgres::types::Type;

const BEAT: &str = "
WITH me AS (
    UPDATE worker SET seen = clock_timestamp(), calls = $3, throttled = $4, in_flight = $5, uncertainty_us = $6
    WHERE run = $1 AND no = $2),
renewed AS (
    UPDATE job SET lease_until = clock_timestamp() + interval '15 seconds'
    WHERE run = (SELECT f.no FROM run me JOIN run f ON f.id = split_part(me.id, '.', 1) WHERE me.no = $1)
        AND lease_until < clock_timestamp() + interval '10 seconds'),
kept AS (
    UPDATE chunk c SET lease_until = clock_timestamp() + $7 * interval '1 second'
    FROM unnest($8::int[], $9::int[]) AS m(no, epoch)
    WHERE c.run = $1 AND c.no = m.no AND c.epoch = m.epoch AND c.state = 1 RETURNING c.no)
SELECT change_no, paused, concurrency, stopping,
    (SELECT coalesce(array_agg(no), '{}') FROM kept) AS kept,
    (SELECT text_limit FROM rate WHERE scope = 'run:' || $1::bigint) AS rate,
    job IS NOT NULL, EXISTS (SELECT FROM job j WHERE j.name = run.job AND j.run = whole.of_job),
    (SELECT j.holder FROM job j WHERE j.name = run.job AND j.run IS DISTINCT FROM whole.of_job
        AND j.lease_until > clock_timestamp()),
    job,
    tolerated < failures.counted + failures.allowed, tolerated < failures.counted AND stopping IS NULL,
    trip_us
FROM run, LATERAL (
    -- A job is that of the first target, as long as a worker is at any of them.
    SELECT (SELECT f.no FROM run f WHERE f.id = split_part(run.id, '.', 1)) AS of_job) whole, LATERAL (
    SELECT coalesce(sum(w.failed), 0) AS counted, coalesce(sum(w.allowance) FILTER (
        WHERE w.gone IS NULL AND w.seen > clock_timestamp() - 2 * run.lease), 0) AS allowed
    FROM worker w WHERE w.run = $1) failures
WHERE no = $1";
/// While all workers were silent, another run may have had the job, and have freed it again.
const TAKE_JOB_AGAIN: &str = "
INSERT INTO job AS j (name, run, holder, epoch, lease_until)
SELECT f.job, f.no, 'the workers of run ' || f.id, 1, clock_timestamp() + interval '15 seconds'
FROM run me JOIN run f ON f.id = split_part(me.id, '.', 1) WHERE me.no = $1
ON CONFLICT (name) DO UPDATE SET run = excluded.run, holder = excluded.holder, epoch = j.epoch + 1,
    lease_until = excluded.lease_until
WHERE j.lease_until < clock_timestamp() OR j.run = excluded.run";
/// For how long after a sign of life the job is the run's by this worker's clock: four fifths of its
/// lease.
pub(super) const JOB_FOR: Duration = Duration::from_secs(12);

/// What a worker tells of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SignOfLife {
    /// Its calls so far.
    pub calls: u64,
    /// Those of them that were throttled.
    pub throttled: u64,
    /// Its calls on the wire.
    pub in_flight: u32,
    /// How exactly it knows the database's time, in microseconds.
    pub uncertainty_us: Option<u32>,
}

/// What the database says to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    /// The number of the last change by an operator.
    pub change_no: i32,
    /// Whether the run is paused.
    pub paused: bool,
    /// The calls on the wire that each worker may have, if an operator set that.
    pub concurrency: Option<u32>,
    /// Why the run stops, if it does.
    pub stopping: Option<String>,
    /// The rate of all workers together, as a text.
    pub rate: String,
    /// The job of the run, and who has it for another run.
    pub job_taken: Option<(String, String)>,
    /// Whether the run has a job, and it is this run's.
    pub keeps_job: bool,
    /// Whether more failures are allowed to all workers together than are left.
    pub is_short: bool,
    /// Whether more tasks have failed than is tolerated, and the run does not stop yet: the worker that
    /// recorded them died before it could ask.
    pub is_exceeded: bool,
    /// The longest way to the database and back with which the rate holds.
    pub trip: Duration,
    /// The chunks that are still the worker's.
    pub kept: Vec<u32>,
}

impl Worker {
    /// Renews the leases of these chunks, each with its epoch.
    pub(super) async fn beat(
        self,
        link: &mut Link,
        sign: SignOfLife,
        held: &[(u32, u32)],
    ) -> Result<Wishes, DatabaseError> {
        let (numbers, epochs) = split(held);
        let row = link
            .with(async |client| {
                let (calls, throttled) = (i64_of(sign.calls), i64_of(sign.throttled));
                let uncertainty = sign.uncertainty_us.map(i32_of);
                let lease = self.lease.as_secs_f64();
                let in_flight = i32_of(sign.in_flight);
                let values: Values<'_, 9> = [
                    (&self.run, Type::INT8),
                    (&self.no, Type::INT4),
                    (&calls, Type::INT8),
                    (&throttled, Type::INT8),
                    (&in_flight, Type::INT4),
                    (&uncertainty, Type::INT4),
                    (&lease, Type::FLOAT8),
                    (&numbers, Type::INT4_ARRAY),
                    (&epochs, Type::INT4_ARRAY),
                ];
                client.query_typed_opt(BEAT, &values).await
            })
            .await?;
        let Some(row) = row else {
            return Err(DatabaseError::RunGone { shown: link.shown().to_owned() });
        };
        let kept: Vec<i32> = row.get(4);
        let (has_job, mut keeps_job): (bool, bool) = (row.get(6), row.get(7));
        let holder: Option<String> = row.get(8);
        if has_job && !keeps_job && holder.is_none() {
            // If another run is quicker, the next sign of life tells by whom.
            let taken = link
                .with(async |client| client.execute(TAKE_JOB_AGAIN, &[&self.run]).await)
                .await?;
            keeps_job = taken > 0;
        }
        Ok(Wishes {
            change_no: row.get(0),
            paused: row.get(1),
            concurrency: u32_or_none(&row, 2),
            stopping: row.get(3),
            rate: row.get(5),
            job_taken: row.get::<_, Option<String>>(9).zip(holder),
            keeps_job,
            is_short: row.get(10),
            is_exceeded: row.get(11),
            trip: trip_at(&row, 12),
            kept: kept.into_iter().filter_map(|no| u32::try_from(no).ok()).collect(),
        })
    }
}
