//! The numbers of the words of the domain. Files contain them, so none of them may ever change.

use crate::task::{FailureKind, Outcome, TaskState};

/// Returns the number of an outcome.
pub(crate) fn outcome_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Succeeded => 0,
        Outcome::Partial => 1,
        Outcome::Failed => 2,
        Outcome::Ambiguous => 3,
        Outcome::Unchanged => 4,
        Outcome::NotAttempted => 5,
    }
}

/// Returns the outcome with a number.
pub(crate) fn outcome(code: u8) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|&outcome| outcome_code(outcome) == code)
}

/// The number of a state that has a word of its own, which follows.
pub(crate) const NAMED_STATE: u8 = 15;

/// Returns the number of a state.
pub(crate) fn state_code(state: TaskState) -> u8 {
    match state {
        TaskState::Running => 0,
        TaskState::Stopped => 1,
        TaskState::Changing => 2,
        TaskState::Mixed => 3,
        TaskState::Bad => 4,
        TaskState::Unknown => 5,
        TaskState::Named(_) => NAMED_STATE,
    }
}

/// Returns the state with a number.
pub(crate) fn state(code: u8) -> Option<TaskState> {
    TaskState::ALL.into_iter().find(|&state| state_code(state) == code)
}

/// Returns the number of a kind of failure.
pub(crate) fn failure_code(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::Dns => 0,
        FailureKind::Connect => 1,
        FailureKind::Tls => 2,
        FailureKind::Timeout => 3,
        FailureKind::Reset => 4,
        FailureKind::Throttled => 5,
        FailureKind::Auth => 6,
        FailureKind::Refused => 7,
        FailureKind::Service => 8,
        FailureKind::Body => 9,
        FailureKind::NotReached => 10,
        FailureKind::NotSent => 11,
    }
}

/// Returns the kind of failure with a number.
pub(crate) fn failure_kind(code: u8) -> Option<FailureKind> {
    FailureKind::ALL.into_iter().find(|&kind| failure_code(kind) == code)
}
