//! What the service says of its quota: it only ever lowers the pace.

use super::scene::{SOME_DAY, Scene, millis, secs};
use super::seen::Seen;
use super::service::{after_millis, done, telling, throttled};
use crate::event::{EventKind, HoldReason};
use crate::policy::{Quota, RateHint};
use crate::task::Outcome;
use std::ops::Range;
use std::time::Duration;

/// So many calls are left, until so many seconds are over.
fn left(remaining: u64, reset: u64) -> RateHint {
    RateHint { remaining: Some(remaining), reset: Some(secs(reset)), quota: None }
}

fn quota(limit: u64, window: u64) -> RateHint {
    let quota = Some(Quota { limit, window: secs(window) });
    RateHint { quota, ..RateHint::default() }
}

/// A run of 100 tasks whose first answer, after 100 ms, has that hint.
async fn run_with_hint(rate: &str, hint: RateHint) -> Seen {
    let scene = Scene::with_tasks(100).rate(rate).concurrency(1).answering(move |ordinal, _| {
        after_millis(100, if ordinal == 0 { telling(done(), hint) } else { done() })
    });
    scene.run().await
}

fn sendings_in(seen: &Seen, span: Range<Duration>) -> usize {
    seen.sendings().iter().filter(|(_, at)| span.contains(at)).count()
}

/// Returns the holds of the run and their reasons.
fn holds(seen: &Seen) -> Vec<(Duration, HoldReason)> {
    seen.pick(|event| {
        let EventKind::RunHeld { until, reason } = event.kind else { return None };
        Some((until.since(SOME_DAY), reason))
    })
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_window_is_spread_over_it() {
    let seen = run_with_hint("5/s", left(10, 20)).await;
    // Every 2.01 s: a service counts arrivals, which are never quite as even as sendings.
    assert_eq!(sendings_in(&seen, millis(100)..millis(20_100)), 9);
    assert_eq!(sendings_in(&seen, secs(21)..secs(31)), 50);
    assert_eq!((holds(&seen), seen.count(Outcome::Succeeded)), (vec![], 100));
}

#[tokio::test(start_paused = true)]
async fn a_window_with_nothing_left_holds_the_run_and_that_is_told() {
    let seen = run_with_hint("5/s", left(0, 20)).await;
    assert_eq!(holds(&seen), [(millis(20_100), HoldReason::Throttled)]);
    assert_eq!(sendings_in(&seen, millis(1)..millis(20_100)), 0);
    assert_eq!(seen.sent_at(1), [millis(20_100)]);
    assert_eq!(seen.stats().held, secs(20));
}

#[tokio::test(start_paused = true)]
async fn a_quota_holds_until_the_next_hint_and_without_a_rate_too() {
    let seen = run_with_hint("none", quota(60, 60)).await;
    assert_eq!(sendings_in(&seen, secs(1)..secs(61)), 60);
    assert!(seen.lasted() > secs(95), "{:?}", seen.lasted());
}

#[tokio::test(start_paused = true)]
async fn a_quota_above_the_rate_changes_nothing() {
    let seen = run_with_hint("5/s", quota(90, 10)).await;
    assert_eq!(seen.sendings(), run_with_hint("5/s", RateHint::default()).await.sendings());
}

#[tokio::test(start_paused = true)]
async fn enough_for_all_that_is_left_changes_nothing() {
    let seen = run_with_hint("5/s", left(99, 3_600)).await;
    assert_eq!(seen.sendings(), run_with_hint("5/s", RateHint::default()).await.sendings());
}

#[tokio::test(start_paused = true)]
async fn the_last_answer_holds_nobody() {
    let script = |_, _| after_millis(100, telling(done(), left(0, 20)));
    let seen = Scene::with_tasks(1).answering(script).run().await;
    assert_eq!((holds(&seen), seen.lasted()), (vec![], millis(100)));
}

#[tokio::test(start_paused = true)]
async fn how_long_an_answer_asks_to_wait_counts_more_than_its_quota() {
    let script = |_, number| match number {
        1 => after_millis(100, telling(throttled(5), left(0, 60))),
        _ => after_millis(100, done()),
    };
    let seen = Scene::with_tasks(1).answering(script).run().await;
    assert!(seen.lasted() < secs(7), "{:?}", seen.lasted());
}
