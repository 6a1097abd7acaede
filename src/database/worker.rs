//! What a worker does for the run as a whole: it joins, and it has its own records, failures, and the
//! stop of all.

use crate::database::error::DatabaseError;
use crate::database::leases::Worker;
use crate::database::link::{Link, Values};
use crate::database::numbers::{i32_of, trip_at, u64_at};
use crate::database::runs::DatabaseRuns;
use crate::database::segments::SegmentRow;
use crate::policy::Allowed;
use std::time::Duration;
use tokio_postgres::types::Type;

const JOIN: &str = "
WITH next AS (
    UPDATE run SET workers = workers + 1 WHERE no = $1
    RETURNING workers, extract(epoch FROM lease)::float8 AS lease, trip_us)
INSERT INTO worker (run, no, host, process, version)
SELECT $1, workers, $2, $3, $4 FROM next
RETURNING no, (SELECT lease FROM next), (SELECT trip_us FROM next)";

const APPEND: &str = "
INSERT INTO segment (run, chunk, seq, epoch, worker, body, crc) VALUES ($1, -$2::int, $3, $2, $2, $4, $5)
ON CONFLICT DO NOTHING";

const STOP: &str = "UPDATE run SET stopping = coalesce(stopping, $2) WHERE no = $1";

impl DatabaseRuns {
    /// Joins a run as its next worker.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn join(
        &mut self,
        run: i64,
        host: &str,
        process: u32,
        version: &str,
    ) -> Result<Worker, DatabaseError> {
        // A worker that joined and does not know it would count as lost.
        let joined = self.link.transact(async |transaction| {
            transaction.query_one(JOIN, &[&run, &host, &i32_of(process), &version]).await.map(Some)
        });
        let row = joined.await?.expect("a row is a result");
        let lease = Duration::from_secs_f64(row.get(1));
        Ok(Worker { run, no: row.get(0), lease, trip: trip_at(&row, 2) })
    }
}

impl Worker {
    /// Appends a segment about the run itself. Only this worker has its sequence numbers, so a second
    /// try of one that landed changes nothing.
    pub(super) async fn append(
        self,
        link: &mut Link,
        seq: u32,
        body: &[u8],
    ) -> Result<(), DatabaseError> {
        let SegmentRow { seq, body, crc, .. } = SegmentRow::of_worker(self.no, seq, body);
        let values: Values<'_, 5> = [
            (&self.run, Type::INT8),
            (&self.no, Type::INT4),
            (&seq, Type::INT4),
            (&body, Type::BYTEA),
            (&crc, Type::INT8),
        ];
        link.with(async |client| client.execute_typed(APPEND, &values).await.map(drop)).await
    }

    /// Returns how many more tasks may fail. All that is on record counts, so asking again does no
    /// harm.
    pub(super) async fn allow(self, link: &mut Link) -> Result<Allowed, DatabaseError> {
        let allow = "SELECT allowance, left_over FROM allow($1, $2)";
        let values: Values<'_, 2> = [(&self.run, Type::INT8), (&self.no, Type::INT4)];
        let row = link.with(async |client| client.query_typed_one(allow, &values).await).await?;
        let allowance = u64_at(&row, 0);
        Ok(Allowed { allowance, left_over: row.get(1) })
    }

    /// Stops the run for all workers, unless it stops already.
    pub(super) async fn stop_all(self, link: &mut Link, reason: &str) -> Result<(), DatabaseError> {
        link.with(async |client| client.execute(STOP, &[&self.run, &reason]).await.map(drop)).await
    }
}
