//! The canary: the first tasks go alone, the others follow once these have succeeded.

use super::scene::{SOME_DAY, Scene, millis, secs};
use super::service::{after_millis, at_once, done, never_left, partial, refused, transient};
use crate::event::{AttemptSeq, StopReason};
use crate::policy::OnDoubt;
use crate::task::Outcome;
use std::num::NonZeroU64;

/// A run of 20 tasks, four at a time, with a canary of `tasks`.
fn canary(tasks: u64) -> Scene {
    let mut scene = Scene::with_tasks(20);
    scene.settings.canary = NonZeroU64::new(tasks);
    scene
}

#[tokio::test(start_paused = true)]
async fn the_rest_waits_until_the_first_tasks_have_succeeded() {
    let script = |ordinal, _| match ordinal {
        1 => after_millis(5_000, done()),
        _ => after_millis(100, done()),
    };
    let seen = canary(3).answering(script).run().await;
    let early: Vec<u32> = seen
        .sendings()
        .iter()
        .filter(|(_, at)| *at < secs(5))
        .map(|&(ordinal, _)| ordinal)
        .collect();
    assert_eq!(early, [0, 1, 2]);
    assert_eq!(seen.sent_at(3), [secs(5)]);
    assert_eq!((seen.count(Outcome::Succeeded), seen.stopped()), (20, None));
}

#[tokio::test(start_paused = true)]
async fn a_task_of_the_canary_that_does_not_succeed_stops_the_run() {
    for answer in [refused(), partial()] {
        let script = move |ordinal, _| match ordinal {
            1 => after_millis(50, answer.clone()),
            _ => after_millis(100, done()),
        };
        let seen = canary(3).answering(script).run().await;
        assert_eq!(seen.stopped(), Some(&StopReason::CanaryFailed));
        assert_eq!(seen.stopping(), Some((millis(50), 2)));
        assert_eq!((seen.sendings().len(), seen.count(Outcome::Succeeded)), (3, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_of_the_canary_is_sent_again_while_the_rest_waits() {
    let script = |ordinal, number| match (ordinal, number) {
        (0, 1) => at_once(transient()),
        _ => after_millis(100, done()),
    };
    let seen = canary(2).answering(script).run().await;
    let order: Vec<u32> = seen.sendings().iter().map(|&(ordinal, _)| ordinal).collect();
    assert_eq!(order[..3], [0, 1, 0]);
    assert_eq!(seen.sent_at(2)[0], seen.sent_at(0)[1] + millis(100));
    assert_eq!(seen.count(Outcome::Succeeded), 20);
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_canary_does_not_wait_for_witnesses_that_it_holds_back() {
    let scene = canary(1).max_attempts(2);
    let script = |ordinal, _| at_once(if ordinal == 0 { never_left() } else { done() });
    let seen = scene.answering(script).run().await;
    assert_eq!((seen.sent_at(0).len(), seen.sent_at(1).len()), (2, 0));
    assert_eq!(seen.stopped(), Some(&StopReason::CanaryFailed));
}

#[tokio::test(start_paused = true)]
async fn failures_after_the_canary_do_not_stop_the_run() {
    let script = |ordinal, _| at_once(if ordinal < 3 { done() } else { refused() });
    let seen = canary(3).answering(script).run().await;
    assert_eq!((seen.count(Outcome::Failed), seen.stopped()), (17, None));
}

#[tokio::test(start_paused = true)]
async fn a_canary_larger_than_the_run_covers_all_tasks() {
    let seen = canary(50).run().await;
    assert_eq!((seen.count(Outcome::Succeeded), seen.stopped()), (20, None));
}

#[tokio::test(start_paused = true)]
async fn a_task_settled_without_being_sent_does_not_count_for_the_canary() {
    let mut scene = canary(1);
    scene.settings.retry.on_doubt = OnDoubt::Hold;
    scene.settings.origin.attempts = 1;
    let left = &mut scene.claims[0];
    (left.attempts, left.last_seq, left.first_sent) = (1, Some(AttemptSeq(1)), Some(SOME_DAY));
    left.history.doubted = true;
    let seen = scene.run().await;
    assert_eq!((seen.count(Outcome::Ambiguous), seen.stopped()), (1, None));
    assert_eq!(seen.count(Outcome::Succeeded), 19);
}
