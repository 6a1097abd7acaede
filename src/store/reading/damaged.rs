//! Opens a damaged run: what is whole is read as ever, and every other task is in doubt.

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
        let path = runs.file(run);
        let before = Watermark::read(&path);
        let connection = schema::open_reader(&path)?;
        let failed = sqlite(&path);
        connection.execute_batch("BEGIN").map_err(&failed)?;
        let rebuilt = stand_in(&connection, &path, before)?;
        let (head, totals) = Home::new(&connection)
            .head()
            .and_then(|head| Ok((head, Home::new(&connection).totals()?)))
            .map_err(&failed)?;
        let Watermark { may_have_left, .. } = Watermark::read(&path);
        Ok(Self {
            connection,
            path,
            origin: head.run.origin,
            totals,
            selected: head.selected,
            may_have_left,
            lost_tasks: rebuilt.lost_tasks,
            damage: rebuilt.parts,
            other_shards: Vec::new(),
        })
    }

    /// Returns the parts of the run's file that are not what was written.
    pub fn damage(&self) -> &[DamagedPart] {
        &self.damage
    }

    /// Returns the number of tasks whose ids are lost: they are in doubt, and in no row.
    pub fn lost_tasks(&self) -> u64 {
        self.lost_tasks
    }
}

/// Lets a connection see whole rows in the place of damaged ones, and returns what is damaged.
pub(crate) fn stand_in(
    connection: &Connection,
    path: &Path,
    watermark: Watermark,
) -> Result<Rebuilt, StoreError> {
    let failed = sqlite(path);
    let rebuilt = rebuild(connection, watermark.commits).map_err(&failed)?;
    if rebuilt.parts.is_empty() {
        return Ok(rebuilt);
    }
    shadow(connection, &rebuilt).map_err(&failed)?;
    let settle = || {
        let mut walk = Walk::new(connection, watermark.may_have_left)?;
        while walk.next_chunk(|_| Ok(()))?.is_some() {}
        Home::new(connection).put_totals(&Totals { settled: walk.settled(), ..rebuilt.totals })
    };
    settle().map_err(failed)?;
    Ok(rebuilt)
}
