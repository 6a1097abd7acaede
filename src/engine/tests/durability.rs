//! Durability comes before sending, and only the ledger can fail a run.

use super::scene::{Scene, millis, secs};
use super::service::{after_millis, at_once, done, in_doubt, throttled, transient};
use crate::engine::dispatcher::MAX_WAITING;
use crate::engine::dispatcher::lookahead::MAX_PER_SLOT;
use crate::event::EventKind;
use crate::task::Outcome;

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_before_its_start_is_durable() {
    let seen = Scene::with_tasks(4).committing_in(&[1_000]).run().await;
    // The first commit has the start of the run, the second those of the attempts.
    assert!(seen.sendings().iter().all(|&(_, at)| at == secs(2)));
    assert_eq!(seen.sendings().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn events_during_a_commit_are_the_next_batch() {
    let script = |ordinal, _| after_millis(u64::from(ordinal), done());
    let seen =
        Scene::with_tasks(200).concurrency(200).committing_in(&[500]).answering(script).run().await;
    assert_eq!(seen.count(Outcome::Succeeded), 200);
    // Start, the attempts, the first one's end, all other ends, the end of the run.
    assert_eq!(seen.witness.commits.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_failing_commit_ends_the_run_and_nothing_more_is_sent() {
    for broken in 0..6 {
        let mut scene = Scene::with_tasks(50).committing_in(&[10]);
        scene.ledger.broken_commit = Some(broken);
        let seen = scene.run().await;
        assert_eq!(seen.result.as_ref().unwrap_err().to_string(), "the disk is full");
        assert_eq!(seen.witness.commits.len(), broken);
        let failed_at = seen.lasted();
        assert!(seen.sendings().iter().all(|&(_, at)| at < failed_at), "commit {broken}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_claim_ends_the_run() {
    let mut scene = Scene::with_tasks(50).claiming(10);
    scene.ledger.broken_claim = Some(2);
    let seen = scene.run().await;
    assert_eq!(seen.result.as_ref().unwrap_err().to_string(), "the disk is full");
    assert!(seen.sendings().len() <= 20);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_run_is_durable_before_it_returns() {
    let seen = Scene::with_tasks(1).committing_in(&[10]).run().await;
    let (durable, last) = seen.witness.commits.last().unwrap();
    assert!(matches!(last.last().unwrap().kind, EventKind::RunEnded(_)));
    assert_eq!(*durable, seen.ended);
}

#[tokio::test(start_paused = true)]
async fn a_failing_last_commit_is_reported() {
    let mut scene = Scene::with_tasks(0);
    scene.ledger.broken_commit = Some(1);
    assert!(scene.run().await.result.is_err());
}

#[tokio::test(start_paused = true)]
async fn tasks_are_claimed_in_chunks_until_none_is_left() {
    for most in [1, 3, 7, 100] {
        let mut scene = Scene::with_tasks(100).claiming(most);
        scene.ledger.claim_delay = millis(40);
        let seen = scene.run().await;
        assert_eq!(seen.count(Outcome::Succeeded), 100);
        assert_eq!(seen.claims, 100_usize.div_ceil(most) + 1, "{most} at a time");
    }
}

#[tokio::test(start_paused = true)]
async fn no_new_tasks_are_begun_while_too_many_wait() {
    // Every third task fails: with half of them the service would seem to be away.
    let tasks = 3 * (u32::try_from(MAX_WAITING).unwrap() + 2_000);
    let script = |ordinal, number| match (ordinal % 3, number) {
        (0, 1) => at_once(transient()),
        (0, _) => at_once(in_doubt()),
        (_, _) => at_once(done()),
    };
    let seen =
        Scene::with_tasks(tasks).concurrency(64).max_attempts(2).answering(script).run().await;
    let (mut begun, mut most) = (0, 0);
    for event in seen.events() {
        begun += usize::from(matches!(event.kind, EventKind::AttemptStarted { number: 1, .. }));
        begun -= usize::from(matches!(event.kind, EventKind::TaskSettled { .. }));
        most = most.max(begun);
    }
    assert!((MAX_WAITING..MAX_WAITING + (1 + MAX_PER_SLOT) * 64).contains(&most), "{most}");
    assert_eq!(seen.count(Outcome::Ambiguous), tasks as usize / 3);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_does_not_spin() {
    let mut scene = Scene::with_tasks(1).answering(|_, number| match number {
        1 => at_once(throttled(20)),
        2 => at_once(transient()),
        _ => after_millis(50_000, done()),
    });
    scene.settings.max_duration = Some(secs(3_600));
    let seen = scene.committing_in(&[10]).run().await;
    assert_eq!(seen.count(Outcome::Succeeded), 1);
    assert!(seen.polls < 40, "{} polls", seen.polls);
}
