//! The failures that one of several workers may still have, of those that the run tolerates.
//!
//! A worker sends as long as its own failures are within its allowance. All allowances and all
//! failures together are never more than the run tolerates. So no more tasks fail than that, and
//! those whose calls were on the wire.

/// The failures of one worker that count against what is allowed to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FailureAllowance {
    /// Failures that are not recorded yet.
    noted: u64,
    /// Failures that were recorded since the run last said what is allowed.
    recorded: u64,
    allowed: u64,
    /// Nothing is left: no call may leave, whatever this worker's own failures are.
    is_over: bool,
    /// Whether the run has said once what is allowed.
    is_known: bool,
    /// The run waits for a question, whatever this worker's own failures are.
    is_recalled: bool,
}

/// What the run answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// The failures that are allowed to the worker from now on.
    pub allowance: u64,
    /// What is left of the tolerated failures, this allowance included; negative if others hold too
    /// much.
    pub left_over: i64,
}

impl FailureAllowance {
    /// Counts a failed task that is not recorded yet.
    pub fn fail(&mut self) {
        self.noted += 1;
    }

    /// Takes the end of a commit with so many failures, of which these are on record now. The others
    /// belong to chunks that were lost: they are failures of whoever has those.
    pub fn committed(&mut self, failures: u64, recorded: u64) {
        self.noted = self.noted.saturating_sub(failures);
        self.recorded += recorded;
    }

    /// Returns whether a call may leave.
    pub fn may_begin(&self) -> bool {
        self.is_known && !self.is_over && self.noted + self.recorded <= self.allowed
    }

    /// Returns whether the run is to be asked what is allowed.
    pub fn is_to_ask(&self) -> bool {
        !self.is_known || self.is_over || self.is_recalled || self.recorded > 0
    }

    /// Notes that more is allowed to all workers together than is left, so that others send nothing.
    /// Whoever is allowed some asks anew, which gives it back: it may never use it itself.
    pub fn recall(&mut self) {
        self.is_recalled |= self.allowed > 0;
    }

    /// Notes that more have failed than is tolerated, and that the run goes on: the next question
    /// stops it.
    pub fn exceed(&mut self) {
        self.is_recalled = true;
    }

    /// Takes the answer, which counts all that is on record.
    pub fn granted(&mut self, allowed: Allowed) {
        self.recorded = 0;
        self.allowed = allowed.allowance;
        self.is_over = allowed.left_over < 0;
        self.is_known = true;
        self.is_recalled = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(allowance: u64, left_over: i64) -> Allowed {
        Allowed { allowance, left_over }
    }

    #[test]
    fn a_worker_sends_until_its_failures_exceed_its_allowance() {
        let mut own = FailureAllowance::default();
        assert!(!own.may_begin(), "nothing is known yet");
        assert!(own.is_to_ask());
        own.granted(allowed(1, 5));
        assert_eq!((own.may_begin(), own.is_to_ask()), (true, false));
        own.fail();
        assert!(own.may_begin());
        own.fail();
        // What is not on record cannot be counted by others.
        assert_eq!((own.may_begin(), own.is_to_ask()), (false, false));
        own.committed(2, 2);
        assert_eq!((own.may_begin(), own.is_to_ask()), (false, true));
        // One more fails while the question is under way.
        own.fail();
        own.granted(allowed(2, 3));
        assert_eq!((own.may_begin(), own.is_to_ask()), (true, false));
        own.fail();
        own.fail();
        assert!(!own.may_begin());
    }

    #[test]
    fn failures_of_lost_chunks_are_not_this_workers() {
        let mut own = FailureAllowance::default();
        own.granted(allowed(1, 5));
        for _ in 0..3 {
            own.fail();
        }
        own.committed(3, 1);
        assert_eq!((own.may_begin(), own.is_to_ask()), (true, true));
        own.granted(allowed(0, 0));
        assert!(own.may_begin(), "none of them is left to count");
    }

    #[test]
    fn a_worker_that_others_wait_for_gives_back_what_it_does_not_use() {
        let mut own = FailureAllowance::default();
        own.granted(allowed(1, 1));
        assert!(!own.is_to_ask());
        own.recall();
        assert_eq!((own.may_begin(), own.is_to_ask()), (true, true));
        own.recall();
        assert!(own.is_to_ask(), "a second recall does not undo the first");
        own.granted(allowed(0, 0));
        // It has nothing to give back any more.
        own.recall();
        assert_eq!((own.may_begin(), own.is_to_ask()), (true, false));
        // Whoever can stops a run with too many failures.
        own.exceed();
        assert!(own.is_to_ask());
    }

    #[test]
    fn nothing_leaves_while_others_hold_more_than_there_is() {
        let mut own = FailureAllowance::default();
        own.granted(allowed(0, 0));
        assert!(own.may_begin(), "none is tolerated, and none has failed");
        own.granted(allowed(0, -1));
        assert_eq!((own.may_begin(), own.is_to_ask()), (false, true));
    }
}
