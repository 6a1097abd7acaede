//! Hands out the tasks without an outcome, each once, in the order of the plan.
//!
//! Counts them: a row that went missing is damage and must not look like the end of the run. See
//! `docs/GLOSSARY.md`: claim.

use crate::clock::Timestamp;
use crate::event::AttemptSeq;
use crate::store::codes;
use crate::store::files::MayHaveLeft;
use crate::store::ordinal_set::OrdinalSet;
use crate::store::unsettled::{OpenTask, open_tasks};
use crate::task::{Ordinal, Task};
use rusqlite::{Connection, Row};
use std::collections::BTreeMap;

/// The number of settled tasks in a row that are read one by one; more are skipped by a new query.
const MAX_STEP: u32 = 256;

/// A task without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsettledTask {
    /// The task.
    pub task: Task,
    /// The number of its attempts.
    pub attempts: u32,
    /// The number of attempts that were throttled, or refused for their credentials.
    pub throttled: u32,
    /// Whether any attempt may have been carried out.
    pub in_doubt: bool,
    /// The time of the first attempt.
    pub first_sent: Option<Timestamp>,
    /// The number of the last attempt.
    pub last_seq: Option<AttemptSeq>,
}

/// The tasks that are still to be handed out.
#[derive(Debug)]
pub(crate) struct TaskQueue {
    settled: OrdinalSet,
    /// The tasks that earlier processes have begun and not settled.
    open: BTreeMap<Ordinal, OpenTask>,
    origin: Timestamp,
    /// The first ordinal that may not have been handed out.
    cursor: u32,
    handed_out: u64,
}

impl TaskQueue {
    /// Returns a queue of all tasks that are not settled.
    pub(crate) fn new(
        connection: &Connection,
        settled: OrdinalSet,
        origin: Timestamp,
        may_have_left: MayHaveLeft,
    ) -> rusqlite::Result<Self> {
        let open = open_tasks(connection, &settled, may_have_left)?;
        Ok(Self { settled, open, origin, cursor: 0, handed_out: 0 })
    }

    /// Hands out the next tasks; fewer than `limit` only if there are no more.
    pub(crate) fn take(
        &mut self,
        connection: &Connection,
        limit: usize,
    ) -> rusqlite::Result<Vec<UnsettledTask>> {
        let mut claimed = Vec::new();
        let mut query = connection.prepare_cached(
            "SELECT ordinal, id, command FROM task WHERE ordinal >= ? ORDER BY ordinal",
        )?;
        let mut rows = query.query([self.settled.first_absent(self.cursor)])?;
        while claimed.len() < limit {
            let Some(row) = rows.next()? else { break };
            let ordinal = row.get(0)?;
            if !self.settled.contains(Ordinal(ordinal)) {
                claimed.push(self.hand_out(row, Ordinal(ordinal))?);
                continue;
            }
            // A resumed run may begin with millions of settled tasks: reading their rows only to
            // skip them would take seconds.
            let next = self.settled.first_absent(ordinal);
            if next - ordinal > MAX_STEP {
                drop(rows);
                rows = query.query([next])?;
            }
        }
        Ok(claimed)
    }

    fn hand_out(&mut self, row: &Row<'_>, ordinal: Ordinal) -> rusqlite::Result<UnsettledTask> {
        let task = Task { ordinal, id: codes::parsed(row, 1)?, command: codes::command(row, 2)? };
        self.cursor = ordinal.0.saturating_add(1);
        self.handed_out += 1;
        let open = self.open.remove(&ordinal);
        let first_sent = open.map(|open| self.origin.plus_micros(open.first_sent_us));
        let last_seq = open.map(|open| AttemptSeq(open.last_seq));
        let OpenTask { attempts, throttled, in_doubt, .. } = open.unwrap_or_default();
        Ok(UnsettledTask { task, attempts, throttled, in_doubt, first_sent, last_seq })
    }

    /// Takes the tasks that earlier processes have begun, to survey them.
    pub(crate) fn take_open(&mut self) -> BTreeMap<Ordinal, OpenTask> {
        std::mem::take(&mut self.open)
    }

    /// Returns the number of settled and handed out tasks: all of the plan, at its end.
    pub(crate) fn accounted_for(&self) -> u64 {
        self.settled.len() + self.handed_out
    }
}
