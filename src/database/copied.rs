//! What a copy of a run has besides its tasks: who carried it out, and what each of them recorded
//! about the run itself.

use crate::clock::Timestamp;
use crate::database::numbers::{u32_at, u32_or_none, u64_at};
use crate::journal::{Malformed, RunRecord, run_records};
use crate::store::{StoreError, TakeoverRow, WorkerRow, sqlite, write_workers};
use rusqlite::Connection;
use std::path::Path;
use tokio_postgres::Transaction;

const WORKERS: &str = "
SELECT no, host, process, (extract(epoch FROM since) * 1000000)::bigint,
    (extract(epoch FROM gone) * 1000000)::bigint, calls
FROM worker WHERE run = $1 ORDER BY no";
const TAKEOVERS: &str = "
SELECT chunk, from_worker, by_worker, (extract(epoch FROM at) * 1000000)::bigint, in_doubt
FROM takeover WHERE run = $1 ORDER BY at, chunk";

/// Why a copy failed.
pub(super) enum Failed {
    Client(tokio_postgres::Error),
    Store(StoreError),
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Client(error)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Copies who carried the run out.
pub(super) async fn copy_workers(
    snapshot: &Transaction<'_>,
    run: i64,
    connection: &Connection,
    path: &Path,
) -> Result<(), Failed> {
    let at = |micros: i64| Timestamp::from_micros(micros);
    let workers = snapshot.query(WORKERS, &[&run]).await?;
    let workers = workers.iter().map(|row| WorkerRow {
        number: u32_at(row, 0),
        host: row.get(1),
        process: u32_at(row, 2),
        from: at(row.get(3)),
        to: row.get::<_, Option<i64>>(4).map(at),
        calls: u64_at(row, 5),
    });
    let takeovers = snapshot.query(TAKEOVERS, &[&run]).await?;
    let takeovers = takeovers.iter().map(|row| TakeoverRow {
        target: None,
        chunk: u32_at(row, 0),
        from: u32_or_none(row, 1),
        by: u32_at(row, 2),
        at: at(row.get(3)),
        in_doubt: u32_or_none(row, 4),
    });
    let (workers, takeovers): (Vec<_>, Vec<_>) = (workers.collect(), takeovers.collect());
    Ok(write_workers(connection, &workers, &takeovers).map_err(sqlite(path))?)
}

/// What one worker recorded about the run.
#[derive(Default)]
pub(super) struct OwnRecords {
    pub(super) began_us: Option<i64>,
    pub(super) ended_us: Option<i64>,
    /// The tasks whose ids are lost, as a repair has recorded it.
    pub(super) lost_tasks: u64,
    /// `None` is a damaged one.
    pub(super) bodies: Vec<Option<Vec<u8>>>,
}

impl OwnRecords {
    pub(super) fn add(&mut self, body: Vec<u8>) -> Result<(), Malformed> {
        run_records(&body, |record| {
            match record {
                RunRecord::SessionStarted { at_us, .. } => self.began_us = Some(at_us),
                RunRecord::SessionEnded { at_us, .. } => self.ended_us = Some(at_us),
                RunRecord::TasksLost { tasks, .. } => self.lost_tasks += tasks,
                _ => {}
            }
            Ok(())
        })?;
        self.bodies.push(Some(body));
        Ok(())
    }
}
