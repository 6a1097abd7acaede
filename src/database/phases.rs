//! The phases of a run that one worker at a time carries out for all.
//!
//! A phase belongs to the worker that took it until that one gives it back or is gone. Each taking
//! has the next epoch, so what a worker found out that was thought to be gone is not recorded.

use crate::database::error::DatabaseError;
use crate::database::leases::Worker;
use crate::database::link::Link;
use crate::database::numbers::u64_at;
use crate::database::phase::Phase;
use crate::database::runs::DatabaseRuns;
use std::time::Duration;
use tokio_postgres::Client;

const STANDING: &str = "
SELECT phase, stopping, EXISTS (SELECT FROM chunk c WHERE c.run = $1 AND c.state < 2),
    EXISTS (SELECT FROM chunk c WHERE c.run = $1 AND c.state = 1 AND c.lease_until > clock_timestamp()),
    (SELECT coalesce(sum(c.settled), 0)::bigint FROM chunk c WHERE c.run = $1), phase_epoch
FROM run WHERE no = $1";
const TAKE: &str = "
UPDATE run r SET phase_epoch = phase_epoch + 1, phase_owner = $2,
    canary_from = CASE WHEN phase = 1 THEN coalesce(canary_from,
        (SELECT coalesce(sum(c.settled), 0) FROM chunk c WHERE c.run = $1)) END,
    wait_until = CASE WHEN phase = 3 THEN coalesce(wait_until, clock_timestamp() + $4 * interval '1 second') END
WHERE no = $1 AND phase = $3 AND (phase_owner IS NULL OR phase_owner = $2 OR NOT EXISTS (
    SELECT FROM worker w WHERE w.run = $1 AND w.no = r.phase_owner AND w.gone IS NULL
        AND w.seen > clock_timestamp() - r.lease))
RETURNING phase_epoch, extract(epoch FROM wait_until - clock_timestamp())::float8, canary_from";
const OPEN: &str =
    "UPDATE run SET phase = 2, phase_owner = NULL WHERE no = $1 AND phase = 1 AND phase_owner = $2";
const BEGIN_AFTER: &str = "
UPDATE run SET phase = 3, phase_owner = NULL WHERE no = $1 AND phase < 3
    AND (stopping IS NOT NULL OR NOT EXISTS (SELECT FROM chunk c WHERE c.run = $1 AND c.state < 2))
    AND NOT EXISTS (SELECT FROM chunk c WHERE c.run = $1 AND c.state = 1 AND c.lease_until > clock_timestamp())";
const END: &str = "
UPDATE run r SET phase = 4 WHERE no = ANY($1) AND NOT EXISTS (SELECT FROM chunk c WHERE c.run = r.no AND c.state < 2)
    AND NOT EXISTS (SELECT FROM worker w WHERE w.run = r.no AND w.gone IS NULL
        AND w.seen > clock_timestamp() - r.lease)";
/// Whether a worker still looks at the tasks of another target of the run before it sends.
const OTHERS_LOOK: &str = "
SELECT EXISTS (SELECT FROM run me JOIN run r ON split_part(r.id, '.', 1) = split_part(me.id, '.', 1)
    JOIN worker w ON w.run = r.no
    WHERE me.no = $1 AND r.no <> me.no AND r.phase = 0 AND r.stopping IS NULL AND w.gone IS NULL
        AND w.seen > clock_timestamp() - r.lease)";
const STOP_ALL: &str = "
UPDATE run r SET stopping = coalesce(r.stopping, $2) FROM run me
WHERE me.no = $1 AND split_part(r.id, '.', 1) = split_part(me.id, '.', 1)";
/// A century is for ever, and no more would fit the column.
const FOR_EVER: f64 = 3e9;

/// Where a run stands in its phases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseStanding {
    /// The phase.
    pub phase: Phase,
    /// Which taking of a phase was the last one.
    pub epoch: i32,
    /// Why the run stops, if it does.
    pub stopping: Option<String>,
    /// Whether a task has no outcome.
    pub is_open: bool,
    /// Whether a worker holds a chunk.
    pub is_leased: bool,
    /// The number of tasks with an outcome.
    pub settled: u64,
}

/// A phase that is this worker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenPhase {
    /// The epoch under which its results count.
    pub epoch: i32,
    /// How many tasks had an outcome when the canary began, in that phase.
    pub settled_before: u64,
    /// How long tasks are still waited for, in that phase.
    pub wait_left: Duration,
}

impl DatabaseRuns {
    /// Returns where a run stands in its phases.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn phase(&mut self, run: i64) -> Result<PhaseStanding, DatabaseError> {
        let row = self.link.with(async |client| client.query_one(STANDING, &[&run]).await).await?;
        Ok(PhaseStanding {
            phase: Phase::of_number(row.get(0)),
            epoch: row.get(5),
            stopping: row.get(1),
            is_open: row.get(2),
            is_leased: row.get(3),
            settled: u64_at(&row, 4),
        })
    }

    /// Takes a phase for a worker, if the run is in it and no living worker has it; `patience` is how
    /// long tasks are waited for in the one after the calls.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn take_phase(
        &mut self,
        Worker { run, no, .. }: Worker,
        phase: Phase,
        patience: Duration,
    ) -> Result<Option<TakenPhase>, DatabaseError> {
        let seconds = patience.as_secs_f64().min(FOR_EVER);
        let taken = self.link.with(async |client| {
            client.query_opt(TAKE, &[&run, &no, &phase.number(), &seconds]).await
        });
        Ok(taken.await?.map(|row| {
            let left: Option<f64> = row.get(1);
            let left = Duration::try_from_secs_f64(left.unwrap_or_default().max(0.0));
            let settled_before = u64::try_from(row.get::<_, Option<i64>>(2).unwrap_or_default());
            let settled_before = settled_before.unwrap_or_default();
            TakenPhase { epoch: row.get(0), settled_before, wait_left: left.unwrap_or(patience) }
        }))
    }

    /// Begins the phase after the calls, if no call can be on the wire any more.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn begin_after(&mut self, worker: Worker) -> Result<(), DatabaseError> {
        self.link
            .with(async |client| client.execute(BEGIN_AFTER, &[&worker.run]).await.map(drop))
            .await
    }

    /// Lets all workers send, if the canary is this one's.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn open_to_all(&mut self, worker: Worker) -> Result<(), DatabaseError> {
        worker.open(&mut self.link).await
    }

    /// Ends the targets of a run in which nothing is left to do, if no worker is at them.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn end(&mut self, rows: &[i64]) -> Result<(), DatabaseError> {
        self.link.with(async |client| client.execute(END, &[&rows]).await.map(drop)).await
    }

    /// Stops a run for all workers, and at all of its targets, unless it stops already.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn stop(&mut self, worker: Worker, reason: &str) -> Result<(), DatabaseError> {
        let stop = async |client: &mut Client| {
            client.execute(STOP_ALL, &[&worker.run, &reason]).await.map(drop)
        };
        self.link.with(stop).await
    }

    /// Returns whether a worker still looks at the tasks of another target of a run before it sends.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(crate) async fn others_look(&mut self, run: i64) -> Result<bool, DatabaseError> {
        let row = self.link.with(async |client| client.query_one(OTHERS_LOOK, &[&run]).await);
        Ok(row.await?.get(0))
    }
}

impl Worker {
    /// Lets all workers send, if the canary is still this one's.
    pub(super) async fn open(self, link: &mut Link) -> Result<(), DatabaseError> {
        link.with(async |client| client.execute(OPEN, &[&self.run, &self.no]).await.map(drop)).await
    }
}
