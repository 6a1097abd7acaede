//! Attempts begun ahead of the slots, so that no slot waits for a commit.

use super::scene::{Scene, secs};
use super::seen::Seen;
use super::service::{after_millis, done, refused, throttled};
use crate::engine::dispatcher::lookahead::MAX_PER_SLOT;
use crate::event::{Event, EventKind};
use crate::task::Outcome;
use std::time::Duration;

/// A service whose calls take a tenth of a commit.
fn fast_service(tasks: u32) -> Scene {
    Scene::with_tasks(tasks)
        .concurrency(8)
        .committing_in(&[100])
        .answering(|_, _| after_millis(10, done()))
}

/// Returns the largest number of attempts that were open at any time.
fn most_begun(seen: &Seen) -> usize {
    let (mut begun, mut most) = (0_usize, 0);
    for event in seen.events() {
        begun += usize::from(matches!(event.kind, EventKind::AttemptStarted { .. }));
        let has_ended = matches!(
            event.kind,
            EventKind::AttemptEnded { .. } | EventKind::AttemptWithdrawn { .. }
        );
        begun -= usize::from(has_ended);
        most = most.max(begun);
    }
    most
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_faster_than_the_disk_is_kept_busy() {
    let seen = fast_service(160).run().await;
    assert_eq!(seen.count(Outcome::Succeeded), 160);
    let most = 8 * (1 + MAX_PER_SLOT);
    assert_eq!((most_begun(&seen), seen.witness.most_on_wire), (most, 8));
    // With eight begun at a time, only every other commit would release calls: four seconds.
    assert!(seen.lasted() <= secs(2), "{:?}", seen.lasted());
}

/// A service whose calls take twice as long as a commit.
fn slower_service(tasks: u32) -> Scene {
    Scene::with_tasks(tasks)
        .concurrency(64)
        .committing_in(&[5])
        .answering(|ordinal, _| after_millis(u64::from(6 + ordinal * 7 % 9), done()))
}

#[tokio::test(start_paused = true)]
async fn commits_gather_the_events_of_two_calls_for_each_slot() {
    let seen = slower_service(6_400).run().await;
    assert_eq!(seen.count(Outcome::Succeeded), 6_400);
    // Without gathering a commit follows each one before it: more than 200 in a second.
    let commits = seen.witness.commits.len();
    assert!(commits <= 6_400 / 80, "{commits} commits");
    // Every slot is busy: a call takes ten milliseconds.
    assert!(seen.lasted() <= Duration::from_millis(1_150), "{:?}", seen.lasted());
    let ends = |events: &Vec<Event>| {
        events.iter().filter(|it| matches!(it.kind, EventKind::TaskSettled { .. })).count()
    };
    let most = seen.witness.commits.iter().map(|(_, events)| ends(events)).max();
    assert!(most <= Some(3 * 64), "{most:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_gathered_is_durable_soon_even_if_no_call_ends() {
    // From the thousandth call on none ends for ten seconds.
    let script = |ordinal, _| match ordinal {
        0..1_000 => after_millis(u64::from(6 + ordinal * 7 % 9), done()),
        _ => after_millis(10_000, done()),
    };
    let seen = slower_service(1_200).answering(script).run().await;
    assert_eq!(seen.count(Outcome::Succeeded), 1_200);
    for (durable, events) in &seen.witness.commits {
        let late = events.iter().map(|event| durable.since(event.at)).max();
        assert!(late <= Some(Duration::from_millis(20 + 5 + 5)), "{late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_ahead_of_a_slow_service() {
    let slow = |_, _| after_millis(10_000, done());
    let seen =
        Scene::with_tasks(40).concurrency(8).committing_in(&[100]).answering(slow).run().await;
    assert_eq!(most_begun(&seen), 8);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_ahead_under_a_rate_limit() {
    let seen = fast_service(160).rate("1000/s").run().await;
    assert_eq!(most_begun(&seen), 8);
}

#[tokio::test(start_paused = true)]
async fn attempts_begun_ahead_are_withdrawn_when_the_run_stops() {
    let seen = fast_service(400).interrupted_after(Duration::from_millis(1_005)).run().await;
    let (_, on_wire) = seen.stopping().expect("it was stopped");
    assert!(on_wire <= 8 && !seen.withdrawn().is_empty());
    assert_eq!(seen.results().len(), seen.sendings().len());
}

#[tokio::test(start_paused = true)]
async fn a_throttled_task_goes_before_all_that_was_begun_ahead_even_in_a_commit_under_way() {
    for throttled_one in 40..120 {
        let script = move |ordinal, number| match (ordinal, number) {
            (_, 1) if ordinal == throttled_one => after_millis(3, throttled(20)),
            _ => after_millis(10, done()),
        };
        let seen = fast_service(160).answering(script).run().await;
        let sendings = seen.sendings();
        let asked = seen.sent_at(throttled_one)[0];
        let held = Duration::from_millis(3)..secs(20);
        let later = sendings.iter().filter(|&&(_, at)| at > asked + held.start);
        let later: Vec<_> = later.map(|&(ordinal, at)| (ordinal, at - asked)).collect();
        assert!(later[0].1 >= held.end, "{:?}", later[0]);
        assert_eq!(later[0].0, throttled_one, "{:?}", &later[..4]);
        assert_eq!(seen.count(Outcome::Succeeded), 160);
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_failure_limit_only_calls_on_the_wire_can_fail() {
    let refusing = |_, _| after_millis(10, refused());
    let seen = fast_service(400).answering(refusing).tolerating(100).run().await;
    let (_, on_wire) = seen.stopping().expect("it was stopped");
    assert!(on_wire < 8 && seen.count(Outcome::Failed) <= 101 + on_wire);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_cannot_be_announced_does_not_leave() {
    let mut scene = Scene::with_tasks(4);
    scene.ledger.deaf = 3;
    let seen = scene.run().await;
    assert!(seen.sendings().iter().all(|&(_, at)| at >= secs(1)), "{:?}", seen.sendings());
    assert_eq!(seen.count(Outcome::Succeeded), 4);
}
