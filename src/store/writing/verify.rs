//! What has become of the tasks that were sent: those that have arrived, and those that have not.
//!
//! What a call came to is never changed: what became of its task is recorded beside it.

use crate::clock::Timestamp;
use crate::event::ArrivalCounts;
use crate::store::codes;
use crate::store::writing::survey::{AWAITED, After, IfMissing, Observation, keep_after};
use crate::task::{Ordinal, Outcome, TaskState};
use rusqlite::Connection;

/// Whether a wait goes on after this look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyRound {
    /// There will be another.
    Interim,
    /// There will be none: what is not there has not arrived. With what a task is that was not seen.
    Last(IfMissing),
    /// Only what is in doubt is looked for.
    Doubts,
}

/// A look at the tasks that are waited for.
pub(crate) struct Arrivals<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) origin: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) look: VerifyRound,
}

impl Arrivals<'_> {
    /// Counts where the tasks are, and records what has arrived, or has not in the end.
    pub(crate) fn carry_out(&self) -> rusqlite::Result<ArrivalCounts> {
        let sql = format!(
            "SELECT awaited.ordinal, awaited.command, awaited.outcome,
                 seen.state, seen.start, seen.stop, awaited.verdict
             FROM (SELECT task.ordinal, task.id, task.command, outcome.outcome,
                       state.outcome AS verdict FROM {AWAITED}) AS awaited
             LEFT JOIN temp.seen ON seen.id = awaited.id"
        );
        let mut counts = ArrivalCounts::default();
        let mut query = self.connection.prepare(&sql)?;
        let mut rows = query.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (ordinal, called) = (Ordinal(row.get(0)?), codes::outcome(row, 2)?);
            let verdict = codes::outcome_or_null(row, 6)?;
            let seen = Observation::of(row, 3, codes::command(row, 1)?)?;
            let is_doubtful = verdict.unwrap_or(called) == Outcome::Ambiguous;
            if self.look != VerifyRound::Doubts || is_doubtful {
                let judged = self.judge((called, verdict), seen, &mut counts);
                found.extend(judged.map(|after| (ordinal, after)));
            }
        }
        drop(rows);
        for (ordinal, after) in found {
            keep_after(self.connection, ordinal, &after)?;
        }
        Ok(counts)
    }

    /// Returns what is to be recorded of a task, if anything is.
    fn judge(
        &self,
        (called, verdict): (Outcome, Option<Outcome>),
        seen: Option<Observation>,
        counts: &mut ArrivalCounts,
    ) -> Option<After> {
        if let Some(seen) = seen.filter(|seen| seen.has_arrived) {
            counts.arrived += 1;
            let verified = Some(self.now.as_micros().saturating_sub(self.origin.as_micros()));
            let verdict = (called == Outcome::Ambiguous).then_some(Outcome::Succeeded);
            return Some(After { state: seen.state, verified, verdict });
        }
        let state = seen.map_or(TaskState::Unknown, |seen| seen.state);
        if called == Outcome::Partial {
            // Some of it failed: nobody waits for the whole, what is seen of it is kept.
            return seen.map(|_| After { state, verified: None, verdict: None });
        }
        match state {
            TaskState::Bad => counts.stuck += 1,
            TaskState::Running
            | TaskState::Stopped
            | TaskState::Changing
            | TaskState::Mixed
            | TaskState::Unknown => counts.on_the_way += 1,
        }
        let verdict = match (self.look, called) {
            (VerifyRound::Interim, _) => return None,
            (VerifyRound::Doubts, _) => verdict,
            (VerifyRound::Last(_), Outcome::Ambiguous) => None,
            // It was accepted, and nobody can tell whether it has arrived.
            (VerifyRound::Last(IfMissing::Unread), _) if seen.is_none() => Some(Outcome::Ambiguous),
            (VerifyRound::Last(_), _) => Some(Outcome::Failed),
        };
        Some(After { state, verified: None, verdict })
    }
}
