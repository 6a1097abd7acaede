//! A verify round: joins the observed states with the tasks that were sent, and records what the
//! decider makes of each.
//!
//! The outcome of a call is never changed: the outcome of its task is recorded beside it. See
//! `docs/GLOSSARY.md`: verify, verify round.

use crate::clock::Timestamp;
use crate::event::ArrivalCounts;
use crate::policy::{ArrivalProgress, CalledTask, LastLook, Observation};
use crate::store::codes;
use crate::store::writing::state_rows;
use crate::store::writing::state_rows::{AWAITED, AfterRow};
use crate::task::Ordinal;
use rusqlite::Connection;

/// One round over the tasks that are waited for.
pub(crate) struct Verification<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) origin: Timestamp,
    pub(crate) now: Timestamp,
}

impl Verification<'_> {
    /// Asks `decide` about every task, counts its answers and records them.
    pub(crate) fn carry_out(
        &self,
        decide: impl Fn(CalledTask, Option<Observation>) -> LastLook,
    ) -> rusqlite::Result<ArrivalCounts> {
        let sql = format!(
            "SELECT awaited.ordinal, awaited.command, awaited.outcome,
                 seen.state, seen.start, seen.stop, awaited.verdict
             FROM (SELECT task.ordinal, task.id, task.command, outcome.outcome,
                       state.outcome AS verdict FROM {AWAITED}) AS awaited
             LEFT JOIN temp.seen ON seen.id = awaited.id"
        );
        let now = self.now.micros_since(self.origin);
        let mut counts = ArrivalCounts::default();
        let mut query = self.connection.prepare(&sql)?;
        let mut rows = query.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let ordinal = Ordinal(row.get(0)?);
            let (outcome, verdict) = (codes::outcome(row, 2)?, codes::outcome_or_null(row, 6)?);
            let seen = state_rows::observation(row, 3, codes::command(row, 1)?)?;
            let LastLook { progress, record } = decide(CalledTask { outcome, verdict }, seen);
            match progress {
                Some(ArrivalProgress::Arrived) => counts.arrived += 1,
                Some(ArrivalProgress::OnTheWay) => counts.on_the_way += 1,
                Some(ArrivalProgress::Stuck) => counts.stuck += 1,
                None => {}
            }
            // The time of arrival is that of this round: the list shows no times.
            found.extend(record.map(|record| {
                let verified_us = record.has_arrived.then_some(now);
                let (state, verdict) = (record.state, record.verdict);
                (ordinal, AfterRow { state, verified_us, verdict })
            }));
        }
        // Only now: what is written changes the rows that the query selects.
        drop(rows);
        for (ordinal, after) in found {
            state_rows::keep_after(self.connection, ordinal, &after)?;
        }
        Ok(counts)
    }
}
