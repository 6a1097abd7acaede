//! Waves: growing parts of the tasks, each of which must succeed before the next, with pauses.

use super::scene::{SOME_DAY, Scene, millis, secs};
use super::service::{after_millis, at_once, done, refused, transient};
use crate::engine::Control;
use crate::event::{Change, EventKind, HoldReason, Operator, StopReason};
use crate::task::Outcome;
use std::time::Duration;

/// A run of 20 tasks, as many at a time as there are, in waves of 1, 5 and 14 tasks.
fn waves(pause: Duration) -> Scene {
    let mut scene = Scene::with_tasks(20).concurrency(20);
    scene.settings.waves = "1,30%,100%".parse().ok();
    scene.settings.wave_pause = pause;
    scene
}

/// Returns when the first task of each wave was sent.
fn beginnings(seen: &super::seen::Seen) -> [Duration; 3] {
    [0, 1, 6].map(|task| seen.sent_at(task)[0])
}

#[tokio::test(start_paused = true)]
async fn each_wave_waits_for_the_one_before_and_for_the_pause() {
    let seen = waves(secs(300)).run().await;
    assert_eq!(beginnings(&seen), [secs(0), millis(300_100), millis(600_200)]);
    assert_eq!((seen.count(Outcome::Succeeded), seen.stopped()), (20, None));
    let seen = waves(Duration::ZERO).run().await;
    assert_eq!(beginnings(&seen), [secs(0), millis(100), millis(200)]);
}

#[tokio::test(start_paused = true)]
async fn waves_and_pauses_are_events() {
    let seen = waves(secs(5)).run().await;
    let told: Vec<String> = seen
        .events()
        .filter_map(|event| match &event.kind {
            EventKind::WaveStarted(it) => Some(format!("{}/{} to {}", it.wave, it.of, it.end)),
            EventKind::RunHeld { reason: HoldReason::WavePause, .. } => Some("pause".into()),
            EventKind::RunContinued => Some("on".into()),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["1/3 to 1", "pause", "on", "2/3 to 6", "pause", "on", "3/3 to 20"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_does_not_succeed_stops_the_run_before_the_next_wave() {
    let script = |ordinal, _| match ordinal {
        3 => after_millis(50, refused()),
        _ => after_millis(100, done()),
    };
    let seen = waves(Duration::ZERO).answering(script).run().await;
    assert_eq!(seen.stopped(), Some(&StopReason::WaveFailed));
    assert_eq!(seen.stopping().map(|(at, _)| at), Some(millis(150)));
    assert_eq!((seen.sendings().len(), seen.count(Outcome::Succeeded)), (6, 5));
}

#[tokio::test(start_paused = true)]
async fn failures_in_the_last_wave_do_not_stop_the_run() {
    let script = |ordinal, _| at_once(if ordinal < 6 { done() } else { refused() });
    let seen = waves(Duration::ZERO).answering(script).run().await;
    assert_eq!((seen.count(Outcome::Failed), seen.stopped()), (14, None));
}

#[tokio::test(start_paused = true)]
async fn a_retry_within_a_wave_is_waited_for() {
    let script = |ordinal, number| match (ordinal, number) {
        (0, 1) => at_once(transient()),
        _ => after_millis(100, done()),
    };
    let seen = waves(Duration::ZERO).answering(script).run().await;
    assert_eq!(seen.sent_at(1)[0], seen.sent_at(0)[1] + millis(100));
    assert_eq!(seen.count(Outcome::Succeeded), 20);
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_a_pause_ends_the_run_at_once() {
    let stop = Control::Stop(StopReason::Interrupted);
    let seen = waves(secs(300)).asking(secs(100), stop).run().await;
    assert_eq!(seen.stopping(), Some((secs(100), 0)));
    assert_eq!((seen.sendings().len(), seen.lasted()), (1, secs(100)));
}

#[tokio::test(start_paused = true)]
async fn pauses_count_against_the_longest_duration() {
    let mut scene = waves(secs(300));
    scene.settings.max_duration = Some(secs(400));
    let seen = scene.run().await;
    assert_eq!((seen.stopped(), seen.lasted()), (Some(&StopReason::OutOfTime), secs(400)));
    assert_eq!(seen.sendings().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn an_operator_pauses_longer_than_a_wave() {
    let change = |change| Control::Change { change, by: Operator::Key, answer: None };
    let scene = waves(secs(300)).asking(secs(100), change(Change::Paused));
    let seen = scene.asking(secs(500), change(Change::Resumed)).run().await;
    assert_eq!(beginnings(&seen), [secs(0), secs(500), millis(800_100)]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_taken_up_goes_on_in_its_wave() {
    let mut scene = waves(secs(300));
    // Three tasks are unchanged, and three of the other seventeen are settled: the waves end
    // behind 1, 6 and 17 of those.
    scene.settings.origin.settled = 6;
    scene.settings.origin.unsent = 3;
    scene.claims.drain(..6);
    let seen = scene.run().await;
    let sent: Vec<Duration> = (6..20).map(|task| seen.sent_at(task)[0]).collect();
    assert_eq!(sent[..3], [secs(0); 3]);
    assert_eq!(sent[3..], [millis(300_100); 11]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_a_process_began_is_ended_by_the_next() {
    let mut scene = waves(secs(300));
    scene.settings.origin.settled = 1;
    scene.claims.drain(..1);
    scene.settings.origin.wave_pause_until = Some(SOME_DAY.plus_micros(-1));
    let seen = scene.run().await;
    assert_eq!(seen.sent_at(1), [secs(0)]);
}
