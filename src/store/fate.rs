//! What became of a task, as it is put together while its row is read.

use crate::clock::Timestamp;
use crate::store::codes;
use crate::store::rows::{AttemptRow, SeenRow};
use crate::task::{Failure, FailureKind, Outcome, TaskState};
use rusqlite::Row;

/// What became of a task.
pub(crate) struct TaskResult {
    pub(crate) outcome: Outcome,
    pub(crate) attempts: u32,
    pub(crate) first_sent_us: Option<i64>,
    pub(crate) settled_us: Option<i64>,
    pub(crate) last: Option<AttemptRow>,
}

impl TaskResult {
    pub(crate) const NEVER_SENT: Self = Self {
        outcome: Outcome::NotAttempted,
        attempts: 0,
        first_sent_us: None,
        settled_us: None,
        last: None,
    };
}

/// What was seen of a task, as it is stored.
#[derive(Default)]
pub(crate) struct SeenCells {
    before: Option<TaskState>,
    after: Option<TaskState>,
    verified_us: Option<i64>,
    verdict: Option<Outcome>,
}

impl SeenCells {
    /// Reads it from four cells, which follow one that tells whether there is anything in them.
    pub(crate) fn of(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        if row.get::<_, Option<u32>>(first)?.is_none() {
            return Ok(Self::default());
        }
        Ok(Self {
            before: codes::parsed_or_null(row, first + 1)?,
            after: codes::parsed_or_null(row, first + 2)?,
            verified_us: row.get(first + 3)?,
            verdict: codes::outcome_or_null(row, first + 4)?,
        })
    }

    /// Returns what became of the task whose call came to this.
    pub(crate) fn outcome(&self, called: Outcome) -> Outcome {
        self.verdict.unwrap_or(called)
    }

    /// Puts what became of the task in the place of why its call failed, where that is not it.
    pub(crate) fn amend(&self, last: &mut Option<AttemptRow>) {
        let (Some(verdict), Some(last)) = (self.verdict, last) else { return };
        let told = || match self.after {
            Some(TaskState::Unknown) | None if verdict == Outcome::Ambiguous => {
                "accepted, but its state could not be read".into()
            }
            Some(TaskState::Unknown) | None => "accepted, but its state is not known".into(),
            Some(state) => format!("accepted, but it is `{state}`"),
        };
        let failure = (!verdict.is_good()).then(|| Failure::seen(FailureKind::NotReached, told()));
        last.failure = failure;
    }

    /// Returns it in the words of the domain.
    pub(crate) fn row(&self, origin: Timestamp, called: Outcome) -> SeenRow {
        SeenRow {
            before: self.before,
            after: self.after,
            verified: self.verified_us.map(|micros| origin.plus_micros(micros)),
            call: self.verdict.map(|_| called),
        }
    }
}
