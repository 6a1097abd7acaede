//! The fold: a plan chunk and its segments in order become one record for each task.

use crate::journal::bytes::Malformed;
use crate::journal::failure::FailureTexts;
use crate::journal::plan_chunk::{PlanChunk, PlannedTask};
use crate::journal::record::{Ended, Fact};
use crate::journal::segment::records;
use crate::task::{FailureKind, Outcome, OutcomeCounts, TaskState};

/// An attempt of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt<'a> {
    /// Its number in the run.
    pub(crate) seq: u64,
    /// Its number within the task.
    pub(crate) number: u32,
    /// The earliest time at which it could leave.
    pub(crate) leaves_us: i64,
    /// Its end, if it has one.
    pub(crate) ended: Option<Ended<'a>>,
}

impl Attempt<'_> {
    /// Returns the time at which it was sent, as far as that is known.
    pub(crate) fn sent_us(&self) -> i64 {
        self.ended.as_ref().map_or(self.leaves_us, |ended| ended.sent_us)
    }

    /// Returns whether it may have been carried out: it never ended, or without a trustworthy
    /// answer.
    pub(crate) fn in_doubt(&self) -> bool {
        self.ended.as_ref().is_none_or(|ended| ended.in_doubt)
    }

    /// Returns whether a byte of it left: it was answered, or it may have been carried out.
    fn left(&self) -> bool {
        let is_answered = |ended: &Ended<'_>| ended.http_status.is_some();
        self.in_doubt() || self.ended.as_ref().is_some_and(is_answered)
    }

    /// Returns whether it was throttled, or refused for its credentials. Neither is charged.
    pub(crate) fn is_throttled(&self) -> bool {
        let failure = self.ended.as_ref().and_then(|ended| ended.failure.as_deref());
        let kind = failure.map(|failure: &FailureTexts<'_>| failure.kind);
        matches!(kind, Some(FailureKind::Throttled | FailureKind::Auth))
    }
}

/// What is known of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TaskRecord<'a> {
    /// The number of its attempts.
    pub(crate) attempts: u32,
    /// Those of them that were throttled, or refused for their credentials.
    pub(crate) throttled: u32,
    /// Whether any of them may have been carried out.
    pub(crate) in_doubt: bool,
    /// Whether facts about it were lost, and no attempt was begun since.
    pub(crate) lost: bool,
    /// Whether a byte of any of them left: it was answered, or it is in doubt.
    left: bool,
    /// The time at which the first of them was sent.
    pub(crate) first_sent_us: Option<i64>,
    /// The last attempt.
    pub(crate) last: Option<Attempt<'a>>,
    /// An attempt that was begun, and of which nothing else is known yet.
    open: Option<Attempt<'a>>,
    /// The outcome of its call and the time of settling.
    pub(crate) settled: Option<(Outcome, i64)>,
    /// The state before anything was sent.
    pub(crate) before: Option<TaskState>,
    /// The state after the call.
    pub(crate) after: Option<TaskState>,
    /// The time at which it was first seen where its command leads.
    pub(crate) verified_us: Option<i64>,
    /// The outcome of the task, if it is not that of its call.
    pub(crate) verdict: Option<Outcome>,
}

impl<'a> TaskRecord<'a> {
    /// Applies a fact.
    pub(crate) fn apply(&mut self, fact: Fact<'a>) -> Result<(), &'static str> {
        match fact {
            Fact::Started { seq, number, leaves_us } => {
                // The process that began the one before was killed.
                self.count_open();
                self.lost = false;
                self.open = Some(Attempt { seq, number, leaves_us, ended: None });
            }
            Fact::Withdrawn => {
                self.open.take().ok_or("an attempt is withdrawn that was not begun")?;
            }
            Fact::Ended(ended) => {
                let open = self.open.take().ok_or("an attempt ends that was not begun")?;
                self.count(Attempt { ended: Some(ended), ..open });
            }
            Fact::Settled { .. } if self.settled.is_some() => {
                return Err("a task is settled twice");
            }
            Fact::Settled { outcome, at_us } => {
                self.count_open();
                self.settled = Some((outcome, at_us));
            }
            Fact::Lost if self.settled.is_some() => {
                return Err("facts about a settled task are lost");
            }
            Fact::Lost => {
                self.count_open();
                (self.lost, self.in_doubt) = (true, true);
            }
            Fact::Before(state) => self.before = Some(state),
            Fact::After { state, verified_us, verdict } => {
                (self.after, self.verified_us, self.verdict) = (Some(state), verified_us, verdict);
            }
        }
        Ok(())
    }

    /// Ends the fold: an attempt that was begun counts if it may have left.
    pub(crate) fn finish(&mut self, last_that_may_have_left: u64) {
        match &self.open {
            Some(open) if open.seq > last_that_may_have_left => self.open = None,
            _ => self.count_open(),
        }
    }

    /// Returns the outcome of the task: its own, or the one that follows from its attempts.
    pub(crate) fn outcome(&self) -> Outcome {
        match (self.verdict, self.settled) {
            (Some(verdict), Some(_)) => verdict,
            (None, Some((outcome, _))) => outcome,
            (_, None) => self.outcome_of_attempts(),
        }
    }

    /// Returns the outcome that follows from the attempts alone.
    pub(crate) fn outcome_of_attempts(&self) -> Outcome {
        match (self.in_doubt, self.left) {
            (true, _) => Outcome::Ambiguous,
            (false, true) => Outcome::Failed,
            // Only connections failed, if anything: the run ended before the task could be sent.
            (false, false) => Outcome::NotAttempted,
        }
    }

    fn count_open(&mut self) {
        if let Some(open) = self.open.take() {
            self.count(open);
        }
    }

    fn count(&mut self, attempt: Attempt<'a>) {
        self.attempts = self.attempts.saturating_add(1);
        self.throttled += u32::from(attempt.is_throttled());
        self.in_doubt |= attempt.in_doubt();
        self.left |= attempt.left();
        self.first_sent_us.get_or_insert(attempt.sent_us());
        self.last = Some(attempt);
    }
}

/// A task of the plan, and what is known of it.
pub(crate) type FoldedTask<'a> = (PlannedTask<'a>, TaskRecord<'a>);

/// A chunk on the way to the records of its tasks.
#[derive(Debug)]
pub(crate) struct ChunkFold<'a> {
    first: u32,
    /// The tasks, in the order of their ordinals.
    pub(crate) tasks: Vec<FoldedTask<'a>>,
}

impl<'a> ChunkFold<'a> {
    /// Reads the tasks of a plan chunk.
    pub(crate) fn new(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut chunk = PlanChunk::new(body)?;
        let mut tasks = Vec::with_capacity(usize::try_from(chunk.tasks).unwrap_or(0));
        while let Some(task) = chunk.next()? {
            tasks.push((task, TaskRecord::default()));
        }
        Ok(Self { first: chunk.first, tasks })
    }

    /// Applies the next segment and returns the distance to the one before it.
    pub(crate) fn apply(&mut self, body: &'a [u8]) -> Result<u64, Malformed> {
        records(body, |record| {
            let task = self.task_mut(record.offset).ok_or("there is no such task in the chunk")?;
            task.apply(record.fact)
        })
    }

    /// Ends the fold of all tasks.
    pub(crate) fn finish(&mut self, last_that_may_have_left: u64) {
        for (_, task) in &mut self.tasks {
            task.finish(last_that_may_have_left);
        }
    }

    /// Counts the tasks with an outcome, by their own outcomes.
    pub(crate) fn settled(&self) -> OutcomeCounts {
        let mut settled = OutcomeCounts::default();
        for (_, record) in self.tasks.iter().filter(|(_, record)| record.settled.is_some()) {
            settled[record.outcome()] += 1;
        }
        settled
    }

    fn task_mut(&mut self, offset: u32) -> Option<&mut TaskRecord<'a>> {
        let ordinal = self.first.checked_add(offset)?;
        let place = usize::try_from(offset).ok()?;
        // Most chunks have no gaps, so the place is the offset.
        let place = match self.tasks.get(place) {
            Some((task, _)) if task.ordinal == ordinal => place,
            _ => self.tasks.binary_search_by_key(&ordinal, |(task, _)| task.ordinal).ok()?,
        };
        Some(&mut self.tasks[place].1)
    }
}
