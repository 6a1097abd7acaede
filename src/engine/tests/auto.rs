//! `--rate auto`: the dispatcher finds a limit that the service does not name.

use super::scene::{SOME_DAY, Scene, millis, secs};
use super::seen::Seen;
use super::service::{Reply, after_millis, done, telling, throttled, throttled_somehow};
use crate::clock::Clock;
use crate::event::EventKind;
use crate::policy::{Opening, PaceStart, Quota, RateBounds, RateHint};
use crate::task::FailureKind;
use crate::task::ServiceLimit;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

/// Searches between one and 1,000 a second.
fn searching(tasks: u32, learnt: Option<f64>) -> Scene {
    let mut scene = Scene::with_tasks(tasks).rate("1000/s").concurrency(64);
    let bounds = RateBounds { least: 1.0, most: 1_000.0 };
    scene.settings.pace =
        PaceStart { bounds, opening: Opening::Doubling, learnt: per_second(learnt) };
    scene
}

/// A service that accepts so many calls in any second, and answers them after 20 ms.
fn accepting(limit: impl Fn(Duration) -> usize) -> impl Fn(u32, u32) -> Reply {
    let clock = Clock::start();
    let begin = clock.instant();
    let accepted = RefCell::new(VecDeque::new());
    move |_, _| {
        let (now, mut accepted) = (clock.instant() - begin, accepted.borrow_mut());
        while accepted.front().is_some_and(|&first| first + secs(1) <= now) {
            accepted.pop_front();
        }
        if accepted.len() >= limit(now) {
            return after_millis(5, throttled_somehow());
        }
        accepted.push_back(now);
        after_millis(20, done())
    }
}

/// Returns how many were sent in a span of the run.
fn sendings_in(seen: &Seen, span: Range<Duration>) -> usize {
    seen.sendings().iter().filter(|(_, at)| span.contains(at)).count()
}

/// Counts the sendings of a span that were throttled, and the others.
fn answers(seen: &Seen, span: &Range<Duration>) -> (usize, usize) {
    let results = seen.results();
    let then = results.iter().filter(|result| span.contains(&result.sent.since(SOME_DAY)));
    let is_throttled = |kind| kind == FailureKind::Throttled;
    then.fold((0, 0), |(refused, served), result| {
        match result.failure.as_ref().is_some_and(|failure| is_throttled(failure.kind)) {
            true => (refused + 1, served),
            false => (refused, served + 1),
        }
    })
}

/// Checks that in a span 90 % of the limit were used, and fewer than 2 % of the answers throttled.
fn check_found(seen: &Seen, span: Range<Duration>, limit: f64) {
    let (refused, served) = answers(seen, &span);
    let used = served as f64 / (limit * (span.end - span.start).as_secs_f64());
    let share = refused as f64 / (refused + served) as f64;
    let what = format!("{span:?}: {used:.3} of {limit}/s used, {share:.4} throttled");
    assert!((0.9..=1.01).contains(&used), "{what}");
    assert!(share < 0.02, "{what}");
}

fn per_second(per_second: Option<f64>) -> ServiceLimit {
    ServiceLimit { per_second, at_a_time: None }
}

/// Returns the reported limits, rounded.
fn learnt(seen: &Seen) -> Vec<Option<u64>> {
    seen.pick(|event| {
        let EventKind::RateLearnt(limit) = event.kind else { return None };
        Some(limit.per_second.map(|rate| rate.round() as u64))
    })
}

#[tokio::test(start_paused = true)]
async fn a_hidden_limit_is_found_within_a_minute_and_again_when_it_halves() {
    let limit = |now| if now < secs(180) { 100 } else { 50 };
    let scene = searching(40_000, None).answering(accepting(limit));
    let seen = scene.interrupted_after(secs(360)).run().await;
    check_found(&seen, secs(60)..secs(179), 100.0);
    check_found(&seen, secs(240)..secs(359), 50.0);
    let last = learnt(&seen).pop().unwrap().unwrap();
    assert!((45..=55).contains(&last), "{last}");
}

#[tokio::test(start_paused = true)]
async fn a_learnt_limit_is_used_at_once_and_reported_again() {
    let scene = searching(3_000, Some(100.0)).answering(accepting(|_| 100));
    let seen = scene.run().await;
    assert!(sendings_in(&seen, secs(0)..secs(10)) >= 950);
    assert_eq!(answers(&seen, &(secs(0)..secs(3))).0, 0);
    let (throttled, served) = answers(&seen, &(secs(0)..secs(25)));
    assert!(50 * throttled < served, "{throttled} of {served}");
    assert_eq!(learnt(&seen)[0], Some(100));
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_the_slots_keep_from_being_used_does_not_grow() {
    // Four calls of 100 ms on the wire: 40 a second, whatever is allowed. Then they are quick.
    let begin = Clock::start();
    let start = begin.instant();
    let seen = searching(6_000, None)
        .concurrency(4)
        .answering(move |_, _| {
            let slow = begin.instant() - start < secs(60);
            after_millis(if slow { 100 } else { 1 }, done())
        })
        .run()
        .await;
    let then = sendings_in(&seen, secs(60)..secs(61));
    assert!(then <= 82, "{then} a second are more than twice 40, the last step of the search");
    assert_eq!(learnt(&seen), []);
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_the_service_lowers_by_a_hint_does_not_grow() {
    let quota = Quota { limit: 20, window: secs(1) };
    let hint = RateHint { quota: Some(quota), ..RateHint::default() };
    let scene = searching(1_200, None);
    let seen = scene.answering(move |_, _| after_millis(20, telling(done(), hint))).run().await;
    assert!(sendings_in(&seen, secs(30)..secs(40)) <= 200);
    assert!(seen.lasted() >= secs(58), "{:?}", seen.lasted());
    assert_eq!(learnt(&seen), [Some(20)], "a quota in the headers need not be found");
}

#[tokio::test(start_paused = true)]
async fn a_quota_of_a_minute_is_learnt_and_not_the_burst_that_used_it_up() {
    let quota = Quota { limit: 120, window: secs(60) };
    let hint = RateHint { quota: Some(quota), ..RateHint::default() };
    let script = move |ordinal, number| match (ordinal, number) {
        (120, 1) => after_millis(5, telling(throttled(50), hint)),
        _ => after_millis(20, done()),
    };
    let seen = searching(300, None).answering(script).run().await;
    assert_eq!(learnt(&seen).last(), Some(&Some(2)));
    let again = seen.sent_at(120)[1];
    assert!(sendings_in(&seen, again..again + secs(60)) <= 120);
}

#[tokio::test(start_paused = true)]
async fn a_hold_neither_raises_the_rate_nor_is_it_cut_short() {
    let script = |ordinal, number| match (ordinal, number) {
        (60, 1) => after_millis(5, throttled(20)),
        _ => after_millis(20, done()),
    };
    let seen = searching(2_000, None).answering(script).run().await;
    let refused = seen.sent_at(60)[0] + millis(5);
    assert_eq!(sendings_in(&seen, refused + millis(1)..refused + secs(20)), 0);
    // It goes on below the level at which it was throttled.
    let after = seen.sent_at(60)[1];
    let level = 10 * sendings_in(&seen, refused - millis(100)..refused);
    let then = sendings_in(&seen, after..after + secs(1));
    assert!(then < level, "{then} a second after {level} were too many");
}

#[tokio::test(start_paused = true)]
async fn a_ramp_holds_back_the_search_as_well() {
    let mut scene = searching(3_000, Some(100.0));
    scene.settings.ramp = Some(secs(30));
    let seen = scene.answering(accepting(|_| 100)).run().await;
    let half = sendings_in(&seen, secs(0)..secs(15));
    assert!((330..=370).contains(&half), "{half}: half the way is an eighth of 30 s at 97/s");
}

#[tokio::test(start_paused = true)]
async fn the_search_stays_within_its_bounds() {
    let mut scene = searching(1_000, Some(700.0)).rate("30/s");
    let bounds = RateBounds { least: 20.0, most: 30.0 };
    let opening = Opening::Doubling;
    scene.settings.pace = PaceStart { bounds, opening, learnt: per_second(Some(700.0)) };
    let seen = scene.run().await;
    assert!(seen.lasted() >= secs(33), "{:?}", seen.lasted());
    assert!(seen.lasted() <= secs(34), "{:?}", seen.lasted());
}

/// A service that works on so many calls at a time, each of which takes 40 to 60 ms.
fn working_on(most: impl Fn(Duration) -> usize) -> impl Fn(u32, u32) -> Reply {
    let clock = Clock::start();
    let begin = clock.instant();
    let ends = RefCell::new(Vec::new());
    move |ordinal, _| {
        let (now, mut ends) = (clock.instant() - begin, ends.borrow_mut());
        ends.retain(|&end| end > now);
        if ends.len() >= most(now) {
            return after_millis(5, throttled_somehow());
        }
        let takes = 40 + u64::from(ordinal.wrapping_mul(7_919) % 21);
        ends.push(now + millis(takes));
        after_millis(takes, done())
    }
}

/// Returns the limits on calls at a time that were reported.
fn at_a_time(seen: &Seen) -> Vec<Option<u32>> {
    seen.pick(|event| {
        let EventKind::RateLearnt(limit) = event.kind else { return None };
        Some(limit.at_a_time)
    })
}

#[tokio::test(start_paused = true)]
async fn a_limit_on_calls_at_a_time_is_found_used_and_followed() {
    let most = |now| if now < secs(60) { 20 } else { 10 };
    for rate in ["600/s", "none"] {
        let scene = Scene::with_tasks(40_000).rate(rate).concurrency(64);
        let scene = scene.answering(working_on(most)).interrupted_after(secs(90));
        let seen = scene.run().await;
        check_found(&seen, secs(3)..secs(59), 400.0);
        check_found(&seen, secs(63)..secs(89), 200.0);
        let reported = at_a_time(&seen);
        assert!(reported.contains(&Some(20)), "{rate}: {reported:?}");
        assert_eq!(reported.last(), Some(&Some(10)), "{rate}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_learnt_limit_on_calls_at_a_time_is_kept_to_from_the_beginning() {
    let mut scene = Scene::with_tasks(2_000).rate("600/s").concurrency(64);
    scene.settings.pace.learnt = ServiceLimit { per_second: None, at_a_time: Some(20) };
    let seen = scene.answering(working_on(|_| 20)).run().await;
    assert_eq!(at_a_time(&seen)[0], Some(20));
    let (refused, _) = answers(&seen, &(secs(0)..secs(10)));
    assert!(refused <= 5, "{refused}");
}

#[tokio::test(start_paused = true)]
async fn fewer_slots_than_the_service_works_on_are_no_limit_of_the_service() {
    let mut scene = Scene::with_tasks(2_000).rate("600/s").concurrency(10);
    scene.settings.pace.learnt = ServiceLimit { per_second: None, at_a_time: Some(20) };
    let seen = scene.answering(working_on(|_| 20)).run().await;
    assert_eq!(at_a_time(&seen), []);
}
