//! What operators changed while a run was under way, as it is read back.

use crate::store::error::{StoreError, sqlite};
use crate::store::reading::reader::RunReader;
use crate::store::rows::ChangeRow;

impl RunReader {
    /// Returns what operators changed while the run was under way, in order.
    pub fn changes(&self) -> Result<Vec<ChangeRow>, StoreError> {
        self.read_changes().map_err(sqlite(&self.path))
    }

    fn read_changes(&self) -> rusqlite::Result<Vec<ChangeRow>> {
        let sql = "SELECT at_us, what, value, by FROM change ORDER BY rowid";
        let mut query = self.connection.prepare(sql)?;
        let rows = query.query_map([], |row| {
            let at = self.origin.plus_micros(row.get(0)?);
            Ok(ChangeRow { at, what: row.get(1)?, value: row.get(2)?, by: row.get(3)? })
        })?;
        rows.collect()
    }
}
