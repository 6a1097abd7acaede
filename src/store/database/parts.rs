//! The rows of a run: one, or one for each of its targets.
//!
//! Each target is a run of its own for its workers: chunks, leases, rate, phases. The first has the id of
//! the run, the n-th that id and `.n`, as the files of a directory. No id has a dot, so SQL finds the rows
//! of a run by what is before it. A version that knows no such rows refuses the run: its copy lacks files.

use crate::store::database::error::DatabaseError;
use crate::store::database::link::Link;
use crate::store::ids::RunId;

/// In the order of the targets.
const NUMBERS: &str =
    "SELECT no FROM run WHERE split_part(id, '.', 1) = $1 ORDER BY length(id), id";

/// Returns the id of the row of a target; that of the first is the run's own.
pub(crate) fn row_id(run: &RunId, index: usize) -> String {
    match index {
        0 => run.to_string(),
        _ => format!("{run}.{}", index + 1),
    }
}

/// Returns the numbers of the rows of a run, in the order of its targets; none if it is not there.
pub(crate) async fn numbers_of(link: &mut Link, id: &RunId) -> Result<Vec<i64>, DatabaseError> {
    let rows = link.with(async |client| client.query(NUMBERS, &[&id.as_str()]).await).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
