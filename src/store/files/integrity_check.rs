//! Searches a run's file for damage.
//!
//! Checks every page of every table and every value in it; changes nothing.

use crate::store::error::{StoreError, sqlite};
use crate::store::schema;
use std::path::Path;
use std::thread;

/// The tables, in two halves that take about the same time.
const HALVES: [&[&str]; 2] = [
    &["run", "source", "session", "hold", "poll", "change", "attempt"],
    &["task", "outcome", "state", "failure"],
];

/// Searches the file for damage, with two threads.
pub(crate) fn check(path: &Path) -> Result<(), StoreError> {
    let [first, second] = HALVES;
    thread::scope(|scope| {
        // SQLite checks a table on one thread; two connections halve the time.
        let other = scope.spawn(|| check_tables(path, second));
        let checked = check_tables(path, first);
        checked.and(other.join().expect("checks do not panic"))
    })
}

fn check_tables(path: &Path, tables: &[&str]) -> Result<(), StoreError> {
    let connection = schema::open_reader(path)?;
    for table in tables {
        // `quick_check` does not compare rows with indexes; these tables have none.
        // In `main`: a reader of an older version has a temporary view of the same name.
        let sql = format!("PRAGMA main.quick_check('{table}')");
        let found = connection.query_row(&sql, [], |row| row.get::<_, String>(0));
        let found = found.map_err(sqlite(path))?;
        if found != "ok" {
            return Err(StoreError::Damaged { path: path.into(), detail: found });
        }
    }
    Ok(())
}
