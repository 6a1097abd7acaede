//! The rows of a run: one, or one for each of its targets.
//!
//! Each target is a run of its own for its workers: chunks, leases, rate, phases. The first has the id of
//! the run, the n-th that id and `.n`, as the files of a directory. No id has a dot, so SQL finds the rows
//! of a run by what is before it. A version that knows no such rows refuses the run: its copy lacks files.

use crate::database::error::DatabaseError;
use crate::database::runs::DatabaseRuns;
use crate::store::RunId;
use std::collections::HashMap;
use tokio_postgres::Row;

/// In the order of the targets.
const NUMBERS: &str =
    "SELECT no FROM run WHERE split_part(id, '.', 1) = $1 ORDER BY length(id), id";

/// What a value takes up as it is stored, so that nothing is read.
const SIZES: &str = "
SELECT split_part(r.id, '.', 1), sum(
    (SELECT coalesce(sum(pg_column_size(body)), 0) FROM chunk WHERE run = r.no)
    + (SELECT coalesce(sum(pg_column_size(body)), 0) FROM segment WHERE run = r.no))::bigint
FROM run r GROUP BY 1";

/// Returns the id of the row of a target; that of the first is the run's own.
pub(super) fn row_id(run: &RunId, index: usize) -> String {
    match index {
        0 => run.to_string(),
        _ => format!("{run}.{}", index + 1),
    }
}

impl DatabaseRuns {
    /// Returns the bytes of plan and journal of each run, with all of its targets and without indexes.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn sizes(&mut self) -> Result<HashMap<RunId, u64>, DatabaseError> {
        let rows = self.link.with(async |client| client.query(SIZES, &[]).await).await?;
        let size = |row: &Row| {
            let id: String = row.get(0);
            Some((id.parse().ok()?, row.get::<_, i64>(1).unsigned_abs()))
        };
        Ok(rows.iter().filter_map(size).collect())
    }

    /// Returns the numbers of the rows of a run, in the order of its targets; none if it is not there.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn numbers_of(&mut self, id: &RunId) -> Result<Vec<i64>, DatabaseError> {
        let rows =
            self.link.with(async |client| client.query(NUMBERS, &[&id.as_str()]).await).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}
