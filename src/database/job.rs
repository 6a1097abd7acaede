//! The lock of a job: two runs of one job never overlap, on whatever machines.
//!
//! A row with a lease. The process that has taken it renews it until its run is planned; from then on
//! whoever works on the run does, with the sign of life. The last one to leave frees it.

use crate::database::error::DatabaseError;
use crate::database::runs::DatabaseRuns;
use crate::database::schema;
use std::time::Duration;

const TAKE: &str = "
INSERT INTO job AS j (name, run, holder, epoch, lease_until)
VALUES ($1, $2, $3, 1, clock_timestamp() + interval '15 seconds')
ON CONFLICT (name) DO UPDATE SET run = $2, holder = $3, epoch = j.epoch + 1,
    lease_until = clock_timestamp() + interval '15 seconds'
WHERE j.lease_until < clock_timestamp() OR j.run = $2
RETURNING epoch";
const HOLDER: &str = "
SELECT holder, extract(epoch FROM clock_timestamp() - lease_until + interval '15 seconds')::float8
FROM job WHERE name = $1";
const KEEP: &str = "
UPDATE job SET lease_until = clock_timestamp() + interval '15 seconds' WHERE name = $1 AND epoch = $2";
const FREE: &str = "
DELETE FROM job j WHERE name = $1 AND epoch = $2 AND (run IS NULL OR NOT EXISTS (
    SELECT FROM run f JOIN run r ON split_part(r.id, '.', 1) = f.id JOIN worker w ON w.run = r.no
    WHERE f.no = j.run AND w.gone IS NULL AND w.seen > clock_timestamp() - r.lease))";
/// A holder that is silent for longer may be gone: it renews at a third of the lease.
const SILENT: f64 = 8.0;

/// The answer to the wish for a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobAnswer {
    /// It is this process's, under this epoch.
    Ours(i32),
    /// It is another run's; this names the holder.
    Busy(String),
}

impl DatabaseRuns {
    /// Takes a job, for a run that is there or for one that is to come.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn take_job(
        &mut self,
        job: &str,
        run: Option<i64>,
        holder: &str,
    ) -> Result<JobAnswer, DatabaseError> {
        if run.is_none() {
            // The first run of all makes the tables, and the job is taken before its plan is stored.
            schema::prepare(&mut self.link).await?;
        }
        self.link
            .with(async |client| {
                if let Some(row) = client.query_opt(TAKE, &[&job, &run, &holder]).await? {
                    return Ok(JobAnswer::Ours(row.get(0)));
                }
                let row = client.query_opt(HOLDER, &[&job]).await?;
                // Whoever had it has freed it in between.
                let Some(row) = row else { return Ok(JobAnswer::Busy("another process".into())) };
                let (holder, silent): (String, f64) = (row.get(0), row.get(1));
                if silent < SILENT {
                    return Ok(JobAnswer::Busy(holder));
                }
                let silent = silent.round();
                Ok(JobAnswer::Busy(format!("{holder}, which was not heard of for {silent} s")))
            })
            .await
    }

    /// Renews the lease of a job whose run is still to come.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn keep_job(&mut self, job: &str, epoch: i32) -> Result<(), DatabaseError> {
        self.link.with(async |client| client.execute(KEEP, &[&job, &epoch]).await.map(drop)).await
    }

    /// Frees a job, unless a worker is on its run.
    ///
    /// # Errors
    ///
    /// Those of the database; the lease ends by itself then.
    pub async fn free_job(&mut self, job: &str, epoch: i32) -> Result<(), DatabaseError> {
        self.link.with(async |client| client.execute(FREE, &[&job, &epoch]).await.map(drop)).await
    }
}

/// How often the lease is renewed before the run is planned.
pub const KEEP_EVERY: Duration = Duration::from_secs(5);
