//! The workers of a run in a database, and what they took over from each other.
//!
//! A run of several targets has them in each of its files.

use crate::reading::reader::RunReader;
use crate::store::{StoreError, TakeoverRow, WorkerRow, sqlite};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

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
        self.home().workers().map_err(sqlite(&self.path))
    }

    fn own_takeovers(&self) -> Result<Vec<TakeoverRow>, StoreError> {
        let mut takeovers = self.home().takeovers().map_err(sqlite(&self.path))?;
        for takeover in &mut takeovers {
            takeover.target = self.target.as_deref().map(str::to_owned);
        }
        Ok(takeovers)
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
                Entry::Occupied(mut known) => add(known.get_mut(), &worker),
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

/// Adds what the same process did at another target.
fn add(worker: &mut WorkerRow, other: &WorkerRow) {
    worker.from = worker.from.min(other.from);
    // It is there until it has left all of them.
    worker.to = worker.to.zip(other.to).map(|(one, other)| one.max(other));
    worker.calls += other.calls;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

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
