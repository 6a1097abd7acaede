//! What a tally counts, told as short stories.

use super::*;
use crate::progress::story::NOON;
use crate::progress::story::Story;
use crate::progress::story::noon_plus;
use crate::progress::story::service_failed;

fn tally(story: &Story) -> Tally {
    let mut tally = Tally::default();
    tally.take(&story.events);
    tally
}

/// Compares what is on the wire, what waits, what is done, and the attempts.
fn check(story: &Story, on_wire: u64, waiting: u64, done: u64, attempts: u64) {
    let tally = tally(story);
    let counted = (tally.on_wire(), tally.waiting(), tally.done(), tally.attempts());
    assert_eq!(counted, (on_wire, waiting, done, attempts));
}

fn check_eta(story: &Story, seconds: Option<u64>) {
    let eta = tally(story).eta(story.now());
    assert_eq!(eta.map(|eta| eta.as_secs()), seconds);
}

#[test]
fn nothing_is_known_before_the_start() {
    let tally = Tally::default();
    assert!(!tally.has_started());
    assert_eq!((tally.selected(), tally.done(), tally.rate(NOON)), (0, 0, 0.0));
    assert_eq!((tally.eta(NOON), tally.elapsed(NOON)), (None, Duration::ZERO));
}

#[test]
fn a_task_is_on_the_wire_then_waits_then_is_done() {
    let mut story = Story::of(10, 0);
    check(&story, 0, 0, 0, 0);
    story.send(1, 1);
    check(&story, 1, 0, 0, 1);
    story.end(1, service_failed());
    story.wait(1, 500);
    check(&story, 0, 1, 0, 1);
    story.pass(500);
    story.send(1, 2);
    check(&story, 1, 0, 0, 2);
    story.end(1, service_failed());
    story.settle(1, Outcome::Failed);
    check(&story, 0, 0, 1, 2);
    assert_eq!(tally(&story).outcomes()[Outcome::Failed], 1);
}

#[test]
fn a_task_sent_again_by_another_process_was_not_waiting_here() {
    let mut story = Story::of(10, 0);
    story.send(1, 3);
    check(&story, 1, 0, 0, 1);
}

#[test]
fn what_is_begun_ahead_is_not_on_the_wire() {
    let set_out = RunStarted {
        selected: 10,
        settled: 0,
        rate_limit: None,
        finds_rate: false,
        concurrency: 2,
    };
    let mut story = Story::starting(set_out);
    (1..=5).for_each(|ordinal| story.send(ordinal, 1));
    check(&story, 2, 0, 0, 5);
    (3..=5).for_each(|ordinal| story.withdraw(ordinal));
    check(&story, 2, 0, 0, 2);
}

#[test]
fn a_withdrawn_attempt_was_never_made() {
    let mut story = Story::of(10, 0);
    story.send(1, 1);
    story.withdraw(1);
    check(&story, 0, 0, 0, 0);
}

#[test]
fn a_resumed_run_counts_what_was_settled_before() {
    let mut story = Story::of(10, 4);
    story.call(5, Outcome::Succeeded);
    let tally = tally(&story);
    assert_eq!((tally.done(), tally.settled_before(), tally.percent()), (5, 4, 50));
    assert_eq!(tally.outcomes().selected(), 1);
}

#[test]
fn another_start_begins_the_count_anew() {
    let mut story = Story::of(10, 0);
    story.send(1, 1);
    story.call(2, Outcome::Succeeded);
    story.events.extend(Story::of(10, 1).events);
    check(&story, 0, 0, 1, 0);
}

#[test]
fn a_hundred_per_cent_is_all_of_them() {
    let mut story = Story::of(1_000, 998);
    story.call(1, Outcome::Succeeded);
    assert_eq!(tally(&story).percent(), 99);
    story.call(2, Outcome::Partial);
    assert_eq!(tally(&story).percent(), 100);
    assert_eq!(tally(&Story::of(0, 0)).percent(), 100);
}

#[test]
fn a_hold_keeps_its_beginning_when_it_is_prolonged() {
    let mut story = Story::of(10, 0);
    story.hold(5_000);
    story.pass(1_000);
    story.hold(9_000);
    let reason = HoldReason::Throttled;
    let expected = Hold { since: NOON, until: noon_plus(10_000), reason };
    assert_eq!(tally(&story).hold(), Some(expected));
    story.tell(EventKind::RunContinued);
    assert_eq!(tally(&story).hold(), None);
}

#[test]
fn time_stands_still_after_the_end() {
    let mut story = Story::of(10, 0);
    story.pass(2_000);
    story.stop(StopReason::Interrupted, 0);
    assert_eq!(tally(&story).stopping(), Some(&StopReason::Interrupted));
    story.finish(Some(StopReason::Interrupted));
    assert_eq!(tally(&story).elapsed(noon_plus(60_000)), Duration::from_secs(2));
}

#[test]
fn the_rate_is_that_of_the_sendings() {
    let mut story = Story::of(1_000, 0);
    story.succeed(0..100);
    assert_eq!(tally(&story).rate(story.now()), 10.0);
    assert_eq!(tally(&story).rate(noon_plus(20_000)), 0.0);
}

#[test]
fn a_limit_that_holds_is_not_shown_as_broken() {
    let mut story = Story::of(1_000, 0);
    // The first commit took longer than that of the eleventh, which could be admitted before.
    story.send(0, 1);
    for ordinal in 1..11 {
        story.send(ordinal, 1);
        story.pass(98);
    }
    for (millis, expected) in [(300, 10.0), (1_000, 10.0), (2_000, 5.5)] {
        assert_eq!(tally(&story).rate(noon_plus(millis)), expected, "after {millis} ms");
    }
}

#[test]
fn the_time_left_follows_the_recent_rate() {
    let mut story = Story::of(40_000, 0);
    story.succeed(0..20);
    check_eta(&story, None);
    story.succeed(20..600);
    check_eta(&story, Some(3_939));
    story.succeed(600..1_200);
    check_eta(&story, Some(3_879));
}

#[test]
fn the_time_left_is_never_less_than_the_limit_allows() {
    let mut story = Story::of(10_000, 0);
    for ordinal in 0..1_000 {
        story.pass(10);
        story.call(ordinal, Outcome::Unchanged);
    }
    check_eta(&story, Some(899));
}

#[test]
fn the_rest_of_a_hold_is_part_of_the_time_left() {
    let mut story = Story::of(2_000, 0);
    story.succeed(0..1_000);
    check_eta(&story, Some(99));
    story.hold(60_000);
    check_eta(&story, Some(159));
    story.pass(50_000);
    check_eta(&story, Some(109));
}

#[test]
fn a_run_that_stops_or_is_done_has_no_time_left() {
    let mut story = Story::of(100, 0);
    story.succeed(0..99);
    check_eta(&story, Some(0));
    story.succeed(99..100);
    check_eta(&story, None);
    let mut stopped = Story::of(100, 0);
    stopped.succeed(0..50);
    stopped.stop(StopReason::OutOfTime, 0);
    check_eta(&stopped, None);
}
