//! The temporary table of observed states, and the tasks whose states are looked for.
//!
//! Draws no conclusion from a state.

use crate::journal::{ChunkFold, FoldedTask, PlannedTask, TaskRecord};
use crate::policy::Observation;
use crate::store::codes;
use crate::store::files::MayHaveLeft;
use crate::store::home::Walk;
use crate::task::{Command, Counts, ObservedState, Outcome, TaskId, TaskState, Toward};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashSet;
use std::ops::ControlFlow::{Break, Continue};

/// The tasks whose states are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskSelection {
    /// Tasks without an outcome.
    Unsettled,
    /// Tasks that were sent and not yet seen where their commands lead.
    Awaited,
    /// Tasks that are ambiguous.
    Doubtful,
}

impl TaskSelection {
    fn includes(self, (task, record): &FoldedTask<'_>) -> bool {
        let called = || awaited(task.command, record);
        match self {
            Self::Unsettled => record.settled.is_none(),
            Self::Awaited => called().is_some(),
            Self::Doubtful => called()
                .is_some_and(|called| record.verdict.unwrap_or(called) == Outcome::Ambiguous),
        }
    }
}

/// Returns the outcome of a call that was, or may have been, carried out, if its task was not seen
/// where its command leads.
pub(crate) fn awaited(command: Command, task: &TaskRecord<'_>) -> Option<Outcome> {
    use Outcome::{Ambiguous, Partial, Succeeded};
    let (called, _) = task.settled?;
    let last = task.last.as_ref().and_then(|last| last.ended.as_ref());
    // An empty task has no state to reach.
    let is_empty = is_empty(command, called, last.and_then(|ended| ended.counts));
    let is_awaited = matches!(called, Succeeded | Partial | Ambiguous)
        && task.attempts > 0
        && task.verified_us.is_none()
        && !is_empty;
    is_awaited.then_some(called)
}

/// Returns whether a command has succeeded without a sub-task, and its task is still there.
pub(crate) fn is_empty(command: Command, outcome: Outcome, counts: Option<Counts>) -> bool {
    let has_none = counts.is_some_and(|counts| counts.total == 0);
    has_none && outcome == Outcome::Succeeded && !command.leads_out()
}

/// Makes the table of observed states, if it is not there yet.
pub(crate) fn make_room(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS seen (
             id TEXT PRIMARY KEY, state TEXT NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL,
             actions BLOB NOT NULL
         ) WITHOUT ROWID",
    )
}

/// Forgets all observed states.
pub(crate) fn forget(connection: &Connection) -> rusqlite::Result<()> {
    make_room(connection)?;
    connection.execute_batch("DELETE FROM temp.seen")
}

/// Stores observed states; the latest per task wins.
pub(crate) fn see(connection: &Connection, states: &[ObservedState]) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT OR REPLACE INTO temp.seen VALUES (?, ?, ?, ?, ?)")?;
    for seen in states {
        let (start, stop) = (seen.start == Toward::Reached, seen.stop == Toward::Reached);
        // The numbers of commands hold for this process, as this table does.
        let reached = seen.actions.iter().filter(|(_, toward)| *toward == Toward::Reached);
        let actions: Vec<u8> =
            reached.flat_map(|(command, _)| command.number().to_le_bytes()).collect();
        insert.execute(params![seen.id.as_str(), seen.state.as_str(), start, stop, actions])?;
    }
    Ok(())
}

/// Returns the observed state of a task; `None` if it was not seen.
pub(crate) fn observation(
    connection: &Connection,
    task: &PlannedTask<'_>,
) -> rusqlite::Result<Option<Observation>> {
    let mut query = connection
        .prepare_cached("SELECT state, start, stop, actions FROM temp.seen WHERE id = ?")?;
    task.id.with(|id| {
        query
            .query_row([id], |row| {
                // The list shows both directions; the plan knows which one counts.
                let has_arrived = match task.command {
                    Command::START => row.get(1)?,
                    Command::STOP => row.get(2)?,
                    command => {
                        let reached = row.get_ref(3)?.as_blob()?;
                        reached.chunks_exact(2).any(|it| it == command.number().to_le_bytes())
                    }
                };
                let state = TaskState::of_word(row.get_ref(0)?.as_str()?);
                Ok(Observation { state: state.unwrap_or(TaskState::Unknown), has_arrived })
            })
            .optional()
    })
}

/// Returns the ids of the selected tasks, unless there are more than `limit`.
pub(crate) fn selected_ids(
    connection: &Connection,
    selection: TaskSelection,
    limit: usize,
) -> rusqlite::Result<Option<HashSet<TaskId>>> {
    let mut ids = HashSet::new();
    let mut walk = Walk::new(connection, MayHaveLeft::Any)?;
    let mut add = |fold: &ChunkFold<'_>| {
        for folded in fold.tasks.iter().filter(|folded| selection.includes(folded)) {
            // One more than the limit shows that there are too many.
            if ids.len() == limit {
                return Ok(Break(()));
            }
            ids.insert(codes::task_id(&folded.0)?);
        }
        Ok(Continue(()))
    };
    while let Some(step) = walk.next_chunk(&mut add)? {
        if step.is_break() {
            return Ok(None);
        }
    }
    Ok(Some(ids))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Repetition;

    #[test]
    fn what_succeeded_without_a_sub_task_is_empty_unless_it_is_gone() {
        let removal = Command::of_removal("scrap", Repetition::Harmful).unwrap();
        let counts = |total| Some(Counts { total, failed: 0, succeeded: total });
        let empty = |command| is_empty(command, Outcome::Succeeded, counts(0));
        assert!(empty(Command::START) && empty(Command::STOP));
        assert!(!empty(Command::DELETE) && !empty(removal));
        assert!(!is_empty(Command::STOP, Outcome::Succeeded, counts(1)));
        assert!(!is_empty(Command::STOP, Outcome::Succeeded, None));
        assert!(!is_empty(Command::STOP, Outcome::Ambiguous, counts(0)));
    }
}
