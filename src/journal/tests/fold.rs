//! The fold: what is known of a task after each kind of fact.

use super::{ended, folded, started};
use crate::journal::{Attempt, Ended, Fact, FailureTexts, TaskRecord};
use crate::task::{Failure, FailureKind, Outcome};

/// The end of an attempt that was refused for this kind of reason.
fn refused(failure: &Failure) -> Fact<'_> {
    let Fact::Ended(end) = ended(false, Some(429)) else { unreachable!() };
    Fact::Ended(Ended { failure: Some(Box::new(FailureTexts::new(failure))), ..end })
}

#[test]
fn attempts_that_were_throttled_or_refused_for_their_credentials_are_counted_apart() {
    for kind in FailureKind::ALL {
        let failure = Failure::seen(kind, "no");
        let facts = [started(1), refused(&failure), started(2), refused(&failure), started(3)];
        let task = folded(facts.to_vec(), 3);
        let is_apart = matches!(kind, FailureKind::Throttled | FailureKind::Auth);
        assert_eq!((task.attempts, task.throttled), (3, if is_apart { 2 } else { 0 }), "{kind:?}");
    }
}

#[test]
fn an_attempt_of_a_settled_task_counts_even_if_nothing_says_that_it_left() {
    let settled = Fact::Settled { outcome: Outcome::Ambiguous, at_us: 7 };
    let task = folded(vec![started(1), settled], 0);
    assert_eq!((task.attempts, task.in_doubt, task.first_sent_us), (1, true, Some(100)));
}

#[test]
fn the_first_sending_is_timed_by_its_end_or_else_by_its_start() {
    assert_eq!(folded(vec![started(1)], 1).first_sent_us, Some(100));
    assert_eq!(folded(vec![started(1)], 0).first_sent_us, None);
    let answered = vec![started(1), ended(false, Some(503)), started(2)];
    assert_eq!(folded(answered, 2).first_sent_us, Some(150));
    let attempt = Attempt { seq: 1, number: 1, leaves_us: 100, ended: None };
    assert_eq!(attempt.sent_us(), 100);
    assert!(attempt.in_doubt());
}

#[test]
fn a_task_with_lost_facts_is_in_doubt_until_it_is_settled() {
    let lost = folded(vec![started(1), Fact::Lost], 0);
    assert_eq!((lost.lost, lost.in_doubt, lost.attempts), (true, true, 1));
    assert_eq!(lost.outcome(), Outcome::Ambiguous);
    let begun_again = folded(vec![Fact::Lost, started(1)], 1);
    assert_eq!((begun_again.lost, begun_again.in_doubt), (false, true));
    let mut settled = TaskRecord::default();
    settled.apply(Fact::Settled { outcome: Outcome::Succeeded, at_us: 7 }).unwrap();
    assert_eq!(settled.apply(Fact::Lost), Err("facts about a settled task are lost"));
}

#[test]
fn only_a_verdict_on_a_settled_task_is_its_outcome() {
    let after = Fact::After {
        state: crate::task::TaskState::Bad,
        verified_us: Some(9),
        verdict: Some(Outcome::Succeeded),
    };
    let task = folded(vec![started(1), after], 1);
    assert_eq!((task.outcome(), task.verified_us), (Outcome::Ambiguous, Some(9)));
}
