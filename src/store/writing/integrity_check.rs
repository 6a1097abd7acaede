//! Searches a run's file for damage; changes nothing.
//!
//! SQLite checks the structure of the file, and checksums the plan. Whoever resumes a run reads all
//! segments anyway; only totals that the segments alone do not give need a fold of every chunk.

use crate::store::error::{StoreError, sqlite};
use crate::store::files::MayHaveLeft;
use crate::store::home::{Home, Walk};
use crate::store::schema;
use std::path::Path;
use std::thread;

/// Searches the structure of the file and the plan for damage, with two threads.
pub(crate) fn check(path: &Path) -> Result<(), StoreError> {
    thread::scope(|scope| {
        let other = scope.spawn(|| check_structure(path));
        let checked = check_plan(path);
        checked.and(other.join().expect("checks do not panic"))
    })
}

fn check_structure(path: &Path) -> Result<(), StoreError> {
    let connection = schema::open_reader(path)?;
    // Not `quick_check`: it does not compare the segments with their index.
    let found = connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
    let found = found.map_err(sqlite(path))?;
    if found == "ok" {
        Ok(())
    } else {
        Err(StoreError::Damaged { path: path.into(), detail: found })
    }
}

fn check_plan(path: &Path) -> Result<(), StoreError> {
    let connection = schema::open_reader(path)?;
    let home = Home::new(&connection);
    let check = || (0..home.chunks()?.len()).try_for_each(|no| home.chunk(no).map(drop));
    check().map_err(sqlite(path))
}

/// Folds every chunk and compares the sums with the totals.
pub(crate) fn check_sums(path: &Path) -> Result<(), StoreError> {
    let connection = schema::open_reader(path)?;
    let failed = sqlite(path);
    connection.execute_batch("BEGIN").map_err(&failed)?;
    let mut walk = Walk::new(&connection, MayHaveLeft::Any).map_err(&failed)?;
    walk.pass_over_rest().map_err(&failed)?;
    walk.check_sums(path)
}
