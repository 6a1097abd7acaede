//! A verify round: joins the observed states with the tasks that were sent, and records what the
//! decider makes of each.
//!
//! The outcome of a call is never changed: the outcome of its task is recorded beside it. See
//! `docs/GLOSSARY.md`: verify, verify round.

use crate::event::ArrivalCounts;
use crate::journal::{Fact, FoldedTask};
use crate::policy::{ArrivalProgress, CalledTask, LastLook, Observation};
use crate::store::writing::batch::Batch;
use crate::store::writing::observed_states;
use crate::task::{Ordinal, Outcome};
use rusqlite::Connection;

/// One round over the tasks that are waited for.
pub(crate) struct Verification<'a> {
    /// The connection with the observed states.
    pub(crate) connection: &'a Connection,
    /// The present time, in microseconds after the origin of the run.
    pub(crate) now_us: i64,
}

impl Verification<'_> {
    /// Asks `decide` about every task, counts its answers and records them.
    pub(crate) fn carry_out(
        &self,
        batch: &mut Batch<'_>,
        decide: impl Fn(CalledTask, Option<Observation>) -> LastLook,
    ) -> rusqlite::Result<ArrivalCounts> {
        let mut counts = ArrivalCounts::default();
        batch.for_each_task(|batch, folded| {
            let (task, record) = folded;
            let Some(outcome) = observed_states::awaited(task.command, record) else {
                return Ok(());
            };
            let called = CalledTask { goal: task.command.into(), outcome, verdict: record.verdict };
            let look = decide(called, observed_states::observation(self.connection, task)?);
            count(&mut counts, look.progress);
            self.record(batch, folded, outcome, look)
        })?;
        Ok(counts)
    }

    fn record(
        &self,
        batch: &mut Batch<'_>,
        (task, record): &FoldedTask<'_>,
        called: Outcome,
        look: LastLook,
    ) -> rusqlite::Result<()> {
        let Some(after) = look.record else { return Ok(()) };
        // The time of arrival is that of this round: the list shows no times.
        let verified_us = after.has_arrived.then_some(self.now_us);
        let (state, verdict) = (after.state, after.verdict);
        batch.push(Ordinal(task.ordinal), Fact::After { state, verified_us, verdict })?;
        batch.recount(record.outcome(), verdict.unwrap_or(called));
        Ok(())
    }
}

fn count(counts: &mut ArrivalCounts, progress: Option<ArrivalProgress>) {
    match progress {
        Some(ArrivalProgress::Arrived) => counts.arrived += 1,
        Some(ArrivalProgress::OnTheWay) => counts.on_the_way += 1,
        Some(ArrivalProgress::Stuck) => counts.stuck += 1,
        None => {}
    }
}
