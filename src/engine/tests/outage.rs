//! Outages: no task fails because of one, and few calls are made meanwhile.

use super::scene::{SOME_DAY, Scene, millis, secs};
use super::seen::Seen;
use super::service::{Reply, after_millis, at_once, done, never_left, transient};
use crate::clock::Clock;
use crate::event::{EventKind, HoldReason, StopReason};
use crate::task::Outcome;
use std::ops::Range;
use std::time::Duration;

/// A service that is away during `span`: it refuses connections, then answers 503.
fn away(span: Range<Duration>) -> impl Fn(u32, u32) -> Reply {
    let clock = Clock::start();
    let begin = clock.instant();
    let middle = span.start + (span.end - span.start) / 2;
    move |_, _| match clock.instant() - begin {
        now if now < span.start || now >= span.end => after_millis(20, done()),
        now if now < middle => at_once(never_left()),
        _ => after_millis(5, transient()),
    }
}

fn sendings_in(seen: &Seen, span: Range<Duration>) -> usize {
    seen.sendings().iter().filter(|(_, at)| span.contains(at)).count()
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_away_for_90_seconds_costs_no_task_and_at_most_150_seconds() {
    let outage = secs(20)..secs(110);
    let seen = Scene::with_tasks(1_000).rate("20/s").answering(away(outage.clone())).run().await;
    assert_eq!(seen.count(Outcome::Succeeded), 1_000);
    assert!(seen.lasted() <= secs(50 + 150), "{:?}", seen.lasted());
    assert!(sendings_in(&seen, outage) < 60, "until the breaker opens, and a few probes");
    let held = seen.pick(|event| {
        let EventKind::RunHeld { reason, .. } = event.kind else { return None };
        Some(reason)
    });
    assert!(held.contains(&HoldReason::Away));
    assert!(!seen.pick(|event| (event.kind == EventKind::RunContinued).then_some(())).is_empty());
    assert!(seen.stats().held >= secs(85), "{:?}", seen.stats().held);
}

#[tokio::test(start_paused = true)]
async fn a_minute_of_nothing_but_503_costs_at_most_a_tenth_more_sendings() {
    let seen = Scene::with_tasks(1_000).rate("20/s").answering(away(secs(0)..secs(60))).run().await;
    assert_eq!(seen.count(Outcome::Succeeded), 1_000);
    assert!(seen.sendings().len() <= 1_100, "{}", seen.sendings().len());
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_lasts_too_long_ends_the_run_and_fails_no_task() {
    let mut scene = Scene::with_tasks(500).rate("20/s").answering(away(secs(5)..secs(100_000)));
    scene.settings.outage_timeout = secs(600);
    let seen = scene.run().await;
    assert_eq!(seen.stopped(), Some(&StopReason::Outage));
    assert_eq!(seen.count(Outcome::Failed), 0);
    let (lasted, limit) = (seen.lasted(), secs(5 + 600));
    assert!(lasted >= limit && lasted < limit + secs(10), "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn attempts_begun_before_an_outage_are_withdrawn_and_sent_after_it() {
    let scene = Scene::with_tasks(400).concurrency(100).rate("2000/s").committing_in(&[20]);
    let seen = scene.answering(away(millis(0)..secs(20))).run().await;
    let is_away =
        |kind: &EventKind| matches!(kind, EventKind::RunHeld { reason: HoldReason::Away, .. });
    let opened = seen.pick(|event| is_away(&event.kind).then(|| event.at.since(SOME_DAY)))[0];
    assert_eq!(sendings_in(&seen, opened + millis(1)..opened + secs(5)), 0);
    assert!(!seen.withdrawn().is_empty());
    assert_eq!(seen.count(Outcome::Succeeded), 400);
    assert_eq!(seen.results().len(), seen.sendings().len());
}

#[tokio::test(start_paused = true)]
async fn one_bad_task_in_ten_does_not_look_like_an_outage() {
    let script =
        |ordinal, _| after_millis(20, if ordinal % 10 == 0 { transient() } else { done() });
    let seen = Scene::with_tasks(300).rate("50/s").answering(script).run().await;
    assert_eq!(seen.count(Outcome::Failed), 30);
    assert_eq!(seen.sendings().len(), 270 + 30 * 4);
    assert!(seen.pick(|e| matches!(e.kind, EventKind::RunHeld { .. }).then_some(())).is_empty());
}

#[tokio::test(start_paused = true)]
async fn retries_wait_for_the_budget_and_no_task_fails_because_of_it() {
    // Every third task fails once: more retries than one per five first attempts plus 10 a second.
    let script = |ordinal, number| {
        at_once(if ordinal % 3 == 0 && number == 1 { transient() } else { done() })
    };
    let seen = Scene::with_tasks(6_000).rate("1000/s").answering(script).run().await;
    assert_eq!(seen.count(Outcome::Succeeded), 6_000);
    let firsts = seen.pick(|event| {
        let EventKind::AttemptStarted { number, leaves, .. } = event.kind else { return None };
        Some((number, leaves))
    });
    // In any ten seconds: 100 free retries, plus one per five first attempts of twice that span.
    for (index, (_, from)) in firsts.iter().enumerate() {
        let span = firsts[index..].iter().take_while(|(_, at)| at.since(*from) < secs(10));
        let retries = span.filter(|(number, _)| *number > 1).count();
        assert!(retries <= 100 + 6_000 / 5, "{retries}");
    }
    assert!(seen.lasted() > millis(8_000));
}
