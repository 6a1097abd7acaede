//! Opens a damaged run: what is whole is read as ever, and every other task is in doubt.

use crate::reading::reader::RunReader;
use crate::repair::{DamagedPart, open_damaged, ruined};
use crate::settings::TargetPart;
use crate::store::{RunDirectory, RunId, StoreError};
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
        let (connection, parts) = open_damaged(path)?;
        let (mut reader, target) = Self::of_snapshot(connection, path).map_err(ruined(path))?;
        reader.damage.extend(parts);
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
