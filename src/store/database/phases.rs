//! The phases of a run that one worker at a time carries out for all.
//!
//! A phase belongs to the worker that took it until that one gives it back or is gone. Each taking
//! has the next epoch, so what a worker found out that was thought to be gone is not recorded.

use crate::settings::RunSettings;
use crate::store::database::error::DatabaseError;
use crate::store::database::leases::Worker;
use crate::store::database::link::Link;
use std::time::Duration;
use tokio_postgres::Row;

const STANDING: &str = "
SELECT phase, stopping, EXISTS (SELECT FROM chunk c WHERE c.run = $1 AND c.state < 2),
    EXISTS (SELECT FROM chunk c WHERE c.run = $1 AND c.state = 1 AND c.lease_until > clock_timestamp()),
    (SELECT coalesce(sum(c.settled), 0)::bigint FROM chunk c WHERE c.run = $1)
FROM run WHERE no = $1";
const TAKE: &str = "
UPDATE run r SET phase_epoch = phase_epoch + 1, phase_owner = $2,
    wait_until = CASE WHEN phase = 3 THEN coalesce(wait_until, clock_timestamp() + $4 * interval '1 second') END
WHERE no = $1 AND phase = $3 AND (phase_owner IS NULL OR phase_owner = $2 OR NOT EXISTS (
    SELECT FROM worker w WHERE w.run = $1 AND w.no = r.phase_owner AND w.gone IS NULL
        AND w.seen > clock_timestamp() - r.lease))
RETURNING phase_epoch, extract(epoch FROM wait_until - clock_timestamp())::float8";
const OPEN: &str =
    "UPDATE run SET phase = 2, phase_owner = NULL WHERE no = $1 AND phase = 1 AND phase_owner = $2";
const BEGIN_AFTER: &str = "
UPDATE run SET phase = 3, phase_owner = NULL WHERE no = $1 AND phase < 3
    AND (stopping IS NOT NULL OR NOT EXISTS (SELECT FROM chunk c WHERE c.run = $1 AND c.state < 2))
    AND NOT EXISTS (SELECT FROM chunk c WHERE c.run = $1 AND c.state = 1 AND c.lease_until > clock_timestamp())";
const END: &str = "
UPDATE run r SET phase = 4 WHERE no = $1 AND NOT EXISTS (SELECT FROM chunk c WHERE c.run = $1 AND c.state < 2)
    AND NOT EXISTS (SELECT FROM worker w WHERE w.run = $1 AND w.gone IS NULL
        AND w.seen > clock_timestamp() - r.lease)";
/// A century is for ever, and no more would fit the column.
const FOR_EVER: f64 = 3e9;

/// A phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// One worker reads the states of all tasks.
    Survey,
    /// One worker sends the first tasks, which must succeed.
    Canary,
    /// All workers send.
    Send,
    /// One worker waits for the tasks, and looks into those that are not good.
    After,
    /// Nothing is left to do.
    Ended,
}

/// Where a run stands in its phases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseStanding {
    /// The phase.
    pub phase: Phase,
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
    /// How long tasks are still waited for, in that phase.
    pub wait_left: Duration,
}

impl Phase {
    /// Returns the phase that a run with these settings begins with.
    pub fn first(settings: &RunSettings) -> Self {
        if settings.looks_first() { Self::Survey } else { Self::after_survey(settings) }
    }

    /// Returns the phase that follows a survey.
    pub fn after_survey(settings: &RunSettings) -> Self {
        let is_gated = settings.canary.is_some() || settings.waves.is_some();
        if is_gated { Self::Canary } else { Self::Send }
    }

    pub(crate) fn number(self) -> i16 {
        match self {
            Self::Survey => 0,
            Self::Canary => 1,
            Self::Send => 2,
            Self::After => 3,
            Self::Ended => 4,
        }
    }

    fn of_number(number: i16) -> Self {
        match number {
            0 => Self::Survey,
            1 => Self::Canary,
            2 => Self::Send,
            3 => Self::After,
            _ => Self::Ended,
        }
    }
}

/// Returns where a run stands.
pub(crate) async fn standing(link: &mut Link, run: i64) -> Result<PhaseStanding, DatabaseError> {
    let row: Row = link.with(async |client| client.query_one(STANDING, &[&run]).await).await?;
    Ok(PhaseStanding {
        phase: Phase::of_number(row.get(0)),
        stopping: row.get(1),
        is_open: row.get(2),
        is_leased: row.get(3),
        settled: u64::try_from(row.get::<_, i64>(4)).unwrap_or_default(),
    })
}

/// Ends a run in which nothing is left to do, if no worker is on it.
pub(crate) async fn end(link: &mut Link, run: i64) -> Result<(), DatabaseError> {
    link.with(async |client| client.execute(END, &[&run]).await.map(drop)).await
}

impl Worker {
    /// Takes a phase, if the run is in it and no living worker has it; `patience` is how long tasks
    /// are waited for in the one after the calls.
    pub(crate) async fn take_phase(
        self,
        link: &mut Link,
        phase: Phase,
        patience: Duration,
    ) -> Result<Option<TakenPhase>, DatabaseError> {
        let seconds = patience.as_secs_f64().min(FOR_EVER);
        let taken = link
            .with(async |client| {
                client.query_opt(TAKE, &[&self.run, &self.no, &phase.number(), &seconds]).await
            })
            .await?;
        Ok(taken.map(|row| {
            let left: Option<f64> = row.get(1);
            let left = Duration::try_from_secs_f64(left.unwrap_or_default().max(0.0));
            TakenPhase { epoch: row.get(0), wait_left: left.unwrap_or(patience) }
        }))
    }

    /// Lets all workers send, if the canary is still this one's.
    pub(crate) async fn open(self, link: &mut Link) -> Result<(), DatabaseError> {
        link.with(async |client| client.execute(OPEN, &[&self.run, &self.no]).await.map(drop)).await
    }

    /// Begins the phase after the calls, if no call can be on the wire any more.
    pub(crate) async fn begin_after(self, link: &mut Link) -> Result<(), DatabaseError> {
        link.with(async |client| client.execute(BEGIN_AFTER, &[&self.run]).await.map(drop)).await
    }
}
