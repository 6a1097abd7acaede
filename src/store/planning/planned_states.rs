//! Keeps with a plan the states that its tasks were in when it was stored.

use crate::journal::Fact;
use crate::store::home::Home;
use crate::store::planning::tables::for_each_planned;
use crate::store::writing::batch::{Batch, Scratch};
use crate::store::writing::journal_end::JournalEnd;
use crate::task::{Ordinal, TaskState};
use rusqlite::Connection;

/// The epoch of what is written before any session.
const NO_SESSION: u32 = 0;

/// The number of tasks whose records are written together.
const TOGETHER: usize = 10_000;

/// Writes the states of the tasks, in the order of the plan; `None` where none was seen.
pub(crate) fn keep_states(
    connection: &Connection,
    states: &[Option<TaskState>],
) -> rusqlite::Result<()> {
    let home = Home::new(connection);
    let end = JournalEnd::new(home.chunks()?, home.totals()?);
    let mut scratch = Scratch::default();
    let mut batch = Batch::new(connection, &end, NO_SESSION, &mut scratch);
    let mut rest = states.iter().enumerate();
    for_each_planned(connection, |task| {
        let Some((number, state)) = rest.next() else { return Ok(false) };
        if let Some(state) = state {
            batch.push(Ordinal(task.ordinal), Fact::Before(*state))?;
        }
        if number % TOGETHER == 0 {
            batch.flush()?;
        }
        Ok(true)
    })?;
    batch.finish().map(drop)
}
