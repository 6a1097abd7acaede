//! Tasks that come in chunks, which another process may take.

use super::scene::{Scene, millis, secs, task};
use super::service::{after_millis, at_once, done, never_left, silence, transient};
use crate::engine::dispatcher::leases::ASK_AGAIN;
use crate::engine::{ChunkRef, Claim, Control};
use crate::task::{FailureKind, Outcome};

const FIRST: ChunkRef = ChunkRef { no: 1, epoch: 1 };
const SECOND: ChunkRef = ChunkRef { no: 2, epoch: 1 };

/// A run of two chunks with as many tasks each.
fn two_chunks(tasks_each: u32) -> Scene {
    let mut scene = Scene::with_tasks(2 * tasks_each);
    let chunk = |ordinal| if ordinal < tasks_each { FIRST } else { SECOND };
    let claim = |ordinal| Claim { chunk: chunk(ordinal), ..Claim::fresh(task(ordinal)) };
    scene.claims = (0..2 * tasks_each).map(claim).collect();
    scene
}

#[tokio::test(start_paused = true)]
async fn a_ledger_without_a_task_at_present_is_asked_again() {
    let mut scene = Scene::with_tasks(1).answering(|_, _| at_once(done()));
    scene.ledger.not_yet = 3;
    let seen = scene.run().await;
    assert_eq!(seen.count(Outcome::Succeeded), 1);
    assert_eq!((seen.claims, seen.lasted()), (5, 3 * ASK_AGAIN));
}

#[tokio::test(start_paused = true)]
async fn suspects_do_not_wait_for_tasks_that_others_have() {
    let mut scene = Scene::with_tasks(1)
        .max_attempts(2)
        .answering(|_, _| at_once(never_left()))
        .interrupted_after(secs(3_600));
    // For ever: the others wait for this process as well.
    scene.ledger.not_yet = usize::MAX;
    let seen = scene.run().await;
    assert_eq!(seen.settled().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_lost_chunk_is_sent_or_recorded() {
    let script = |_, _| after_millis(1_000, done());
    let mut scene = two_chunks(10).concurrency(4).answering(script);
    // The commit of the first calls' answers.
    scene.ledger.lost = Some((2, FIRST));
    // Starts that were durable and never left have no end here: the other process withdraws them.
    let seen = scene.run_unchecked().await;
    let sent: Vec<u32> = seen.sendings().iter().map(|&(ordinal, _)| ordinal).collect();
    let of_first = sent.iter().filter(|&&ordinal| ordinal < 10).count();
    assert!(of_first < 10, "{sent:?}");
    assert_eq!(sent.iter().filter(|&&ordinal| ordinal >= 10).count(), 10);
    let settled = seen.settled();
    assert_eq!(settled.iter().filter(|settled| settled.ordinal >= 10).count(), 10);
    assert!(settled.iter().filter(|settled| settled.ordinal < 10).count() < 10);
}

#[tokio::test(start_paused = true)]
async fn a_retry_of_a_lost_chunk_does_not_hold_up_the_end() {
    let script = |ordinal, number| match (ordinal, number) {
        (0, 1) => at_once(transient()),
        _ => after_millis(10, done()),
    };
    let mut scene = two_chunks(1).concurrency(2).answering(script);
    scene.ledger.lost = Some((2, FIRST));
    // Starts that were durable and never left have no end here: the other process withdraws them.
    let seen = scene.run_unchecked().await;
    assert_eq!(seen.sendings().iter().filter(|&&(ordinal, _)| ordinal == 0).count(), 1);
    assert!(seen.lasted() < millis(100), "{:?}", seen.lasted());
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_lease_is_over_never_leaves() {
    let mut scene = two_chunks(5);
    scene.ledger.taken = Some(FIRST);
    let seen = scene.run_unchecked().await;
    assert!(seen.sendings().iter().all(|&(ordinal, _)| ordinal >= 5));
    assert_eq!(seen.count(Outcome::Succeeded), 5);
}

#[tokio::test(start_paused = true)]
async fn no_call_leaves_while_a_lease_waits_to_be_renewed() {
    let mut scene = Scene::with_tasks(100).rate("10/s").answering(|_, _| at_once(done()));
    scene.ledger.unrenewed = Some((secs(2), secs(5)));
    let seen = scene.run().await;
    assert_eq!(seen.count(Outcome::Succeeded), 100);
    assert!(seen.sendings().iter().all(|&(_, at)| at < secs(2) || at >= secs(5)));
}

#[tokio::test(start_paused = true)]
async fn a_call_on_the_wire_is_given_up_when_its_lease_is_over() {
    let mut scene = Scene::with_tasks(1).max_attempts(1).answering(|_, _| silence());
    scene.ledger.leased = Some(secs(7));
    let seen = scene.run().await;
    assert_eq!(seen.count(Outcome::Ambiguous), 1);
    let result = seen.results()[0];
    assert_eq!(result.failure.as_ref().unwrap().kind, FailureKind::Timeout);
    assert_eq!(seen.lasted(), secs(7));
}

#[tokio::test(start_paused = true)]
async fn what_is_given_back_is_not_on_the_wire_and_in_no_doubt() {
    // A retry waits when the tasks are given back, and four calls are on the wire.
    let script = |ordinal, number| match (ordinal, number) {
        (0, 1) => at_once(transient()),
        _ => after_millis(500, done()),
    };
    let scene = two_chunks(10).rate("10/s").committing_in(&[20]).answering(script);
    let seen = scene.asking(millis(950), Control::GiveBack).run().await;
    assert_eq!(seen.count(Outcome::Succeeded), 20);
    let [gave_back] = seen.gave_back[..] else { panic!("{:?}", seen.gave_back) };
    // Once the last call has been answered, and that is on record.
    assert!((millis(1_400)..millis(1_500)).contains(&gave_back), "{gave_back:?}");
    let is_meanwhile = |at| (millis(950)..gave_back).contains(&at);
    let sendings = seen.sendings();
    assert!(!sendings.iter().any(|&(_, at)| is_meanwhile(at)), "{sendings:?}");
    // Nothing is sent again but the task whose first call failed.
    assert_eq!(sendings.len(), 21);
}

#[tokio::test(start_paused = true)]
async fn tasks_of_a_canary_are_not_given_back_because_nobody_else_may_send_them() {
    let mut scene = two_chunks(10).concurrency(2);
    scene.settings.canary = std::num::NonZeroU64::new(5);
    let seen = scene.asking(millis(150), Control::GiveBack).run().await;
    assert_eq!((seen.count(Outcome::Succeeded), seen.gave_back.len()), (20, 0));
}
