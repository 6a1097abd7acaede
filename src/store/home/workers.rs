//! The workers of a run in a database, and what they took over from each other.
//!
//! The file of a copy has two tables for them, which no other file has. They have no checksums: they
//! say who did what, and no outcome depends on them.

use crate::clock::Timestamp;
use crate::store::home::door::Home;
#[cfg(feature = "postgres")]
use rusqlite::Connection;
use rusqlite::Row;

#[cfg(feature = "postgres")]
const TABLES: &str = "
CREATE TABLE worker (
    no INTEGER PRIMARY KEY,
    host TEXT NOT NULL,
    process INTEGER NOT NULL,
    since_us INTEGER NOT NULL,
    gone_us INTEGER,
    calls INTEGER NOT NULL
) STRICT;
CREATE TABLE takeover (
    chunk INTEGER NOT NULL,
    from_worker INTEGER,
    by_worker INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    in_doubt INTEGER
) STRICT;
INSERT INTO about (text) VALUES
    ('worker, takeover: the processes that carried the run out, and whose chunks went to whom');
";
#[cfg(feature = "postgres")]
const PUT_WORKER: &str = "INSERT INTO worker VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
#[cfg(feature = "postgres")]
const PUT_TAKEOVER: &str = "INSERT INTO takeover VALUES (?1, ?2, ?3, ?4, ?5)";
const ARE_THERE: &str = "SELECT count(*) = 2 FROM sqlite_schema WHERE type = 'table' AND name IN ('worker', 'takeover')";
const WORKERS: &str = "SELECT no, host, process, since_us, gone_us, calls FROM worker ORDER BY no";
const TAKEOVERS: &str =
    "SELECT chunk, from_worker, by_worker, at_us, in_doubt FROM takeover ORDER BY at_us, chunk";

/// A process that carried out its part of a run in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerRow {
    /// Its number.
    pub number: u32,
    /// Its machine.
    pub host: String,
    /// The number of the process there.
    pub process: u32,
    /// When it came, by the clock of the database.
    pub from: Timestamp,
    /// When it went, if it said so.
    pub to: Option<Timestamp>,
    /// The number of its calls, as far as it told of them.
    pub calls: u64,
}

/// A chunk that went to another worker, because the lease of the one before was over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeoverRow {
    /// The target that the chunk is of, in a run of several.
    pub target: Option<String>,
    /// The number of the chunk.
    pub chunk: u32,
    /// The worker that had it.
    pub from: Option<u32>,
    /// The worker that took it.
    pub by: u32,
    /// When, by the clock of the database.
    pub at: Timestamp,
    /// How many of its tasks were in doubt; nothing if the worker died before it could tell.
    pub in_doubt: Option<u32>,
}

/// Writes them into the file of a copy.
#[cfg(feature = "postgres")]
pub(crate) fn write_workers(
    connection: &Connection,
    workers: &[WorkerRow],
    takeovers: &[TakeoverRow],
) -> rusqlite::Result<()> {
    connection.execute_batch(TABLES)?;
    let mut put = connection.prepare(PUT_WORKER)?;
    for WorkerRow { number, host, process, from, to, calls } in workers {
        let calls = i64::try_from(*calls).unwrap_or(i64::MAX);
        let (from, to) = (from.as_micros(), to.map(Timestamp::as_micros));
        put.execute((number, host, process, from, to, calls))?;
    }
    let mut put = connection.prepare(PUT_TAKEOVER)?;
    for TakeoverRow { chunk, from, by, at, in_doubt, .. } in takeovers {
        put.execute((chunk, from, by, at.as_micros(), in_doubt))?;
    }
    Ok(())
}

impl Home<'_> {
    /// Reads the workers, in the order in which they came; only a copy has any.
    pub(crate) fn workers(self) -> rusqlite::Result<Vec<WorkerRow>> {
        self.rows_of_workers(WORKERS, |row| {
            Ok(WorkerRow {
                number: row.get(0)?,
                host: row.get(1)?,
                process: row.get(2)?,
                from: Timestamp::from_micros(row.get(3)?),
                to: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_micros),
                calls: u64::try_from(row.get::<_, i64>(5)?).unwrap_or_default(),
            })
        })
    }

    /// Reads what its workers took over from each other, in this order.
    pub(crate) fn takeovers(self) -> rusqlite::Result<Vec<TakeoverRow>> {
        self.rows_of_workers(TAKEOVERS, |row| {
            Ok(TakeoverRow {
                target: None,
                chunk: row.get(0)?,
                from: row.get(1)?,
                by: row.get(2)?,
                at: Timestamp::from_micros(row.get(3)?),
                in_doubt: row.get(4)?,
            })
        })
    }

    fn rows_of_workers<T>(
        self,
        query: &str,
        of_row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let connection = self.connection();
        if !connection.query_row(ARE_THERE, [], |row| row.get::<_, bool>(0))? {
            return Ok(Vec::new());
        }
        connection.prepare(query)?.query_map([], of_row)?.collect()
    }
}
