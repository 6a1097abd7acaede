//! Opens a damaged run: what is whole is read as ever, and every other task is in doubt.

use crate::clock::Timestamp;
use crate::settings::TargetPart;
use crate::store::error::{StoreError, sqlite};
use crate::store::files::{RunDirectory, Watermark};
use crate::store::home::{Home, Totals};
use crate::store::ids::RunId;
use crate::store::reading::reader::RunReader;
use crate::store::reading::walk::Walk;
use crate::store::repair::{DamagedPart, Rebuilt, rebuild, shadow};
use crate::store::schema;
use rusqlite::Connection;
use std::path::Path;

impl RunReader {
    /// Opens a run of which parts may be damaged, to show what is whole.
    ///
    /// Tasks whose records are damaged are in doubt. The file stays as it is.
    ///
    /// # Errors
    ///
    /// The description of the run is damaged, or the structure of its file.
    pub fn open_damaged(runs: &RunDirectory, run: &RunId) -> Result<Self, StoreError> {
        Self::with_targets(&runs.file(run), Self::open_damaged_file)
    }

    fn open_damaged_file(path: &Path) -> Result<(Self, Option<TargetPart>), StoreError> {
        let before = Watermark::read(path);
        let connection = schema::open_reader(path)?;
        let failed = ruined(path);
        connection.execute_batch("BEGIN").map_err(&failed)?;
        let rebuilt = stand_in(&connection, path, before, None)?;
        let (mut reader, target) = Self::of_snapshot(connection, path).map_err(failed)?;
        reader.damage.extend(rebuilt.parts);
        Ok((reader, target))
    }

    /// Returns the parts of the run's file that are not what was written.
    pub fn damage(&self) -> &[DamagedPart] {
        &self.damage
    }

    /// Returns the number of tasks whose ids are lost: they are in doubt, and in no row.
    pub fn lost_tasks(&self) -> u64 {
        self.each_file(|run| run.totals.lost_tasks).sum()
    }
}

/// Lets a connection see whole rows in the place of damaged ones, and returns what is damaged.
///
/// A repair has a time: what it loses is recorded for those who go on.
pub(crate) fn stand_in(
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
fn ruined(path: &Path) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
    let failed = sqlite(path);
    move |error| match failed(error) {
        StoreError::Damaged { path, detail } => StoreError::Ruined { path, detail },
        other => other,
    }
}
