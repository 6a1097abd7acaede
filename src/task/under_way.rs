//! Tasks that were sent and have no outcome yet.
//!
//! Every display of a run that goes on counts them by these words, and none of them as an outcome
//! that they would have if the run ended now.

use std::ops::AddAssign;

/// The number of tasks that were sent and have no outcome yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnderWay {
    /// Tasks whose last call has no answer so far.
    pub on_the_wire: u64,
    /// Tasks that wait to be sent again.
    pub waiting: u64,
}

impl UnderWay {
    /// The words for a task whose last call has no answer so far.
    pub const ON_THE_WIRE: &'static str = "on the wire";
    /// The word for a task that waits to be sent again.
    pub const WAITING: &'static str = "waiting";

    /// Returns the number of all of them.
    pub const fn tasks(self) -> u64 {
        self.on_the_wire + self.waiting
    }

    /// Returns both numbers with their words.
    pub const fn in_words(self) -> [(u64, &'static str); 2] {
        [(self.on_the_wire, Self::ON_THE_WIRE), (self.waiting, Self::WAITING)]
    }
}

impl AddAssign for UnderWay {
    fn add_assign(&mut self, other: Self) {
        self.on_the_wire += other.on_the_wire;
        self.waiting += other.waiting;
    }
}
