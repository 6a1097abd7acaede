//! Faults that are planted into a simulated run, to show that the simulation finds them.
//!
//! Each stands between the real parts, at a seam of the engine, so that the program has no trace
//! of them.

use super::drive::{CarryOut, carry_out};
use super::surveys::read_lists;
#[cfg(feature = "postgres")]
use super::workers::carry_out_by_workers;

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
    /// A list that became shorter does not say so.
    ShrinkingHidden,
    /// The wait that the service asks a reader of lists for is not kept.
    ListWaitIgnored,
    /// A request for a page leaves before its start is durable.
    RequestNotDurable,
    /// Each process of a rate group, and each target, has slots of its own.
    GroupNotShared,
    /// A reader of lists does not count the requests of the process before.
    RequestsForgotten,
    /// A worker sends although its lease is over.
    LeaseIgnored,
    /// A worker counts its lease from the answer of the database.
    LeaseFromAnswer,
    /// A worker's records count although another has the chunk.
    EpochIgnored,
    /// Records whose answer was lost are kept a second time.
    FlushedTwice,
    /// Each worker has slots of its own.
    SlotsNotShared,
    /// What is in doubt of a chunk that was given back is not told.
    DoubtsUntold,
}

impl Planted {
    pub(super) const ALL: &[Self] = &[
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
        Self::ShrinkingHidden,
        Self::ListWaitIgnored,
        Self::RequestNotDurable,
        Self::GroupNotShared,
        Self::RequestsForgotten,
        #[cfg(feature = "postgres")]
        Self::LeaseIgnored,
        #[cfg(feature = "postgres")]
        Self::LeaseFromAnswer,
        #[cfg(feature = "postgres")]
        Self::EpochIgnored,
        #[cfg(feature = "postgres")]
        Self::FlushedTwice,
        #[cfg(feature = "postgres")]
        Self::SlotsNotShared,
        #[cfg(feature = "postgres")]
        Self::DoubtsUntold,
    ];

    /// Returns what carries out a run in which it shows.
    pub(super) fn stage(self) -> CarryOut {
        match self {
            #[cfg(feature = "postgres")]
            Self::LeaseIgnored
            | Self::LeaseFromAnswer
            | Self::EpochIgnored
            | Self::FlushedTwice
            | Self::SlotsNotShared
            | Self::DoubtsUntold => carry_out_by_workers,
            Self::ShrinkingHidden
            | Self::ListWaitIgnored
            | Self::RequestNotDurable
            | Self::GroupNotShared
            | Self::RequestsForgotten => read_lists,
            _ => carry_out,
        }
    }
}
