//! Stops that the run itself decides on.

use super::scene::{Scene, millis, secs};
use super::service::{after_millis, at_once, done, in_doubt, partial, refused, unauthorised};
use crate::event::StopReason;
use crate::task::Outcome;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn the_failure_after_the_tolerated_ones_stops_the_run() {
    for tolerated in [0, 1, 7] {
        let scene = Scene::with_tasks(20).concurrency(1).tolerating(tolerated);
        let seen = scene.answering(|_, _| at_once(refused())).run().await;
        assert_eq!(seen.stopped(), Some(&StopReason::TooManyFailures));
        assert_eq!(seen.sendings().len() as u64, tolerated + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_outcome_failed_counts_as_a_failure() {
    let script = |ordinal, _| at_once(if ordinal % 2 == 0 { partial() } else { in_doubt() });
    let seen = Scene::with_tasks(20).tolerating(0).answering(script).run().await;
    assert_eq!(seen.stopped(), None);
    assert_eq!((seen.count(Outcome::Partial), seen.count(Outcome::Ambiguous)), (10, 10));
}

#[tokio::test(start_paused = true)]
async fn calls_on_the_wire_at_the_failure_limit_are_counted() {
    let script = |ordinal, _| after_millis(100 + 10 * u64::from(ordinal), refused());
    let seen = Scene::with_tasks(20).tolerating(0).answering(script).run().await;
    assert_eq!(seen.stopping(), Some((millis(100), 3)));
    assert_eq!(seen.count(Outcome::Failed), 4);
}

#[tokio::test(start_paused = true)]
async fn one_failure_too_many_stops_nothing_if_it_is_the_last_task() {
    let seen = Scene::with_tasks(1).tolerating(0).answering(|_, _| at_once(refused())).run().await;
    assert_eq!(seen.count(Outcome::Failed), 1);
    assert_eq!(seen.stopped(), None);
}

#[tokio::test(start_paused = true)]
async fn a_run_out_of_time_sends_nothing_new() {
    let mut scene = Scene::with_tasks(100).answering(|_, _| after_millis(1_000, done()));
    scene.settings.max_duration = Some(millis(2_500));
    let seen = scene.run().await;
    assert_eq!(seen.stopping(), Some((millis(2_500), 4)));
    assert_eq!(seen.stopped(), Some(&StopReason::OutOfTime));
    assert_eq!((seen.count(Outcome::Succeeded), seen.lasted()), (12, secs(3)));
}

#[tokio::test(start_paused = true)]
async fn a_run_without_any_time_sends_nothing() {
    let mut scene = Scene::with_tasks(100);
    scene.settings.max_duration = Some(secs(0));
    let seen = scene.run().await;
    assert_eq!(seen.sendings(), []);
    assert_eq!(seen.stopped(), Some(&StopReason::OutOfTime));
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_stop_the_run() {
    let script = |ordinal, _| match ordinal {
        2 => after_millis(50, unauthorised()),
        _ => after_millis(100, done()),
    };
    let seen = Scene::with_tasks(20).answering(script).run().await;
    assert_eq!(seen.stopped(), Some(&StopReason::NotAuthorised));
    assert_eq!(seen.stopping(), Some((millis(50), 3)));
    assert_eq!((seen.count(Outcome::Succeeded), seen.sendings().len()), (3, 4));
}

#[tokio::test(start_paused = true)]
async fn infinite_durations_are_no_limits() {
    let mut scene = Scene::with_tasks(3).interrupted_after(millis(50));
    scene.settings.max_duration = Some(Duration::MAX);
    scene.settings.drain_timeout = Duration::MAX;
    scene.settings.timeout = Duration::MAX;
    assert_eq!(scene.run().await.count(Outcome::Succeeded), 3);
}
