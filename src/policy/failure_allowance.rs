//! The failures that one of several workers may still have, of those that the run tolerates.
//!
//! A worker sends as long as its own failures are within its allowance. All allowances and all
//! failures together are never more than the run tolerates. So no more tasks fail than that, and
//! those whose calls were on the wire.

/// The failures of one worker since they were last counted, and what is allowed to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FailureAllowance {
    failed: u64,
    allowed: u64,
    /// Nothing is left: no call may leave, whatever this worker's own failures are.
    is_over: bool,
    /// Whether the run has said once what is allowed.
    is_known: bool,
    /// Others wait for what is allowed to this worker.
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
    /// Counts a failed task.
    pub fn fail(&mut self) {
        self.failed += 1;
    }

    /// Returns whether a call may leave.
    pub fn may_begin(&self) -> bool {
        self.is_known && !self.is_over && self.failed <= self.allowed
    }

    /// Returns the failures to tell the run of, if it is to be told or asked.
    pub fn ask(&self) -> Option<u64> {
        let has_news = !self.is_known || self.is_over || self.is_recalled || self.failed > 0;
        has_news.then_some(self.failed)
    }

    /// Notes that more is allowed to all workers together than is left, so that others send nothing.
    /// Whoever is allowed some asks anew, which gives it back: it may never use it itself.
    pub fn recall(&mut self) {
        self.is_recalled = self.allowed > 0;
    }

    /// Takes the answer for so many failures; those since the question stay counted.
    pub fn granted(&mut self, told: u64, allowed: Allowed) {
        self.failed = self.failed.saturating_sub(told);
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
        assert_eq!(own.ask(), Some(0));
        own.granted(0, allowed(1, 5));
        assert_eq!((own.may_begin(), own.ask()), (true, None));
        own.fail();
        assert!(own.may_begin());
        own.fail();
        assert_eq!((own.may_begin(), own.ask()), (false, Some(2)));
        // One more fails while the question is under way.
        own.fail();
        own.granted(2, allowed(2, 3));
        assert_eq!((own.may_begin(), own.ask()), (true, Some(1)));
    }

    #[test]
    fn a_worker_that_others_wait_for_gives_back_what_it_does_not_use() {
        let mut own = FailureAllowance::default();
        own.granted(0, allowed(1, 1));
        assert_eq!(own.ask(), None);
        own.recall();
        assert_eq!((own.may_begin(), own.ask()), (true, Some(0)));
        own.granted(0, allowed(0, 0));
        // It has nothing to give back any more.
        own.recall();
        assert_eq!((own.may_begin(), own.ask()), (true, None));
    }

    #[test]
    fn nothing_leaves_while_others_hold_more_than_there_is() {
        let mut own = FailureAllowance::default();
        own.granted(0, allowed(0, 0));
        assert!(own.may_begin(), "none is tolerated, and none has failed");
        own.granted(0, allowed(0, -1));
        assert_eq!((own.may_begin(), own.ask()), (false, Some(0)));
    }
}
