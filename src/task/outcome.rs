//! The outcomes of tasks and their counts. See `docs/GLOSSARY.md`: outcome, counts.

use std::fmt;
use std::ops::{Add, AddAssign, Index, IndexMut};
use std::str::FromStr;

/// The outcome of a task. Every selected task ends with exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The service carried it out and no sub-task failed.
    Succeeded,
    /// The service carried it out; some sub-tasks failed and some succeeded.
    Partial,
    /// No sub-task succeeded, or the call was refused, or it was never delivered.
    Failed,
    /// The call was sent, and no trustworthy answer came back.
    Ambiguous,
    /// The task was already where its command leads, so no call was made.
    Unchanged,
    /// The run ended before the task was sent.
    NotAttempted,
}

/// The text is not an outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an outcome")]
pub struct UnknownOutcome(pub String);

impl Outcome {
    /// Every outcome, in the order reports list them.
    pub const ALL: [Self; 6] = [
        Self::Succeeded,
        Self::Partial,
        Self::Failed,
        Self::Ambiguous,
        Self::Unchanged,
        Self::NotAttempted,
    ];

    /// Returns the word used in files and messages, such as `not_attempted`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Ambiguous => "ambiguous",
            Self::Unchanged => "unchanged",
            Self::NotAttempted => "not_attempted",
        }
    }

    /// Returns whether the task is where its command leads.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Succeeded | Self::Unchanged)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, UnknownOutcome> {
        let named = |outcome: &Self| outcome.as_str() == text;
        Self::ALL.into_iter().find(named).ok_or_else(|| UnknownOutcome(text.into()))
    }
}

/// The service's own counts of sub-tasks, of one call or summed over many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// `total_count`.
    pub total: u64,
    /// `failed_count`.
    pub failed: u64,
    /// `succeed_count`.
    pub succeeded: u64,
}

impl Counts {
    /// Returns the outcome for these counts, or `None` if they do not add up.
    ///
    /// ```
    /// use batchctl::task::{Counts, Outcome};
    ///
    /// let counts = Counts { total: 3, failed: 1, succeeded: 2 };
    /// assert_eq!(counts.outcome(), Some(Outcome::Partial));
    /// let contradictory = Counts { total: 3, failed: 1, succeeded: 1 };
    /// assert_eq!(contradictory.outcome(), None);
    /// ```
    pub fn outcome(self) -> Option<Outcome> {
        // Checked, because the numbers come from outside: an overflow must not look like a sum.
        if self.failed.checked_add(self.succeeded) != Some(self.total) {
            return None;
        }
        // The order of the arms matters for (0, 0): nothing to do is a success.
        Some(match (self.failed, self.succeeded) {
            (0, _) => Outcome::Succeeded,
            (_, 0) => Outcome::Failed,
            (_, _) => Outcome::Partial,
        })
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            // The numbers come from outside, so a sum must neither wrap nor panic.
            total: self.total.saturating_add(other.total),
            failed: self.failed.saturating_add(other.failed),
            succeeded: self.succeeded.saturating_add(other.succeeded),
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// The number of tasks for each outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutcomeCounts([u64; 6]);

impl OutcomeCounts {
    /// Returns the sum over all outcomes: the number of selected tasks.
    pub fn selected(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Returns whether every task is where its command leads.
    pub fn all_good(&self) -> bool {
        Outcome::ALL.into_iter().all(|outcome| outcome.is_good() || self[outcome] == 0)
    }
}

impl Index<Outcome> for OutcomeCounts {
    type Output = u64;

    fn index(&self, outcome: Outcome) -> &u64 {
        // The array has one place for each variant, so the index is always valid.
        &self.0[outcome as usize]
    }
}

impl AddAssign for OutcomeCounts {
    fn add_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(count, more)| *count += more);
    }
}

impl IndexMut<Outcome> for OutcomeCounts {
    fn index_mut(&mut self, outcome: Outcome) -> &mut u64 {
        &mut self.0[outcome as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(total: u64, failed: u64, succeeded: u64, expected: Option<Outcome>) {
        let counts = Counts { total, failed, succeeded };
        assert_eq!(counts.outcome(), expected, "{counts:?}");
    }

    #[test]
    fn counts_decide_the_outcome_only_when_they_add_up() {
        check(3, 0, 3, Some(Outcome::Succeeded));
        check(0, 0, 0, Some(Outcome::Succeeded));
        check(3, 1, 2, Some(Outcome::Partial));
        check(3, 3, 0, Some(Outcome::Failed));
        check(3, 0, 2, None);
        check(2, 1, 2, None);
        check(0, u64::MAX, 1, None);
    }

    #[test]
    fn every_outcome_reads_back_from_its_word() {
        for outcome in Outcome::ALL {
            assert_eq!(outcome.as_str().parse(), Ok(outcome));
        }
        assert!("done".parse::<Outcome>().is_err());
    }

    #[test]
    fn outcome_counts_add_up_to_the_selected() {
        let mut tasks = OutcomeCounts::default();
        for outcome in Outcome::ALL {
            tasks[outcome] += 2;
        }
        assert_eq!(tasks.selected(), 12);
        assert!(!tasks.all_good());
    }
}
