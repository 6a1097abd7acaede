//! The service asks for fewer calls, and the whole run waits.

use super::scene::{SOME_DAY, Scene, millis, secs};
use super::seen::Seen;
use super::service::{
    after_millis, asking, at_once, done, silence, throttled, throttled_somehow, transient,
};
use crate::event::{EventKind, StopReason};
use crate::policy::{Grant, SharedSlots, SlotSource, SlotSpacing, SlotTrouble};
use crate::task::Outcome;
use std::time::{Duration, Instant};

/// Returns when holds of the run began and ended.
fn holds_of(seen: &Seen) -> (Vec<Duration>, Vec<Duration>) {
    let times = |wanted: fn(&EventKind) -> bool| {
        seen.pick(|event| wanted(&event.kind).then(|| event.at.since(SOME_DAY)))
    };
    let held = times(|kind| matches!(kind, EventKind::RunHeld { .. }));
    (held, times(|kind| matches!(kind, EventKind::RunContinued)))
}

/// Checks that nothing was sent for 20 s after `throttled`, and that the run went on by 22 s.
fn check_silent(seen: &Seen, throttled: Duration) {
    check_silent_with_commit(seen, throttled, Duration::ZERO);
}

/// As [`check_silent`], where a start has to be committed before the run goes on.
fn check_silent_with_commit(seen: &Seen, throttled: Duration, commit: Duration) {
    let sent = seen.sendings();
    let mut later = sent.iter().map(|&(_, at)| at).filter(|&at| at > throttled);
    let next = later.next().unwrap();
    assert!(next >= throttled + secs(20), "{next:?}");
    assert!(next <= throttled + secs(22) + commit + millis(1), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_answer_silences_the_run_and_its_task_goes_first_afterwards() {
    let script = |ordinal, number| match (ordinal, number) {
        (1, 1) => after_millis(50, throttled(20)),
        _ => after_millis(100, done()),
    };
    let seen = Scene::with_tasks(12).answering(script).run().await;
    check_silent(&seen, millis(50));
    assert_eq!(seen.sendings()[4].0, 1, "the four of the beginning, then the throttled one");
    assert_eq!(seen.count(Outcome::Succeeded), 12);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_task_goes_before_others_that_are_due() {
    // Task 0 is due again by 510 ms and finds both slots taken; task 1 is throttled at 2 s.
    let script = |ordinal, number| match (ordinal, number) {
        (0, 1) => after_millis(10, transient()),
        (1, 1) => after_millis(2_000, throttled(20)),
        _ => after_millis(3_000, done()),
    };
    let seen = Scene::with_tasks(4).concurrency(2).answering(script).run().await;
    let order: Vec<u32> = seen.sendings().iter().map(|&(ordinal, _)| ordinal).collect();
    assert_eq!(order, [0, 1, 2, 1, 0, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_told_and_adds_up() {
    let script = |_, number| match number {
        1 => after_millis(50, throttled(20)),
        2 => after_millis(50, throttled(5)),
        _ => at_once(done()),
    };
    let seen = Scene::with_tasks(1).answering(script).run().await;
    let (held, continued) = holds_of(&seen);
    assert_eq!((held.len(), continued.len()), (2, 2));
    let first = continued[0] - held[0];
    let second = continued[1] - held[1];
    assert!(first >= secs(20) && first <= secs(22) + millis(1), "{first:?}");
    assert!(second >= secs(5) && second <= millis(5_501), "{second:?}");
    assert_eq!(seen.stats().held, first + second);
}

#[tokio::test(start_paused = true)]
async fn holds_that_overlap_are_counted_once_and_the_longest_wins() {
    let script = |ordinal, number| match (ordinal, number) {
        (0, 1) => after_millis(100, throttled(20)),
        (1, 1) => after_millis(200, throttled(1)),
        (2, 1) => after_millis(300, throttled(20)),
        _ => at_once(done()),
    };
    let seen = Scene::with_tasks(3).answering(script).run().await;
    check_silent(&seen, millis(300));
    let (held, continued) = holds_of(&seen);
    assert_eq!((held.len(), continued.len()), (3, 1));
    assert_eq!(seen.stats().held, continued[0] - held[0]);
    assert_eq!(seen.stats().stopped, None);
}

#[tokio::test(start_paused = true)]
async fn what_was_being_committed_when_the_hold_began_waits_too() {
    // Both are sent at 2 s. Task 1 ends at 2.1 s and makes room for task 2, whose start is being
    // committed when task 0 is throttled at 2.5 s.
    let script = |ordinal, number| match (ordinal, number) {
        (0, 1) => after_millis(500, throttled(20)),
        _ => after_millis(100, done()),
    };
    let seen =
        Scene::with_tasks(3).concurrency(2).committing_in(&[1_000]).answering(script).run().await;
    check_silent_with_commit(&seen, millis(2_500), secs(1));
    assert_eq!(seen.sendings()[..2], [(0, secs(2)), (1, secs(2))]);
    let later: Vec<u32> = seen.sendings()[2..].iter().map(|&(ordinal, _)| ordinal).collect();
    assert_eq!(later, [0, 2], "the throttled one goes first");
}

#[tokio::test(start_paused = true)]
async fn what_was_durable_when_the_hold_began_waits_too() {
    let script = |ordinal, number| match (ordinal, number) {
        (0, 1) => after_millis(2_000, throttled(20)),
        _ => after_millis(100, done()),
    };
    // A stall of the ledger makes sendings durable that the pace does not let go yet.
    let scene = Scene::with_tasks(12).rate("2/s").committing_in(&[0, 0, 900]);
    let seen = scene.answering(script).run().await;
    check_silent(&seen, millis(2_000));
    assert_eq!(seen.count(Outcome::Succeeded), 12);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_without_a_duration_backs_off_by_itself_and_holds_nobody() {
    let script = |ordinal, number| match ordinal {
        0 if number < 4 => at_once(throttled_somehow()),
        _ => after_millis(10, done()),
    };
    let seen = Scene::with_tasks(40).rate("10/s").answering(script).run().await;
    let sent = seen.sent_at(0);
    for (pair, ceiling) in sent.windows(2).zip([100, 200, 400]) {
        let wait = pair[1] - pair[0];
        assert!(wait >= millis(ceiling / 2), "{wait:?}");
    }
    assert_eq!(holds_of(&seen), (vec![], vec![]));
    assert!(seen.lasted() < secs(6), "{:?}", seen.lasted());
}

#[tokio::test(start_paused = true)]
async fn a_throttled_task_goes_before_others_once_its_wait_is_over() {
    let script = |ordinal, number| match (ordinal, number) {
        (1, 1) => at_once(throttled_somehow()),
        _ => after_millis(10, done()),
    };
    let seen = Scene::with_tasks(20).rate("10/s").concurrency(1).answering(script).run().await;
    let order: Vec<u32> = seen.sendings().iter().map(|&(ordinal, _)| ordinal).collect();
    let again = order.iter().rposition(|&ordinal| ordinal == 1).unwrap();
    assert!(again <= 5, "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn a_longer_hold_than_the_run_may_last_stops_it_at_once() {
    let script = |_, number| at_once(if number == 1 { throttled(3_600) } else { done() });
    let seen = Scene::with_tasks(5).answering(script).run().await;
    assert_eq!(seen.stopped(), Some(&StopReason::Throttled));
    assert_eq!(seen.lasted(), secs(0));
}

#[tokio::test(start_paused = true)]
async fn a_long_hold_within_the_time_of_throttling_is_kept_to() {
    let script = |_, number| at_once(if number == 1 { throttled(420) } else { done() });
    let seen = Scene::with_tasks(1).answering(script).run().await;
    let wait = seen.sent_at(0)[1];
    assert!(wait >= secs(420) && wait <= secs(451), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_throttles_every_call_ends_the_run() {
    let mut scene = Scene::with_tasks(5).rate("10/s");
    scene.settings.throttle_timeout = secs(60);
    let seen = scene.answering(|_, _| at_once(throttled_somehow())).run().await;
    assert_eq!(seen.stopped(), Some(&StopReason::Throttled));
    assert_eq!(seen.lasted(), secs(60));
}

#[tokio::test(start_paused = true)]
async fn one_throttled_call_ends_no_run_whose_next_call_comes_later() {
    // A call every 20 minutes, which is rarer than the time that throttling may last.
    let script = |ordinal, number| match (ordinal, number) {
        (0, 1) => at_once(throttled_somehow()),
        _ => at_once(done()),
    };
    let seen = Scene::with_tasks(3).rate("3/h").answering(script).run().await;
    assert_eq!((seen.stopped(), seen.count(Outcome::Succeeded)), (None, 3));
}

#[tokio::test(start_paused = true)]
async fn tasks_that_are_asked_to_wait_for_too_long_end_the_run_when_nothing_else_is_left() {
    // The service refuses one task for a day, and takes all the others.
    let script = |ordinal, _| match ordinal {
        3 => after_millis(10, asking(425, 86_400)),
        _ => after_millis(100, done()),
    };
    let seen = Scene::with_tasks(20).rate("10/s").answering(script).run().await;
    assert_eq!(seen.stopped(), Some(&StopReason::Throttled));
    assert_eq!((seen.count(Outcome::Succeeded), seen.sent_at(3).len()), (19, 1));
    assert!(seen.lasted() < secs(5), "{:?}", seen.lasted());
    // Within the time that a run may wait, it waits.
    let script = |ordinal, number| match (ordinal, number) {
        (3, 1) => after_millis(10, asking(425, 500)),
        _ => after_millis(100, done()),
    };
    let seen = Scene::with_tasks(20).rate("10/s").answering(script).run().await;
    assert_eq!(seen.count(Outcome::Succeeded), 20);
    assert!(seen.sent_at(3)[1] >= secs(500), "{:?}", seen.sent_at(3));
}

#[tokio::test(start_paused = true)]
async fn throttled_answers_use_up_no_attempt() {
    let script = |_, number| at_once(if number <= 20 { throttled(1) } else { done() });
    let seen = Scene::with_tasks(1).max_attempts(1).answering(script).run().await;
    assert_eq!(seen.count(Outcome::Succeeded), 1);
    assert_eq!(seen.settled()[0].attempts, 21);
}

#[tokio::test(start_paused = true)]
async fn a_hold_ends_with_a_stop_and_does_not_delay_it() {
    let script = |_, number| if number == 1 { at_once(throttled(300)) } else { at_once(done()) };
    let seen = Scene::with_tasks(5).answering(script).interrupted_after(secs(7)).run().await;
    assert_eq!(seen.stopped(), Some(&StopReason::Interrupted));
    assert_eq!(seen.lasted(), secs(7));
    assert_eq!(seen.stats().held, secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_stops_is_not_held_any_more() {
    // Tasks 0 and 1 are on the wire when the run stops at 1 s; task 0 is throttled at 2 s.
    let script = |ordinal, _| match ordinal {
        0 => after_millis(2_000, throttled(2)),
        _ => silence(),
    };
    let scene = Scene::with_tasks(2).answering(script).interrupted_after(secs(1)).leaving_doubt();
    let seen = scene.run().await;
    assert_eq!(holds_of(&seen), (vec![], vec![]));
    assert_eq!(seen.stats().held, secs(0));
}

/// A source of slots whose file cannot be written.
struct BrokenSlots;

impl SlotSource for BrokenSlots {
    fn reserve(&mut self, _: u32, _: SlotSpacing, _: Instant) -> Result<Grant, SlotTrouble> {
        Err(SlotTrouble("No space left on device".into()))
    }

    fn hold(&mut self, _: Instant, _: Instant) {}
}

#[tokio::test(start_paused = true)]
async fn a_rate_group_that_cannot_be_used_ends_the_run_and_nothing_leaves() {
    let mut scene = Scene::with_tasks(5).rate("10/s");
    let slots = SharedSlots::new(BrokenSlots);
    scene.settings.slots = Some(slots.clone());
    let seen = scene.run().await;
    assert_eq!(seen.stopped(), Some(&StopReason::RateGroupLost));
    assert_eq!((seen.sendings().len(), seen.lasted()), (0, secs(10)));
    assert_eq!(slots.trouble().unwrap().to_string(), "No space left on device");
}
