//! Exact shares and steps of a ramp, what a pacer makes of it, and a canary's course.

use super::*;
use crate::policy::{Admission, Pacer, rate_per_second};
use std::time::Instant;

const RAMP: Duration = Duration::from_secs(30);

fn check(millis: u64, share: f64, next_step: Option<u64>) {
    let ramp = Ramp::new(RAMP);
    let elapsed = Duration::from_millis(millis);
    assert_eq!(ramp.share(elapsed), share, "{elapsed:?}");
    assert_eq!(ramp.next_step(elapsed), next_step.map(Duration::from_millis), "{elapsed:?}");
}

#[test]
fn the_share_grows_in_a_hundred_even_steps() {
    check(0, 0.01, Some(600));
    check(299, 0.01, Some(600));
    check(300, 0.01, Some(600));
    check(600, 0.02, Some(900));
    check(15_000, 0.5, Some(15_300));
    check(29_999, 0.99, Some(30_000));
    check(30_000, 1.0, None);
    check(3_600_000, 1.0, None);
}

#[test]
fn a_ramp_of_no_length_is_whole_at_once() {
    let ramp = Ramp::new(Duration::ZERO);
    assert_eq!(ramp.share(Duration::ZERO), 1.0);
    assert_eq!(ramp.next_step(Duration::ZERO), None);
}

/// Sends through a pacer that follows the ramp to `limit` a second, for a whole minute.
#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn sendings(limit: f64) -> Vec<Duration> {
    let (ramp, start) = (Ramp::new(RAMP), Instant::now());
    let mut pacer = Pacer::new(None, start);
    let mut sent = Vec::new();
    for millis in 0..60_000 {
        let elapsed = Duration::from_millis(millis);
        pacer.set_rate(Some(rate_per_second(limit * ramp.share(elapsed))), start + elapsed);
        while pacer.admit(start + elapsed) == Admission::Now {
            assert_eq!(pacer.release(start + elapsed), Admission::Now);
            sent.push(elapsed);
        }
    }
    sent
}

#[test]
fn the_first_sending_goes_at_once_and_the_sum_is_that_of_the_line() {
    let sent = sendings(10.0);
    assert_eq!(sent[0], Duration::ZERO);
    let ramped = sent.iter().filter(|&&at| at < RAMP).count();
    let half_of_the_full_rate = 150;
    assert!((140..=half_of_the_full_rate).contains(&ramped), "{ramped}");
    let after = sent.len() - ramped;
    assert!((297..=300).contains(&after), "{after}");
}

#[test]
fn no_second_of_a_ramp_holds_more_than_the_line_at_its_end() {
    let sent = sendings(50.0);
    for (newest, &at) in sent.iter().enumerate() {
        let window = sent[..=newest].iter().rev();
        let count = window.take_while(|&&other| other + Duration::from_secs(1) > at).count();
        let line = (50.0 * Ramp::new(RAMP).share(at)).ceil();
        assert!(count as f64 <= line, "{count} above {line} at {at:?}");
    }
}

fn canary(wanted: u64) -> Canary {
    Canary::new(NonZeroU64::new(wanted).unwrap())
}

#[test]
fn only_the_first_tasks_go_until_all_of_them_have_succeeded() {
    let mut canary = canary(2);
    for _ in 0..2 {
        assert!(canary.may_begin());
        canary.begin();
    }
    assert!(!canary.may_begin());
    assert_eq!(canary.settled(Outcome::Succeeded), CanaryState::Testing);
    assert!(!canary.may_begin());
    assert_eq!(canary.settled(Outcome::Unchanged), CanaryState::Passed);
    assert!(canary.may_begin());
}

#[test]
fn a_canary_that_does_not_wholly_succeed_fails_the_test_for_good() {
    for outcome in [Outcome::Partial, Outcome::Failed, Outcome::Ambiguous] {
        let mut canary = canary(2);
        canary.begin();
        assert_eq!(canary.settled(outcome), CanaryState::Failed, "{outcome}");
        assert!(!canary.may_begin());
        assert_eq!(canary.settled(Outcome::Succeeded), CanaryState::Failed);
    }
}

#[test]
fn after_the_test_a_failed_task_is_no_longer_the_canarys_business() {
    let mut canary = canary(1);
    canary.begin();
    canary.settled(Outcome::Succeeded);
    assert_eq!(canary.settled(Outcome::Failed), CanaryState::Passed);
}

#[test]
fn a_canary_that_was_taken_back_leaves_its_place_to_another() {
    let mut canary = canary(1);
    canary.begin();
    canary.withdraw();
    assert!(canary.may_begin());
}
