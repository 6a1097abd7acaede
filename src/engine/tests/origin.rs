//! A run that continues the work of an earlier process.

use super::scene::{SOME_DAY, Scene, millis, secs, task};
use super::service::{at_once, done, refused, transient};
use crate::engine::Claim;
use crate::event::{AttemptSeq, EventKind, RunStarted, StopReason};
use crate::policy::{AttemptHistory, OnDoubt};
use crate::task::Outcome;

#[tokio::test(start_paused = true)]
async fn earlier_sendings_count_in_the_window() {
    let mut scene = Scene::with_tasks(3).rate("1/s");
    scene.settings.origin.last_sent = vec![SOME_DAY.plus_micros(-300_000)];
    let seen = scene.run().await;
    // A window of 1 s is widened by 5 ms, because calls do not arrive as evenly as they leave.
    assert_eq!(seen.sendings(), [(0, millis(705)), (1, millis(1_710)), (2, millis(2_715))]);
}

#[tokio::test(start_paused = true)]
async fn sendings_that_seem_to_be_in_the_future_delay_by_at_most_one_window() {
    let mut scene = Scene::with_tasks(1).rate("1/s");
    scene.settings.origin.last_sent = vec![SOME_DAY.plus_micros(86_400_000_000)];
    assert_eq!(scene.run_unchecked().await.sendings(), [(0, millis(1_005))]);
}

#[tokio::test(start_paused = true)]
async fn attempt_numbers_continue() {
    let mut scene = Scene::with_tasks(3);
    scene.settings.origin.attempts = 41;
    let seen = scene.run().await;
    let numbers = seen.pick(|event| {
        let EventKind::AttemptStarted { seq, .. } = &event.kind else { return None };
        Some(seq.0)
    });
    assert_eq!(numbers, [42, 43, 44]);
}

#[tokio::test(start_paused = true)]
async fn the_start_event_has_the_state_of_the_run() {
    let mut scene = Scene::with_tasks(3).concurrency(5).rate("600/m");
    scene.settings.origin.selected = 10;
    scene.settings.origin.settled = 7;
    let seen = scene.run().await;
    let EventKind::RunStarted(started) = &seen.events().next().unwrap().kind else { panic!() };
    let expected = RunStarted {
        selected: 10,
        settled: 7,
        rate_limit: Some("600/m".parse().unwrap()),
        finds_rate: false,
        looks_at: None,
        concurrency: 5,
    };
    assert_eq!(started, &expected);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_sent_before_keeps_its_history() {
    let first_sent = SOME_DAY.plus_micros(-3_600_000_000);
    let history =
        AttemptHistory { charged: 3, throttled: 2, doubted: true, ..AttemptHistory::default() };
    let mut scene = Scene::with_tasks(1).answering(|_, _| at_once(transient()));
    scene.claims = vec![Claim {
        attempts: 5,
        history,
        first_sent: Some(first_sent),
        last_seq: Some(AttemptSeq(5)),
        ..Claim::fresh(task(0))
    }];
    let seen = scene.run().await;
    let number = seen.pick(|event| {
        let EventKind::AttemptStarted { number, .. } = &event.kind else { return None };
        Some(*number)
    });
    assert_eq!(number, [6]);
    let settled = seen.pick(|event| {
        let EventKind::TaskSettled { outcome, attempts, first_sent, .. } = &event.kind else {
            return None;
        };
        Some((*outcome, *attempts, *first_sent))
    });
    assert_eq!(settled, [(Outcome::Ambiguous, 6, first_sent)]);
}

#[tokio::test(start_paused = true)]
async fn with_on_doubt_hold_a_doubt_of_an_earlier_process_settles_without_sending() {
    let mut scene = Scene::with_tasks(1).answering(|_, _| at_once(done()));
    scene.settings.retry.on_doubt = OnDoubt::Hold;
    scene.claims = vec![Claim {
        attempts: 1,
        history: AttemptHistory {
            charged: 1,
            throttled: 0,
            doubted: true,
            ..AttemptHistory::default()
        },
        first_sent: Some(SOME_DAY),
        last_seq: Some(AttemptSeq(1)),
        ..Claim::fresh(task(0))
    }];
    let seen = scene.run().await;
    assert_eq!(seen.count(Outcome::Ambiguous), 1);
    assert!(seen.sendings().is_empty());
}

#[tokio::test(start_paused = true)]
async fn earlier_failures_count_among_the_tolerated() {
    let mut scene =
        Scene::with_tasks(5).concurrency(1).tolerating(3).answering(|_, _| at_once(refused()));
    scene.settings.origin.failed = 2;
    let seen = scene.run().await;
    assert_eq!(seen.stopped(), Some(&StopReason::TooManyFailures));
    assert_eq!(seen.count(Outcome::Failed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_sending_before_the_range_of_instants_does_not_count() {
    let mut scene = Scene::with_tasks(1).rate("1/h").answering(|_, _| at_once(done()));
    scene.settings.origin.last_sent = vec![SOME_DAY.plus_micros(-i64::MAX / 2)];
    assert_eq!(scene.run().await.sendings(), [(0, secs(0))]);
}
