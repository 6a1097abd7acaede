//! Decides for each task of a chunk whether its record is whole, although segments are lost.
//!
//! A task that was settled before a lost segment is whole. One that was not is in doubt, unless the
//! next fact about it says that nothing happened to it in between.

use crate::journal::Fact;

/// What is known of one task while the whole segments of its chunk are read in order.
#[derive(Debug, Clone, Default)]
pub(super) struct TaskDoubt {
    attempts: u32,
    is_open: bool,
    is_settled: bool,
    /// The lost segment since which nothing was said about it.
    suspect: Option<u64>,
    /// The lost segment that made its record incomplete for good.
    lost: Option<u64>,
    /// The lost segment that may have had what became of it after its call.
    unseen: Option<u64>,
}

impl TaskDoubt {
    /// Notes a lost segment.
    pub(super) fn lose(&mut self, seq: u64, may_have_states: bool) {
        if self.lost.is_some() {
            return;
        }
        if !self.is_settled {
            self.suspect.get_or_insert(seq);
        } else if may_have_states {
            self.unseen.get_or_insert(seq);
        }
    }

    /// Notes a fact; returns whether it is kept.
    pub(super) fn keeps(&mut self, fact: &Fact<'_>) -> bool {
        if self.lost.is_some() {
            return false;
        }
        if self.suspect.is_some() && !self.goes_on_with(fact) {
            self.lost = self.suspect;
            return false;
        }
        self.suspect = None;
        match fact {
            Fact::Started { .. } => {
                self.attempts += u32::from(self.is_open);
                self.is_open = true;
            }
            Fact::Withdrawn => self.is_open = false,
            Fact::Ended(_) => {
                self.attempts += 1;
                self.is_open = false;
            }
            Fact::Settled { .. } => self.is_settled = true,
            Fact::Lost => {
                self.attempts += u32::from(self.is_open);
                self.is_open = false;
            }
            Fact::After { .. } => self.unseen = None,
            Fact::Before(_) => {}
        }
        true
    }

    /// Returns whether a fact can be the next one, with nothing lost in between.
    fn goes_on_with(&self, fact: &Fact<'_>) -> bool {
        match fact {
            Fact::Started { number, .. } => !self.is_open && *number == self.attempts + 1,
            Fact::Withdrawn | Fact::Ended(_) => self.is_open,
            Fact::Before(_) => self.attempts == 0 && !self.is_open,
            Fact::Lost => true,
            Fact::Settled { .. } | Fact::After { .. } => false,
        }
    }

    /// Ends the chunk.
    pub(super) fn finish(&mut self) {
        if let Some(suspect) = self.suspect.take() {
            self.lost.get_or_insert(suspect);
        }
    }

    /// Returns the lost segment from which on nothing is known of it.
    pub(super) fn lost(&self) -> Option<u64> {
        self.lost
    }

    /// Returns the lost segment that may have had what became of it, if its call is known.
    pub(super) fn unseen(&self) -> Option<u64> {
        self.unseen
    }
}
