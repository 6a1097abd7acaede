//! Decides what the observed states say about the tasks of a run, before and after they are sent.
//!
//! Pure: the store joins each task with its observed state, asks here, and writes the answer. It
//! never draws a conclusion from a state itself. See `docs/GLOSSARY.md`: survey, verify round.

use crate::task::{Command, Outcome, TaskState};

/// The observed state of a task, with its progress towards the state of its own command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// The state.
    pub state: TaskState,
    /// Whether the task is where its command leads.
    pub has_arrived: bool,
}

/// Where a command leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// To a state.
    State,
    /// Out of the list.
    Gone,
}

impl From<Command> for Goal {
    fn from(command: Command) -> Self {
        if command.leads_out() { Self::Gone } else { Self::State }
    }
}

/// The knowledge about a task that was not in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMissing {
    /// Nothing: the list may not have been whole.
    Unread,
    /// The project does not know it; it is called all the same.
    Unknown,
    /// The project does not know it, and it is not called.
    Skipped,
}

/// The purpose of a survey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Tasks that are where their commands lead are left alone.
    LeaveAlone(IfMissing),
    /// The states are kept for the record, and only doubts are settled.
    Record,
}

/// The kind of a verify round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyRound {
    /// Another round follows.
    Interim(IfMissing),
    /// No round follows: a task that is not there has not arrived.
    Last(IfMissing),
    /// Only tasks in doubt are looked at, once.
    Doubts(IfMissing),
}

impl VerifyRound {
    const fn if_missing(self) -> IfMissing {
        match self {
            Self::Interim(missing) | Self::Last(missing) | Self::Doubts(missing) => missing,
        }
    }
}

/// The calls of earlier processes for a task without an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlierCalls {
    /// It was never called.
    None,
    /// All its calls were refused, so none of them was carried out.
    Refused,
    /// One of its calls may have been carried out.
    InDoubt,
}

/// The conclusion of a survey about a task without an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstLook {
    /// It is not where its command leads, and is sent.
    WillChange,
    /// It has sub-tasks in trouble, and is sent.
    InTrouble,
    /// It was not seen in a list that may not have been whole, and is sent.
    Unread,
    /// The project does not know it; it is sent.
    Unknown,
    /// The project does not know it; it is settled as failed.
    Skipped,
    /// It was there before any call; it is settled as unchanged.
    Unchanged,
    /// It was in doubt and has arrived; it is settled as succeeded.
    Confirmed,
}

impl FirstLook {
    /// Returns the outcome with which the task is settled, if it is.
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Self::WillChange | Self::InTrouble | Self::Unread | Self::Unknown => None,
            Self::Skipped => Some(Outcome::Failed),
            Self::Unchanged => Some(Outcome::Unchanged),
            Self::Confirmed => Some(Outcome::Succeeded),
        }
    }
}

/// Decides what a survey makes of a task without an outcome.
pub fn first_look(
    seen: Option<Observation>,
    earlier: EarlierCalls,
    goal: Goal,
    purpose: Purpose,
) -> FirstLook {
    let Some(seen) = seen else {
        return match goal {
            Goal::State => first_look_missing(earlier, purpose),
            Goal::Gone => first_look_gone(earlier, purpose),
        };
    };
    if seen.has_arrived {
        match (earlier, purpose) {
            // Whatever the purpose: a call that is known to have worked is not repeated.
            (EarlierCalls::InDoubt, _) => return FirstLook::Confirmed,
            (EarlierCalls::None, Purpose::LeaveAlone(_)) => return FirstLook::Unchanged,
            // It was called, so `unchanged` would be wrong, and no call of it worked, so
            // `succeeded` would be. One more call does no harm and gives it an outcome.
            (EarlierCalls::Refused, Purpose::LeaveAlone(_)) => return FirstLook::WillChange,
            (EarlierCalls::None | EarlierCalls::Refused, Purpose::Record) => {}
        }
    }
    match seen.state {
        TaskState::Bad => FirstLook::InTrouble,
        TaskState::Running
        | TaskState::Stopped
        | TaskState::Changing
        | TaskState::Mixed
        | TaskState::Unknown
        | TaskState::Named(_) => FirstLook::WillChange,
    }
}

fn first_look_missing(earlier: EarlierCalls, purpose: Purpose) -> FirstLook {
    match (purpose, earlier) {
        (Purpose::Record | Purpose::LeaveAlone(IfMissing::Unread), _) => FirstLook::Unread,
        (Purpose::LeaveAlone(IfMissing::Skipped), EarlierCalls::None) => FirstLook::Skipped,
        // A task that was called once is not skipped: its attempts must lead to an outcome.
        (Purpose::LeaveAlone(IfMissing::Unknown | IfMissing::Skipped), _) => FirstLook::Unknown,
    }
}

/// What is not in the list any more is where a deletion leads.
fn first_look_gone(earlier: EarlierCalls, purpose: Purpose) -> FirstLook {
    match (purpose, earlier) {
        (Purpose::Record | Purpose::LeaveAlone(IfMissing::Unread), _) => FirstLook::Unread,
        (Purpose::LeaveAlone(_), EarlierCalls::InDoubt) => FirstLook::Confirmed,
        (Purpose::LeaveAlone(_), EarlierCalls::None) => FirstLook::Unchanged,
        (Purpose::LeaveAlone(_), EarlierCalls::Refused) => FirstLook::WillChange,
    }
}

/// A task that was called: the outcome of its call, and what became of the task so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalledTask {
    /// Where its command leads.
    pub goal: Goal,
    /// The outcome of the call.
    pub outcome: Outcome,
    /// The outcome of the task, if an earlier round found another one.
    pub verdict: Option<Outcome>,
}

/// The progress of a task that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArrivalProgress {
    /// It is where its command leads.
    Arrived,
    /// It is not there yet.
    OnTheWay,
    /// It is not there, and has sub-tasks in trouble.
    Stuck,
}

/// The record of a task after its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AfterCall {
    /// The state.
    pub state: TaskState,
    /// Whether the task is where its command leads.
    pub has_arrived: bool,
    /// The outcome of the task, if it is not that of its call.
    pub verdict: Option<Outcome>,
}

/// The conclusion of a verify round about a task that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastLook {
    /// The progress, if the task is waited for.
    pub progress: Option<ArrivalProgress>,
    /// The record, if anything is recorded.
    pub record: Option<AfterCall>,
}

/// Decides what a verify round makes of a task that was sent.
///
/// The outcome of the call is never changed: a verdict stands beside it.
pub fn last_look(called: CalledTask, seen: Option<Observation>, round: VerifyRound) -> LastLook {
    let is_doubtful = called.verdict.unwrap_or(called.outcome) == Outcome::Ambiguous;
    if matches!(round, VerifyRound::Doubts(_)) && !is_doubtful {
        return LastLook { progress: None, record: None };
    }
    let is_gone = called.goal == Goal::Gone
        && seen.is_none()
        && round.if_missing() != IfMissing::Unread
        && called.outcome != Outcome::Partial;
    let gone = is_gone.then_some(Observation { state: TaskState::Unknown, has_arrived: true });
    if let Some(seen) = seen.or(gone).filter(|seen| seen.has_arrived) {
        // Without a verdict for an accepted call: an earlier "not reached" is withdrawn.
        let verdict = (called.outcome == Outcome::Ambiguous).then_some(Outcome::Succeeded);
        let record = AfterCall { state: seen.state, has_arrived: true, verdict };
        return LastLook { progress: Some(ArrivalProgress::Arrived), record: Some(record) };
    }
    let state = seen.map_or(TaskState::Unknown, |seen| seen.state);
    let record = |verdict| AfterCall { state, has_arrived: false, verdict };
    if called.outcome == Outcome::Partial {
        // Some sub-tasks failed, so the whole never arrives. Its state is kept for the record.
        return LastLook { progress: None, record: seen.map(|_| record(None)) };
    }
    let progress = Some(match state {
        TaskState::Bad => ArrivalProgress::Stuck,
        TaskState::Running
        | TaskState::Stopped
        | TaskState::Changing
        | TaskState::Mixed
        | TaskState::Unknown
        | TaskState::Named(_) => ArrivalProgress::OnTheWay,
    });
    let record = match (round, called.outcome) {
        // It may still arrive.
        (VerifyRound::Interim(_), _) => None,
        (VerifyRound::Doubts(_), _) => Some(record(called.verdict)),
        // The call itself says that nothing is certain.
        (VerifyRound::Last(_), Outcome::Ambiguous) => Some(record(None)),
        // It was accepted, and whether it has arrived cannot be known.
        (VerifyRound::Last(IfMissing::Unread), _) if seen.is_none() => {
            Some(record(Some(Outcome::Ambiguous)))
        }
        (VerifyRound::Last(_), _) => Some(record(Some(Outcome::Failed))),
    };
    LastLook { progress, record }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
