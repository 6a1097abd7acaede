//! The survey: joins the observed states with the tasks without an outcome, and records what the
//! decider makes of each.
//!
//! Observed states are gathered in a temporary table of this connection, and the conclusions from
//! a whole walk are one commit. A process that is killed before has changed nothing. Memory does
//! not grow with the number of tasks. See `docs/GLOSSARY.md`: observed state, survey.

use crate::clock::Timestamp;
use crate::event::SurveyCounts;
use crate::policy::{EarlierCalls, FirstLook, Observation};
use crate::store::codes;
use crate::store::unsettled::OpenTask;
use crate::store::writing::state_rows;
use crate::store::writing::state_rows::AfterRow;
use crate::task::{Ordinal, Outcome, TaskId, TaskState};
use rusqlite::{Connection, Row, params};
use std::collections::BTreeMap;

/// The maximum number of tasks that are shown as examples.
const MAX_EXAMPLES: usize = 5;

/// The result of a survey.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surveyed {
    /// The numbers of tasks by what was decided.
    pub counts: SurveyCounts,
    /// Some of the tasks that the project does not know.
    pub unknown: Vec<TaskId>,
    /// Some of the tasks with sub-tasks in trouble.
    pub in_trouble: Vec<TaskId>,
}

/// A survey of the tasks without an outcome.
pub(crate) struct Survey<'a> {
    pub(crate) connection: &'a Connection,
    /// The tasks that earlier processes have begun.
    pub(crate) open: &'a BTreeMap<Ordinal, OpenTask>,
    pub(crate) origin: Timestamp,
    pub(crate) now: Timestamp,
}

impl Survey<'_> {
    /// Asks `decide` about every task, counts its answers and settles tasks by them.
    pub(crate) fn carry_out(
        &self,
        decide: impl Fn(Option<Observation>, EarlierCalls) -> FirstLook,
    ) -> rusqlite::Result<Surveyed> {
        let mut query = self.connection.prepare(
            "SELECT task.ordinal, task.id, task.command, seen.state, seen.start, seen.stop
             FROM task LEFT JOIN temp.seen ON seen.id = task.id
             WHERE task.ordinal NOT IN (SELECT ordinal FROM outcome)",
        )?;
        let mut surveyed = Surveyed::default();
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let ordinal = Ordinal(row.get(0)?);
            let open = self.open.get(&ordinal);
            let seen = state_rows::observation(row, 3, codes::command(row, 2)?)?;
            // A state after the first call is not one from before it.
            if let (Some(seen), None) = (seen, open) {
                state_rows::keep_before(self.connection, ordinal, seen.state)?;
            }
            let look = decide(seen, open.map_or(EarlierCalls::None, OpenTask::earlier_calls));
            surveyed.count(look, row)?;
            if let Some(outcome) = look.outcome() {
                self.settle(ordinal, outcome, open, seen)?;
            }
        }
        Ok(surveyed)
    }

    fn settle(
        &self,
        ordinal: Ordinal,
        outcome: Outcome,
        open: Option<&OpenTask>,
        seen: Option<Observation>,
    ) -> rusqlite::Result<()> {
        let now = self.now.micros_since(self.origin);
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO outcome (ordinal, outcome, seq, attempts, first_sent_us, duration_us)
             VALUES (?, ?, ?, ?, ?, ?)",
        )?;
        let Some(open) = open else {
            // Without an attempt: the first sending is the time at which it is settled.
            let code = codes::outcome_code(outcome);
            return insert.execute(params![ordinal.0, code, 0, 0, now, 0]).map(drop);
        };
        // The calls keep their own outcome; the one that was decided is recorded beside it.
        insert.execute(params![
            ordinal.0,
            codes::outcome_code(open.outcome()),
            open.last_seq,
            open.attempts,
            open.first_sent_us,
            now.saturating_sub(open.first_sent_us),
        ])?;
        let state = seen.map_or(TaskState::Unknown, |seen| seen.state);
        let verified_us = seen.filter(|seen| seen.has_arrived).map(|_| now);
        let after = AfterRow { state, verified_us, verdict: Some(outcome) };
        state_rows::keep_after(self.connection, ordinal, &after)
    }
}

impl Surveyed {
    fn count(&mut self, look: FirstLook, row: &Row<'_>) -> rusqlite::Result<()> {
        let counts = &mut self.counts;
        match look {
            FirstLook::WillChange => counts.will_change += 1,
            FirstLook::Unread => counts.unread += 1,
            FirstLook::Unchanged => counts.unchanged += 1,
            FirstLook::Confirmed => counts.confirmed += 1,
            FirstLook::InTrouble => {
                counts.in_trouble += 1;
                keep_example(&mut self.in_trouble, row)?;
            }
            FirstLook::Unknown | FirstLook::Skipped => {
                counts.unknown += 1;
                counts.skipped += u64::from(look == FirstLook::Skipped);
                keep_example(&mut self.unknown, row)?;
            }
        }
        Ok(())
    }
}

fn keep_example(examples: &mut Vec<TaskId>, row: &Row<'_>) -> rusqlite::Result<()> {
    if examples.len() < MAX_EXAMPLES {
        examples.push(codes::parsed(row, 1)?);
    }
    Ok(())
}
