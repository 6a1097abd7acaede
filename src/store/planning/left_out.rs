//! Finds the tasks that are left out of a plan, once its rows are loaded.

use crate::plan::Exclusions;
use crate::settings::LeftOut;
use crate::store::codes;
use crate::store::ordinal_set::OrdinalSet;
use crate::store::planning::tables::for_each_planned;
use crate::task::Ordinal;
use rusqlite::Connection;

/// Adds excluded tasks to `without`, in the order of the plan, and records them.
pub(crate) fn leave_out_excluded(
    connection: &Connection,
    exclusions: &Exclusions,
    without: &mut OrdinalSet,
    left_out: &mut LeftOut,
) -> rusqlite::Result<()> {
    if exclusions.is_empty() {
        return Ok(());
    }
    for_each_planned(connection, |task| {
        let ordinal = Ordinal(task.ordinal);
        // A duplicate was left out already, and is not counted twice.
        if !without.contains(ordinal) {
            let excluded = exclusions.find(&codes::task_id(task.id)?);
            if let Some(excluded) = excluded {
                without.insert(ordinal);
                left_out.add_excluded(excluded);
            }
        }
        Ok(true)
    })
}
