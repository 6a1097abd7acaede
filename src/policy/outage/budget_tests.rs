//! Exact times at which retries may go, and the sum over any ten seconds.

use super::*;
use proptest::prelude::*;

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn origin() -> Instant {
    Instant::now()
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn recent(sent: &[Instant], now: Instant) -> usize {
    sent.iter().filter(|&&at| at + Duration::from_secs(10) > now).count()
}

/// Counts retries until the budget is used up, and returns their number.
fn spend_all(budget: &mut RetryBudget, now: Instant) -> usize {
    let mut count = 0;
    while budget.ask(now) == RetryPermit::Now {
        budget.count_retry(now);
        count += 1;
    }
    count
}

#[test]
fn a_hundred_retries_in_ten_seconds_are_free() {
    let start = origin();
    let mut budget = RetryBudget::new(start);
    assert_eq!(spend_all(&mut budget, start), 100);
    // Their bucket of half a second must have left the ten seconds altogether.
    assert_eq!(budget.ask(start), RetryPermit::NotBefore(start + millis(10_500)));
    assert_eq!(spend_all(&mut budget, start + millis(10_499)), 0);
    assert_eq!(spend_all(&mut budget, start + millis(10_500)), 100);
}

#[test]
fn five_first_attempts_pay_for_one_retry() {
    let start = origin();
    let mut budget = RetryBudget::new(start);
    (0..499).for_each(|_| budget.count_first(start));
    assert_eq!(spend_all(&mut budget, start), 199);
    budget.count_first(start);
    assert_eq!(spend_all(&mut budget, start), 1);
}

#[test]
fn first_attempts_older_than_ten_seconds_pay_for_nothing() {
    let start = origin();
    let mut budget = RetryBudget::new(start);
    (0..500).for_each(|_| budget.count_first(start));
    assert_eq!(spend_all(&mut budget.clone(), start + millis(9_999)), 200);
    assert_eq!(spend_all(&mut budget, start + millis(10_000)), 100);
}

#[test]
fn retries_made_one_by_one_expire_one_by_one() {
    let start = origin();
    let mut budget = RetryBudget::new(start);
    for tick in 0..100 {
        budget.count_retry(start + millis(tick * 100));
    }
    let now = start + millis(9_900);
    assert_eq!(budget.ask(now), RetryPermit::NotBefore(start + millis(10_500)));
    assert_eq!(spend_all(&mut budget, start + millis(10_500)), 5);
    assert_eq!(spend_all(&mut budget, start + millis(11_000)), 5);
}

#[test]
fn a_long_pause_forgets_everything() {
    let start = origin();
    let mut budget = RetryBudget::new(start);
    assert_eq!(spend_all(&mut budget, start), 100);
    assert_eq!(spend_all(&mut budget, start + Duration::from_secs(86_400)), 100);
}

#[test]
fn an_earlier_instant_counts_as_the_last_one() {
    let start = origin();
    let mut budget = RetryBudget::new(start);
    budget.count_retry(start + millis(5_000));
    budget.count_retry(start);
    assert_eq!(spend_all(&mut budget, start), 98);
}

proptest! {
    #[test]
    fn no_ten_seconds_before_a_retry_exceed_the_budget(
        steps in prop::collection::vec((0_u64..700, 0_usize..60, any::<bool>()), 1..120),
    ) {
        let start = origin();
        let mut budget = RetryBudget::new(start);
        let mut now = start;
        let (mut firsts, mut retries) = (Vec::new(), Vec::new());
        for (wait, count, first) in steps {
            now += millis(wait);
            for _ in 0..count {
                if first {
                    budget.count_first(now);
                    firsts.push(now);
                } else if budget.ask(now) == RetryPermit::Now {
                    budget.count_retry(now);
                    retries.push(now);
                    let affordable = recent(&firsts, now) / 5 + 100;
                    prop_assert!(recent(&retries, now) <= affordable);
                }
            }
        }
    }

    #[test]
    fn a_promised_turn_is_kept_and_comes_within_the_memory_and_a_bucket(
        steps in prop::collection::vec((0_u64..2_000, 1_usize..150), 1..40),
    ) {
        let start = origin();
        let mut budget = RetryBudget::new(start);
        let mut now = start;
        for (wait, count) in steps {
            now += millis(wait);
            (0..count).for_each(|_| budget.count_retry(now));
            if let RetryPermit::NotBefore(due) = budget.ask(now) {
                prop_assert!(due > now && due <= now + millis(10_500));
                prop_assert_eq!(budget.clone().ask(due), RetryPermit::Now);
                prop_assert!(budget.clone().ask(due - millis(1)) != RetryPermit::Now);
            }
        }
    }
}

#[test]
fn first_attempts_pay_for_ten_seconds_from_when_they_were_made() {
    let start = origin();
    let mut budget = RetryBudget::new(start);
    (0..500).for_each(|_| budget.count_first(start + millis(5_000)));
    assert_eq!(spend_all(&mut budget, start + millis(14_000)), 200);
}
