//! The rate: never exceeded, and used.

use super::scene::{Scene, secs};
use super::service::{after_millis, at_once, done, in_doubt, throttled};
use crate::task::{Outcome, Rate};

/// Checks that 99 % of the rate are used by a run of that many tasks.
async fn check_used(rate: &str, tasks: u32, commit_millis: &[u64]) {
    let scene = Scene::with_tasks(tasks).rate(rate).concurrency(64).committing_in(commit_millis);
    let seen = scene.answering(|_, _| after_millis(5, done())).run().await;
    let sent = seen.sendings();
    let taken = sent[sent.len() - 1].1 - sent[0].1;
    let shortest = rate.parse::<Rate>().unwrap().shortest_time(u64::from(tasks));
    let used = shortest.as_secs_f64() / taken.as_secs_f64();
    assert!((0.99..=1.01).contains(&used), "{rate}: {used}");
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_used_to_99_percent() {
    check_used("1/s", 100, &[0]).await;
    check_used("7/s", 300, &[0]).await;
    check_used("50/s", 1_000, &[0]).await;
    check_used("1000/s", 8_000, &[0]).await;
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_takes_its_time_costs_no_rate() {
    check_used("1/s", 100, &[20]).await;
    check_used("7/s", 300, &[3, 20]).await;
    check_used("50/s", 1_000, &[20]).await;
    check_used("1000/s", 8_000, &[10]).await;
}

#[tokio::test(start_paused = true)]
async fn retries_count_against_the_rate() {
    let fails = |ordinal, number| ordinal % 3 == 0 && number <= 2;
    let script =
        move |ordinal, number| at_once(if fails(ordinal, number) { in_doubt() } else { done() });
    let seen = Scene::with_tasks(30).rate("5/s").answering(script).run().await;
    assert_eq!(seen.sendings().len(), 50);
    assert_eq!(seen.count(Outcome::Succeeded), 30);
    assert!(seen.lasted() >= secs(9), "50 sendings at 5/s");
}

#[tokio::test(start_paused = true)]
async fn without_a_rate_only_the_slots_limit() {
    let seen = Scene::with_tasks(1_000).concurrency(100).run().await;
    assert_eq!(seen.lasted(), secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_the_pace() {
    let seen = Scene::with_tasks(3).rate("1/h").interrupted_after(secs(10)).run().await;
    assert_eq!(seen.sendings().len(), 1);
    assert_eq!(seen.lasted(), secs(10));
}

#[tokio::test(start_paused = true)]
async fn slow_calls_keep_a_pace_of_some_seconds_when_a_few_are_throttled() {
    let scene = Scene::with_tasks(40).concurrency(1).answering(|ordinal, number| {
        let is_throttled = ordinal % 8 == 7 && number == 1;
        after_millis(3_000, if is_throttled { throttled(2) } else { done() })
    });
    let seen = scene.run().await;
    let sendings = seen.sendings();
    let gaps = sendings.windows(2).map(|pair| pair[1].1 - pair[0].1);
    // A wait of 2 s, a call of 3 s, and a pace of some seconds a call. None was seen in the last second
    // of such a run, and the pace fell to a call in a quarter of an hour.
    assert!(gaps.max().unwrap() < secs(15));
    assert_eq!(sendings.len(), 45);
}
