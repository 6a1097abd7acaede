//! The sums over all tasks of a run, or over some of them.

use crate::clock::Timestamp;
use crate::policy::{WavePlace, wave_of};
use crate::reading::{AttemptRow, TaskRow};
use crate::report::model::VerifyCounts;
use crate::settings::RunSettings;
use crate::task::{Counts, Failure, Outcome, OutcomeCounts, UnderWay};

/// The sums over all tasks.
#[derive(Debug, Clone, Default)]
pub(crate) struct TaskTotals {
    pub(super) tasks: OutcomeCounts,
    pub(super) unsettled: u64,
    /// Tasks that were sent and have no outcome yet; after a kill, that had none.
    pub(super) under_way: UnderWay,
    /// All other tasks by their outcomes.
    pub(super) certain: OutcomeCounts,
    pub(super) arrivals: VerifyCounts,
    pub(super) counts: Counts,
    pub(super) empty: u64,
    pub(super) flaky: u64,
    /// Tasks that were settled without a call.
    uncalled: u64,
    /// Why the last task could not be sent that was tried and never left, and when it was tried.
    pub(super) unsent: Option<(Timestamp, Failure)>,
}

impl TaskTotals {
    /// Adds a task.
    pub(crate) fn add(&mut self, task: &TaskRow) {
        // A task without a recorded outcome has the one that it would have if the run ended now,
        // so that the sum over all outcomes is always the number of selected tasks.
        self.tasks[task.outcome] += 1;
        self.unsettled += u64::from(task.settled.is_none());
        match under_way(task) {
            Some(under_way) => self.under_way += under_way,
            None => self.certain[task.outcome] += 1,
        }
        self.arrivals.verified += u64::from(task.seen.verified.is_some());
        self.arrivals.unverified += u64::from(is_unverified(task));
        self.counts += task.last.as_ref().and_then(trusted_counts).unwrap_or_default();
        self.empty += u64::from(task.is_empty());
        self.flaky += u64::from(task.is_flaky());
        self.uncalled += u64::from(task.needed_no_call());
        self.note_unsent(task);
    }

    /// Adds the sums over tasks that come after all these in the input.
    pub(crate) fn add_all(&mut self, later: &Self) {
        self.tasks += later.tasks;
        self.unsettled += later.unsettled;
        self.under_way += later.under_way;
        self.certain += later.certain;
        self.arrivals.verified += later.arrivals.verified;
        self.arrivals.unverified += later.arrivals.unverified;
        self.counts += later.counts;
        self.empty += later.empty;
        self.flaky += later.flaky;
        self.uncalled += later.uncalled;
        if let Some((at, failure)) = &later.unsent {
            self.take_unsent(*at, failure);
        }
    }

    /// Returns the wave of the last task with an outcome.
    pub(super) fn wave(&self, settings: &RunSettings) -> Option<WavePlace> {
        let tasks = self.tasks.selected().saturating_sub(self.uncalled);
        let done = tasks.saturating_sub(self.unsettled);
        wave_of(&settings.waves.as_ref()?.ends(tasks), done)
    }

    fn note_unsent(&mut self, task: &TaskRow) {
        let Some(last) = task.last.as_ref().filter(|_| task.outcome == Outcome::NotAttempted)
        else {
            return;
        };
        if let Some(failure) = &last.failure {
            self.take_unsent(last.sent, failure);
        }
    }

    fn take_unsent(&mut self, sent: Timestamp, failure: &Failure) {
        if self.unsent.as_ref().is_none_or(|(at, _)| *at <= sent) {
            self.unsent = Some((sent, failure.clone()));
        }
    }
}

/// Returns how a task is under way, if it is: it may have left, and has no outcome yet.
fn under_way(task: &TaskRow) -> Option<UnderWay> {
    let last = task.last.as_ref()?;
    if task.settled.is_some() || task.is_damaged || task.outcome == Outcome::NotAttempted {
        return None;
    }
    Some(match last.duration {
        None => UnderWay { on_the_wire: 1, waiting: 0 },
        Some(_) => UnderWay { on_the_wire: 0, waiting: 1 },
    })
}

/// Returns whether a task may have been carried out and was not verified to the end.
fn is_unverified(task: &TaskRow) -> bool {
    let may_be_there = matches!(task.outcome, Outcome::Succeeded | Outcome::Ambiguous);
    let is_sent = task.settled.is_some() && task.attempts > 0;
    may_be_there && is_sent && task.seen.after.is_none() && !task.is_empty()
}

/// Returns the counts of an attempt, unless the attempt is in doubt.
fn trusted_counts(attempt: &AttemptRow) -> Option<Counts> {
    // Counts in doubt do not add up, or belong to another task. One of them would make a sum that
    // does not add up either.
    attempt.counts.filter(|_| !attempt.in_doubt)
}
