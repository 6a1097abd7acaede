//! Faults that are planted into a simulated run, to show that the simulation finds them.
//!
//! Each stands between the real parts, at a seam of the engine, so that the program has no trace
//! of them.

/// A planted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Planted {
    /// Watchers see events before they are durable.
    ShownBeforeCommit,
    /// A call leaves before its start is durable.
    StartNotDurable,
    /// The record of what may leave is not written.
    DepartureNotRecorded,
    /// One call makes two requests.
    SentTwice,
    /// A task that waits for its retry is forgotten.
    RetryLost,
    /// A doubt is taken for a refusal.
    DoubtTakenForRefusal,
    /// A throttled answer uses up an attempt.
    ThrottledIsCharged,
    /// An answer for another task is believed.
    StaleAnswerBelieved,
    /// A task is settled twice.
    SettledTwice,
    /// A settled task is handed out again.
    SettledTaskSentAgain,
    /// A resumed run does not hand out tasks in doubt.
    DoubtSkippedOnResume,
    /// A resumed run does not count the sendings of the one before.
    WindowForgottenOnResume,
    /// The wait that the service asks for is not kept.
    WaitIgnored,
    /// The end of `--max-duration` is not kept.
    DeadlineIgnored,
    /// A document leaves out a task.
    LeftOutOfReport,
}

impl Planted {
    pub(super) const ALL: [Self; 15] = [
        Self::ShownBeforeCommit,
        Self::StartNotDurable,
        Self::DepartureNotRecorded,
        Self::SentTwice,
        Self::RetryLost,
        Self::DoubtTakenForRefusal,
        Self::ThrottledIsCharged,
        Self::StaleAnswerBelieved,
        Self::SettledTwice,
        Self::SettledTaskSentAgain,
        Self::DoubtSkippedOnResume,
        Self::WindowForgottenOnResume,
        Self::WaitIgnored,
        Self::DeadlineIgnored,
        Self::LeftOutOfReport,
    ];
}
