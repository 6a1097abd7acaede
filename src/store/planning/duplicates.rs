//! Finds the rows of a plan that repeat an id.
//!
//! One sort on disk and one walk along it. Memory holds a bit per row and the first problems. An
//! index over the ids was rejected: nothing needs it afterwards, and it is as large as the plan.
//! See `docs/GLOSSARY.md`: duplicate.

use crate::plan::{OnDuplicate, PlanProblem, Problems, SHOWN_PROBLEMS, SourcePosition};
use crate::store::codes;
use crate::store::ordinal_set::OrdinalSet;
use crate::store::planning::tables::remove_tasks;
use crate::task::{Command, Ordinal, TaskId};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// The rows whose id an earlier row has.
#[derive(Debug, Default)]
pub(crate) struct Duplicates {
    rows: OrdinalSet,
    /// The first rows that are not allowed, each with the row it repeats or contradicts.
    bad: BTreeMap<Ordinal, Ordinal>,
    bad_count: u64,
}

/// The first row of an id.
#[derive(Default)]
struct First {
    id: String,
    ordinal: u32,
    command: Option<Command>,
}

impl Duplicates {
    /// Finds the duplicates of a loaded plan.
    pub(crate) fn find(connection: &Connection, on: OnDuplicate) -> rusqlite::Result<Self> {
        let mut duplicates = Self::default();
        let mut first = First::default();
        let mut query =
            connection.prepare("SELECT id, ordinal, command FROM task ORDER BY id, ordinal")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let id = row.get_ref(0)?.as_str()?;
            let (ordinal, command) = (row.get(1)?, codes::command(row, 2)?);
            if id != first.id {
                first.id.replace_range(.., id);
                (first.ordinal, first.command) = (ordinal, Some(command));
                continue;
            }
            // A row with another command is a duplicate of the id and a contradiction as well.
            duplicates.rows.insert(Ordinal(ordinal));
            if on == OnDuplicate::Error || first.command != Some(command) {
                duplicates.add_bad(Ordinal(ordinal), Ordinal(first.ordinal));
            }
        }
        Ok(duplicates)
    }

    fn add_bad(&mut self, later: Ordinal, first: Ordinal) {
        self.bad_count += 1;
        // Rows come in the order of ids, but the first problems in the order of rows are shown.
        self.bad.insert(later, first);
        if self.bad.len() > SHOWN_PROBLEMS {
            self.bad.pop_last();
        }
    }

    /// Adds the rows that are not allowed to the problems of the inputs.
    pub(crate) fn report(
        &self,
        connection: &Connection,
        problems: &mut Problems,
    ) -> rusqlite::Result<()> {
        let before = problems.count;
        for (&later, &first) in &self.bad {
            problems.add(problem(connection, later, first)?);
        }
        // `add` counts only what it is given; the rows beyond the shown ones count as well.
        problems.count = before + self.bad_count;
        Ok(())
    }

    /// Takes the duplicates out of the plan and returns their number.
    pub(crate) fn remove(&self, connection: &Connection) -> rusqlite::Result<u64> {
        remove_tasks(connection, &self.rows)
    }
}

fn problem(
    connection: &Connection,
    later: Ordinal,
    first: Ordinal,
) -> rusqlite::Result<PlanProblem> {
    let (id, at, command) = look_up(connection, later)?;
    let (_, other, other_command) = look_up(connection, first)?;
    if command == other_command {
        return Ok(PlanProblem::Duplicate { id, at, other });
    }
    Ok(PlanProblem::Contradiction { id, at, command, other, other_command })
}

fn look_up(
    connection: &Connection,
    ordinal: Ordinal,
) -> rusqlite::Result<(TaskId, SourcePosition, Command)> {
    let sql = "SELECT task.id, source.name, task.line, task.command, task.position
               FROM task JOIN source ON source.number = task.source WHERE task.ordinal = ?";
    connection.query_row(sql, [ordinal.0], |row| {
        let place = SourcePosition { source: row.get(1)?, line: row.get(2)?, column: row.get(4)? };
        Ok((codes::parsed(row, 0)?, place, codes::command(row, 3)?))
    })
}
