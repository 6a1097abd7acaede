//! The workers of a run in a database, and what they took over from each other.
//!
//! The file of a copy has two tables for them, which no other file has. They have no checksums: they
//! say who did what, and no outcome depends on them.

use crate::clock::Timestamp;
use crate::store::error::{StoreError, sqlite};
use crate::store::reading::reader::RunReader;
#[cfg(feature = "postgres")]
use rusqlite::Connection;
use rusqlite::Row;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

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

impl RunReader {
    /// Returns the workers of a run in a database, in the order in which they came; no other run has
    /// any. A process at several targets is one worker.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn workers(&self) -> Result<Vec<WorkerRow>, StoreError> {
        Ok(self.workers_and_takeovers()?.0)
    }

    /// Returns what its workers took over from each other, in this order.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn takeovers(&self) -> Result<Vec<TakeoverRow>, StoreError> {
        Ok(self.workers_and_takeovers()?.1)
    }

    fn workers_and_takeovers(&self) -> Result<(Vec<WorkerRow>, Vec<TakeoverRow>), StoreError> {
        if !self.has_targets() {
            return Ok((self.own_workers()?, self.own_takeovers()?));
        }
        let read = |run: &Self| Ok::<_, StoreError>((run.own_workers()?, run.own_takeovers()?));
        Ok(of_all_targets(self.of_targets(read)?))
    }

    fn own_workers(&self) -> Result<Vec<WorkerRow>, StoreError> {
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

    fn own_takeovers(&self) -> Result<Vec<TakeoverRow>, StoreError> {
        self.rows_of_workers(TAKEOVERS, |row| {
            Ok(TakeoverRow {
                target: self.target.as_deref().map(str::to_owned),
                chunk: row.get(0)?,
                from: row.get(1)?,
                by: row.get(2)?,
                at: Timestamp::from_micros(row.get(3)?),
                in_doubt: row.get(4)?,
            })
        })
    }

    fn rows_of_workers<T>(
        &self,
        query: &str,
        of_row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let read = || {
            if !self.connection.query_row(ARE_THERE, [], |row| row.get::<_, bool>(0))? {
                return Ok(Vec::new());
            }
            self.connection.prepare(query)?.query_map([], of_row)?.collect()
        };
        read().map_err(sqlite(&self.path))
    }
}

/// Returns the workers at all targets of a run, and what they took over, with one number for each process.
fn of_all_targets(
    targets: Vec<(Vec<WorkerRow>, Vec<TakeoverRow>)>,
) -> (Vec<WorkerRow>, Vec<TakeoverRow>) {
    // The n-th time that a process came to one target belongs to its n-th time at the others.
    type Key = (String, u32, usize);
    let mut merged: BTreeMap<Key, WorkerRow> = BTreeMap::new();
    let mut all_takeovers = Vec::new();
    for (workers, takeovers) in targets {
        let mut keys: BTreeMap<u32, Key> = BTreeMap::new();
        for worker in workers {
            let is_same =
                |(host, process, _): &&Key| (host, *process) == (&worker.host, worker.process);
            let times = keys.values().filter(is_same).count();
            let key = (worker.host.clone(), worker.process, times);
            keys.insert(worker.number, key.clone());
            match merged.entry(key) {
                Entry::Occupied(mut known) => known.get_mut().add(&worker),
                Entry::Vacant(place) => drop(place.insert(worker)),
            }
        }
        all_takeovers.extend(takeovers.into_iter().map(|row| (row, keys.clone())));
    }
    let mut workers: Vec<(Key, WorkerRow)> = merged.into_iter().collect();
    workers.sort_by_key(|(_, worker)| worker.from);
    let number = |key: Option<&Key>| {
        let place = workers.iter().position(|(other, _)| Some(other) == key);
        place.and_then(|place| u32::try_from(place + 1).ok())
    };
    let renumbered = |(row, keys): (TakeoverRow, BTreeMap<u32, Key>)| TakeoverRow {
        from: row.from.and_then(|from| number(keys.get(&from))),
        by: number(keys.get(&row.by)).unwrap_or_default(),
        ..row
    };
    let mut takeovers: Vec<TakeoverRow> = all_takeovers.into_iter().map(renumbered).collect();
    takeovers.sort_by_key(|row| row.at);
    let renumbered = |((_, worker), number)| WorkerRow { number, ..worker };
    (workers.into_iter().zip(1..).map(renumbered).collect(), takeovers)
}

impl WorkerRow {
    /// Adds what the same process did at another target.
    fn add(&mut self, other: &Self) {
        self.from = self.from.min(other.from);
        // It is there until it has left all of them.
        self.to = self.to.zip(other.to).map(|(one, other)| one.max(other));
        self.calls += other.calls;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(number: u32, process: u32, seconds: (i64, Option<i64>), calls: u64) -> WorkerRow {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let (from, to) = (at(seconds.0), seconds.1.map(at));
        WorkerRow { number, host: "batch-a".into(), process, from, to, calls }
    }

    #[test]
    fn a_process_at_several_targets_is_one_worker_for_each_time_that_it_came() {
        let takeover = |from, by| TakeoverRow {
            target: None,
            chunk: 0,
            from: Some(from),
            by,
            at: Timestamp::from_micros(0),
            in_doubt: None,
        };
        let north = vec![worker(1, 7, (1, Some(5)), 10), worker(2, 8, (2, None), 20)];
        let again = worker(3, 7, (6, Some(9)), 5);
        let south = vec![worker(1, 8, (3, Some(4)), 30), worker(2, 7, (4, Some(6)), 40), again];
        let targets = vec![(north, vec![takeover(1, 2)]), (south, vec![takeover(1, 2)])];
        let (workers, takeovers) = of_all_targets(targets);
        let all = [
            worker(1, 7, (1, Some(6)), 50),
            worker(2, 8, (2, None), 50),
            worker(3, 7, (6, Some(9)), 5),
        ];
        assert_eq!(workers, all);
        let pairs = takeovers.iter().map(|it| (it.from, it.by)).collect::<Vec<_>>();
        assert_eq!(pairs, [(Some(1), 2), (Some(2), 1)]);
    }
}
