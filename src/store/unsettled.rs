//! A task that was begun and has no outcome, because its process was killed or stopped.

use crate::journal::{Attempt, Ended};

/// The attempts of a task without an outcome, in sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OpenTask {
    /// The number of its last attempt.
    pub(crate) last_seq: u64,
    /// The number of its attempts.
    pub(crate) attempts: u32,
    /// The number of attempts that were throttled, or refused for their credentials. Neither is
    /// charged to the task.
    pub(crate) throttled: u32,
    /// The time of the first attempt, in microseconds after the origin.
    pub(crate) first_sent_us: i64,
    /// Whether any of them may have been carried out.
    pub(crate) in_doubt: bool,
    /// The attempt that was begun, and the time at which it could leave.
    begun: Option<(u64, i64)>,
}

impl OpenTask {
    /// Notes that an attempt was begun. One that was begun before never ended.
    pub(crate) fn start(&mut self, seq: u64, leaves_us: i64) {
        self.count_begun();
        self.begun = Some((seq, leaves_us));
    }

    /// Notes that the attempt was withdrawn; returns whether nothing is left of the task.
    pub(crate) fn withdraw(&mut self) -> bool {
        self.begun = None;
        self.attempts == 0 && !self.in_doubt
    }

    /// Notes that facts about the task were lost: any of its calls may have been carried out.
    pub(crate) fn lose(&mut self) {
        self.count_begun();
        self.in_doubt = true;
    }

    /// Notes the end of the attempt, and returns its number.
    pub(crate) fn end(&mut self, ended: Ended<'_>) -> Option<u64> {
        let (seq, leaves_us) = self.begun.take()?;
        self.count(&Attempt { seq, number: 0, leaves_us, ended: Some(ended) });
        Some(seq)
    }

    /// Returns the number of the attempt that was begun and of which nothing else is known.
    pub(crate) fn begun(&self) -> Option<u64> {
        self.begun.map(|(seq, _)| seq)
    }

    /// Counts the attempt that was begun: it may have left.
    pub(crate) fn count_begun(&mut self) {
        if let Some((seq, leaves_us)) = self.begun.take() {
            self.count(&Attempt { seq, number: 0, leaves_us, ended: None });
        }
    }

    fn count(&mut self, attempt: &Attempt<'_>) {
        if self.attempts == 0 {
            self.first_sent_us = attempt.sent_us();
        }
        self.last_seq = attempt.seq;
        self.attempts += 1;
        self.throttled += u32::from(attempt.is_throttled());
        self.in_doubt |= attempt.in_doubt();
    }
}
