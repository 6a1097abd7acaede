//! Failed tasks count against the limit of the run: each one once, whatever answer is lost.

use super::{LONG, Scene, flush_of};
use crate::database::leases::{Fate, Flush, LeasedChunk};
use crate::database::link::Link;
use crate::database::{SignOfLife, Worker};
use crate::policy::Allowed;
use crate::task::{Outcome, OutcomeCounts};
use std::time::Duration;

/// What the run counts, and what is allowed to its workers.
const COUNTED: &str = "SELECT sum(failed)::bigint FROM batchctl.worker";
const ALLOWED: &str = "SELECT sum(allowance)::bigint FROM batchctl.worker";
const STOPS: &str = "SELECT count(stopping) FROM batchctl.run";

fn failed(chunk: &LeasedChunk, seq: u32, count: u64) -> Flush {
    let mut settled = OutcomeCounts::default();
    settled[Outcome::Failed] = count;
    Flush { settled, ..flush_of(chunk, seq, 0) }
}

async fn allow(scene: &Scene, worker: Worker) -> Allowed {
    let mut link = Link::new(scene.server.address("batch", "runs")).unwrap();
    worker.allow(&mut link).await.unwrap()
}

#[tokio::test]
async fn failures_count_once_though_flush_and_question_are_repeated() {
    let Some(mut scene) = Scene::with_lease(LONG).await else { return };
    let (one, two) = (scene.worker().await, scene.worker().await);
    // Three are tolerated.
    assert_eq!(allow(&scene, one).await, Allowed { allowance: 1, left_over: 3 });
    assert_eq!(allow(&scene, two).await, Allowed { allowance: 1, left_over: 2 });
    let chunk = scene.claim(one).await;
    let flush = failed(&chunk, 0, 1);
    for _ in 0..3 {
        assert_eq!(scene.flush(one, &flush).await, Fate::Kept);
        // In the same instant what was allowed is used up: the sum stays.
        assert_eq!((scene.number(COUNTED).await, scene.number(ALLOWED).await), (1, 1));
    }
    for _ in 0..3 {
        assert_eq!(allow(&scene, one).await, Allowed { allowance: 1, left_over: 1 });
        assert_eq!(scene.number("SELECT failed FROM batchctl.run").await, 1);
    }
    assert_eq!(scene.number(STOPS).await, 0);
    assert_eq!(scene.flush(one, &failed(&chunk, 1, 1)).await, Fate::Kept);
    let next = scene.claim(one).await;
    assert_eq!(scene.flush(one, &failed(&next, 0, 2)).await, Fate::Kept);
    assert_eq!(scene.number(ALLOWED).await, 1, "that of the other one");
    assert_eq!(allow(&scene, one).await, Allowed { allowance: 0, left_over: -2 });
    assert_eq!(scene.number(STOPS).await, 1);
}

#[tokio::test]
async fn failures_of_a_lost_chunk_are_not_counted() {
    let Some(mut scene) = Scene::with_lease(Duration::ZERO).await else { return };
    let (slow, quick) = (scene.worker().await, scene.worker().await);
    let before = scene.claim(slow).await;
    let after = scene.claim(quick).await;
    assert_eq!(before.no, after.no);
    assert_eq!(scene.flush(slow, &failed(&before, 0, 2)).await, Fate::Lost);
    assert_eq!(scene.number(COUNTED).await, 0);
    assert_eq!(scene.flush(quick, &failed(&after, 0, 2)).await, Fate::Kept);
    assert_eq!(scene.number(COUNTED).await, 2);
}

#[tokio::test]
async fn too_many_failures_of_a_worker_that_died_are_seen_by_the_others() {
    let Some(mut scene) = Scene::with_lease(LONG).await else { return };
    let (one, two) = (scene.worker().await, scene.worker().await);
    for _ in 0..2 {
        let chunk = scene.claim(one).await;
        assert_eq!(scene.flush(one, &failed(&chunk, 0, 2)).await, Fate::Kept);
    }
    let wishes = two.beat(&mut scene.runs.link, SignOfLife::default(), &[]).await.unwrap();
    assert!(wishes.is_exceeded && wishes.is_short, "{wishes:?}");
    allow(&scene, two).await;
    let wishes = two.beat(&mut scene.runs.link, SignOfLife::default(), &[]).await.unwrap();
    assert_eq!(
        (wishes.is_exceeded, wishes.stopping.as_deref()),
        (false, Some("too_many_failures"))
    );
    // Whoever takes the run up counts anew.
    scene.runs.take_up(scene.run, 3, LONG).await.unwrap();
    assert_eq!(scene.number(COUNTED).await, 0);
    let left = allow(&scene, two).await.left_over;
    assert_eq!((left, scene.number(STOPS).await), (3, 0));
}
