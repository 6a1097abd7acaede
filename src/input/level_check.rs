//! Recognises by its header a table of sub-tasks where batch tasks are named, and the other way
//! round: the ids of both look the same, and a call would act on something else, or on nothing.

use super::error::ColumnProblem;
use super::options::{InputOptions, Lists};
use crate::task::Level;

/// Columns that `tasks` writes and no other table has beside each other.
const OF_SUB_TASKS: [&str; 3] = ["state", "batch_id", "camera"];
/// Columns that `list` writes and no other table has beside each other.
const OF_BATCH_TASKS: [&str; 4] = ["name", "tasks", "state", "counters"];

/// Refuses a header whose ids, in this column, are not what the run acts on.
pub(super) fn check(
    header: &[String],
    id: usize,
    options: &InputOptions,
) -> Result<(), ColumnProblem> {
    // Who types the name of the column says what its ids are.
    if options.lists == Lists::Refused || !is_named(&header[id], "id") {
        return Ok(());
    }
    let has = |name: &&str| header.iter().any(|column| is_named(column, name));
    match options.level {
        Some(Level::Batch) if OF_SUB_TASKS.iter().all(&has) => Err(ColumnProblem::SubTasks),
        Some(Level::Task) if OF_BATCH_TASKS.iter().all(has) => Err(ColumnProblem::BatchTasks),
        Some(_) | None => Ok(()),
    }
}

fn is_named(column: &str, name: &str) -> bool {
    column.trim().eq_ignore_ascii_case(name)
}
