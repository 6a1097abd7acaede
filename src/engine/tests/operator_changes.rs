//! Changes that operators make to a run under way.

use super::scene::{SOME_DAY, Scene, millis, secs};
use super::seen::Seen;
use super::service::{after_millis, at_once, done, never_left, throttled, transient};
use crate::clock::Clock;
use crate::engine::{ChangeAnswer, Control};
use crate::event::{Change, EventKind, Operator, StopReason};
use crate::task::Outcome;
use std::num::NonZeroUsize;
use std::time::Duration;
use tokio::sync::oneshot;

fn change(change: Change) -> Control {
    Control::Change { change, by: Operator::Key, answer: None }
}

fn rate(text: &str) -> Control {
    change(Change::Rate((text != "none").then(|| text.parse().unwrap())))
}

fn concurrency(most: usize) -> Control {
    change(Change::Concurrency(NonZeroUsize::new(most).unwrap()))
}

/// Returns a run of `tasks` that is paused between two times.
fn paused(tasks: u32, from: Duration, to: Duration) -> Scene {
    let scene = Scene::with_tasks(tasks).asking(from, change(Change::Paused));
    scene.asking(to, change(Change::Resumed))
}

fn count_between(seen: &Seen, from: Duration, to: Duration) -> usize {
    seen.sendings().iter().filter(|(_, at)| (from..to).contains(at)).count()
}

#[tokio::test(start_paused = true)]
async fn a_paused_run_sends_nothing_and_lets_calls_on_the_wire_finish() {
    let seen = paused(12, millis(150), secs(3_600)).run().await;
    assert_eq!(count_between(&seen, millis(150), secs(3_600)), 0);
    assert_eq!(count_between(&seen, millis(0), millis(150)), 8);
    // Calls on the wire at 150 ms are settled at 200 ms; the others go right after the pause.
    assert_eq!(count_between(&seen, secs(3_600), secs(3_601)), 4);
    assert_eq!(seen.count(Outcome::Succeeded), 12);
    assert_eq!(seen.stats().held, secs(3_600) - millis(150));
}

#[tokio::test(start_paused = true)]
async fn a_paused_run_does_not_spin() {
    let seen = paused(12, millis(150), secs(3_600)).run().await;
    assert!(seen.polls < 60, "{} polls", seen.polls);
}

#[tokio::test(start_paused = true)]
async fn pausing_withdraws_unsent_attempts_and_sends_them_after_resuming() {
    for from in [500, 1_000, 1_005, 1_100] {
        let scene = paused(20, millis(from), secs(60)).rate("2/s");
        let seen = scene.committing_in(&[0, 0, 900, 3]).run().await;
        assert_eq!(count_between(&seen, millis(from + 1), secs(60)), 0, "paused at {from} ms");
        assert_eq!(seen.count(Outcome::Succeeded), 20);
        assert!(seen.settled().iter().all(|settled| settled.attempts == 1));
    }
}

#[tokio::test(start_paused = true)]
async fn retries_wait_while_a_run_is_paused() {
    let script = |_, number| at_once(if number == 1 { transient() } else { done() });
    let seen = paused(1, millis(1), secs(100)).answering(script).run().await;
    assert_eq!(seen.sent_at(0), [secs(0), secs(100)]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_does_not_shorten_the_wait_that_the_service_asked_for() {
    let script = |_, number| at_once(if number == 1 { throttled(20) } else { done() });
    let seen = paused(1, secs(1), secs(5)).answering(script).run().await;
    assert!(seen.sent_at(0)[1] >= secs(20));
    let seen = paused(1, secs(1), secs(50))
        .answering(move |_, number| at_once(if number == 1 { throttled(20) } else { done() }))
        .run()
        .await;
    assert_eq!(seen.sent_at(0)[1], secs(50));
    assert_eq!(seen.stats().held, secs(50));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_a_paused_run_at_once() {
    let scene = Scene::with_tasks(50).asking(millis(250), change(Change::Paused));
    let seen = scene.interrupted_after(secs(9)).run().await;
    assert_eq!((seen.lasted(), seen.stopped()), (secs(9), Some(&StopReason::Interrupted)));
}

#[tokio::test(start_paused = true)]
async fn a_pause_does_not_extend_the_maximum_duration() {
    let mut scene = Scene::with_tasks(50).asking(millis(250), change(Change::Paused));
    scene.settings.max_duration = Some(secs(30));
    let seen = scene.run().await;
    assert_eq!((seen.lasted(), seen.stopped()), (secs(30), Some(&StopReason::OutOfTime)));
}

#[tokio::test(start_paused = true)]
async fn a_pause_does_not_count_as_part_of_an_outage() {
    // The service is away from the beginning; the pause comes long before the ten minutes end.
    let script = |_, _| at_once(never_left());
    let scene = paused(200, secs(60), secs(7_200)).answering(script).max_attempts(u32::MAX);
    let seen = scene.run().await;
    assert_eq!(seen.stopped(), Some(&StopReason::Outage));
    assert_eq!(seen.lasted(), secs(600) + (secs(7_200) - secs(60)));
}

#[tokio::test(start_paused = true)]
async fn a_run_paused_with_its_last_calls_on_the_wire_ends() {
    let scene = Scene::with_tasks(4).asking(millis(50), change(Change::Paused));
    let seen = scene.run().await;
    assert_eq!((seen.lasted(), seen.stopped()), (millis(100), None));
}

#[tokio::test(start_paused = true)]
async fn a_new_rate_applies_from_the_next_sending() {
    let seen = Scene::with_tasks(300).rate("10/s").asking(secs(5), rate("50/s")).run().await;
    assert_eq!(count_between(&seen, secs(0), secs(5)), 50);
    let faster = count_between(&seen, secs(5), secs(7));
    // Four slots of 100 ms carry 40 a second.
    assert!((78..=81).contains(&faster), "{faster}");
    let seen = Scene::with_tasks(100).rate("40/s").asking(secs(1), rate("5/s")).run().await;
    assert!(count_between(&seen, secs(2), secs(12)) <= 50);
    assert_eq!(seen.count(Outcome::Succeeded), 100);
}

#[tokio::test(start_paused = true)]
async fn a_rate_with_a_longer_window_counts_earlier_sendings() {
    // 100 calls were sent in the first ten seconds: the minute has room for 20 more.
    let seen = Scene::with_tasks(200).rate("10/s").asking(secs(10), rate("120/m")).run().await;
    assert_eq!(count_between(&seen, secs(0), secs(60)), 120);
}

#[tokio::test(start_paused = true)]
async fn a_first_rate_counts_earlier_sendings() {
    let scene =
        Scene::with_tasks(100).rate("none").concurrency(5).asking(millis(450), rate("30/s"));
    let seen = scene.run().await;
    assert_eq!(count_between(&seen, secs(0), millis(450)), 25);
    assert!(count_between(&seen, secs(0), secs(1)) <= 30);
}

#[tokio::test(start_paused = true)]
async fn a_limit_can_be_lifted() {
    let seen = Scene::with_tasks(400).rate("1/m").asking(secs(30), rate("none")).run().await;
    assert_eq!(seen.lasted(), secs(30) + secs(10));
}

#[tokio::test(start_paused = true)]
async fn setting_a_rate_ends_the_search_for_one() {
    let mut scene = Scene::with_tasks(200).rate("1000/s").asking(secs(2), rate("4/s"));
    scene.settings.pace = crate::policy::PaceStart {
        bounds: crate::policy::RateBounds { least: 1.0, most: 1_000.0 },
        opening: crate::policy::Opening::Doubling,
        learnt: crate::task::ServiceLimit::default(),
    };
    let seen = scene.run().await;
    assert!(count_between(&seen, secs(10), secs(20)) <= 40);
    assert_eq!(seen.count(Outcome::Succeeded), 200);
}

#[tokio::test(start_paused = true)]
async fn fewer_slots_wait_for_running_calls_and_more_are_used_at_once() {
    let script = |_, _| after_millis(1_000, done());
    let scene = Scene::with_tasks(40).answering(script).asking(millis(500), concurrency(1));
    let seen = scene.asking(millis(4_500), concurrency(10)).run().await;
    let per_second: Vec<usize> =
        (0..6).map(|second| count_between(&seen, secs(second), secs(second + 1))).collect();
    assert_eq!(per_second, [4, 1, 1, 1, 10, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_calls_on_the_wire_finish_and_ends_the_run() {
    let seen = Scene::with_tasks(10).asking(millis(150), change(Change::Drained)).run().await;
    assert_eq!(seen.stopped(), Some(&StopReason::Drained));
    assert_eq!((seen.count(Outcome::Succeeded), seen.lasted()), (8, millis(200)));
}

#[tokio::test(start_paused = true)]
async fn only_real_changes_are_events() {
    let seen = Scene::with_tasks(20)
        .rate("10/s")
        .asking(millis(100), change(Change::Resumed))
        .asking(millis(200), rate("10/s"))
        .asking(millis(300), concurrency(4))
        .asking(millis(400), concurrency(3))
        .asking(millis(500), change(Change::Paused))
        .asking(millis(600), change(Change::Paused))
        .asking(millis(700), change(Change::Resumed))
        .asking(millis(800), change(Change::Drained))
        .asking(millis(800), change(Change::Paused))
        .run()
        .await;
    let changes: Vec<(Duration, String)> = seen
        .changes()
        .iter()
        .map(|(at, change)| (at.since(SOME_DAY), change.to_string()))
        .collect();
    let expected = [(400, "concurrency 3"), (500, "paused"), (700, "resumed"), (800, "drained")];
    assert_eq!(changes, expected.map(|(at, change)| (millis(at), change.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn resuming_after_a_pause_is_an_event() {
    let seen = paused(12, millis(150), secs(5)).run().await;
    let continued = seen.pick(|event| (event.kind == EventKind::RunContinued).then_some(event.at));
    assert_eq!(continued, [SOME_DAY.plus_micros(5_000_000)]);
}

/// Requests changes from a run with slow commits, and returns the answers and their times.
async fn answered(requests: Vec<(Duration, Change)>) -> Vec<(Option<ChangeAnswer>, Duration)> {
    let mut scene = Scene::with_tasks(10).committing_in(&[100]);
    let mut answers = Vec::new();
    for (after, change) in requests {
        let (answer, answered) = oneshot::channel();
        scene = scene.asking(
            after,
            Control::Change { change, by: Operator::Process(7), answer: Some(answer) },
        );
        let clock = Clock::starting_at(SOME_DAY);
        answers.push(tokio::spawn(async move {
            let answer = answered.await.ok();
            (answer, clock.now().since(SOME_DAY))
        }));
    }
    drop(scene.run().await);
    let mut received = Vec::new();
    for answer in answers {
        received.push(answer.await.unwrap());
    }
    received
}

#[tokio::test(start_paused = true)]
async fn a_change_is_answered_once_it_is_on_record() {
    let answers = answered(vec![
        (millis(50), Change::Rate(None)),
        (millis(150), Change::Paused),
        (millis(450), Change::Drained),
        (millis(460), Change::Resumed),
    ])
    .await;
    assert_eq!(
        answers,
        [
            (Some(ChangeAnswer::AsBefore), millis(50)),
            // A commit is under way until 200 ms; the next one includes the change.
            (Some(ChangeAnswer::Changed), millis(300)),
            (Some(ChangeAnswer::Changed), millis(550)),
            (Some(ChangeAnswer::Stopping), millis(460)),
        ]
    );
}
