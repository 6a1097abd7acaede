//! A requested stop: nothing new is sent, and nothing gets lost.

use super::scene::{Scene, millis, secs};
use super::service::{after_millis, at_once, done, silence, transient};
use crate::engine::Control;
use crate::engine::dispatcher::lookahead::MAX_PER_SLOT;
use crate::event::StopReason;
use crate::task::Outcome;

#[tokio::test(start_paused = true)]
async fn calls_on_the_wire_finish_after_a_stop() {
    let scene = Scene::with_tasks(10).answering(|_, _| after_millis(1_000, done()));
    let seen = scene.interrupted_after(millis(1_500)).run().await;
    assert_eq!(seen.stopping(), Some((millis(1_500), 4)));
    assert_eq!(seen.count(Outcome::Succeeded), 8);
    assert_eq!(seen.lasted(), secs(2));
    assert_eq!(seen.stopped(), Some(&StopReason::Interrupted));
}

#[tokio::test(start_paused = true)]
async fn attempts_in_a_commit_are_withdrawn_after_a_stop() {
    // The attempts' starts are committed from 1 s to 2 s.
    let seen =
        Scene::with_tasks(10).committing_in(&[1_000]).interrupted_after(millis(1_500)).run().await;
    assert_eq!(seen.sendings(), []);
    assert_eq!(seen.withdrawn(), [0, 1, 2, 3]);
    // The withdrawals are durable at 3 s, the end at 4 s.
    assert_eq!(seen.lasted(), secs(4));
}

#[tokio::test(start_paused = true)]
async fn admitted_and_durable_attempts_are_withdrawn_at_a_stop() {
    // The rate permits two calls at 0 s; the ledger stalls, so that others gather behind them.
    for stop in [5, 100, 500, 900, 1_000, 1_010, 1_300, 1_990, 2_020] {
        let scene = Scene::with_tasks(20).rate("2/s").committing_in(&[0, 0, 900, 3]);
        let seen = scene.interrupted_after(millis(stop)).run().await;
        assert_eq!(seen.stopped(), Some(&StopReason::Interrupted));
        assert_eq!(seen.settled().len(), seen.sendings().len(), "stopped at {stop} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_tasks_stay_unsettled_when_the_run_stops() {
    let seen = Scene::with_tasks(4)
        .max_attempts(u32::MAX)
        .answering(|_, _| at_once(transient()))
        .interrupted_after(secs(60))
        .run()
        .await;
    assert_eq!(seen.settled(), []);
    assert_eq!(seen.lasted(), secs(60));
}

#[tokio::test(start_paused = true)]
async fn tasks_claimed_after_a_stop_stay_unsettled() {
    let mut scene = Scene::with_tasks(10).interrupted_after(secs(1));
    scene.ledger.claim_delay = secs(3);
    let seen = scene.run().await;
    assert_eq!(seen.sendings(), []);
    assert_eq!((seen.lasted(), seen.claims), (secs(1), 1));
}

#[tokio::test(start_paused = true)]
async fn calls_that_outlast_the_drain_stay_in_doubt() {
    let script = |ordinal, _| if ordinal == 0 { silence() } else { after_millis(500, done()) };
    let mut scene =
        Scene::with_tasks(4).answering(script).interrupted_after(millis(200)).leaving_doubt();
    scene.settings.drain_timeout = secs(10);
    let seen = scene.run().await;
    assert_eq!(seen.lasted(), millis(10_200));
    assert_eq!((seen.count(Outcome::Succeeded), seen.results().len()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_ends_during_a_commit_waits_only_for_that_commit() {
    // Sent at 2 s. Task 0 ends at 3 s, and its end is being committed when the drain is over.
    let script = |ordinal, _| if ordinal == 0 { after_millis(1_000, done()) } else { silence() };
    let scene = Scene::with_tasks(4).committing_in(&[1_000]).answering(script).leaving_doubt();
    let mut scene = scene.interrupted_after(millis(2_500));
    scene.settings.drain_timeout = millis(1_700);
    let seen = scene.run().await;
    // The stop is durable at 3.5 s, the end of task 0 at 4.5 s, the end of the run at 5.5 s.
    assert_eq!((seen.count(Outcome::Succeeded), seen.lasted()), (1, millis(5_500)));
    assert!(seen.polls < 20, "{} polls", seen.polls);
}

#[tokio::test(start_paused = true)]
async fn a_drain_of_zero_seconds_abandons_calls_at_once() {
    let mut scene = Scene::with_tasks(4).interrupted_after(millis(50)).leaving_doubt();
    scene.settings.drain_timeout = secs(0);
    assert_eq!(scene.run().await.lasted(), millis(50));
}

#[tokio::test(start_paused = true)]
async fn abandoned_calls_stay_in_doubt() {
    let scene = Scene::with_tasks(10).answering(|_, _| silence()).leaving_doubt();
    let seen = scene.asking(secs(3), Control::Abandon).run().await;
    assert_eq!((seen.lasted(), seen.results().len()), (secs(3), 0));
    assert_eq!(seen.stopped(), Some(&StopReason::Interrupted));
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_abandons_calls_that_the_first_let_finish() {
    let reason = StopReason::Terminated;
    let seen = Scene::with_tasks(10)
        .answering(|_, _| silence())
        .asking(secs(3), Control::Stop(reason))
        .asking(secs(5), Control::Abandon)
        .leaving_doubt()
        .run()
        .await;
    assert_eq!((seen.lasted(), seen.stopped()), (secs(5), Some(&reason)));
}

#[tokio::test(start_paused = true)]
async fn calls_abandoned_during_a_commit_end_the_run_with_that_commit() {
    // Sent at 2 s; tasks 1 to 3 end at 2.1 s; their successors, and the attempts begun ahead of the
    // slots, are in a commit until 3.1 s.
    let script = |ordinal, _| if ordinal == 0 { silence() } else { after_millis(100, done()) };
    let scene = Scene::with_tasks(10).answering(script).committing_in(&[1_000]).leaving_doubt();
    let seen = scene.asking(millis(2_500), Control::Abandon).run().await;
    assert_eq!(seen.withdrawn(), [4, 5, 6, 7, 8, 9]);
    // The withdrawals are durable at 4.1 s, the end at 5.1 s.
    assert_eq!(seen.lasted(), millis(5_100));
}

#[tokio::test(start_paused = true)]
async fn a_stop_reaches_a_run_that_never_has_to_wait() {
    let scene = Scene::with_tasks(5_000);
    let remote = scene.remote();
    let script = move |ordinal, _| {
        if ordinal == 100 {
            remote.send(Control::Stop(StopReason::Interrupted)).unwrap();
        }
        at_once(done())
    };
    let seen = scene.answering(script).run().await;
    assert_eq!(seen.stopped(), Some(&StopReason::Interrupted));
    // Attempts begun ahead of the four slots may be answered before the stop is read.
    assert!(seen.sendings().len() <= 104 + 4 * MAX_PER_SLOT, "{} sent", seen.sendings().len());
}

#[tokio::test(start_paused = true)]
async fn a_run_completes_after_its_control_channel_is_closed() {
    let scene = Scene::with_tasks(10).rate("1/s");
    let seen = scene.run().await;
    assert_eq!(seen.count(Outcome::Succeeded), 10);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_leaves_no_task_unsettled_is_not_reported() {
    let seen = Scene::with_tasks(4).interrupted_after(millis(50)).run().await;
    assert_eq!(seen.count(Outcome::Succeeded), 4);
    assert_eq!(seen.stopped(), None);
}
