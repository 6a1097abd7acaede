//! Finds the tasks that were begun and have no outcome, because their process was killed or stopped.
//!
//! One walk in key order and one bit per row of the plan, however many tasks are settled already.

use crate::policy::EarlierCalls;
use crate::store::files::MayHaveLeft;
use crate::store::ordinal_set::OrdinalSet;
use crate::task::{Ordinal, Outcome};
use rusqlite::{Connection, Row};
use std::collections::BTreeMap;

/// The attempts of a task without an outcome, in sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OpenTask {
    /// The number of its last attempt.
    pub(crate) last_seq: u64,
    /// The number of its attempts.
    pub(crate) attempts: u32,
    /// The number of attempts that were throttled, or refused for their credentials. Neither is
    /// charged to the task.
    pub(crate) throttled: u32,
    /// The time of the first attempt, in microseconds after the origin.
    pub(crate) first_sent_us: i64,
    /// Whether any of them may have been carried out.
    pub(crate) in_doubt: bool,
    /// Whether a byte of any of them left: it was answered, or it is in doubt.
    pub(crate) left: bool,
}

impl OpenTask {
    /// Returns what its attempts are to a survey.
    pub(crate) fn earlier_calls(&self) -> EarlierCalls {
        if self.in_doubt { EarlierCalls::InDoubt } else { EarlierCalls::Refused }
    }

    /// Returns the outcome that follows from the attempts.
    pub(crate) fn outcome(&self) -> Outcome {
        match (self.in_doubt, self.left) {
            (true, _) => Outcome::Ambiguous,
            (false, true) => Outcome::Failed,
            // Only connections failed: the run ended before the task could be sent.
            (false, false) => Outcome::NotAttempted,
        }
    }
}

/// Finds the tasks with attempts and without an outcome.
///
/// Only their attempts are read whole, because most attempts of a run belong to settled tasks. An
/// attempt that never left does not count.
pub(crate) fn open_tasks(
    connection: &Connection,
    settled: &OrdinalSet,
    may_have_left: MayHaveLeft,
) -> rusqlite::Result<BTreeMap<Ordinal, OpenTask>> {
    let mut open: BTreeMap<Ordinal, OpenTask> = BTreeMap::new();
    let mut all = connection.prepare("SELECT seq, ordinal FROM attempt ORDER BY seq")?;
    let mut one = connection.prepare(
        "SELECT sent_us, duration_us IS NULL OR in_doubt IS NOT NULL,
             error_kind IS 'throttled' OR error_kind IS 'auth', duration_us IS NULL,
             http_status IS NOT NULL
         FROM attempt LEFT JOIN failure ON failure.seq = attempt.seq WHERE attempt.seq = ?",
    )?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        let (seq, ordinal) = (row.get(0)?, Ordinal(row.get(1)?));
        // A set in memory instead of a join: the settled tasks are most of a large plan.
        if !settled.contains(ordinal) {
            one.query_row([seq], |row| {
                // It was begun and not sent; its task may have no other attempt.
                if row.get(3)? && !may_have_left.includes(seq) {
                    return Ok(());
                }
                add(open.entry(ordinal).or_default(), seq, row)
            })?;
        }
    }
    Ok(open)
}

fn add(task: &mut OpenTask, seq: u64, row: &Row<'_>) -> rusqlite::Result<()> {
    if task.attempts == 0 {
        task.first_sent_us = row.get(0)?;
    }
    task.last_seq = seq;
    task.attempts += 1;
    task.in_doubt |= row.get::<_, bool>(1)?;
    task.left |= task.in_doubt || row.get::<_, bool>(4)?;
    task.throttled += u32::from(row.get::<_, bool>(2)?);
    Ok(())
}
