//! Walks over the tasks of a plan, without what became of them.

use crate::journal::{Place, PlanChunk, PlannedTask};
use crate::store::error::damage;
use crate::store::home::door::Home;
use rusqlite::Error;
use std::ops::ControlFlow;
use std::ops::ControlFlow::{Break, Continue};

/// Calls `take` for every task of the plan, in order, until it breaks.
pub(crate) fn for_each_planned<E: From<Error>>(
    home: Home<'_>,
    mut take: impl FnMut(&PlannedTask<'_>) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    for no in 0..home.chunks()?.len() {
        if for_each_planned_of(home, no, &mut take)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Calls `take` for every task of a chunk, in order, until it breaks.
pub(crate) fn for_each_planned_of<E: From<Error>>(
    home: Home<'_>,
    no: u32,
    mut take: impl FnMut(&PlannedTask<'_>) -> Result<ControlFlow<()>, E>,
) -> Result<ControlFlow<()>, E> {
    let (body, place) = (home.chunk(no)?, Place::Chunk(no));
    let mut chunk = PlanChunk::new(&body).map_err(|bad| damage(place.damage(bad)))?;
    while let Some(task) = chunk.next().map_err(|bad| damage(place.damage(bad)))? {
        if take(&task)?.is_break() {
            return Ok(Break(()));
        }
    }
    Ok(Continue(()))
}
