//! How calls that may have been carried out are settled.

use super::scene::Scene;
use super::seen::Settled;
use super::service::{Reply, at_once, done, in_doubt, refused, transient};
use crate::policy::OnDoubt;
use crate::task::Outcome;

async fn check(
    on_doubt: OnDoubt,
    script: impl Fn(u32, u32) -> Reply + 'static,
    outcome: Outcome,
    attempts: u32,
) {
    let mut scene = Scene::with_tasks(1).answering(script);
    scene.settings.retry.on_doubt = on_doubt;
    let seen = scene.run().await;
    assert_eq!(seen.settled(), [Settled { ordinal: 0, outcome, attempts }]);
}

#[tokio::test(start_paused = true)]
async fn a_call_in_doubt_is_sent_again() {
    let script = |_, number| at_once(if number == 1 { in_doubt() } else { done() });
    check(OnDoubt::Retry, script, Outcome::Succeeded, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_in_doubt_after_its_last_attempt_is_ambiguous() {
    check(OnDoubt::Retry, |_, _| at_once(in_doubt()), Outcome::Ambiguous, 4).await;
}

#[tokio::test(start_paused = true)]
async fn with_on_doubt_hold_a_doubt_is_ambiguous_at_once() {
    check(OnDoubt::Hold, |_, _| at_once(in_doubt()), Outcome::Ambiguous, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_a_doubt_is_ambiguous() {
    let script = |_, number| at_once(if number == 1 { in_doubt() } else { refused() });
    check(OnDoubt::Retry, script, Outcome::Ambiguous, 2).await;
}

#[tokio::test(start_paused = true)]
async fn later_failures_do_not_undo_a_doubt() {
    let script = |_, number| at_once(if number == 1 { in_doubt() } else { transient() });
    check(OnDoubt::Retry, script, Outcome::Ambiguous, 4).await;
}
