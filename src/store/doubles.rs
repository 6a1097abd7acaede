//! Finds ids that stand more than once in a plan, through the index over ids.
//!
//! One walk along the index; only what is doubled is looked up.

use super::load::command_of;
use super::load::counted;
use crate::plan::OnDuplicate;
use crate::plan::Place;
use crate::plan::PlanProblem;
use crate::plan::Problems;
use rusqlite::Connection;
use rusqlite::Row;

/// Collects the ids that stand more than once, with the place of the first.
///
/// One walk along the index; only what is doubled is looked up.
pub(super) fn find_doubles(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TEMP TABLE doubled AS
             SELECT id, min(ordinal) AS first FROM task GROUP BY id HAVING count(*) > 1;
         CREATE UNIQUE INDEX temp.doubled_id ON doubled (id);",
    )
}

/// Every row of a doubled id after the first, with that first one.
const LATER_ROWS: &str = "
    SELECT later.id, later_source.name, later.line, later.command,
           first_source.name, first.line, first.command
    FROM doubled
    JOIN task AS later ON later.id = doubled.id AND later.ordinal > doubled.first
    JOIN task AS first ON first.ordinal = doubled.first
    JOIN source AS later_source ON later_source.number = later.source
    JOIN source AS first_source ON first_source.number = first.source";

pub(super) fn check_doubles(
    connection: &Connection,
    on_duplicate: OnDuplicate,
    problems: &mut Problems,
) -> rusqlite::Result<()> {
    let bad = match on_duplicate {
        OnDuplicate::Collapse => " WHERE later.command <> first.command",
        OnDuplicate::Error => "",
    };
    let mut query = connection.prepare(&format!("{LATER_ROWS}{bad} ORDER BY later.ordinal"))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        problems.add(doubled_problem(row)?);
    }
    Ok(())
}

fn doubled_problem(row: &Row<'_>) -> rusqlite::Result<PlanProblem> {
    let id = row.get::<_, String>(0)?.parse().expect("only checked ids are stored");
    let place = |source, line| -> rusqlite::Result<Place> {
        Ok(Place { source: row.get(source)?, line: row.get(line)? })
    };
    let (at, other) = (place(1, 2)?, place(4, 5)?);
    let (command, other_command) = (command_of(row.get(3)?), command_of(row.get(6)?));
    if command == other_command {
        return Ok(PlanProblem::Duplicate { id, at, other });
    }
    Ok(PlanProblem::Contradiction { id, at, command, other, other_command })
}

pub(super) fn remove_doubles(connection: &Connection) -> rusqlite::Result<u64> {
    let removed = connection.execute(
        "DELETE FROM task WHERE ordinal IN (
             SELECT task.ordinal FROM doubled
             JOIN task ON task.id = doubled.id AND task.ordinal > doubled.first)",
        [],
    )?;
    connection.execute_batch("DROP TABLE temp.doubled")?;
    Ok(counted(removed))
}
