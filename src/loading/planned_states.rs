//! Keeps with a plan the states that its tasks were in when it was stored.

use crate::journal::Fact;
use crate::store::write_alone;
use crate::task::{Ordinal, TaskState};
use rusqlite::Connection;

/// The epoch of what is written before any session.
const NO_SESSION: u32 = 0;

/// Writes the states of the tasks, in the order of the plan; `None` where none was seen.
pub(super) fn keep_states(
    connection: &Connection,
    states: &[Option<TaskState>],
) -> rusqlite::Result<()> {
    let mut rest = states.iter();
    write_alone(connection, NO_SESSION, |batch| {
        batch.for_each_task(|batch, (task, _)| match rest.next() {
            Some(Some(state)) => batch.push(Ordinal(task.ordinal), Fact::Before(*state)),
            Some(None) | None => Ok(()),
        })
    })
}
