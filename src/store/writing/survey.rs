//! The survey: joins the observed states with the tasks without an outcome, and records what the
//! decider makes of each.
//!
//! Observed states are gathered in a temporary table of this connection, and the conclusions from
//! a whole walk are one commit. A process that is killed before has changed nothing. Memory does
//! not grow with the number of tasks. See `docs/GLOSSARY.md`: observed state, survey.

use crate::event::SurveyCounts;
use crate::journal::{Fact, FoldedTask, PlannedTask, RunRecord, TaskRecord};
use crate::policy::{EarlierCalls, FirstLook, Goal, Observation};
use crate::settings::LeftOut;
use crate::store::codes;
use crate::store::writing::batch::Batch;
use crate::store::writing::observed_states;
use crate::task::{ExcludedTask, Ordinal, Outcome, TaskId, TaskState};
use rusqlite::Connection;

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
    /// The connection with the observed states.
    pub(crate) connection: &'a Connection,
    /// The present time, in microseconds after the origin of the run.
    pub(crate) now_us: i64,
}

impl Survey<'_> {
    /// Asks `decide` about every task, counts its answers and settles tasks by them.
    pub(crate) fn carry_out(
        &self,
        batch: &mut Batch<'_>,
        decide: impl Fn(Option<Observation>, EarlierCalls, Goal) -> FirstLook,
    ) -> rusqlite::Result<Surveyed> {
        let mut surveyed = Surveyed::default();
        for_each_unsettled(batch, |batch, folded| {
            self.look_at(batch, folded, &decide, &mut surveyed)
        })?;
        Ok(surveyed)
    }

    /// Settles the tasks that `find` says are excluded, and records which.
    ///
    /// Those that were sent end as their calls did, all others without an attempt.
    pub(crate) fn leave_out(
        &self,
        batch: &mut Batch<'_>,
        find: impl Fn(&TaskId) -> Option<ExcludedTask>,
    ) -> rusqlite::Result<LeftOut> {
        let mut left_out = LeftOut::default();
        for_each_unsettled(batch, |batch, (task, record)| {
            if let Some(excluded) = find(&codes::task_id(task)?) {
                let (outcome, at_us) = (record.outcome_of_attempts(), self.now_us);
                batch.push(Ordinal(task.ordinal), Fact::Settled { outcome, at_us })?;
                left_out.add_excluded(excluded);
            }
            Ok(())
        })?;
        if left_out.excluded > 0 {
            let tasks = serde_json::to_string(&left_out).expect("texts have a form in JSON");
            batch.push_run(&RunRecord::Excluded { tasks: &tasks });
        }
        Ok(left_out)
    }

    fn look_at(
        &self,
        batch: &mut Batch<'_>,
        folded: &FoldedTask<'_>,
        decide: impl Fn(Option<Observation>, EarlierCalls, Goal) -> FirstLook,
        surveyed: &mut Surveyed,
    ) -> rusqlite::Result<()> {
        let (task, record) = folded;
        let seen = observed_states::observation(self.connection, task)?;
        // A state after the first call is not one from before it.
        if let (Some(seen), 0) = (seen, record.attempts) {
            batch.push(Ordinal(task.ordinal), Fact::Before(seen.state))?;
        }
        let look = decide(seen, earlier_calls(record), task.command.into());
        surveyed.count(look, task)?;
        match look.outcome() {
            Some(outcome) => self.settle(batch, folded, outcome, seen),
            None => Ok(()),
        }
    }

    fn settle(
        &self,
        batch: &mut Batch<'_>,
        (task, record): &FoldedTask<'_>,
        outcome: Outcome,
        seen: Option<Observation>,
    ) -> rusqlite::Result<()> {
        let (ordinal, at_us) = (Ordinal(task.ordinal), self.now_us);
        if record.attempts == 0 {
            return batch.push(ordinal, Fact::Settled { outcome, at_us });
        }
        // The calls keep their own outcome; the one that was decided is recorded beside it.
        let called = record.outcome_of_attempts();
        batch.push(ordinal, Fact::Settled { outcome: called, at_us })?;
        let state = seen.map_or(TaskState::Unknown, |seen| seen.state);
        let verified_us = seen.filter(|seen| seen.has_arrived).map(|_| at_us);
        batch.push(ordinal, Fact::After { state, verified_us, verdict: Some(outcome) })?;
        batch.recount(called, outcome);
        Ok(())
    }
}

/// Calls `take` for every task without an outcome.
fn for_each_unsettled(
    batch: &mut Batch<'_>,
    mut take: impl FnMut(&mut Batch<'_>, &FoldedTask<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    batch.for_each_task(|batch, folded| match folded.1.settled {
        None => take(batch, folded),
        Some(_) => Ok(()),
    })
}

fn earlier_calls(record: &TaskRecord<'_>) -> EarlierCalls {
    match (record.attempts, record.in_doubt) {
        (0, _) => EarlierCalls::None,
        (_, true) => EarlierCalls::InDoubt,
        (_, false) => EarlierCalls::Refused,
    }
}

impl Surveyed {
    fn count(&mut self, look: FirstLook, task: &PlannedTask<'_>) -> rusqlite::Result<()> {
        let counts = &mut self.counts;
        match look {
            FirstLook::WillChange => counts.will_change += 1,
            FirstLook::Unread => counts.unread += 1,
            FirstLook::Unchanged => counts.unchanged += 1,
            FirstLook::Confirmed => counts.confirmed += 1,
            FirstLook::InTrouble => {
                counts.in_trouble += 1;
                keep_example(&mut self.in_trouble, task)?;
            }
            FirstLook::Unknown | FirstLook::Skipped => {
                counts.unknown += 1;
                counts.skipped += u64::from(look == FirstLook::Skipped);
                keep_example(&mut self.unknown, task)?;
            }
        }
        Ok(())
    }
}

fn keep_example(examples: &mut Vec<TaskId>, task: &PlannedTask<'_>) -> rusqlite::Result<()> {
    if examples.len() < MAX_EXAMPLES {
        examples.push(codes::task_id(task)?);
    }
    Ok(())
}
