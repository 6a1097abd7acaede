//! Finds the rows of a plan that repeat an id.
//!
//! One sort on disk and one walk along it. Memory holds a bit per row and the first problems. An
//! index over the ids was rejected: nothing needs it afterwards, and it is as large as the plan.
//! See `docs/GLOSSARY.md`: duplicate.

use crate::journal::OrdinalSet;
use crate::loading::id_sorter::{Entry, SortedIds};
use crate::loading::tables::{has_same_command, ordinal_of};
use crate::plan::{OnDuplicate, PlanProblem, Problems, SHOWN_PROBLEMS, SourcePosition};
use crate::store::codes;
use crate::store::{Home, SourceRecord, for_each_planned};
use crate::task::{Command, Ordinal, TaskId};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow::Continue;

/// The rows whose id an earlier row has.
#[derive(Debug, Default)]
pub(super) struct Duplicates {
    /// All of them.
    pub(super) rows: OrdinalSet,
    /// The first rows that are not allowed, each with the row it repeats or contradicts.
    bad: BTreeMap<Ordinal, Ordinal>,
    bad_count: u64,
}

/// A row as a problem shows it.
struct ShownRow {
    id: TaskId,
    at: SourcePosition,
    command: Command,
}

impl Duplicates {
    /// Finds the duplicates among the sorted rows of a plan.
    pub(super) fn find(mut rows: SortedIds<'_>, on: OnDuplicate) -> io::Result<Self> {
        let mut duplicates = Self::default();
        let mut first: Option<Entry> = None;
        while let Some(row) = rows.next()? {
            let Some(earlier) = first.filter(|first| first.is_of_same_id(row)) else {
                first = Some(row);
                continue;
            };
            // A row with another command is a duplicate of the id and a contradiction as well.
            let ordinal = ordinal_of(row.number);
            duplicates.rows.insert(ordinal);
            let contradicts = !has_same_command(earlier.number, row.number);
            if on == OnDuplicate::Error || contradicts {
                duplicates.add_bad(ordinal, ordinal_of(earlier.number));
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
    pub(super) fn report(
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
        for_each_planned(Home::new(connection), |task| {
            let ordinal = Ordinal(task.ordinal);
            if wanted.contains(ordinal) {
                let source = usize::try_from(task.source).ok().and_then(|at| sources.get(at));
                let source = source.map_or_else(String::new, |source| source.name.clone());
                let at = SourcePosition { source, line: task.line, column: task.column };
                let id = codes::task_id(task)?;
                rows.insert(ordinal, ShownRow { id, at, command: task.command });
            }
            Ok::<_, rusqlite::Error>(Continue(()))
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
