//! Finds the rows of a plan that repeat an id.
//!
//! One sort on disk and one walk along it. Memory holds a bit per row and the first problems. An
//! index over the ids was rejected: nothing needs it afterwards, and it is as large as the plan.
//! See `docs/GLOSSARY.md`: duplicate.

use crate::plan::{OnDuplicate, PlanProblem, Problems, SHOWN_PROBLEMS, SourcePosition};
use crate::store::codes;
use crate::store::ordinal_set::OrdinalSet;
use crate::store::planning::tables::for_each_planned;
use crate::store::reading::SourceRecord;
use crate::task::{Command, Ordinal, TaskId};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// The rows whose id an earlier row has.
#[derive(Debug, Default)]
pub(crate) struct Duplicates {
    /// All of them.
    pub(crate) rows: OrdinalSet,
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

/// A row as a problem shows it.
struct ShownRow {
    id: TaskId,
    at: SourcePosition,
    command: Command,
}

impl Duplicates {
    /// Finds the duplicates of a loaded plan.
    pub(crate) fn find(connection: &Connection, on: OnDuplicate) -> rusqlite::Result<Self> {
        let mut duplicates = Self::default();
        let mut first = First::default();
        let mut query = connection
            .prepare("SELECT id, ordinal, command FROM temp.planned ORDER BY id, ordinal")?;
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
        sources: &[SourceRecord],
        problems: &mut Problems,
    ) -> rusqlite::Result<()> {
        if self.bad.is_empty() {
            return Ok(());
        }
        let before = problems.count;
        let rows = self.shown_rows(connection, sources)?;
        for (later, first) in &self.bad {
            if let (Some(later), Some(first)) = (rows.get(later), rows.get(first)) {
                problems.add(problem(later, first));
            }
        }
        // `add` counts only what it is given; the rows beyond the shown ones count as well.
        problems.count = before + self.bad_count;
        Ok(())
    }

    /// Reads the rows that the problems name. One walk over the plan, which is refused anyway.
    fn shown_rows(
        &self,
        connection: &Connection,
        sources: &[SourceRecord],
    ) -> rusqlite::Result<BTreeMap<Ordinal, ShownRow>> {
        let mut rows = BTreeMap::new();
        let wanted: OrdinalSet =
            self.bad.iter().flat_map(|(&later, &first)| [later, first]).collect();
        for_each_planned(connection, |task| {
            let ordinal = Ordinal(task.ordinal);
            if wanted.contains(ordinal) {
                let source = usize::try_from(task.source).ok().and_then(|at| sources.get(at));
                let source = source.map_or_else(String::new, |source| source.name.clone());
                let at = SourcePosition { source, line: task.line, column: task.column };
                let id = codes::task_id(task.id)?;
                rows.insert(ordinal, ShownRow { id, at, command: task.command });
            }
            Ok(true)
        })?;
        Ok(rows)
    }
}

fn problem(later: &ShownRow, first: &ShownRow) -> PlanProblem {
    let (id, at, other) = (later.id.clone(), later.at.clone(), first.at.clone());
    let (command, other_command) = (later.command, first.command);
    if command == other_command {
        return PlanProblem::Duplicate { id, at, other };
    }
    PlanProblem::Contradiction { id, at, command, other, other_command }
}
