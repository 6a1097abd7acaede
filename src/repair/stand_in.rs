//! Opens a damaged file: what is whole is read as ever, and every other task is in doubt.

use crate::clock::Timestamp;
use crate::repair::damaged_part::DamagedPart;
use crate::repair::rebuild::{Rebuilt, rebuild};
use crate::repair::rows::shadow;
use crate::store::schema;
use crate::store::{Home, StoreError, Totals, Walk, Watermark, sqlite};
use rusqlite::Connection;
use std::path::Path;

/// Opens a file of which parts may be damaged, with one snapshot for all that is read, and returns
/// what is damaged.
pub(crate) fn open_damaged(path: &Path) -> Result<(Connection, Vec<DamagedPart>), StoreError> {
    // Before the snapshot: a commit in between would be remembered and not be in it.
    let before = Watermark::read(path);
    let connection = schema::open_reader(path)?;
    connection.execute_batch("BEGIN").map_err(ruined(path))?;
    let rebuilt = stand_in(&connection, path, before, None)?;
    Ok((connection, rebuilt.parts))
}

/// Lets a connection see whole rows in the place of damaged ones, and returns what is damaged.
///
/// A repair has a time: what it loses is recorded for those who go on.
pub(super) fn stand_in(
    connection: &Connection,
    path: &Path,
    watermark: Watermark,
    repaired_at: Option<Timestamp>,
) -> Result<Rebuilt, StoreError> {
    let failed = ruined(path);
    let rebuilt = rebuild(connection, watermark, repaired_at).map_err(&failed)?;
    if rebuilt.parts.is_empty() {
        return Ok(rebuilt);
    }
    shadow(connection, &rebuilt).map_err(&failed)?;
    let settle = || {
        let mut walk = Walk::new(connection, watermark.may_have_left)?;
        walk.pass_over_rest()?;
        Home::new(connection).put_totals(&Totals { settled: walk.settled(), ..rebuilt.totals })
    };
    settle().map_err(failed)?;
    Ok(rebuilt)
}

/// Returns the conversion of SQLite's failures where damage leaves nothing that can be read.
pub(crate) fn ruined(path: &Path) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
    let failed = sqlite(path);
    move |error| match failed(error) {
        StoreError::Damaged { path, detail } => StoreError::Ruined { path, detail },
        other => other,
    }
}
