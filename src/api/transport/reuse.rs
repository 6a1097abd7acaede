//! After how many answers a host closes its connections, where it does so without a word.
//!
//! Most hosts say so with the last answer. A call that is written to a connection at the moment of its
//! end is in doubt, although the host never read it. So what a host does is learnt. Decides only;
//! knows no connection.

use std::time::Duration;

/// How soon after an answer an end belongs to that answer, and not to a time without calls.
const AT_ONCE: Duration = Duration::from_secs(1);
/// The number of such ends that are no chance.
const NO_CHANCE: u32 = 3;
/// The number of connections after which one is kept for longer, to see whether it still ends.
const LOOK_AGAIN: u32 = 200;

/// What was seen of the ends of connections.
#[derive(Debug, Default)]
pub(super) struct Reuse {
    /// The most answers that one connection has brought.
    most: u32,
    /// How many connections ended after as many, and at once, since one has brought more.
    ended: u32,
    /// The connections that were given up since one was kept for longer.
    given_up: u32,
}

impl Reuse {
    /// Takes that a connection has brought that many answers, and returns whether it is good for more.
    pub(super) fn goes_on(&mut self, answers: u32) -> bool {
        if answers > self.most {
            (self.most, self.ended) = (answers, 0);
        }
        if answers < self.most || self.ended < NO_CHANCE {
            return true;
        }
        self.given_up += 1;
        let looks = self.given_up >= LOOK_AGAIN;
        if looks {
            self.given_up = 0;
        }
        looks
    }

    /// Takes that the other side ended a connection that long after its last answer.
    pub(super) fn ended(&mut self, answers: u32, after: Duration) {
        if answers == self.most && after <= AT_ONCE {
            self.ended = self.ended.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(3);

    /// A host that ends each connection after so many answers, or those after as many calls.
    fn learnt(answers: u32, ends: u32) -> Reuse {
        let mut reuse = Reuse::default();
        for _ in 0..ends {
            assert!((1..=answers).all(|answers| reuse.goes_on(answers)));
            reuse.ended(answers, SOON);
        }
        reuse
    }

    #[test]
    fn a_connection_is_not_used_beyond_the_answers_after_which_three_have_ended() {
        for answers in [1, 3, 100] {
            assert!(learnt(answers, 2).goes_on(answers));
            let mut reuse = learnt(answers, 3);
            assert!((1..answers).all(|answers| reuse.goes_on(answers)));
            assert!(!reuse.goes_on(answers));
        }
    }

    #[test]
    fn ends_after_fewer_answers_or_a_time_without_calls_teach_nothing() {
        let mut reuse = learnt(3, 2);
        reuse.ended(2, SOON);
        reuse.ended(3, AT_ONCE + SOON);
        assert!(reuse.goes_on(3));
        reuse.ended(3, AT_ONCE);
        assert!(!reuse.goes_on(3));
    }

    #[test]
    fn a_host_that_no_longer_ends_its_connections_is_found_out() {
        let mut reuse = learnt(1, 3);
        assert_eq!((1..).find(|_| reuse.goes_on(1)), Some(LOOK_AGAIN));
        // It ends that one, too.
        reuse.ended(1, SOON);
        assert_eq!((1..).find(|_| reuse.goes_on(1)), Some(LOOK_AGAIN));
        assert!(reuse.goes_on(2));
        assert!(reuse.goes_on(1) && reuse.goes_on(2));
    }
}
