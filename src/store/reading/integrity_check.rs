//! Searches a run's file for damage; changes nothing.
//!
//! SQLite checks the structure of the file, and a fold of every chunk checks what is in it.

use crate::store::error::{StoreError, sqlite};
use crate::store::files::MayHaveLeft;
use crate::store::reading::walk::Walk;
use crate::store::schema;
use std::path::Path;
use std::thread;

/// Searches the file for damage, with two threads.
pub(crate) fn check(path: &Path) -> Result<(), StoreError> {
    thread::scope(|scope| {
        let other = scope.spawn(|| check_structure(path));
        let checked = check_content(path);
        checked.and(other.join().expect("checks do not panic"))
    })
}

fn check_structure(path: &Path) -> Result<(), StoreError> {
    let connection = schema::open_reader(path)?;
    let found = connection.query_row("PRAGMA quick_check", [], |row| row.get::<_, String>(0));
    let found = found.map_err(sqlite(path))?;
    if found == "ok" {
        Ok(())
    } else {
        Err(StoreError::Damaged { path: path.into(), detail: found })
    }
}

fn check_content(path: &Path) -> Result<(), StoreError> {
    let connection = schema::open_reader(path)?;
    let failed = sqlite(path);
    connection.execute_batch("BEGIN").map_err(&failed)?;
    let mut walk = Walk::new(&connection, MayHaveLeft::Any).map_err(&failed)?;
    while walk.next_chunk(|_| Ok(())).map_err(&failed)?.is_some() {}
    walk.check_sums(path)
}
