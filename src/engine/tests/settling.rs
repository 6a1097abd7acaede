//! How single tasks are settled: one outcome each, after a limited number of attempts.

use super::scene::{SOME_DAY, Scene, millis, secs};
use super::seen::Settled;
use super::service::{
    Reply, after_millis, at_once, done, never_left, panicking, partial, refused, silence, transient,
};
use crate::event::EventKind;
use crate::task::{FailureKind, Ordinal, Outcome};

/// Checks how one task is settled by the replies of a script.
async fn check(script: impl Fn(u32, u32) -> Reply + 'static, outcome: Outcome, attempts: u32) {
    let seen = Scene::with_tasks(1).answering(script).run().await;
    assert_eq!(seen.settled(), [Settled { ordinal: 0, outcome, attempts }]);
    assert_eq!(seen.stopped(), None);
}

#[tokio::test(start_paused = true)]
async fn a_run_without_tasks_begins_and_ends() {
    let seen = Scene::with_tasks(0).run().await;
    let kinds = seen.pick(|event| Some(&event.kind));
    assert!(matches!(kinds[..], [EventKind::RunStarted(_), EventKind::RunEnded(_)]));
    assert_eq!((seen.claims, seen.lasted()), (1, millis(0)));
}

#[tokio::test(start_paused = true)]
async fn a_task_is_settled_by_the_services_answer() {
    check(|_, _| after_millis(10, done()), Outcome::Succeeded, 1).await;
    check(|_, _| after_millis(10, partial()), Outcome::Partial, 1).await;
    check(|_, _| after_millis(10, refused()), Outcome::Failed, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_never_gets_through_fails_after_its_attempts() {
    check(|_, _| at_once(never_left()), Outcome::Failed, 4).await;
    check(|_, _| at_once(transient()), Outcome::Failed, 4).await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_gets_through_at_last_succeeds() {
    let at_last = |_, number| at_once(if number < 4 { transient() } else { done() });
    check(at_last, Outcome::Succeeded, 4).await;
}

#[tokio::test(start_paused = true)]
async fn waits_between_attempts_double_and_never_exceed_their_ceiling() {
    let script = |ordinal, _| at_once(if ordinal % 3 == 0 { transient() } else { done() });
    let seen = Scene::with_tasks(60).answering(script).run().await;
    let waits = seen.pick(|event| {
        let EventKind::RetryScheduled { task, due } = &event.kind else { return None };
        Some((task.ordinal, due.since(event.at)))
    });
    let mut longest = [millis(0); 3];
    for ordinal in (0..60).step_by(3) {
        let of_task = waits.iter().filter(|(of, _)| *of == Ordinal(ordinal));
        for (longest, &(_, wait)) in longest.iter_mut().zip(of_task) {
            *longest = wait.max(*longest);
        }
    }
    // A tenth of the ceiling is not reached by any of 20 tasks once in 10^20 runs.
    for (longest, ceiling) in longest.into_iter().zip([500, 1_000, 2_000]) {
        assert!(longest <= millis(ceiling), "{longest:?}");
        assert!(longest > millis(ceiling / 10), "{longest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_sent_at_its_announced_time() {
    let script = |_, number| at_once(if number == 1 { transient() } else { done() });
    let seen = Scene::with_tasks(1).answering(script).run().await;
    let due = seen.pick(|event| {
        let EventKind::RetryScheduled { due, .. } = &event.kind else { return None };
        Some(*due)
    });
    let sent = seen.witness.sendings[1].at;
    assert!(sent >= due[0] && sent.since(due[0]) <= millis(1), "{sent} {due:?}");
}

#[tokio::test(start_paused = true)]
async fn a_waiting_task_holds_no_slot() {
    let script = |ordinal, number| match (ordinal, number) {
        (0, 1) => at_once(transient()),
        _ => at_once(done()),
    };
    let seen = Scene::with_tasks(100).concurrency(1).answering(script).run().await;
    let last = *seen.sendings().last().unwrap();
    assert_eq!(last.0, 0, "all others went while it waited");
    assert!(seen.sendings()[..100].iter().all(|&(_, at)| at == millis(0)));
}

#[tokio::test(start_paused = true)]
async fn exactly_all_slots_are_used() {
    let seen = Scene::with_tasks(100).concurrency(7).run().await;
    assert_eq!(seen.witness.most_on_wire, 7);
    assert_eq!(seen.lasted(), millis(1_500), "15 times seven calls of 100 ms");
}

#[tokio::test(start_paused = true)]
async fn a_panic_affects_only_its_own_call() {
    let script = |ordinal, _| if ordinal == 1 { panicking() } else { after_millis(10, done()) };
    let seen = Scene::with_tasks(20).answering(script).run().await;
    let ambiguous = Settled { ordinal: 1, outcome: Outcome::Ambiguous, attempts: 1 };
    assert!(seen.settled().contains(&ambiguous));
    assert_eq!(seen.count(Outcome::Succeeded), 19);
    let results = seen.results();
    let in_doubt = results.iter().find(|result| result.in_doubt).unwrap();
    let failure = in_doubt.failure.as_ref().unwrap();
    assert_eq!(failure.message, "the call panicked: the script says so");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_times_out_and_is_in_doubt() {
    let script = |_, number| if number == 1 { silence() } else { after_millis(100, done()) };
    let mut scene = Scene::with_tasks(1).answering(script);
    scene.settings.timeout = secs(5);
    let seen = scene.run().await;
    let result = seen.results()[0];
    assert_eq!(result.duration, secs(5));
    assert_eq!(result.failure.as_ref().unwrap().kind, FailureKind::Timeout);
    assert!(result.in_doubt);
    assert_eq!(seen.count(Outcome::Succeeded), 1);
}

#[tokio::test(start_paused = true)]
async fn a_result_has_its_sending_time_and_duration() {
    let seen = Scene::with_tasks(2).concurrency(1).committing_in(&[30]).run().await;
    let results = seen.results();
    // 30 ms until the run's start is durable, 30 ms until the attempt's is.
    assert_eq!(results[0].sent.since(SOME_DAY), millis(60));
    assert_eq!(results[0].duration, millis(100));
    assert_eq!(results[1].sent.since(SOME_DAY), millis(190));
}
